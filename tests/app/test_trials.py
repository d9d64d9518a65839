"""Trials go the whole way of a call: render, policy, route, cost, record; and they count as nobody's traffic."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.app.trials.desk import TOGETHER
from headgate.app.trials.views import AnswerView, TrialView
from headgate.core.errors import HeadgateError, InvalidRequest, NotFound, Overloaded
from headgate.registry import offer, read_documents
from tests.app.trying import Place, documents
from tests.e2e.gateway import Recorder
from tests.e2e.workspace import MODELS


@pytest.fixture(scope="module")
def vendors() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.close()


@pytest.fixture(scope="module")
def place(vendors: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("trials"), vendors.url, documents())
    yield made
    made.close()


def answer(view: TrialView, side: int = 0) -> AnswerView:
    found = view.sides[side].answer
    assert found is not None, view.sides[side].wrong
    return found


def test_two_versions_are_asked_side_by_side(place: Place) -> None:
    view = place.try_(prompt="kettle@1.0", against="1.1.0", texts={"product": "tea", "n": "3"}, user="[[system]]")
    assert [side.version for side in view.sides] == ["prompt/kettle@1.0.0", "prompt/kettle@1.1.0"]
    assert [answer(view, at).text for at in (0, 1)] == ["Sell tea.", "Sell tea 3 times."]
    assert [side.left_out for side in view.sides] == [["n"], []]
    assert (view.app, view.route, view.guardrail) == ("support", "main@1.0.0", "strict@1.0.0")
    costs = [answer(view, at).cost_usd for at in (0, 1)]
    assert view.spent_usd == sum(cost or 0 for cost in costs) > 0


def test_a_trial_is_on_record_as_its_authors_and_not_as_traffic(place: Place) -> None:
    view = place.try_(prompt="kettle@1.0.0", texts={"product": "tea"}, user="[[say]] yes")
    record = place.record(answer(view).call)
    assert (record.key_id, record.tenant, record.app, record.channel) == ("key_ann", "system", "trial", "trial")
    assert (record.prompt, record.route, record.policy) == (
        "prompt/kettle@1.0.0", "route/main@1.0.0", "guardrail/strict@1.0.0",
    )  # fmt: skip
    assert (record.outcome, record.cost_usd, record.stand_in) == ("ok", answer(view).cost_usd, None)
    assert place.calls.prompt_use("*", 0, record.received_ns + 10**12, None) == []


def test_the_policy_applies_to_what_is_asked_and_what_is_answered(place: Place) -> None:
    asked = answer(place.try_(prompt="kettle@1.0.0", texts={"product": "tea"}, user="4111 1111 1111 1111"))
    assert (asked.outcome, asked.error, asked.text, asked.cost_usd) == ("blocked", "policy_blocked", "", None)
    said = answer(place.try_(prompt="kettle@1.0.0", texts={"product": "a@b.example"}, user="[[system]]"))
    assert said.text == "Sell [e]."
    assert ("email", "redact", "input") in [(one.rule, one.action, one.direction) for one in said.verdicts]


def test_a_named_model_route_or_guardrail_takes_the_place_of_the_apps(place: Place) -> None:
    by_model = place.try_(prompt="kettle@1.0.0", variables={"product": "x"}, user="hi", model="google/gemini-3.8-flash")
    assert (answer(by_model).provider, by_model.route) == ("google", "google/gemini-3.8-flash")
    by_route = place.try_(prompt="kettle@1.0.0", variables={"product": "x"}, user="hi", route="other")
    assert (answer(by_route).model, by_route.route) == (MODELS["anthropic"], "other@1.0.0")
    with pytest.raises(InvalidRequest, match="no provider `nobody`"):
        place.try_(prompt="kettle@1.0.0", variables={"product": "x"}, user="hi", model="nobody/m")
    with pytest.raises(NotFound, match="no guardrail `lax`"):
        place.try_(prompt="kettle@1.0.0", variables={"product": "x"}, user="hi", guardrail="lax")


def test_a_file_that_is_not_applied_is_tried_against_the_version_of_the_same_number(place: Place) -> None:
    text = (
        "kind: prompt\nname: kettle\nversion: 1.0.0\nowner: me\npartials: {end: end@1.0.0}\n"
        "messages: [{role: system, content: 'Buy. {% include \"end\" %}'}]\n"
        "---\nkind: partial\nname: end\nversion: 1.0.0\nowner: me\ncontent: Bye.\n"
    )
    offers = [offer(one, "k.yaml") for one in read_documents(text, "k.yaml").documents()]
    view = place.try_(documents=offers, against="1.0.0", texts={"product": "tea"}, user="[[system]]")
    assert [answer(view, at).text for at in (0, 1)] == ["Buy. Bye.", "Sell tea."]
    assert [side.kept for side in view.sides] == [False, True]
    with place.store.registry().reading() as reading:
        assert reading.artifact("partial", "end", "1.0.0") is None


def test_a_channel_is_what_it_serves(place: Place) -> None:
    said = {"prompt": "kettle@1.1.0", "texts": {"product": "tea", "n": "1"}, "render_only": True}
    for channel, version in (("production", "1.0.0"), ("staging", "1.1.0")):
        assert place.try_(**said, against=channel).sides[1].version == f"prompt/kettle@{version}"
    with pytest.raises(NotFound, match="no channel `nope`; it has production, staging"):
        place.try_(**said, against="nope")


def test_rendering_alone_asks_nobody_and_needs_no_app(place: Place, vendors: Recorder) -> None:
    before = vendors.last() if vendors._simulator.requests else None
    view = place.try_(prompt="kettle@1.1.0", texts={"product": "tea", "n": "2"}, render_only=True)
    assert [(one.role, one.text) for one in view.sides[0].messages] == [("system", "Sell tea 2 times.")]
    assert view.sides[0].answer is None
    assert (vendors.last() if vendors._simulator.requests else None) is before


def test_a_side_that_cannot_be_rendered_says_why_and_the_other_is_asked(place: Place) -> None:
    view = place.try_(prompt="kettle@1.1.0", against="1.0.0", texts={"product": "tea", "n": "many"}, user="hi")
    assert "`n` is to be integer" in (view.sides[0].wrong or "")
    assert (view.sides[0].answer, answer(view, 1).outcome) == (None, "ok")


def test_the_allowance_bounds_all_sides_together(place: Place) -> None:
    said = {"prompt": "kettle@1.0.0", "texts": {"product": "tea"}, "user": "hi"}
    one = place.try_(**said, max_usd=1e-5)
    assert (answer(one).outcome, answer(one).error) == ("refused", "budget_exhausted")
    assert one.spent_usd == 0


@pytest.mark.parametrize(
    ("request_", "error", "words"),
    [
        ({}, InvalidRequest, "say which"),
        ({"prompt": "nope"}, NotFound, "no prompt `nope`"),
        ({"prompt": "route/main"}, InvalidRequest, "only prompts"),
        ({"prompt": "kettle", "app": "nope"}, NotFound, "no app `nope`; there is support"),
        ({"prompt": "kettle@1.0.0", "texts": {"product": "x"}}, InvalidRequest, "no user message"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_what_would_be_right(
    place: Place, request_: dict[str, object], error: type[HeadgateError], words: str
) -> None:
    with pytest.raises(error, match=words):
        place.try_(**request_)


def test_only_so_many_trials_run_at_once(place: Place) -> None:
    begun, over = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        with place.places.place():
            begun.release()
            over.wait(10)

    threads = [threading.Thread(target=hold) for _ in range(TOGETHER)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=10)
    with pytest.raises(Overloaded, match="4 trials are under way"):
        place.try_(prompt="kettle", render_only=True)
    over.set()
    for thread in threads:
        thread.join(10)
    assert place.try_(prompt="kettle@1.0.0", texts={"product": "x"}, render_only=True).sides[0].messages


def test_an_app_may_not_name_a_channel_as_trials_do(vendors: Recorder, tmp_path: Path) -> None:
    made = documents()
    made[-1]["channels"] = {"production": 1, "trial": 2}
    with pytest.raises(AssertionError, match="only try something"):
        Place(tmp_path, vendors.url, made)
