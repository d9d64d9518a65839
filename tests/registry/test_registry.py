"""The registry: all of a change or nothing, by whoever may, with everything on record."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.core.errors import ConfigError, Forbidden, InvalidRequest, NotFound
from headgate.registry import exact, of_channel, publish, workspace_of
from headgate.registry.pins import Pins
from headgate.registry.reviews import standing
from tests.registry.world import ADMIN, Place, app, inputs, made, prompt, route, who


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.store.close()


def two_releases(place: Place, **more: Any) -> None:
    documents = [
        prompt("1.0.0"), prompt("1.0.1", "Be brief."), route(),
        app({1: "support@1.0.0", 2: "support@1.0.1"}, {"production": 1, "staging": 2}, **more),
    ]  # fmt: skip
    outcome = place.registry.apply(documents, ADMIN)
    assert (outcome.faults, outcome.applied) == ([], True)


def wrong(place: Place, *documents: Any, actor: Any = ADMIN) -> str:
    """The one mistake that keeps documents out; nothing of them is kept then."""
    before = place.registry.export()
    outcome = place.registry.apply(list(documents), actor)
    assert not outcome.applied
    assert place.registry.export() == before
    (fault,) = outcome.faults
    return str(fault)


def test_applying_twice_changes_nothing_and_a_plan_changes_nothing(place: Place) -> None:
    documents = [prompt("1.0.0"), route(), app({1: "support@1.0.0"}, {"production": 1})]
    planned = place.registry.plan(documents, ADMIN)
    assert [one.action for one in planned.changes] == ["add", "add", "app", "release", "channel"]
    assert planned.changes[0].apps == ["support"]
    assert place.registry.export() == []
    place.registry.apply(documents, ADMIN)
    assert place.served("support") == {"production": 1}
    count = len(place.log())
    again = place.registry.apply(documents, ADMIN)
    assert (again.changes, again.faults) == ([], [])
    assert len(place.log()) == count


def test_what_is_exported_comes_back_the_same(place: Place, tmp_path: Path) -> None:
    two_releases(place)
    (tmp_path / "other").mkdir()
    other = Place(tmp_path / "other")
    outcome = other.registry.apply(workspace_of(place.registry.export()).documents(), ADMIN)
    assert outcome.faults == []
    assert other.registry.export() == place.registry.export()
    assert other.served("support") == {"production": 1, "staging": 2}
    other.store.close()


def test_a_version_never_changes(place: Place) -> None:
    two_releases(place)
    said = wrong(place, prompt("1.0.0", "Be rude."))
    assert said.startswith("prompts/support.yaml:3: prompt/support@1.0.0 is kept with other content")


def test_a_step_that_is_too_small_is_refused_with_the_reason(place: Place) -> None:
    two_releases(place)
    said = wrong(place, prompt("1.1.0", "Hi {{ a }}", **inputs(["a"], a={"type": "string"})))
    assert "is a minor step from 1.0.1, and the change needs a major one" in said
    assert "2.0.0 or later: the input `a` is new and required" in said


def test_steps_are_measured_between_versions_of_one_document_too(place: Place) -> None:
    said = wrong(place, prompt("1.0.0"), prompt("1.0.1", "Hi", **inputs(["a"], a={})))
    assert "2.0.0 or later" in said


def test_nothing_without_an_owner(place: Place) -> None:
    assert "nobody owns prompt/support@1.0.0" in wrong(place, prompt("1.0.0", owner=""))
    two_releases(place)
    with_policy = app({1: "support@1.0.0"}, {"production": 1}, owners={"prompt": []})
    assert "nobody owns the prompts" in wrong(place, with_policy)


def test_a_release_never_changes_and_pins_what_there_is(place: Place) -> None:
    two_releases(place)
    assert "support#1 is kept with other pins" in wrong(place, app({1: "support@1.0.1"}, {"production": 1}))
    assert "there is no prompt `support@9.0.0`" in wrong(place, app({3: "support@9.0.0"}, {"production": 3}))
    assert "there is no release 7" in wrong(place, app({1: "support@1.0.0"}, {"production": 7}))


def test_what_does_not_compile_is_not_kept(place: Place) -> None:
    place.wrong = [ConfigError("prompts/support.yaml:9", "a template that loops", "end it")]
    assert wrong(place, prompt("1.0.0")) == "prompts/support.yaml:9: a template that loops (end it)"


def test_two_people_apply_at_once(place: Place) -> None:
    """Both offer another 1.0.0: one is kept whole, the other is told."""
    outcomes: list[Any] = []
    gate = threading.Barrier(2)

    def offer(text: str) -> None:
        gate.wait()
        outcomes.append(place.registry.apply([prompt("1.0.0", text)], ADMIN))

    threads = [threading.Thread(target=offer, args=(text,)) for text in ("Be kind.", "Be rude.")]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
    assert sorted(one.applied for one in outcomes) == [False, True]
    (refused,) = [one for one in outcomes if not one.applied]
    assert "kept with other content" in str(refused.faults[0])


def test_a_plan_that_is_out_of_date_is_not_applied(place: Place) -> None:
    documents = [prompt("1.0.0")]
    serial = place.registry.plan(documents, ADMIN).serial
    place.registry.apply([route()], ADMIN)
    with pytest.raises(InvalidRequest, match="plan again"):
        place.registry.apply(documents, ADMIN, base=serial)


def test_a_rollback_goes_back_one_release_at_a_time_and_outlives_the_document(place: Place) -> None:
    two_releases(place)
    place.registry.promote("support", "production", 2, ADMIN, "")
    assert place.served("support")["production"] == 2
    moved = place.registry.rollback("support", "production", None, ADMIN, "too brief")
    assert (moved.before, moved.channel.target) == (2, 1)
    assert place.served("support")["production"] == 1
    with pytest.raises(InvalidRequest, match="nothing was live on support:production before #1"):
        place.registry.rollback("support", "production", None, ADMIN, "")
    document = app({1: "support@1.0.0", 2: "support@1.0.1"}, {"production": 1, "staging": 2})
    place.registry.promote("support", "production", 2, ADMIN, "")
    assert place.registry.apply([document], ADMIN).changes == []
    assert place.served("support")["production"] == 2, "its line did not change: it undoes nothing"
    changed = app({1: "support@1.0.0", 2: "support@1.0.1"}, {"production": 2, "staging": 1})
    assert [one.subject for one in place.registry.apply([changed], ADMIN).changes] == ["support:staging"]


def test_going_back_names_a_release_that_was_live(place: Place) -> None:
    two_releases(place)
    with pytest.raises(InvalidRequest, match="never live"):
        place.registry.rollback("support", "production", 2, ADMIN, "")
    with pytest.raises(NotFound, match="no channel `nowhere`; it has production, staging"):
        place.registry.rollback("support", "nowhere", None, ADMIN, "")


def test_a_release_is_what_is_live_with_some_pins_others(place: Place) -> None:
    two_releases(place)
    with pytest.raises(InvalidRequest, match="support#2 pins just that already"):
        place.registry.release("support", Pins(prompts={"default": "support"}), ADMIN, "")
    place.registry.apply([prompt("1.1.0", "Be both.")], ADMIN)
    made = place.registry.release("support", Pins(prompts={"default": "support@1"}), ADMIN, "both")
    assert (str(made), made.source.named_prompts) == ("support#3", {"default": "support@1.1.0"})
    assert place.served("support") == {"production": 1, "staging": 2}, "no channel points at it yet"


def test_a_version_in_use_cannot_vanish(place: Place) -> None:
    two_releases(place)
    with pytest.raises(InvalidRequest, match="in use by support:production"):
        place.registry.set_fate(("prompt", "support", "1.0.0"), "retired", ADMIN, "old")
    place.registry.promote("support", "production", 2, ADMIN, "")
    with pytest.raises(InvalidRequest, match="say why"):
        place.registry.set_fate(("prompt", "support", "1.0.0"), "retired", ADMIN, " ")
    place.registry.set_fate(("prompt", "support", "1.0.0"), "retired", ADMIN, "old")
    assert "is retired: old" in wrong(place, app({5: "support@1.0.0"}, {"production": 5}))
    with pytest.raises(InvalidRequest, match="is retired"):
        place.registry.promote("support", "staging", 1, ADMIN, "")
    place.registry.rollback("support", "production", None, ADMIN, "worse")
    assert place.served("support")["production"] == 1, "a way back may lead to a retired version"


def test_a_revoked_version_is_never_served_again(place: Place) -> None:
    two_releases(place)
    place.registry.promote("support", "production", 2, ADMIN, "")
    place.registry.set_fate(("prompt", "support", "1.0.0"), "revoked", ADMIN, "leaks")
    with pytest.raises(InvalidRequest, match="revoked: leaks"):
        place.registry.rollback("support", "production", None, ADMIN, "")
    place.registry.set_fate(("prompt", "support", "1.0.0"), "active", ADMIN, "")
    place.registry.rollback("support", "production", None, ADMIN, "")


def test_versions_that_no_channel_reaches_are_published_beside_what_is_served(place: Place) -> None:
    two_releases(place)
    legal = made("partial", "legal", "1.0.0", {"content": "No advice."}, "team")
    including = prompt("1.0.0", 'A. {% include "legal" %}', name="other", partials={"legal": "legal@1.0.0"})
    place.registry.apply([legal, including], ADMIN)
    assert further(place) == ["legal@1.0.0", "other@1.0.0"]
    place.registry.promote("support", "production", 2, ADMIN, "")
    assert further(place) == ["legal@1.0.0", "other@1.0.0", "support@1.0.0"]
    place.registry.set_fate(("prompt", "support", "1.0.0"), "retired", ADMIN, "old")
    assert further(place) == ["legal@1.0.0", "other@1.0.0", "support@1.0.0"]
    place.registry.set_fate(("prompt", "support", "1.0.0"), "revoked", ADMIN, "leaks")
    assert further(place) == ["legal@1.0.0", "other@1.0.0"]


def test_they_are_the_newest_within_bounds(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.registry.apply([route(), prompt("1.0.0"), app({1: "support@1.0.0"}, {"production": 1})], ADMIN)
    for number in range(1, 6):
        place.clock.advance(1.0)
        place.registry.apply(
            [prompt(f"1.{number}.0", f"Be kind, {number}."), prompt("1.0.0", name=f"p{number}")], ADMIN
        )
    monkeypatch.setattr("headgate.registry.published.FURTHER_OF_ONE", 2)
    assert further(place) == [
        "p1@1.0.0",
        "p2@1.0.0",
        "p3@1.0.0",
        "p4@1.0.0",
        "p5@1.0.0",
        "support@1.4.0",
        "support@1.5.0",
    ]
    monkeypatch.setattr("headgate.registry.published.FURTHER_MAX", 3)
    assert further(place) == ["p4@1.0.0", "p5@1.0.0", "support@1.5.0"]
    assert further(place, "support@1.1.0", "none@1.0.0") == ["p5@1.0.0", "support@1.1.0", "support@1.5.0"]
    monkeypatch.setattr("headgate.registry.published.FURTHER_BYTES_MAX", 250)
    assert further(place) == ["p5@1.0.0"]


def further(place: Place, *fetched: str) -> list[str]:
    with place.registry.store.reading() as reading:
        return [f"{one.name}@{one.version}" for one in publish(reading, [], fetched).further]


def test_what_a_name_means(place: Place) -> None:
    two_releases(place)
    place.registry.apply([prompt("2.0.0", "New.", **inputs(["a"], a={}))], ADMIN)
    with place.registry.store.reading() as reading:
        found = {
            wanted: exact(reading, "prompt", "support", wanted).ref.version for wanted in ("", "1", "1.0", "1.0.0")
        }
        assert found == {"": "2.0.0", "1": "1.0.1", "1.0": "1.0.1", "1.0.0": "1.0.0"}
        assert of_channel(reading, "support", "staging").ref.version == "1.0.1"
        with pytest.raises(NotFound, match=r"no prompt `support@3`; there is 1\.0\.0, 1\.0\.1, 2\.0\.0"):
            exact(reading, "prompt", "support", "3")
        with pytest.raises(NotFound, match="there is no prompt `nope`; there is support"):
            exact(reading, "prompt", "nope", "")


REVIEW = {"review": {"approvals": 2}}
AUTHOR, REVIEWER, OTHER = who("ann", "author", "operator"), who("rob", "reviewer"), who("ria", "reviewer")


def new_release(place: Place) -> None:
    place.registry.apply([prompt("1.0.2", "Be both.")], AUTHOR)
    place.registry.release("support", Pins(prompts={"default": "support@1.0.2"}), AUTHOR, "both")


def test_a_protected_channel_waits_for_its_approvals(place: Place) -> None:
    documents = [
        prompt("1.0.0"), prompt("1.0.1", "Be brief."), route(),
        app({1: "support@1.0.0", 2: "support@1.0.1"}, {"production": 1, "staging": 2}, **REVIEW),
    ]  # fmt: skip
    outcome = place.registry.apply(documents, ADMIN)
    assert outcome.held == {"support:production": ["2 more approvals"]}
    with pytest.raises(Forbidden, match="misses"):
        place.registry.promote("support", "production", 1, ADMIN, "")
    place.registry.decide("support", 1, "approve", REVIEWER, "")
    place.registry.decide("support", 1, "approve", REVIEWER, "")
    with pytest.raises(Forbidden, match="1 more approval"):
        place.registry.promote("support", "production", 1, ADMIN, "")
    place.registry.decide("support", 1, "approve", OTHER, "")
    again = place.registry.apply(documents, ADMIN)
    assert ([one.subject for one in again.changes], again.held) == (["support:production"], {})
    assert place.served("support")["production"] == 1


def test_a_rejection_stands_until_it_is_taken_back(place: Place) -> None:
    place.registry.apply(
        [prompt("1.0.0"), route(), app({1: "support@1.0.0"}, {"staging": 1, "production": 1}, review={"approvals": 1})],
        ADMIN,
    )
    with pytest.raises(InvalidRequest, match="needs a reason"):
        place.registry.decide("support", 1, "reject", REVIEWER, "")
    place.registry.decide("support", 1, "approve", REVIEWER, "")
    place.registry.decide("support", 1, "request_changes", OTHER, "too short")
    place.registry.decide("support", 1, "comment", OTHER, "I mean the greeting")
    with pytest.raises(Forbidden, match="ria asked for changes: too short"):
        place.registry.promote("support", "production", 1, ADMIN, "")
    place.registry.decide("support", 1, "approve", OTHER, "")
    place.registry.promote("support", "production", 1, ADMIN, "")


def test_nobody_approves_their_own_work(place: Place) -> None:
    place.registry.apply(
        [prompt("1.0.0"), route(), app({1: "support@1.0.0"}, {"production": 1}, review={"approvals": 1})], ADMIN
    )
    place.registry.decide("support", 1, "approve", REVIEWER, "")
    place.registry.promote("support", "production", 1, ADMIN, "")
    both = who("ann", "author", "reviewer")
    place.registry.apply([prompt("1.0.2", "Be both.")], both)
    place.registry.release("support", Pins(prompts={"default": "support@1.0.2"}), who("olga", "author"), "")
    with pytest.raises(Forbidden, match=r"you made prompt/support@1\.0\.2: somebody else approves support#2"):
        place.registry.decide("support", 2, "approve", both, "")
    with pytest.raises(Forbidden, match="you made support#2"):
        place.registry.decide("support", 2, "approve", who("olga", "reviewer"), "")
    place.registry.decide("support", 2, "comment", both, "please look")
    place.registry.decide("support", 2, "approve", REVIEWER, "")


def test_only_named_reviewers_count(place: Place) -> None:
    policy = {"approvals": 1, "by": ["rob"]}
    place.registry.apply([prompt("1.0.0"), route(), app({1: "support@1.0.0"}, {"production": 1}, review=policy)], ADMIN)
    with pytest.raises(Forbidden, match="support is reviewed by rob; you are ria"):
        place.registry.decide("support", 1, "approve", OTHER, "")
    place.registry.decide("support", 1, "approve", REVIEWER, "")
    place.registry.promote("support", "production", 1, ADMIN, "")


def test_a_way_back_needs_no_new_approval(place: Place) -> None:
    test_only_named_reviewers_count(place)
    new_release(place)
    place.registry.decide("support", 2, "approve", REVIEWER, "")
    place.registry.promote("support", "production", 2, ADMIN, "")
    place.registry.decide("support", 1, "reject", REVIEWER, "too kind")
    place.registry.rollback("support", "production", None, AUTHOR, "an incident")
    assert place.served("support")["production"] == 1


def test_only_an_admin_changes_who_reviews(place: Place) -> None:
    test_only_named_reviewers_count(place)
    without = app({1: "support@1.0.0"}, {"production": 1})
    assert "an admin applies this" in wrong(place, without, actor=AUTHOR)
    assert place.registry.apply([without], ADMIN).applied


def test_an_author_alone_moves_no_channel(place: Place) -> None:
    outcome = place.registry.apply(
        [prompt("1.0.0"), route(), app({1: "support@1.0.0"}, {"production": 1})], who("ann", "author")
    )
    assert outcome.held == {"support:production": ["an operator (`headgate promote`)"]}
    assert place.published is not None
    assert [one for one in place.published.documents if one.kind == "app"] == [], "nothing of it is live"


def test_a_drill_may_be_asked_for(place: Place) -> None:
    policy = {"approvals": 1, "drill": {"channel": "staging", "days": 30}}
    place.registry.apply([prompt("1.0.0"), route(), app({1: "support@1.0.0"}, {"staging": 1}, review=policy)], ADMIN)
    place.registry.decide("support", 1, "approve", REVIEWER, "")
    with pytest.raises(Forbidden, match="a rollback drill on staging within 30 days"):
        place.registry.promote("support", "production", 1, ADMIN, "")
    place.registry.note(ADMIN, "rollback_drill", "support:staging", "support", {"passed": False})
    with pytest.raises(Forbidden, match="drill"):
        place.registry.promote("support", "production", 1, ADMIN, "")
    place.registry.note(ADMIN, "rollback_drill", "support:staging", "support", {"passed": True})
    place.registry.promote("support", "production", 1, ADMIN, "")
    place.clock.advance(31 * 86_400)
    with pytest.raises(Forbidden, match="drill"):
        place.registry.promote("support", "production", 1, ADMIN, "")


def test_a_test_may_be_asked_for_by_name_or_digest_and_the_latest_counts(place: Place) -> None:
    digest = "0123456789abcdef" * 4
    by_name, by_digest = ({"tests": {"cases": cases, "min_pass": 0.9, "days": 30}} for cases in ("basics", digest[:12]))
    documents = [
        prompt("1.0.0"), route(), app({1: "support@1.0.0"}, {"staging": 1}, review=by_name),
        app({1: "support@1.0.0"}, {"staging": 1}, name="strict", review=by_digest),
    ]  # fmt: skip
    place.registry.apply(documents, ADMIN)

    def may(name: str) -> bool:
        with place.registry.store.reading() as reading:
            row, found = reading.app(name), reading.releases(name)[0]
            assert row is not None
            missing = standing(reading, row, found, "production", place.clock.now_ns()).missing
        assert all(f"`headgate test {name} --release 1 --cases FILE`" in one for one in missing)
        return not missing

    def tested(name: str, rate: float | None, **detail: Any) -> None:
        found = {"cases": "basics", "digest": digest, "rate": rate, **detail}
        place.registry.note(ADMIN, "test", f"{name}#1", name, found)

    for name in ("support", "strict"):
        place.registry.decide(name, 1, "approve", REVIEWER, "")
        with pytest.raises(Forbidden, match=r"a test with cases .* within 30 days"):
            place.registry.promote(name, "production", 1, ADMIN, "")
        tested(name, 0.95, cases="other", digest="f" * 64)
        assert not may(name)
        tested(name, 0.9)
        assert may(name)
        tested(name, 0.8)
        assert not may(name), "an earlier, better test is none"
        tested(name, None)
        assert not may(name)
        tested(name, 1.0)
        assert may(name)
        place.clock.advance(31 * 86_400)
        assert not may(name)
    tested("strict", 1.0, digest="f" * 64)
    assert not may("strict"), "other cases under the same name"


def test_everything_is_on_record(place: Place) -> None:
    two_releases(place)
    place.registry.promote("support", "production", 2, ADMIN, "brief is better")
    place.registry.rollback("support", "production", None, REVIEWER, "it is not")
    log = place.log()
    assert log[-2:] == [("key_ada", "promote", "support:production"), ("key_rob", "rollback", "support:production")]
    assert {action for _, action, _ in log} == {"add", "app", "release", "declare", "promote", "rollback"}
