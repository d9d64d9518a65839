"""Tests of an app: the release as it is served, repeats that are none out of a cache, judges, money, evidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headgate.app.trials import suites
from headgate.app.trials.suite_run import SuiteRun
from headgate.app.trials.suite_views import SuiteReport, SuiteRequest
from headgate.core.errors import Forbidden, HeadgateError, InvalidRequest, NotFound, StoreUnavailable
from headgate.core.registry import Entry
from headgate.registry import Registry
from headgate.registry.pins import Pins
from tests.app.trying import ANN, BOSS, Place, case, documents, prompt
from tests.e2e.gateway import Recorder, until
from tests.e2e.workspace import route

VERDICT = '{"verdict": "%s", "reason": "because"}'
WAIT_S = 20.0


@pytest.fixture(scope="module")
def vendors() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.close()


def workspace() -> list[dict[str, Any]]:
    """A judge that says what its criterion tells it to, an app that asks for a tested release, and one with no room
    for a second prompt's name."""
    judging = {"answer": {"type": "string"}, "criterion": {"type": "string"}}
    judge = prompt("1.0.0", "-", name="parrot", properties=judging)
    judge["messages"] = [{"role": "user", "content": "{{ answer }} [[say]] {{ criterion }}"}]
    tested = {
        **documents()[-1], "name": "tested", "channels": {"staging": 2}, "default_channel": "staging",
        "review": {"approvals": 1, "self_approval": True, "tests": {"cases": "basics", "min_pass": 0.9, "days": 30}},
    }  # fmt: skip
    free = route("free", "openai/gpt-6-luna-77")
    unpriced = {**documents()[-1], "name": "unpriced", "channels": {"production": 1}}
    unpriced["releases"] = [{"number": 1, "prompt": "kettle@1.0.0", "route": "free@1.0.0"}]
    return [*documents(), judge, tested, free, unpriced]


@pytest.fixture(scope="module")
def place(vendors: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("suites"), vendors.url, workspace())
    yield made
    made.suites.close()
    made.close()


def run(place: Place, *cases: dict[str, Any], app: str = "support", **request: Any) -> SuiteReport:
    """A test of the cases, to its end."""
    content: dict[str, Any] = {"cases": list(cases)}
    if "judge" in request:
        content["judge"] = request.pop("judge")
    asked = msgspec.convert({"name": "basics", "content": content, "file": "c.yaml", **request}, SuiteRequest)
    begun = place.suites.begin(app, asked, ANN)
    over = until(lambda: (at := place.suites.look(begun.id)).over and at, WAIT_S, "the test is over")
    assert over.report is not None, over.wrong
    return over.report


def evidence(place: Place, release: str) -> list[Entry]:
    with place.store.registry().reading() as reading:
        return [one for one in reading.entries(subject=release) if one.action == "test"]


def test_repeats_are_asked_anew_although_the_app_caches(place: Place, vendors: Recorder) -> None:
    before = len(vendors._simulator.requests)
    report = run(place, case("[[say]] two litres", contains="litres"), repeat=5)
    assert len(vendors._simulator.requests) - before == 5
    assert (report.tally.passes, report.tally.runs, report.passed, report.release) == (5, 5, True, "support#1")
    assert report.tally.low == pytest.approx(0.478, abs=1e-3)


def test_calls_are_the_apps_own_on_the_channel_of_trials(place: Place) -> None:
    report = run(place, case("[[system]]", exact="never"), channel="staging", repeat=1)
    (failure,) = report.tally.cases[0].failures
    assert "needs the variable `n`" in failure.why[0] or "undefined" in failure.why[0]
    record = place.record(failure.call)
    assert (record.app, record.release, record.channel, record.key_id) == ("support", "support#2", "trial", "key_ann")
    assert place.calls.prompt_use("*", 0, record.received_ns + 10**12, None) == []


def test_a_case_that_passes_some_of_its_runs_is_named_flaky(place: Place, vendors: Recorder) -> None:
    vendors._run(_faulty(vendors, "openai:f1-503@0.5"))
    try:
        report = run(place, case("[[say]] yes", "wobbles", contains="yes"), repeat=24, min_pass=0.1)
    finally:
        vendors._run(_faulty(vendors, None))
    assert report.tally.flaky == ["wobbles"]
    assert report.tally.runs == 24
    assert 0 < report.tally.passes < 24
    assert any("answered: failed" in why for one in report.tally.cases[0].failures for why in one.why)


async def _faulty(vendors: Recorder, rule: str | None) -> None:
    if rule is None:
        vendors._simulator.board.reset()
    else:
        vendors._simulator.fault(rule)


def test_the_policy_of_the_release_is_tested_too(place: Place) -> None:
    blocked = case("4111 1111 1111 1111", outcome="blocked")
    assert run(place, blocked).passed
    assert not run(place, case("hello", outcome="blocked")).passed


def test_a_judge_is_asked_through_the_gate_and_its_cost_is_told_apart(place: Place) -> None:
    report = run(
        place,
        case("[[say]] fine", "good", judge=[VERDICT % "pass", VERDICT % "pass"]),
        case("[[say]] fine", "bad", judge=VERDICT % "fail"),
        case("[[say]] fine", "mute", judge="I cannot say"),
        case("[[say]] fine", "moot", contains="coarse", judge=VERDICT % "pass"),
        judge={"prompt": "parrot", "model": "anthropic/claude-haiku-5-5"},
    )
    added = {one.name: one for one in report.tally.cases}
    assert [added[name].passes for name in ("good", "bad", "mute", "moot")] == [1, 0, 0, 0]
    assert added["good"].rulings == ["pass: because"] * 2
    assert added["bad"].failures[0].why == [f"judge: {VERDICT % 'fail'}: because"]
    assert (added["mute"].undecided, added["bad"].undecided) == (1, 0)
    assert added["moot"].rulings == []  # it had failed already
    assert report.judge == "parrot@1.0.0 over anthropic/claude-haiku-5-5"
    assert report.tally.cost_usd > 0
    assert report.tally.judge_usd > 0
    assert report.tally.undecided == 1


def test_the_judge_that_comes_with_headgate_gives_a_verdict(place: Place) -> None:
    report = run(place, case("[[say]] fine", judge="it is polite"))
    (told,) = report.tally.cases[0].rulings
    assert told.startswith(("pass: ", "fail: "))
    assert report.judge == "headgate-judge@1.0.0 over main@1.0.0"


def test_a_test_that_runs_out_of_money_stops_and_proves_nothing(place: Place) -> None:
    before = len(evidence(place, "support#1"))
    yes = case("[[say]] yes", contains="yes")
    nothing = run(place, yes, max_usd=1e-6)
    assert (nothing.tally.runs, nothing.tally.rate) == (0, None)
    worst = float((nothing.stopped or "").partition("may cost $")[2].split()[0])
    once = run(place, yes).tally.cost_usd
    most = worst * 1.01 + once * 10
    report = run(place, yes, repeat=100, max_usd=most)
    assert not report.passed
    assert "at worst" in (report.stopped or "")
    assert 10 <= report.tally.runs < 100
    assert report.tally.passes == report.tally.runs
    assert report.tally.cost_usd <= most
    assert len(evidence(place, "support#1")) == before + 1  # of the one that was done


def test_unknown_prices_are_refused_or_said_out_loud(place: Place) -> None:
    refused = run(place, case("[[say]] yes", contains="yes"), app="unpriced")
    assert "price" in refused.tally.cases[0].failures[0].why[0]
    allowed = run(place, case("[[say]] yes", max_cost_usd=1), app="unpriced", unpriced=True)
    assert (allowed.tally.undecided, allowed.tally.unpriced) == (1, 1)


def test_the_result_is_evidence_bound_to_release_and_cases(place: Place) -> None:
    report = run(place, case("[[say]] yes", contains="yes"), release=1, repeat=2)
    found = evidence(place, "support#1")[0]
    assert (found.actor, found.app) == ("key_ann", "support")
    assert {name: found.detail[name] for name in ("cases", "digest", "passed", "passes", "runs", "rate")} == {
        "cases": "basics", "digest": report.digest, "passed": True, "passes": 2, "runs": 2, "rate": 1.0,
    }  # fmt: skip
    assert report.evidence


def test_a_protected_channel_waits_for_a_test_and_the_latest_one_counts(place: Place) -> None:
    registry = place.host.registry
    registry.decide("tested", 1, "approve", BOSS, "")
    with pytest.raises(Forbidden, match=r"a test with cases basics within 30 days \(`headgate test tested --release 1"):
        registry.promote("tested", "production", 1, BOSS, "")
    run(place, case("[[say]] yes", contains="yes"), app="tested", release=1)
    run(place, case("[[say]] yes", contains="no"), app="tested", release=1)
    with pytest.raises(Forbidden, match=r"that 90.0% pass; the latest came to 0.0%"):
        registry.promote("tested", "production", 1, BOSS, "")
    run(place, case("[[say]] yes", contains="yes"), app="tested", release=1)
    assert registry.promote("tested", "production", 1, BOSS, "").channel.target == 1


def test_a_registry_that_is_down_costs_the_evidence_and_not_the_result(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object, **__: object) -> None:
        raise StoreUnavailable("locked")

    monkeypatch.setattr(Registry, "note", down)
    report = run(place, case("[[say]] yes", contains="yes"))
    assert (report.passed, report.evidence) == (True, False)


def test_a_test_can_be_stopped_and_its_place_is_free_again(place: Place, vendors: Recorder) -> None:
    vendors._run(_faulty(vendors, "openai:f14-hang"))
    try:
        content = {"cases": [case("hi", contains="x")]}
        asked = msgspec.convert({"name": "n", "content": content}, SuiteRequest)
        begun = [place.suites.begin("support", asked, ANN) for _ in range(4)]
        with pytest.raises(HeadgateError, match="4 trials are under way"):
            place.suites.begin("support", asked, ANN)
        for one in begun:
            place.suites.stop(one.id)
        for one in begun:
            over = until(lambda one=one: (at := place.suites.look(one.id)).over and at, WAIT_S, "stopped")
            assert over.report is not None
            assert (over.report.stopped, over.report.passed, over.report.tally.rate) == ("stopped", False, None)
    finally:
        vendors._run(_faulty(vendors, None))
    assert run(place, case("[[say]] yes", contains="yes")).passed


def test_what_breaks_is_told_and_frees_its_place(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: SuiteRun) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SuiteRun, "run", broken)
    asked = msgspec.convert({"name": "n", "content": {"cases": [case("hi", contains="x")]}}, SuiteRequest)
    for _ in range(6):
        begun = place.suites.begin("support", asked, ANN)
        over = until(lambda begun=begun: (at := place.suites.look(begun.id)).over and at, WAIT_S, "over")
        assert over.wrong == "the journal cannot be opened: No space left on device"


@pytest.mark.parametrize(
    ("request_", "error", "words"),
    [
        ({"content": {"cases": []}}, InvalidRequest, "0 cases"),
        ({"release": 9}, NotFound, "no release support#9; the last are #1, #2"),
        ({"channel": "nope"}, NotFound, "no channel `nope`; it has production, staging"),
        ({"channel": "staging", "release": 1}, InvalidRequest, "keep one"),
        ({"content": {"cases": [{**case("x", contains="x"), "prompt": "other"}]}}, InvalidRequest, "no prompt `other`"),
        ({"content": {"cases": [case("x", judge="y")], "judge": {"prompt": "kettle"}}}, InvalidRequest, "cannot judge"),
        ({"content": {"cases": [case("x", judge="y")], "judge": {"model": "no/m"}}}, InvalidRequest, "no provider"),
        ({"content": {"cases": [case("x", "a" * at, contains="x") for at in range(1, 99)]}, "repeat": 100},
         InvalidRequest, "more than 5000 runs"),
    ],
)  # fmt: skip
def test_what_cannot_be_tested_is_refused_before_anything_runs(
    place: Place, request_: dict[str, Any], error: type[HeadgateError], words: str
) -> None:
    body = {"name": "n", "content": {"cases": [case("x", contains="x")]}, **request_}
    for _ in range(5):  # more often than there are places
        with pytest.raises(error, match=words):
            place.suites.begin("support", msgspec.convert(body, SuiteRequest), ANN)


def test_an_app_of_several_prompts_is_asked_for_the_one_that_a_case_names(vendors: Recorder, tmp_path: Path) -> None:
    made = documents()
    prompts = {"answer": "kettle@1.0.0", "again": "kettle@1.1.0"}
    made[-1]["releases"] = [{"number": 1, "prompts": prompts, "route": "main@1.0.0"}]
    made[-1]["channels"] = {"production": 1}
    place = Place(tmp_path, vendors.url, made)
    try:
        again = {**case("[[system]]", exact="Sell tea 2 times."), "prompt": "again", "name": "again"}
        again["variables"] = {"product": "tea", "n": 2}
        report = run(place, {**case("[[system]]", "answer", exact="Sell tea."), "prompt": "answer"}, again)
        assert report.passed
        with pytest.raises(InvalidRequest, match=r"several prompts: name one with `prompt` \(again, answer\)"):
            run(place, case("x", contains="x"))
    finally:
        place.close()


def test_a_revoked_version_is_not_tried(vendors: Recorder, tmp_path: Path) -> None:
    place = Place(tmp_path, vendors.url, [*documents(), prompt("2.0.0", "New.")])
    registry = place.host.registry
    registry.release("support", Pins({"default": "kettle@2.0.0"}), BOSS, "")
    registry.set_fate(("prompt", "kettle", "2.0.0"), "revoked", BOSS, "leaks")
    try:
        with pytest.raises(InvalidRequest, match=r"support#3: prompt/kettle@2.0.0 is revoked: leaks"):
            run(place, case("x", contains="x"), release=3)
        with pytest.raises(InvalidRequest, match="is revoked"):
            place.try_(prompt="kettle@2.0.0", user="hi")
    finally:
        place.close()


def test_only_so_many_tests_that_are_over_are_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suites, "KEPT", 3)
    first = place.suites.begin("support", _one(), ANN)
    until(lambda: place.suites.look(first.id).over, WAIT_S, "over")
    for _ in range(3):
        last = place.suites.begin("support", _one(), ANN)
        until(lambda last=last: place.suites.look(last.id).over, WAIT_S, "over")
    with pytest.raises(NotFound, match="no test"):
        place.suites.look(first.id)
    assert place.suites.look(last.id).over


def _one() -> SuiteRequest:
    return msgspec.convert({"name": "n", "content": {"cases": [case("[[say]] x", contains="x")]}}, SuiteRequest)
