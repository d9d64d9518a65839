"""What one key may still use: requests and tokens per minute, calls at once, money per period.

Integers throughout.
"""

from __future__ import annotations

import math

from headgate.admission.periods import period_bounds
from headgate.core.errors import BudgetExceeded, LimitExceeded
from headgate.core.keys import Spend
from headgate.core.stages import KeyInfo

MINUTE_NS = 60_000_000_000
NANO = 1_000_000_000


class Bucket:
    """A leaky bucket that holds one minute's worth and drains evenly.

    The level counts unit-nanoseconds per minute, so draining and waiting are exact in integers.
    """

    __slots__ = ("_last_ns", "_level", "per_minute")

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._level = 0
        self._last_ns = 0

    def take(self, units: int, now_ns: int) -> int:
        """Take `units` (at most the whole bucket) and return 0, or take nothing and return how long to
        wait, in ns.
        """
        rate, level = self.per_minute, self._level
        elapsed = now_ns - self._last_ns
        if elapsed > 0:
            self._last_ns = now_ns
            level -= elapsed * rate
            self._level = level = level if level > 0 else 0
        wanted = (units if units < rate else rate) * MINUTE_NS
        excess = level + wanted - rate * MINUTE_NS
        if excess > 0:
            return -(-excess // rate)
        self._level = level + wanted
        return 0

    def wait(self, units: int, now_ns: int) -> int:
        """How many ns until `units` fit; 0 where they fit now."""
        wait = self.take(units, now_ns)
        if not wait:
            self._level -= min(units, self.per_minute) * MINUTE_NS
        return wait

    def adjust(self, units: int) -> None:
        """Give back (negative) or charge (positive) without asking; a debt drains like the rest."""
        self._level = max(self._level + units * MINUTE_NS, 0)

    def level(self, now_ns: int) -> float:
        """Units in the bucket at `now_ns`; more than `per_minute` is a debt."""
        return max(self._level - max(now_ns - self._last_ns, 0) * self.per_minute, 0) / MINUTE_NS


class Taken:
    """What one call holds of its meter, and what it was finally charged."""

    __slots__ = ("charged_nano", "charged_tokens", "held_nano", "held_tokens", "period_ns", "settled")

    def __init__(self, held_nano: int, held_tokens: int, period_ns: int) -> None:
        self.held_nano = held_nano
        self.held_tokens = held_tokens
        self.period_ns = period_ns
        self.charged_nano = 0
        self.charged_tokens = held_tokens
        self.settled = False


class Meter:
    """The running state of one limited key. Outlives a change of its limits."""

    __slots__ = (
        "_budget_nano", "_ends_ns", "_held_nano", "_period", "_requests", "_spent_nano", "_starts_ns",
        "_tokens", "in_flight", "info", "unpriced",
    )  # fmt: skip

    def __init__(self, info: KeyInfo) -> None:
        self._requests: Bucket | None = None
        self._tokens: Bucket | None = None
        self._period = ""
        self._starts_ns = self._ends_ns = 0
        self._spent_nano = self._held_nano = 0
        self._budget_nano: int | None = None
        self.in_flight = 0
        self.unpriced = 0
        self.info = info
        self.limit(info)

    def limit(self, info: KeyInfo) -> None:
        """Take over the limits of `info`; what was used so far stays used."""
        self.info = info
        self._requests = _resized(self._requests, info.rpm)
        self._tokens = _resized(self._tokens, info.tpm)
        self._budget_nano = None if info.budget_usd is None else round(info.budget_usd * NANO)
        if self._period != info.budget_period:
            self._period = info.budget_period
            self._ends_ns = 0  # the next look at the clock starts the new period

    def seed(self, spend: Spend, wall_ns: int) -> None:
        """Take the published spend where it is of the current period and more than is known here.

        It only ever raises what counts as spent: the publisher lags behind this process by the calls it has
        not drained yet, and is ahead by those of a process that died.
        """
        if self._budget_nano is None:
            return
        self._roll(wall_ns)
        if spend.since_ns == self._starts_ns:
            self._spent_nano = max(self._spent_nano, round(spend.usd * NANO))

    @property
    def spent_usd(self) -> float:
        """US dollars charged in the current period."""
        return self._spent_nano / NANO

    @property
    def held_usd(self) -> float:
        """US dollars held for calls in flight."""
        return self._held_nano / NANO

    def admit(self, now_ns: int, wall_ns: int) -> None:
        """Count one request.

        Raises BudgetExceeded where the money is gone, LimitExceeded over the request rate.
        """
        budget = self._budget_nano
        if budget is not None:
            if wall_ns >= self._ends_ns:
                self._roll(wall_ns)
            if self._spent_nano >= budget:
                raise self._exhausted(wall_ns)
        bucket = self._requests
        if bucket is not None and (wait := bucket.take(1, now_ns)):
            raise LimitExceeded(
                f"over {bucket.per_minute} requests per minute of this API key", retry_after_s=wait / NANO
            )

    def take(self, usd: float | None, tokens: int, now_ns: int, wall_ns: int) -> Taken:
        """Hold the worst case; None holds no money.

        Raises LimitExceeded, BudgetExceeded, and then holds nothing.
        """
        info = self.info
        if info.concurrency is not None and self.in_flight >= info.concurrency:
            raise LimitExceeded(f"over {info.concurrency} calls at once of this API key")
        nano = 0
        budget = self._budget_nano
        if budget is not None:
            if wall_ns >= self._ends_ns:
                self._roll(wall_ns)
            nano = 0 if usd is None else math.ceil(usd * NANO)
            if self._spent_nano >= budget:
                raise self._exhausted(wall_ns)
            if self._spent_nano + self._held_nano + nano > budget:
                raise self._too_dear(nano, budget)
        bucket = self._tokens
        held = 0
        if bucket is not None:
            held = min(tokens, bucket.per_minute)
            if wait := bucket.take(held, now_ns):
                raise LimitExceeded(
                    f"over {bucket.per_minute} tokens per minute of this API key", retry_after_s=wait / NANO
                )
        self._held_nano += nano
        self.in_flight += 1
        return Taken(nano, held, self._starts_ns)

    def settle(self, taken: Taken, usd: float | None, tokens: int | None) -> None:
        """Charge what it really was; None charges what was held.

        Again: replaces the first charge, ends nothing twice.
        """
        if not taken.settled:
            taken.settled = True
            self._held_nano -= taken.held_nano
            self.in_flight -= 1
        nano = taken.held_nano if usd is None else round(usd * NANO)
        if taken.period_ns == self._starts_ns:  # a call that began in the last period is charged to that one
            self._spent_nano += nano - taken.charged_nano
        taken.charged_nano = nano
        bucket = self._tokens
        if bucket is not None:
            used = taken.held_tokens if tokens is None else tokens
            bucket.adjust(used - taken.charged_tokens)
            taken.charged_tokens = used

    def _roll(self, wall_ns: int) -> None:
        starts, ends = period_bounds(self._period, wall_ns)
        if starts != self._starts_ns or not self._ends_ns:
            self._spent_nano = 0
        self._starts_ns, self._ends_ns = starts, ends

    def _exhausted(self, wall_ns: int) -> BudgetExceeded:
        back = None if self._period == "total" else (self._ends_ns - wall_ns) / NANO
        return BudgetExceeded(f"the budget of this API key ({self._said()}) is spent", retry_after_s=back)

    def _too_dear(self, nano: int, budget: int) -> BudgetExceeded:
        left = max(budget - self._spent_nano - self._held_nano, 0) / NANO
        return BudgetExceeded(
            f"this call could cost ${nano / NANO:.6f}, and ${left:.6f} is left of this API key's budget "
            f"({self._said()}); a lower token limit makes it cheaper",
        )

    def _said(self) -> str:
        each = "in total" if self._period == "total" else f"per {self._period}"
        return f"${self.info.budget_usd:g} {each}"


def limited(info: KeyInfo) -> bool:
    """Whether a key has any limit that needs a meter."""
    return not (info.rpm is None and info.tpm is None and info.budget_usd is None and info.concurrency is None)


def _resized(bucket: Bucket | None, per_minute: int | None) -> Bucket | None:
    if per_minute is None:
        return None
    if bucket is None:
        return Bucket(per_minute)
    bucket.per_minute = per_minute
    return bucket
