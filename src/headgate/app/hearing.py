"""Events on their way from workers and control to whoever should hear of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from headgate.core.errors import StoreUnavailable
from headgate.core.events import Event, EventFilter, StoredEvent
from headgate.telemetry import EventListener

_LIMITS = frozenset({"rate_limit_learned", "rate_limit_changed"})

log = logging.getLogger(__name__)


class Store(Protocol):
    """Keeps events, and tells which it did not have yet."""

    def put(self, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        """Raises StoreUnavailable."""
        ...

    def find(self, wanted: EventFilter) -> list[StoredEvent]:
        """Newest first. Raises StoreUnavailable."""
        ...


class Hearing:
    """The keeper's `EventWriter`, and the `EventSink` of control itself. New events go to every listener, once."""

    def __init__(self, store: Store, listeners: Sequence[EventListener], instance: str) -> None:
        self._store = store
        self._listeners = tuple(listeners)
        self._instance = instance
        self._count = 0

    def put(self, events: Sequence[StoredEvent]) -> None:
        """Keep events. Raises StoreUnavailable.

        A limit is learned by every worker for itself, and again after a restart: it is news where it is another one.
        """
        new = self._store.put([stored for stored in events if not self._known(stored.event)])
        if new:
            for listener in self._listeners:
                listener(new)

    def _known(self, event: Event) -> bool:
        if event.kind not in _LIMITS:
            return False
        last = self._store.find(EventFilter(subject=event.subject, kind="rate_limit_changed", limit=1))
        last += self._store.find(EventFilter(subject=event.subject, kind="rate_limit_learned", limit=1))
        newest = max(last, key=lambda stored: stored.event.at_ns, default=None)
        return newest is not None and dict(newest.event.figures) == dict(event.figures)

    def emit(self, event: Event) -> None:
        """An event of control's own; where the store cannot be used it is in the log alone."""
        self._count += 1
        try:
            self.put([StoredEvent(f"control.{self._instance}:{self._count}", event)])
        except StoreUnavailable as error:
            log.warning("an event could not be kept: %s", error.message)
