"""What operators should hear of: into the journal and the log at once, from there into the store and the API."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import msgspec

from headgate.core.events import CRITICAL, INFO, WARNING, Event, Figure, StoredEvent
from headgate.core.ports import Clock, EventSink

SEVERITIES = (INFO, WARNING, CRITICAL)
LINES_PER_S = 10  # in the log; all of them are in the journal
_LEVELS = {INFO: logging.INFO, WARNING: logging.WARNING, CRITICAL: logging.ERROR}

log = logging.getLogger(__name__)


class EventLog:
    """Implements `EventSink`: a line in the log for each, and the `keeper` of it all behind."""

    __slots__ = ("_clock", "_keeper", "_left", "_second", "_unsaid")

    def __init__(self, keeper: EventSink, clock: Clock) -> None:
        self._keeper = keeper
        self._clock = clock
        self._second = 0
        self._left = LINES_PER_S
        self._unsaid = 0

    def emit(self, event: Event) -> None:
        """Keep it, and say it where there were not too many in this second."""
        self._keeper.emit(event)
        second = self._clock.monotonic_ns() // 1_000_000_000
        if second != self._second:
            self._second, self._left = second, LINES_PER_S
        if self._left <= 0:
            self._unsaid += 1
            return
        self._left -= 1
        unsaid, self._unsaid = self._unsaid, 0
        more = f" ({unsaid} more events were not said here)" if unsaid else ""
        log.log(_LEVELS.get(event.severity, logging.INFO), "%s %s: %s%s", event.kind, event.subject, event.text, more)


class EventLine(msgspec.Struct, frozen=True):
    """One event as the API shows it. `id` is the same at every delivery of it; `at_ns` is wall time."""

    id: str
    kind: str
    at_ns: int
    subject: str
    text: str
    severity: str
    figures: Mapping[str, Figure]


class EventLines(msgspec.Struct, frozen=True):
    """Events, newest first; `more` where the limit cut them."""

    events: list[EventLine]
    more: bool


class TroubleLine(msgspec.Struct, frozen=True):
    """A target or account whose breaker was opened and, as far as is known, not closed again."""

    subject: str
    since_ns: int
    text: str


class TroubleLines(msgspec.Struct, frozen=True):
    """Who is in trouble now."""

    troubled: list[TroubleLine]


def troubled(opened: Sequence[StoredEvent], closed: Sequence[StoredEvent]) -> list[TroubleLine]:
    """Whose last word is that its breaker opened, by name; `since_ns` is the first opening after the last closing."""
    ended: dict[str, int] = {}
    for stored in closed:
        event = stored.event
        ended[event.subject] = max(ended.get(event.subject, 0), event.at_ns)
    found: dict[str, TroubleLine] = {}
    for stored in sorted(opened, key=lambda one: one.event.at_ns, reverse=True):
        event = stored.event
        if event.at_ns > ended.get(event.subject, 0):
            text = found[event.subject].text if event.subject in found else event.text
            found[event.subject] = TroubleLine(event.subject, event.at_ns, text)
    return [found[subject] for subject in sorted(found)]


def line_of(stored: StoredEvent) -> EventLine:
    """An event as the API shows it."""
    event = stored.event
    return EventLine(stored.id, event.kind, event.at_ns, event.subject, event.text, event.severity, event.figures)


EventListener = Callable[[Sequence[StoredEvent]], None]
"""Told of events once they are in the store. Must be quick and must not raise; may be told of one twice."""
