"""One scope's limits as a process enforces them, and how it refuses."""

from __future__ import annotations

from headgate.admission.bucket import drained, wait_us
from headgate.admission.periods import period_bounds
from headgate.admission.rows import CALLS, HELD, REQUESTS, SPENT, STARTS, TOKENS, Cells, tag_of, turn
from headgate.core.errors import BudgetExceeded, CallerError, LimitExceeded
from headgate.core.keys import Limits, Spend

NANO = 1_000_000_000
SOON_S = 1.0  # when to come back where a call that is under way must end first


class Account:
    """A key, a team, a tenant or an app with at least one limit. `base` is 0 until the ledger has a row for it.

    `label` is how a refusal names it. `seed` is what the records say was spent when limits were published last.
    """

    __slots__ = (
        "address", "base", "budget_nano", "column", "ends_ns", "label", "limits", "most", "rpm", "seed", "starts_ns",
        "tag", "tag_high", "tpm",
    )  # fmt: skip

    def __init__(self, address: str, label: str, limits: Limits, seed: Spend | None = None) -> None:
        self.address = address
        self.label = label
        self.tag = tag_of(address)
        self.tag_high = self.tag[0]
        self.base = self.column = 0  # the ledger's mark stands there, and is nobody's tag
        self.seed = Spend() if seed is None else seed
        self.limit(limits)

    def limit(self, limits: Limits) -> None:
        """Take over other limits; what was used so far stays used."""
        self.limits = limits
        self.most: int | None = limits.concurrency
        self.rpm: int | None = limits.rpm
        self.tpm: int | None = limits.tpm
        self.budget_nano: int | None = None if limits.budget_usd is None else round(limits.budget_usd * NANO)
        self.starts_ns = self.ends_ns = 0  # the next look at the clock finds the period

    def period(self, wall_ns: int) -> int:
        """The start of the budget period that holds `wall_ns`."""
        if not self.starts_ns <= wall_ns < self.ends_ns:
            self.starts_ns, self.ends_ns = period_bounds(self.limits.budget_period, wall_ns)
        return self.starts_ns

    def spent(self, cells: Cells, wall_ns: int) -> int:
        """Nano-dollars spent in the period of `wall_ns`; makes that the row's current one."""
        starts_ns = self.starts_ns if self.starts_ns <= wall_ns < self.ends_ns else self.period(wall_ns)
        if cells[self.base + STARTS] != starts_ns:
            turn(cells, self.base, starts_ns)
        return cells[self.base + SPENT]

    def seeded_nano(self, starts_ns: int) -> int:
        """What the records know of the period that starts then, in nano-dollars."""
        return round(self.seed.usd * NANO) if self.seed.since_ns == starts_ns else 0

    def gone(self, cells: Cells, wall_ns: int) -> BudgetExceeded | None:
        """The refusal where all of the budget is spent. Needs no lock: it changes nothing."""
        budget = self.budget_nano
        if budget is None or cells[self.base] != self.tag_high:
            return None
        starts_ns = self.starts_ns if self.starts_ns <= wall_ns < self.ends_ns else self.period(wall_ns)
        if cells[self.base + STARTS] != starts_ns or cells[self.base + SPENT] < budget:
            return None
        return self._exhausted(wall_ns)

    def too_fast(self, cells: Cells, now_us: int) -> LimitExceeded | None:
        """The refusal where one more request is over the rate."""
        rate = self.rpm
        if rate is None:
            return None
        wait = wait_us(drained(cells, self.base + REQUESTS, rate, now_us), 1, rate)
        if not wait:
            return None
        return LimitExceeded(f"over {rate} requests per minute of {self.label}", retry_after_s=wait / 1e6)

    def refuses(self, cells: Cells, nano: int, tokens: int, now_us: int, wall_ns: int) -> CallerError | None:
        """Why a call that may cost `nano` and take `tokens` does not fit now; None where it does. Charges nothing."""
        base, most = self.base, self.most
        if most is not None and cells[base + CALLS] >= most:
            return LimitExceeded(f"over {most} calls at once of {self.label}", retry_after_s=SOON_S)
        budget = self.budget_nano
        if budget is not None:
            spent = self.spent(cells, wall_ns)
            if spent >= budget:
                return self._exhausted(wall_ns)
            held = cells[base + HELD]
            if spent + held + nano > budget:
                return self._too_dear(nano, spent, held, wall_ns)
        rate = self.tpm
        if rate is not None:
            wait = wait_us(drained(cells, base + TOKENS, rate, now_us), tokens, rate)
            if wait:
                return LimitExceeded(f"over {rate} tokens per minute of {self.label}", retry_after_s=wait / 1e6)
        return None

    def _exhausted(self, wall_ns: int) -> BudgetExceeded:
        return BudgetExceeded(
            f"the budget of {self.label} ({self._said()}) is spent", retry_after_s=self.until_s(wall_ns)
        )

    def _too_dear(self, nano: int, spent: int, held: int, wall_ns: int) -> BudgetExceeded:
        left = max((self.budget_nano or 0) - spent - held, 0) / NANO
        # where calls under way hold what is missing, their end may give it back
        again = SOON_S if spent + nano <= (self.budget_nano or 0) else self.until_s(wall_ns)
        return BudgetExceeded(
            f"this call could cost ${nano / NANO:.6f}, and ${left:.6f} is left of the budget of {self.label} "
            f"({self._said()}); a lower token limit makes it cheaper",
            retry_after_s=again,
        )

    def until_s(self, wall_ns: int) -> float | None:
        """Seconds to the end of the budget's period; None where it never ends."""
        if self.limits.budget_period == "total":
            return None
        self.period(wall_ns)
        return (self.ends_ns - wall_ns) / NANO

    def _said(self) -> str:
        period = self.limits.budget_period
        each = "in total" if period == "total" else f"per {period}"
        return f"${self.limits.budget_usd:g} {each}"
