"""Events: from the journal into their store once, and into the log within bounds."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from headgate.core.errors import StoreUnavailable
from headgate.core.events import CRITICAL, WARNING, Event, EventFilter, StoredEvent
from headgate.stores.calls_sqlite import SqliteCalls
from headgate.stores.events_sqlite import EVENTS_MAX, SqliteEvents
from headgate.telemetry import Aside, EventLog, Keeper, fold
from headgate.telemetry.events import LINES_PER_S, troubled
from tests.support.world import ManualClock
from tests.telemetry.builders import journal


def event(number: int, kind: str = "breaker_opened", severity: str = WARNING) -> Event:
    return Event(kind, 1000 + number, f"openai/m-{number}", "it fails", severity, {"seconds": 10.5, "error": None})


def test_an_event_survives_to_the_store_and_is_there_once(tmp_path: Path) -> None:
    clock = ManualClock()
    target = journal(tmp_path / "journal", clock)
    for number in range(3):
        target.emit(event(number))
    calls, events = SqliteCalls(tmp_path / "calls", fold), SqliteEvents(tmp_path / "calls")
    keeper = Keeper(str(tmp_path / "journal"), calls, clock, aside=Aside(events))
    keeper.step()
    found = events.find(EventFilter())
    assert [stored.event for stored in found] == [event(2), event(1), event(0)]
    assert events.put(found) == []
    again = Keeper(str(tmp_path / "journal"), calls, clock, aside=Aside(events))
    again.step()
    assert len(events.find(EventFilter())) == 3
    target.close()
    calls.close()
    events.close()


def test_a_store_that_is_out_of_order_costs_no_event(tmp_path: Path) -> None:
    class Broken:
        broken = True
        got: list[StoredEvent] = []

        def put(self, events: list[StoredEvent]) -> None:
            if self.broken:
                raise StoreUnavailable("events.db: locked")
            self.got += events

    clock, store = ManualClock(), Broken()
    target = journal(tmp_path / "journal", clock)
    target.emit(event(1))
    calls = SqliteCalls(tmp_path / "calls", fold)
    keeper = Keeper(str(tmp_path / "journal"), calls, clock, aside=Aside(store))  # type: ignore[arg-type]
    keeper.step()
    assert keeper.state.trouble is not None
    store.broken = False
    clock.advance(1.0)
    keeper.step()
    assert [stored.event for stored in store.got] == [event(1)]
    target.close()
    calls.close()


def test_what_is_asked_for(tmp_path: Path) -> None:
    events = SqliteEvents(tmp_path)
    events.put([
        StoredEvent("a", event(1)), StoredEvent("b", event(2, "model_retires")),
        StoredEvent("c", event(3, severity=CRITICAL)),
    ])  # fmt: skip
    ids = lambda **wanted: [one.id for one in events.find(EventFilter(**wanted))]  # noqa: E731
    assert ids() == ["c", "b", "a"]
    assert ids(kind="model_retires") == ["b"]
    assert ids(severity=CRITICAL) == ["c"]
    assert ids(since_ns=1002, until_ns=1003) == ["b"]
    assert ids(subject="openai/m-1") == ["a"]
    assert ids(limit=1) == ["c"]
    events.retain(1002)
    assert ids() == ["c", "b"]
    assert EVENTS_MAX > 1000
    events.close()


def test_the_log_has_a_bound_and_says_what_it_left_out(caplog: pytest.LogCaptureFixture) -> None:
    class Keeps:
        got: list[Event] = []

        def emit(self, event: Event) -> None:
            self.got.append(event)

    clock, keeps = ManualClock(), Keeps()
    log = EventLog(keeps, clock)
    with caplog.at_level(logging.INFO):
        for number in range(100):
            log.emit(event(number))
        clock.advance(1.0)
        log.emit(event(100))
    assert len(keeps.got) == 101
    assert len(caplog.records) == LINES_PER_S + 1
    assert f"{100 - LINES_PER_S} more events" in caplog.records[-1].getMessage()


def test_who_is_in_trouble() -> None:
    def told(at_ns: int, subject: str) -> StoredEvent:
        return StoredEvent(str(at_ns), Event("-", at_ns, subject, f"at {at_ns}"))

    opened = [told(1, "a"), told(3, "a"), told(5, "b"), told(2, "c"), told(9, "c")]
    closed = [told(2, "a"), told(6, "b"), told(1, "c")]
    assert [(line.subject, line.since_ns, line.text) for line in troubled(opened, closed)] == [
        ("a", 3, "at 3"), ("c", 2, "at 9"),
    ]  # fmt: skip
