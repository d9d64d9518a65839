"""Watches the calls that wait: one that waits for unusually long is a reason to ask whether its target is still there,
and once a target is known to be silent nobody goes on waiting for it."""

from __future__ import annotations

from headgate.core.ports import Clock, TimerHandle
from headgate.routing.attempt import Attempt
from headgate.routing.health import Health
from headgate.routing.pace import SOFT_MIN_S, Paces
from headgate.routing.probe import Prober

TICK_S = 1.0


class Watch:
    """The attempts whose client has seen nothing yet, oldest first. One timer for all, while there are any."""

    __slots__ = ("_clock", "_health", "_prober", "_timer", "_waiting", "paces")

    def __init__(self, clock: Clock, health: Health, paces: Paces, prober: Prober) -> None:
        self._clock = clock
        self._health = health
        self.paces = paces
        self._prober = prober
        self._waiting: dict[Attempt, None] = {}
        self._timer: TimerHandle | None = None
        health.silenced = self.call_off

    def add(self, attempt: Attempt) -> None:
        """An attempt begins."""
        self._waiting[attempt] = None
        if self._timer is None:
            self._timer = self._clock.call_later(TICK_S, self._tick)

    def remove(self, attempt: Attempt) -> None:
        """It waits no longer: its content has gone out, or it is over."""
        self._waiting.pop(attempt, None)

    def call_off(self, provider: str, model: str | None) -> None:
        """The target, or with `model` None the account, answers nobody: its calls go on to the next target now."""
        for attempt in list(self._waiting):
            target = attempt.target
            if target.provider == provider and model in (None, target.model):
                attempt.call_off()

    def doubt(self, attempt: Attempt) -> None:
        """Its answer was slow, of a target of which little is known: a probe tells which of the two it was."""
        self._health.suspect(attempt.target, attempt.stream, "too_slow")
        self._prober.start(attempt.target)

    def _tick(self) -> None:
        self._timer = self._clock.call_later(TICK_S, self._tick) if self._waiting else None
        now = self._clock.monotonic_ns()
        for attempt in list(self._waiting):
            waited = now - attempt.started_ns
            if waited < SOFT_MIN_S * 1e9:
                break  # those behind it have waited for less
            target = attempt.target
            soft = self.paces.soft_ns(target, attempt.stream)
            # one that answers others in the meantime is there, only this answer takes long
            if waited >= soft and self.paces.of(target).answered_ns < now - soft:
                self._health.suspect(target, attempt.stream)
                self._prober.start(target)
