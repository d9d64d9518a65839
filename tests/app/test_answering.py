"""Who answers under a model's name, and when it is another."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.app.answering import FILE, LEARNING, SEEN_MAX, Answering
from headgate.app.hearing import Hearing
from headgate.core.errors import ConfigError
from headgate.core.events import Event, StoredEvent
from headgate.core.record import AttemptRecord, CallBrief
from headgate.stores.events_sqlite import SqliteEvents
from tests.support.world import ManualClock


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


def answers(name: str | None, fingerprint: str | None, times: int = 1, outcome: str = "ok") -> list[CallBrief]:
    attempt = AttemptRecord("openai", "gpt-6-luna", 0, "-", outcome=outcome)
    attempt.model_answered, attempt.fingerprint = name, fingerprint
    return [CallBrief("c", 0, "openai", attempts=[attempt]) for _ in range(times)]


def test_another_name_is_told_and_one_that_was_seen_before_is_not(tmp_path: Path) -> None:
    clock, heard = ManualClock(), Heard()
    here = Answering(tmp_path, heard, clock)
    here.saw(answers("gpt-6-luna-2026-08-01", None, 3))
    assert heard.events == []
    clock.advance(1.0)
    here.saw(answers("gpt-6-luna-2026-11-20", None))
    (event,) = heard.events
    assert (event.kind, event.subject, event.severity) == ("model_changed", "openai/gpt-6-luna", "warning")
    assert event.figures == {"what": "name", "before": "gpt-6-luna-2026-08-01", "after": "gpt-6-luna-2026-11-20"}
    here.saw(answers("gpt-6-luna-2026-08-01", None, 5) + answers("gpt-6-luna-2026-11-20", None, 5))
    assert len(heard.events) == 1


def test_fingerprints_are_learned_first(tmp_path: Path) -> None:
    heard = Heard()
    here = Answering(tmp_path, heard, ManualClock())
    for number in range(4):
        here.saw(answers("luna", f"fp_{number}", 10))
    assert heard.events == []
    here.saw(answers("luna", "fp_0", LEARNING))
    here.saw(answers("luna", "fp_new"))
    assert [event.figures["after"] for event in heard.events] == ["fp_new"]


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    heard = Heard()
    Answering(tmp_path, heard, ManualClock()).saw(answers("old", "fp_1"))
    Answering(tmp_path, heard, ManualClock()).saw(answers("new", "fp_1"))
    assert [event.figures["before"] for event in heard.events] == ["old"]


def test_those_seen_longest_ago_go_first_and_the_last_is_the_one_that_answered_last(tmp_path: Path) -> None:
    heard = Heard()
    here = Answering(tmp_path, heard, ManualClock())
    for number in range(SEEN_MAX):
        here.saw(answers(f"n-{number}", None))
    here.saw(answers("n-0", None))
    here.saw(answers("new", None))
    assert heard.events[-1].figures["before"] == "n-0"
    told = len(heard.events)
    here.saw(answers("n-0", None))
    assert len(heard.events) == told
    here.saw(answers("n-1", None))
    assert [event.figures["after"] for event in heard.events[told:]] == ["n-1"]


def test_what_is_known_is_written_once_a_minute_at_most_and_outlives_a_restart(tmp_path: Path) -> None:
    clock, heard = ManualClock(), Heard()
    here = Answering(tmp_path, heard, clock)
    here.saw(answers("a", None))
    clock.advance(1.0)
    here.saw(answers("b", None))
    written = (tmp_path / FILE).read_bytes()
    here.saw(answers("a", None))
    assert (tmp_path / FILE).read_bytes() == written
    clock.advance(61.0)
    here.saw(answers("a", None))
    Answering(tmp_path, heard, clock).saw(answers("c", None))
    assert [event.figures["before"] for event in heard.events] == ["a", "a"]


def test_what_failed_says_nothing_and_what_is_seen_is_bounded(tmp_path: Path) -> None:
    clock, heard = ManualClock(), Heard()
    here = Answering(tmp_path, heard, clock)
    here.saw(answers("other", None, 1, "failed"))
    assert not (tmp_path / FILE).exists()
    for number in range(SEEN_MAX + 10):
        clock.advance(1.0)
        here.saw(answers(f"n-{number}", None))
    assert len(here._memory.targets["openai/gpt-6-luna"].names) == SEEN_MAX


@pytest.mark.parametrize("text", ['{"format": 2}', '{"format": 2, "targets": []}'])
def test_a_newer_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError, match="format 2"):
        Answering(tmp_path, Heard(), ManualClock())


def test_a_limit_that_several_workers_learned_is_one_event(tmp_path: Path) -> None:
    store = SqliteEvents(tmp_path)
    told: list[StoredEvent] = []
    hearing = Hearing(store, [told.extend], "x")

    def learned(number: int, requests: int, kind: str = "rate_limit_learned") -> StoredEvent:
        return StoredEvent(f"w:{number}", Event(kind, 100 + number, "openai/luna", "-", "info", {"requests": requests}))

    hearing.put([learned(1, 10)])
    hearing.put([learned(2, 10)])
    hearing.put([learned(3, 20, "rate_limit_changed")])
    hearing.put([learned(4, 20, "rate_limit_changed")])
    hearing.put([learned(5, 20)])
    assert [stored.id for stored in told] == ["w:1", "w:3"]
    store.close()
