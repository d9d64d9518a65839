"""What every call's sending works with."""

from __future__ import annotations

from collections.abc import Mapping

from headgate.core.ports import Clock, Deadlines, Transport
from headgate.dialects.base import Dialect
from headgate.routing.budget import RetryBudget
from headgate.routing.health import Health
from headgate.routing.hedge import Hedges
from headgate.routing.quota import Quotas
from headgate.routing.watch import Watch

WHOLE_FACTOR = 5.0  # a whole answer's head comes with its last token: it may take this many times `first_token_s`


class Means:
    """Shared by all calls of a worker."""

    __slots__ = (
        "_whole",
        "_whole_of",
        "budget",
        "clock",
        "dialects",
        "health",
        "hedges",
        "paces",
        "quotas",
        "transport",
        "watch",
    )

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        health: Health,
        dialects: Mapping[str, Dialect],
        watch: Watch,
        quotas: Quotas,
    ) -> None:
        self.transport = transport
        self.clock = clock
        self.health = health
        self.budget = RetryBudget(clock)
        self.dialects = dialects
        self.watch = watch
        self.paces = watch.paces
        self.hedges = Hedges(watch.paces)
        self.quotas = quotas
        self._whole_of: Deadlines | None = None
        self._whole = Deadlines()

    def whole(self, deadlines: Deadlines) -> Deadlines:
        """The deadlines of a whole answer in place of a stream's; those asked for last are at hand (0.6 us)."""
        if self._whole_of is not deadlines:
            self._whole_of = deadlines
            self._whole = shortened(deadlines, deadlines.first_token_s * WHOLE_FACTOR, deadlines.total_s)
        return self._whole


def shortened(deadlines: Deadlines, first_s: float, total_s: float) -> Deadlines:
    """The deadlines of an attempt that may take `first_s` to its head and `total_s` in all."""
    connect_s, first_s = min(deadlines.connect_s, total_s), min(first_s, total_s)
    return Deadlines(connect_s, first_s, deadlines.idle_s, total_s, deadlines.min_rate)
