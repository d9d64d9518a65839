"""Events on their way from workers and control to whoever should hear of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from headgate.core.errors import StoreUnavailable
from headgate.core.events import Event, StoredEvent
from headgate.telemetry import EventListener

log = logging.getLogger(__name__)


class Store(Protocol):
    """Keeps events, and tells which it did not have yet."""

    def put(self, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        """Raises StoreUnavailable."""
        ...


class Hearing:
    """The keeper's `EventWriter`, and the `EventSink` of control itself. New events go to every listener, once."""

    def __init__(self, store: Store, listeners: Sequence[EventListener], instance: str) -> None:
        self._store = store
        self._listeners = tuple(listeners)
        self._instance = instance
        self._count = 0

    def put(self, events: Sequence[StoredEvent]) -> None:
        """Keep events. Raises StoreUnavailable."""
        new = self._store.put(events)
        if new:
            for listener in self._listeners:
                listener(new)

    def emit(self, event: Event) -> None:
        """An event of control's own; where the store cannot be used it is in the log alone."""
        self._count += 1
        try:
            self.put([StoredEvent(f"control.{self._instance}:{self._count}", event)])
        except StoreUnavailable as error:
            log.warning("an event could not be kept: %s", error.message)
