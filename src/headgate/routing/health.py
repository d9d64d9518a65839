"""Which targets failed a moment ago, and how long to leave them alone. Per worker, in memory.

Only troubled targets are held: a healthy one costs nothing. A target that failed is left alone for as long as it
asked, else for a time that doubles with every failure in a row (with jitter, so that workers do not come back
together). When that time is over one call may try it first; the others wait for its verdict. Nothing here removes a
target from a list: where all are in trouble, the one that is due soonest is asked.
"""

from __future__ import annotations

import math

from headgate.core.errors import UpstreamError
from headgate.core.ports import Clock, Entropy
from headgate.core.snapshot import Target

TROUBLES_MAX = 4096
COOL_MIN_S = 1.0  # also where a provider says it may be asked again at once: another target is asked meanwhile
COOL_MAX_S = 3600.0
PROBE_S = 10.0  # how long the others wait for the verdict of the call that tries a target again
FORGET_S = 600.0  # after so long without a failure a target starts from the shortest time again
JITTER = 0.2

# kind -> (seconds after the first failure, most seconds however many follow)
_DEFAULT = (1.0, 60.0)
_COOLING: dict[str, tuple[float, float]] = {
    "rate_limited": (2.0, 60.0),
    "overloaded": (2.0, 60.0),
    "quota_exhausted": (300.0, 3600.0),
    "auth_failed": (60.0, 900.0),
    "model_gone": (300.0, 3600.0),
    "tls_failed": (10.0, 300.0),
    "address_refused": (60.0, 900.0),
}
# neither speaks of the target: the request is at fault, or a bound of ours was reached
_NOT_COOLED = frozenset({"client_fault", "context_too_long", "pool_exhausted"})
# these tell of the account or its host, so of every model behind it
_OF_PROVIDER = frozenset({
    "connect_failed", "dns_failed", "tls_failed", "connect_timeout", "address_refused", "quota_exhausted",
})  # fmt: skip


class Trouble:
    """One troubled target, or a whole provider. Times are monotonic nanoseconds."""

    __slots__ = ("failed_ns", "kind", "probe_ns", "streak", "until_ns")

    def __init__(self) -> None:
        self.kind = ""
        self.streak = 0
        self.failed_ns = 0
        self.until_ns = 0
        self.probe_ns = 0

    def due_ns(self) -> int:
        """When it may be asked first again: its time is over and no other call is trying it."""
        return max(self.until_ns, self.probe_ns)


class Health:
    """Remembers failures, at most TROUBLES_MAX of them."""

    __slots__ = ("_clock", "_entropy", "_troubles")

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._troubles: dict[tuple[str, str], Trouble] = {}

    @property
    def troubled(self) -> bool:
        """Whether any target is in trouble at all."""
        return bool(self._troubles)

    def failed(self, target: Target, error: UpstreamError) -> None:
        """An attempt failed. Failures while it is left alone already (calls under way) do not lengthen the time."""
        kind = error.kind
        if kind in _NOT_COOLED:
            return
        everywhere = kind in _OF_PROVIDER or (kind == "auth_failed" and error.attempt_status == 401)
        key = (target.provider, "" if everywhere else target.model)
        now = self._clock.monotonic_ns()
        trouble = self._known(key, now) or self._add(key)
        if now >= trouble.until_ns:
            trouble.streak += 1
        first_s, most_s = _COOLING.get(kind, _DEFAULT)
        wait_s = self._wait_s(error.cool_s, first_s, most_s, trouble.streak)
        trouble.kind = kind
        trouble.failed_ns = now
        trouble.until_ns = max(trouble.until_ns, now + int(wait_s * 1e9))
        trouble.probe_ns = 0

    def succeeded(self, target: Target, started_ns: int) -> None:
        """An attempt that began at `started_ns` got its whole answer: failures noted before that are over."""
        if not self._troubles:
            return
        for key in ((target.provider, target.model), (target.provider, "")):
            trouble = self._troubles.get(key)
            if trouble is not None and trouble.failed_ns <= started_ns:
                del self._troubles[key]

    def troubles(self, target: Target, now_ns: int) -> list[Trouble]:
        """What is held against a target: its own failures and its provider's."""
        own = self._known((target.provider, target.model), now_ns)
        provider = self._known((target.provider, ""), now_ns)
        return [trouble for trouble in (own, provider) if trouble is not None]

    def wait_s(self, target: Target) -> float | None:
        """Seconds until the target may be asked first again; None where nothing is held against it."""
        now = self._clock.monotonic_ns()
        found = self.troubles(target, now)
        if not found:
            return None
        return max((max(trouble.due_ns() for trouble in found) - now) / 1e9, 0.0)

    def claim(self, target: Target) -> None:
        """This call tries the target again; until its verdict, PROBE_S at most, no other call asks it first."""
        now = self._clock.monotonic_ns()
        for trouble in self.troubles(target, now):
            trouble.probe_ns = now + int(PROBE_S * 1e9)

    def _known(self, key: tuple[str, str], now_ns: int) -> Trouble | None:
        trouble = self._troubles.get(key)
        if trouble is not None and now_ns - trouble.until_ns > FORGET_S * 1e9:
            del self._troubles[key]
            return None
        return trouble

    def _add(self, key: tuple[str, str]) -> Trouble:
        if len(self._troubles) >= TROUBLES_MAX:
            del self._troubles[next(iter(self._troubles))]
        trouble = self._troubles[key] = Trouble()
        return trouble

    def _wait_s(self, told_s: float | None, first_s: float, most_s: float, streak: int) -> float:
        if told_s is not None and math.isfinite(told_s):
            wait_s = max(told_s, COOL_MIN_S)
            return min(wait_s * (1 + JITTER / 2 * self._entropy.uniform()), COOL_MAX_S)
        wait_s = min(first_s * 2.0 ** min(streak - 1, 30), most_s)
        return wait_s * (1 - JITTER + 2 * JITTER * self._entropy.uniform())
