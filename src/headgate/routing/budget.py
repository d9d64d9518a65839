"""How many retries there may be: what keeps a gateway from multiplying the load when everything fails.

Source: Finagle's and Envoy's retry budgets. A retry to a target that is known to be well is not counted here.
"""

from __future__ import annotations

from headgate.core.ports import Clock
from headgate.routing.breaker import Window

RETRIES_SHARE = 0.2
RETRIES_MIN = 3
HEDGES_AHEAD = 10.0  # hedges that may follow each other at once, once so many calls earned them


class RetryBudget:
    """In a window of 60 s, a fifth of the calls and RETRIES_MIN more may be retries."""

    __slots__ = ("_clock", "_window")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._window = Window()

    def called(self) -> None:
        """A call asks its first target."""
        self._window.count(self._clock.monotonic_ns(), 1, 0)

    def take(self) -> bool:
        """Whether there may be one retry more; it is counted."""
        now = self._clock.monotonic_ns()
        calls, retries = self._window.totals(now)
        if retries + 1 > calls * RETRIES_SHARE + RETRIES_MIN:
            return False
        self._window.count(now, 0, 1)
        return True


class HedgeBudget:
    """How many hedges there may be: each call earns the route's share of one. It starts empty."""

    __slots__ = ("_tokens",)

    def __init__(self) -> None:
        self._tokens = 0.0

    def called(self, share: float) -> None:
        """A call of a route that hedges."""
        self._tokens = min(self._tokens + share, HEDGES_AHEAD)

    def take(self) -> bool:
        """Whether there may be one more; it is counted."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
