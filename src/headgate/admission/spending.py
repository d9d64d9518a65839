"""What was spent under each limit, by the records of calls: what a ledger begins with, and is corrected by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from headgate.admission.periods import period_bounds
from headgate.admission.ports import SpendSource
from headgate.core.keys import EVERY_TENANT, ScopeLimits, Spend
from headgate.core.stages import KeyInfo

APPS_NS = 600_000_000_000  # sums of apps are of rollups, and dear: they are asked for again after so long


class Spending:
    """Reads a SpendSource; within one `at` each question is asked once."""

    def __init__(self, source: SpendSource) -> None:
        self.source = source
        self._keys: dict[int, Mapping[str, Spend]] = {}
        self._apps: dict[int, tuple[int, dict[str, float]]] = {}
        self._now_ns = 0

    def at(self, now_ns: int) -> Spending:
        """The same, at wall time `now_ns`: what was read before is forgotten, sums of apps when they are old."""
        self._now_ns = now_ns
        self._keys = {}
        self._apps = {start: kept for start, kept in self._apps.items() if 0 <= now_ns - kept[0] < APPS_NS}
        return self

    def of_key(self, info: KeyInfo) -> Spend:
        """What a key spent in its budget's current period."""
        starts_ns = period_bounds(info.budget_period, self._now_ns)[0]
        spent = self._by_key(starts_ns).get(info.id)
        return Spend(starts_ns) if spent is None else msgspec.structs.replace(spent, since_ns=starts_ns)

    def of_scope(self, scope: ScopeLimits, keys: Sequence[KeyInfo]) -> Spend:
        """What a tenant, a team (by the `keys` that are theirs) or an app spent in the budget's current period."""
        starts_ns = period_bounds(scope.limits.budget_period, self._now_ns)[0]
        if scope.kind == "app":
            return Spend(starts_ns, self._by_app(starts_ns).get(scope.name, 0.0))
        by_key = self._by_key(starts_ns)
        usd = sum(
            by_key[info.id].usd
            for info in keys
            if info.id in by_key and info.tenant == scope.tenant and (scope.kind == "tenant" or info.team == scope.name)
        )
        return Spend(starts_ns, usd)

    def _by_key(self, starts_ns: int) -> Mapping[str, Spend]:
        if starts_ns not in self._keys:
            self._keys[starts_ns] = self.source.spent_since(starts_ns)
        return self._keys[starts_ns]

    def _by_app(self, starts_ns: int) -> dict[str, float]:
        if starts_ns not in self._apps:
            sums: dict[str, float] = {}
            for rollup in self.source.rollups(EVERY_TENANT, starts_ns, self._now_ns + 1):
                sums[rollup.key.app] = sums.get(rollup.key.app, 0.0) + rollup.cost_usd
            self._apps[starts_ns] = (self._now_ns, sums)
        return self._apps[starts_ns][1]
