"""Turning calls away before they cost anything, when there are more than this process can serve.

Two things tell: how many calls are in flight against how many may be, and how late the event loop's own timer comes,
since a loop that is late makes every stream stutter. Round-trip times tell nothing here: an answer takes as long as it
is. Sources: criticality classes and an adaptive share that is turned away, as in Google's SRE book (chapter 21); shares
that bind only near the limit, as in max-min fairness.
"""

from __future__ import annotations

from headgate.core.errors import Overloaded
from headgate.core.ports import Clock, TimerHandle

CRITICAL, DEFAULT, SHEDDABLE = "critical", "default", "sheddable"
CRITICALITIES = (CRITICAL, DEFAULT, SHEDDABLE)
IN_FLIGHT_MAX = 4096
# the part of all calls in flight at which a class is turned away
_ROOM = {SHEDDABLE: 0.7, DEFAULT: 0.9, CRITICAL: 1.0}
FAIR_FROM = 0.5  # beyond this part of them a tenant may hold no more than its share
TICK_S = 0.1
LATE_S = 0.1  # a timer that comes later than this is late
LATE_TICKS = 10  # so many late ones in a row are no hiccup
STEP_UP, STEP_DOWN = 0.05, 0.01  # of the pressure, each tick
RETRY_AFTER_S = 1.0
HEADER = b"x-headgate-criticality"


class Shedder:
    """Counts the calls of one process, and says which are too many."""

    __slots__ = (
        "_by_tenant", "_carry", "_clock", "_due_ns", "_late", "_max", "_timer", "in_flight", "pressure", "shed",
    )  # fmt: skip

    def __init__(self, clock: Clock, most: int = IN_FLIGHT_MAX) -> None:
        self._clock = clock
        self._max = most
        self._by_tenant: dict[str, int] = {}
        self._timer: TimerHandle | None = None
        self._due_ns = 0
        self._late = 0
        self._carry = 0.0
        # of a late loop: up to 1 the part of default calls that is turned away, beyond it that of critical ones
        self.pressure = 0.0
        self.in_flight = 0
        self.shed = 0

    def enter(self, tenant: str, criticality: str) -> None:
        """One call more. Raises Overloaded where it is one too many; then nothing is counted."""
        held = self.in_flight
        if held >= self._max * FAIR_FROM:
            self._fit(tenant, criticality, held)
        if self.pressure and self._turned_away(criticality):
            raise self._refusal("this gateway is short of processor time")
        self.in_flight = held + 1
        by_tenant = self._by_tenant
        by_tenant[tenant] = by_tenant.get(tenant, 0) + 1

    def leave(self, tenant: str) -> None:
        """A call that entered is over."""
        self.in_flight -= 1
        left = self._by_tenant[tenant] - 1
        if left:
            self._by_tenant[tenant] = left
        else:
            del self._by_tenant[tenant]

    def watch(self) -> None:
        """Look at the loop every TICK_S seconds until `stop`."""
        self._due_ns = self._clock.monotonic_ns() + int(TICK_S * 1e9)
        self._timer = self._clock.call_later(TICK_S, self._tick)

    def stop(self) -> None:
        """End `watch`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self.looked((self._clock.monotonic_ns() - self._due_ns) / 1e9)
        self.watch()

    def looked(self, late_s: float) -> None:
        """The loop was so late. Only lateness that stays turns calls away; once it is over, ever fewer."""
        if late_s > LATE_S:
            self._late += 1
            if self._late >= LATE_TICKS:
                self.pressure = min(self.pressure + STEP_UP, 2.0)
        else:
            self._late = 0
            self.pressure = max(self.pressure - STEP_DOWN, 0.0)

    def _fit(self, tenant: str, criticality: str, held: int) -> None:
        most = self._max
        if held >= most * _ROOM[criticality]:
            raise self._refusal(f"{held} calls are in flight")
        own = self._by_tenant.get(tenant, 0)
        tenants = len(self._by_tenant) + (0 if own else 1)
        if tenants > 1 and own >= most / tenants:
            raise self._refusal(f"{held} calls are in flight, and this tenant has its share of them")

    def _turned_away(self, criticality: str) -> bool:
        """Sheddable calls go first, all of them; critical ones only where turning away all others was not enough."""
        if criticality == SHEDDABLE:
            return True
        self._carry += min(self.pressure, 1.0) if criticality == DEFAULT else max(self.pressure - 1.0, 0.0)
        if self._carry < 1.0:
            return False
        self._carry -= 1.0
        return True

    def _refusal(self, why: str) -> Overloaded:
        self.shed += 1
        return Overloaded(f"{why}; try again shortly", retry_after_s=RETRY_AFTER_S)


def lowered(own: str, asked: bytes | None) -> str:
    """A key's criticality, or a lower one that its caller asked for; nobody raises his own."""
    if asked is None:
        return own
    word = asked.decode("latin-1").strip().lower()
    if word not in CRITICALITIES or CRITICALITIES.index(word) < CRITICALITIES.index(own):
        return own
    return word
