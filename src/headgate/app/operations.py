"""What operators ask of a running gateway: who serves, and to read the configuration again."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from headgate.app.generation import last_outcome
from headgate.app.roster import DRAINING, SERVING, WorkerLine, read_roster
from headgate.core.errors import StoreUnavailable
from headgate.core.faults import Fault
from headgate.core.handlers import Ask, Handler
from headgate.core.ports import Clock
from headgate.core.roles import allow
from headgate.telemetry import Gauge

RELOAD_S = 60.0  # for the supervisor to read and check it all
SWAP_S = 10.0  # for every worker to be on it
_LOOK_S = 0.05


class Workers(msgspec.Struct):
    """Every process that serves calls."""

    workers: list[WorkerLine]


class Reloaded(msgspec.Struct):
    """What became of it. `faults`: what is wrong, and why the configuration before stays in force. `digest` is of what
    is in force; `seconds` how long it took until all `workers` were on it, `behind` the slots of those that are not;
    workers that end count in neither. `restart` names fields that changed and hold after a restart only. `held` are
    channels of the workspace folder that stay where they are, by what they miss."""

    digest: str
    faults: list[Fault]
    restart: list[str]
    workers: int
    behind: list[int]
    seconds: float
    held: dict[str, list[str]] = {}


class Reloader:
    """Has the supervisor read the configuration again, and waits until every worker is on it."""

    def __init__(self, state: Path, supervisor: int, clock: Clock) -> None:
        """`supervisor` is the process that takes SIGHUP."""
        self._state = state
        self._supervisor = supervisor
        self._clock = clock

    def reload(self) -> Reloaded:
        """Raises StoreUnavailable where the supervisor does not answer within RELOAD_S."""
        clock, state = self._clock, self._state
        began_ns = clock.monotonic_ns()
        before = last_outcome(state)
        os.kill(self._supervisor, signal.SIGHUP)
        outcome = before
        while outcome is None or (before is not None and outcome.serial == before.serial):
            _pause(clock, began_ns, RELOAD_S, "the supervisor has not read the configuration")
            outcome = last_outcome(state)
        swapping_ns = clock.monotonic_ns()
        while True:
            lines = [line for line in read_roster(state) if line.state != DRAINING]  # those take no more calls
            behind = [line.slot for line in lines if line.digest != outcome.digest]
            now_ns = clock.monotonic_ns()
            if not behind or now_ns - swapping_ns > SWAP_S * 1e9:
                took_s = round((now_ns - began_ns) / 1e9, 3)
                return Reloaded(outcome.digest, outcome.faults, outcome.restart, len(lines), behind, took_s)
            select.select([], [], [], _LOOK_S)


def handlers(state: Path, reload: Callable[[], Reloaded]) -> list[Handler]:
    """The operations."""

    def workers(_ask: Ask) -> Workers:
        return Workers(read_roster(state))

    return [
        Handler("GET", "/api/workers", "Every process that serves calls", workers, Workers, allow("viewer")),
        Handler(
            "POST", "/api/reload", "Read the configuration again", lambda _ask: reload(), Reloaded, allow("operator")
        ),
    ]


def worker_gauges(state: Path) -> list[Gauge]:
    """The workers as numbers for `/metrics`, at most a second old. Raises what `read_roster` raises."""
    lines = read_roster(state)

    def each(name: str, help: str, value: Callable[[WorkerLine], float]) -> Gauge:
        return Gauge(name, help, ("worker",), [((str(line.slot),), value(line)) for line in lines])

    states = [line.state for line in lines]
    return [
        Gauge(
            "headgate_workers", "Processes that serve calls.", ("state",),
            [((word,), states.count(word)) for word in (SERVING, DRAINING)],
        ),
        each(
            "headgate_worker_start_time_seconds", "When the worker in this slot began; changes where it was replaced.",
            lambda line: line.started_ns / 1e9,
        ),
        each("headgate_worker_calls_in_flight", "Calls under way.", lambda line: line.in_flight),
        each("headgate_worker_connections", "Connections of clients.", lambda line: line.connections),
        each("headgate_journal_unsynced_bytes", "What a power cut would cost now.", lambda line: line.unsynced_bytes),
        each(
            "headgate_journal_untold_lost", "Records that could not be kept, and no room yet to tell of them.",
            lambda line: line.pending_lost,
        ),
        Gauge(
            "headgate_requests_refused_total", "Refused before there was a call, since the worker began.",
            ("worker", "reason"),
            [
                ((str(line.slot), reason), getattr(line.refused, reason))
                for line in lines
                for reason in line.refused.__struct_fields__
            ],
            "counter",
        ),
    ]  # fmt: skip


def _pause(clock: Clock, began_ns: int, most_s: float, what: str) -> None:
    if clock.monotonic_ns() - began_ns > most_s * 1e9:
        raise StoreUnavailable(f"after {most_s:g} s {what}", retry_after_s=most_s)
    select.select([], [], [], _LOOK_S)
