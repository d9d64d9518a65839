"""Scores: joined to their calls whenever they come, counted once, refused with a reason."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from headgate.core.errors import CallerError, Forbidden, InvalidRequest, LimitExceeded
from headgate.core.ids import CallIds, minted_ns
from headgate.core.keys import EVERY_TENANT
from headgate.core.record import CallRecord
from headgate.core.scores import Metric, ScoreFilter
from headgate.stores.calls_sqlite import SqliteCalls
from headgate.stores.scores_sqlite import SqliteScores
from headgate.telemetry import Queries, ScoreDesk, ScoreRequest, fold
from headgate.telemetry import scores as scores_module
from headgate.telemetry.queries import without_bodies
from tests.support.actors import actor
from tests.support.world import ManualClock, SeededEntropy
from tests.telemetry.builders import DAY_NS, SECOND, batch, record

ROOT = actor("operator", id="key_root")
ACME = actor(id="key_acme", scope="acme")
GLOBEX = actor(id="key_globex", scope="globex")


class Place:
    """A desk on real stores, and calls that can be made to land."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        entropy = SeededEntropy()
        self.ids = CallIds(self.clock, entropy)
        self.calls = SqliteCalls(folder, fold)
        self.scores = SqliteScores(folder)
        self.desk = ScoreDesk(self.scores, self.calls, self.clock, entropy, lambda: 30)
        self.segments = 0

    def lands(self, call_id: str, **fields) -> CallRecord:
        self.segments += 1
        made = record(1, self.clock.now_ns(), **fields)
        made.id = call_id
        self.calls.write(batch([made], segment=f"w.1-{self.segments:08d}.hgj"))
        return made

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.desk.look()

    def current(self, scope: str = EVERY_TENANT, **wanted) -> list[tuple[str, float | None, bool]]:
        found = self.scores.find(scope, ScoreFilter(**wanted))
        return [(one.score.name, one.score.number, one.facts is not None) for one in found]


@pytest.fixture
def place(tmp_path: Path):
    made = Place(tmp_path)
    yield made
    made.scores.close()
    made.calls.close()


def thumbs(call: str, value: bool | float | str | None = True, **fields) -> ScoreRequest:
    return ScoreRequest(call, fields.pop("name", "thumbs"), value, **fields)


def test_a_score_before_its_call_waits_and_is_joined(place: Place) -> None:
    call = place.ids.mint()
    assert place.desk.give(ROOT, thumbs(call)).waits
    assert place.current(app="support") == []
    place.later(3)
    assert place.current() == [("thumbs", 1.0, False)]
    place.lands(call)
    place.later(10)
    assert place.current(app="support", release="support#17") == [("thumbs", 1.0, True)]
    assert not place.desk.give(ROOT, thumbs(call, 0.5, name="quality")).waits


def test_a_call_in_flight_is_not_known_yet(place: Place) -> None:
    call = place.ids.mint()
    place.lands(call, outcome="in_flight")
    assert place.desk.give(ROOT, thumbs(call)).waits


def test_a_call_that_never_comes_is_looked_for_ever_more_seldom(place: Place) -> None:
    call = place.ids.mint()
    place.desk.give(ROOT, thumbs(call))
    looks = 0
    asked = place.calls.call
    place.calls.call = lambda scope, wanted: _count() or asked(scope, wanted)  # type: ignore[method-assign]

    def _count() -> None:
        nonlocal looks
        looks += 1

    for _ in range(12 * 60):  # an hour, looked at every five seconds
        place.later(5)
    assert 5 <= looks <= 15


def test_a_score_that_was_given_long_ago_does_not_wait_long(place: Place) -> None:
    call = place.ids.mint()
    days_ago = datetime.fromtimestamp(place.clock.now_ns() / 1e9 - 5 * 86_400, UTC)
    place.desk.give(ROOT, thumbs(call, at=days_ago))
    place.later(5)
    place.lands(call)
    place.later(30)
    assert place.current(app="support") == [("thumbs", 1.0, True)]


def test_the_same_id_changes_nothing_and_the_same_author_replaces(place: Place) -> None:
    call = place.ids.mint()
    place.lands(call)
    first = place.desk.give(ROOT, thumbs(call, id="a", author="ann"))
    assert (first.id, first.fate) == ("a", "new")
    assert place.desk.give(ROOT, thumbs(call, False, id="a", author="ann")).fate == "known"
    assert place.current() == [("thumbs", 1.0, True)]
    place.clock.advance(1)
    assert place.desk.give(ROOT, thumbs(call, False, id="b", author="ann")).fate == "replaced"
    assert place.desk.give(ROOT, thumbs(call, True, id="a", author="ann")).fate == "known", (
        "a retry after its successor"
    )
    assert place.desk.give(ROOT, thumbs(call, True, author="bob")).fate == "new"
    assert sorted(place.current()) == [("thumbs", 0.0, True), ("thumbs", 1.0, True)]
    assert len(place.current(history=True)) == 3


def test_the_very_same_score_without_id_or_time_is_kept_once(place: Place) -> None:
    call = place.ids.mint()
    place.lands(call)
    fates = []
    for _ in range(3):
        place.clock.advance(1)
        fates.append(place.desk.give(ROOT, thumbs(call, author="ann", comment="good")).fate)
    assert fates == ["new", "known", "known"]


def test_a_late_score_is_history(place: Place) -> None:
    call = place.ids.mint()
    place.lands(call)
    at = [datetime.fromtimestamp(place.clock.now_ns() / 1e9 - ago, UTC) for ago in (60, 30)]
    assert place.desk.give(ROOT, thumbs(call, False, author="ann", at=at[1])).fate == "new"
    assert place.desk.give(ROOT, thumbs(call, True, author="ann", at=at[0])).fate == "late"
    assert place.current() == [("thumbs", 0.0, True)]


def test_waiting_scores_of_one_author_settle_in_the_order_given_whatever_the_order_of_arrival(place: Place) -> None:
    call = place.ids.mint()
    at = [datetime.fromtimestamp(place.clock.now_ns() / 1e9 - ago, UTC) for ago in (60, 30)]
    place.desk.give(ROOT, thumbs(call, False, author="ann", at=at[1]))
    place.desk.give(ACME, thumbs(call, True, author="ann", at=at[0]))
    place.lands(call)
    place.later(10)
    assert place.current() == [("thumbs", 0.0, True)]


def test_a_key_of_another_tenant_never_reaches_the_call_and_is_not_told_of_it(place: Place) -> None:
    call, nobodys = place.ids.mint(), place.ids.mint()
    place.lands(call)
    taken, other = place.desk.give(GLOBEX, thumbs(call)), place.desk.give(GLOBEX, thumbs(nobodys))
    assert (taken.fate, taken.waits) == (other.fate, other.waits) == ("new", True)
    place.later(600)
    assert place.scores.of_calls("acme", [call]) == []
    assert [one.facts for one in place.scores.of_calls("globex", [call])] == [None]
    assert place.scores.sums(EVERY_TENANT, Metric(name="thumbs")) == []
    place.desk.give(ACME, thumbs(call))
    assert len(place.scores.of_calls("acme", [call])) == 1


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (ScoreRequest("nonsense", "thumbs", True), "call"),
        (ScoreRequest("call_" + "u" * 26, "thumbs", True), "call"),
        (ScoreRequest("CALL", "", True), "name"),
        (ScoreRequest("CALL", "na me", True), "name"),
        (ScoreRequest("CALL", "n" * 65, True), "name"),
        (ScoreRequest("CALL", "thumbs"), "value"),
        (ScoreRequest("CALL", "thumbs", float("nan")), "value"),
        (ScoreRequest("CALL", "thumbs", 1e300), "value"),
        (ScoreRequest("CALL", "thumbs", 10**400), "value"),
        (ScoreRequest("CALL", "thumbs", ""), "value"),
        (ScoreRequest("CALL", "thumbs", "x" * 201), "value"),
        (ScoreRequest("CALL", "thumbs", True, comment="x" * 4001), "comment"),
        (ScoreRequest("CALL", "thumbs", correction="x" * 64_001), "correction"),
        (ScoreRequest("CALL", "thumbs", True, at=datetime(2026, 1, 1)), "at"),
        (ScoreRequest("CALL", "thumbs", True, at=datetime(2200, 1, 1, tzinfo=UTC)), "at"),
    ],
)
def test_what_is_no_score_is_refused_with_the_field_at_fault(place: Place, request_: ScoreRequest, param: str) -> None:
    request_.call = place.ids.mint() if request_.call == "CALL" else request_.call
    with pytest.raises(InvalidRequest) as caught:
        place.desk.give(ROOT, request_)
    assert caught.value.param == param
    assert place.current() == []


def test_a_key_for_calls_speaks_for_users_only(place: Place) -> None:
    with pytest.raises(Forbidden):
        place.desk.give(ACME, thumbs(place.ids.mint(), source="evaluator"))


def test_a_call_that_is_no_longer_kept_is_refused_and_takes_its_scores_with_it(place: Place) -> None:
    old, waits = place.ids.mint(), place.ids.mint()
    place.lands(old)
    place.desk.give(ROOT, thumbs(old, correction="better"))
    place.desk.give(ROOT, thumbs(waits))
    place.clock.advance(32 * DAY_NS / SECOND)
    with pytest.raises(InvalidRequest, match="30 days"):
        place.desk.give(ROOT, thumbs(waits, False))
    place.desk.retain()
    assert place.current(history=True) == []


def test_no_more_than_so_many_wait(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores_module, "WAITING_MAX", 2)
    for _ in range(2):
        place.desk.give(ACME, thumbs(place.ids.mint()))
    with pytest.raises(LimitExceeded):
        place.desk.give(ACME, thumbs(place.ids.mint()))
    assert place.desk.give(GLOBEX, thumbs(place.ids.mint())).waits, "each tenant has room of its own"


def test_a_batch_keeps_what_is_good(place: Place) -> None:
    call = place.ids.mint()
    place.lands(call)
    answers = place.desk.give_many(ROOT, [thumbs(call), thumbs("call_x"), thumbs(call, "resolved", name="end")])
    assert [isinstance(one, CallerError) for one in answers] == [False, True, False]
    assert sorted(name for name, _, _ in place.current()) == ["end", "thumbs"]
    with pytest.raises(InvalidRequest):
        place.desk.give_many(ROOT, [thumbs(call)] * 501)


def test_calls_and_explanations_show_scores(place: Place) -> None:
    call = place.ids.mint()
    place.lands(call)
    place.desk.give(ROOT, thumbs(call, author="ann", comment="quick"))
    place.desk.give(ROOT, thumbs(call, 0.8, name="quality", source="evaluator", author="judge@2"))
    place.desk.give(ROOT, thumbs(call, None, name="better", author="bob", correction="It does not."))
    queries = Queries(place.calls, place.scores)
    detail = queries.call("acme", call)
    assert [(one.name, one.value) for one in detail.call.scores] == [
        ("thumbs", "up"), ("quality", "0.8"), ("better", "corrected"),
    ]  # fmt: skip
    assert detail.explanation[-3:] == [
        "User ann scored `thumbs` up, with a comment.",
        "Evaluator judge@2 scored `quality` 0.8.",
        "User bob gave a correction (`better`), of 12 characters.",
    ]
    assert (detail.scores[0].comment, detail.scores[2].correction) == ("quick", "It does not.")
    withheld = without_bodies(detail).scores
    assert {(one.comment, one.correction) for one in withheld} == {(None, None)}


def test_a_calls_id_tells_when_it_was_minted() -> None:
    clock = ManualClock()
    ids = CallIds(clock, SeededEntropy())
    for _ in range(200):
        clock.advance(1234.567)
        assert minted_ns(ids.mint()) == clock.now_ns() // 1_000_000 * 1_000_000
    for wrong in ("", "call_", "call_" + "0" * 25, "call_" + "0" * 27, "xall_" + "0" * 26, "call_" + "i" * 26):
        assert minted_ns(wrong) is None
