"""What telemetry asks of the world: a store of calls, and whoever else needs to know that a record is finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from headgate.core.calls import CallBatch, CallFilter, CallPage, Retention, Rollup
from headgate.core.discovery import PromptSample, PromptUse
from headgate.core.events import EventFilter, StoredEvent
from headgate.core.keys import Spend
from headgate.core.record import CallBrief, CallRecord, GapRecord
from headgate.core.scores import (
    ArmSums,
    CallFacts,
    Fate,
    GivenScore,
    Metric,
    ScoreFilter,
    StoredScore,
    UnitSums,
    WaitingCall,
)

Listener: TypeAlias = "Callable[[CallRecord], None]"
"""Told of every sealed record, right after it is in the journal. Must be quick and must not raise."""

BatchListener: TypeAlias = "Callable[[Sequence[CallBrief]], None]"
"""Told of finished calls once they are in the store, many at once. Must be quick and must not raise."""


class CallWriter(Protocol):
    """The keeper's side of a store. Everything here raises StoreUnavailable where the store cannot be used now."""

    def offsets(self) -> Mapping[str, int]:
        """How far each segment has been written."""
        ...

    def write(self, batch: CallBatch) -> None:
        """Keep a batch, its rollups and its end offset. On return it is durable.

        A batch that was kept already, wholly or in part, changes nothing where it was: after a crash in the middle
        the same segment is read again from its last offset, perhaps in other portions.
        """
        ...

    def forget(self, segments: Sequence[str]) -> None:
        """The segments are gone: their offsets need not be kept."""
        ...

    def owners(self) -> set[str]:
        """Journal owners with calls in flight."""
        ...

    def abort(self, owner: str) -> int:
        """The owner is dead and its segments are drained: its calls in flight become aborted. How many."""
        ...

    def retain(self, now_ns: int, retention: Retention) -> int:
        """Drop what is too old; how many files went. What keys have spent is kept."""
        ...


class CallQueries(Protocol):
    """The readers' side of a store. `scope` is a tenant or EVERY_TENANT. Raises StoreUnavailable."""

    def calls(self, scope: str, wanted: CallFilter, limit: int, cursor: str | None = None) -> CallPage:
        """Calls without their bodies, newest first. Raises InvalidRequest for a cursor that is none."""
        ...

    def call(self, scope: str, call_id: str) -> CallRecord | None:
        """One call with what bodies are still kept; None where the scope has no such call."""
        ...

    def rollups(self, scope: str, since_ns: int, until_ns: int, app: str | None = None) -> list[Rollup]:
        """Sums per provider, model and app of all rollups that start in the range; their key's `at_ns` is `since_ns`,
        its tenant the scope."""
        ...

    def prompt_use(self, scope: str, since_ns: int, until_ns: int, app: str | None = None) -> list[PromptUse]:
        """How many calls that reached a model used which prompt, over the whole UTC hours from that of `since_ns`."""
        ...

    def gaps(self, since_ns: int, until_ns: int) -> list[GapRecord]:
        """Records that were lost in the range, oldest first."""
        ...

    def spent_since(self, since_ns: int) -> Mapping[str, Spend]:
        """Spend by key id, of every tenant, over calls received at or after `since_ns`."""
        ...


class EventWriter(Protocol):
    """The keeper's side of what is kept of events. Raises StoreUnavailable."""

    def put(self, events: Sequence[StoredEvent]) -> object:
        """Keep events; one that is kept already changes nothing."""
        ...


class PromptWriter(Protocol):
    """Takes what workers tell of unregistered prompts. Must not raise: calls are drained on the same way."""

    def take(self, samples: Sequence[PromptSample]) -> None:
        """Keep samples; one that is kept already changes nothing."""
        ...


class EventQueries(Protocol):
    """The readers' side. Raises StoreUnavailable."""

    def find(self, wanted: EventFilter) -> list[StoredEvent]:
        """What fits, newest first."""
        ...


class CallStore(CallWriter, CallQueries, Protocol):
    """A store of calls. `tests/stores` holds every engine to this."""

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class ScoreQueries(Protocol):
    """The readers' side of what is kept of scores. `scope` is a tenant or EVERY_TENANT. Raises StoreUnavailable."""

    def find(self, scope: str, wanted: ScoreFilter) -> list[StoredScore]:
        """What fits, the latest kept first."""
        ...

    def of_calls(self, scope: str, calls: Sequence[str]) -> list[StoredScore]:
        """The current scores of some calls, joined or waiting, in the order in which they were kept."""
        ...

    def sums(self, scope: str, metric: Metric) -> list[ArmSums]:
        """The sums of a metric per app, release and arm."""
        ...

    def units(self, scope: str, metric: Metric, limit: int) -> list[UnitSums]:
        """The sums of a metric per app, release, arm and unit, `limit` of them at most."""
        ...


class ScoreStore(ScoreQueries, Protocol):
    """Scores, kept. Raises StoreUnavailable."""

    def put(self, given: Sequence[GivenScore]) -> list[Fate]:
        """Keep scores, all or none; what became of each."""
        ...

    def waiting(self, scope: str) -> int:
        """How many scores of a scope wait for their calls."""
        ...

    def due(self, now_ns: int, limit: int) -> list[WaitingCall]:
        """Calls that are to be looked for now."""
        ...

    def join(self, waiting: WaitingCall, facts: CallFacts) -> None:
        """The call is known now: its scores are those of that call from here on."""
        ...

    def postpone(self, waiting: WaitingCall, look_ns: int) -> None:
        """The call is not known yet: look for it again at `look_ns`."""
        ...

    def retain(self, before_ns: int) -> None:
        """Drop scores of calls received before, and the oldest given beyond the store's limit."""
        ...
