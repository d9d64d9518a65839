"""Admission as the page sees it: who are you, may you, can you afford it."""

from __future__ import annotations

import logging
import math
from types import TracebackType

from headgate.admission.account import NANO
from headgate.admission.files import KeySource
from headgate.admission.holds import Hold
from headgate.admission.keys import KeyRing, well_formed
from headgate.admission.ledger import SharedLedger
from headgate.admission.notices import event_of
from headgate.admission.ports import Ledger
from headgate.admission.scopes import Scopes
from headgate.admission.shedding import HEADER, IN_FLIGHT_MAX, Shedder, lowered
from headgate.admission.worst import worst_case, worst_usd
from headgate.core.errors import Forbidden, HeadgateError, Overloaded, Unauthenticated
from headgate.core.ports import Clock, EventSink, TimerHandle
from headgate.core.record import CallRecord, answering
from headgate.core.stages import Admitted, Call, Funded, KeyInfo, Planned, Selected

POLL_S = 0.5
HELD_MAX = 100_000  # calls in flight that hold something
MARGIN_S = 60.0  # how long after its call's deadline a hold ends by itself
CORRECTED_S = 3600.0  # how long after that its record may still correct what it was charged
SWEEP_POLLS = 20

log = logging.getLogger(__name__)


class Admission:
    """Keys, limits and budgets of one worker. Every call to it happens on the event loop's thread."""

    __slots__ = (
        "_clock", "_entered", "_events", "_held", "_ledger", "_polling", "_polls", "_ring", "_scopes", "_source",
        "shedder",
    )  # fmt: skip

    def __init__(
        self,
        source: KeySource,
        clock: Clock,
        ledger: Ledger | None = None,
        events: EventSink | None = None,
        in_flight: int = IN_FLIGHT_MAX,
    ) -> None:
        """Without a `ledger` that others share, what is used is known to this process alone. `in_flight`: how many
        calls it serves at once."""
        self.shedder = Shedder(clock, in_flight)
        self._entered: dict[str, str] = {}  # calls in flight, with their tenants
        self._source = source
        self._clock = clock
        self._ledger: Ledger = SharedLedger.alone(clock) if ledger is None else ledger
        self._events = events
        self._scopes = Scopes()
        self._held: dict[str, Reservation] = {}
        self._polling: TimerHandle | None = None
        self._polls = 0
        source.poll()
        self._ring = source.ring
        self._take_over()

    def admit(self, call: Call) -> Admitted:
        """Raises Unauthenticated, LimitExceeded, BudgetExceeded, Overloaded.

        The record knows key and tenant from here on; the call is in flight until `correct` is told of it.
        """
        admitted = self.identify(call)
        info = admitted.key
        self.shedder.enter(info.tenant, lowered(info.criticality, call.header(HEADER)))
        self._entered[call.id] = info.tenant
        return admitted

    def identify(self, call: Call) -> Admitted:
        """Who asks, within its limits. Raises Unauthenticated, LimitExceeded, BudgetExceeded, Overloaded."""
        info = self._find(call)
        record = call.record
        record.key_id = info.id
        record.tenant = info.tenant
        if self._scopes.limited:
            chain = self._scopes.of(info, None)
            refusal = self._ledger.gone(chain.accounts, call.received_ns) if chain.budgeted else None
            if refusal is None and chain.rated:
                refusal = self._ledger.count(chain.rated, call.received_ns)
            if refusal is not None:
                raise refusal
        return Admitted(call, info)

    def _find(self, call: Call) -> KeyInfo:
        """The key shown. One that is unknown may have been made just now: look at what is published before refusing."""
        try:
            return self._ring.find(call.credential, call.received_ns)
        except Unauthenticated:
            if call.credential is None or not well_formed(call.credential) or not self.refresh():
                raise
        return self._ring.find(call.credential, call.received_ns)

    def reserve(self, planned: Planned) -> Reservation:
        """Holds the worst case until the call is over. Raises Forbidden, LimitExceeded, BudgetExceeded, Overloaded."""
        selected = planned.screened.grounded.prompted.selected
        admitted = selected.admitted
        info, record = admitted.key, admitted.call.record
        if info.models:
            _permit(selected)
        if not self._scopes.limited:
            return Reservation(self, planned, record)
        app = selected.app
        chain = self._scopes.of(info, None if app is None else app.name)
        if not chain.accounts:
            return Reservation(self, planned, record)
        nano = 0
        if chain.budgeted:
            planned, nano = worst_case(planned, chain.strict)
        if len(self._held) >= HELD_MAX:
            raise Overloaded(f"{HELD_MAX} calls with limits are in flight")
        tokens = planned.input_tokens + planned.output_tokens
        ledger = self._ledger
        hold = ledger.hold(chain.accounts, nano, tokens, self._clock.now_ns(), chain.app)
        if isinstance(hold, HeadgateError):
            if ledger.notices:
                self.tell()
            raise hold
        reservation = self._held[record.id] = Reservation(self, planned, record)
        reservation.holds(hold, chain.strict, self._clock.monotonic_ns())
        return reservation

    def correct(self, record: CallRecord) -> None:
        """Charge a call by its record, now that it is complete. Harmless for any other record."""
        tenant = self._entered.pop(record.id, None)
        if tenant is not None:
            self.shedder.leave(tenant)
        reservation = self._held.pop(record.id, None)
        if reservation is not None:
            reservation.settle(record)

    def charge(self, hold: Hold, nano: int | None, tokens: int | None) -> None:
        """Settle a hold; None charges what was held."""
        ledger = self._ledger
        ledger.settle(hold, nano, tokens)
        if ledger.notices:
            self.tell()

    def tell(self) -> None:
        """Pass on what the ledger noticed about budgets."""
        notices, self._ledger.notices = self._ledger.notices, []
        if self._events is not None:
            at_ns = self._clock.now_ns()
            for notice in notices:
                self._events.emit(event_of(notice, at_ns))

    def refresh(self) -> bool:
        """Take over newly published keys, if any; calls under way keep the key they came with."""
        if not self._source.poll():
            return False
        self._ring = self._source.ring
        self._take_over()
        return True

    def watch(self) -> None:
        """Every POLL_S seconds until `stop`: refresh, and clear up after processes that died and calls that hang."""
        self.refresh()
        lost = self._ledger.reclaim()
        if lost.calls or lost.nano:
            log.warning(
                "a worker died with calls in flight: $%.6f that they held, over all their budgets, count as spent",
                lost.nano / NANO,
            )
        self._polls += 1
        if self._polls % SWEEP_POLLS == 0:
            self.expire()
        self._polling = self._clock.call_later(POLL_S, self.watch)

    def expire(self) -> None:
        """Charge the worst case of calls that hold something past their time: a hold never outlives its call for long.

        A call that does end after all, within an hour, is charged by its record then.
        """
        now_ns = self._clock.monotonic_ns()
        late = [(call_id, held) for call_id, held in self._held.items() if held.expires_ns <= now_ns]
        for call_id, held in late:
            if held.expired:
                del self._held[call_id]
            else:
                held.expire()
        if expired := sum(held.expired and held.expires_ns > now_ns for _, held in late):
            log.warning("%d calls hold limits past their deadline: charged in full", expired)

    def stop(self) -> None:
        """End `watch`."""
        self.shedder.stop()
        if self._polling is not None:
            self._polling.cancel()
            self._polling = None

    def close(self) -> None:
        """Let go of the ledger, once the last call is over."""
        self.stop()
        self._ledger.close()

    @property
    def ring(self) -> KeyRing:
        """The keys in force."""
        return self._ring

    @property
    def trouble(self) -> str | None:
        """Why the published keys could not be read, where they could not: the last good ones are in force."""
        return self._source.trouble

    @property
    def held(self) -> int:
        """How many calls hold something."""
        return len(self._held)

    def _take_over(self) -> None:
        published = self._source.published
        if published is None:
            return
        self._scopes.take_over(published)
        try:
            self._ledger.seed(self._scopes.all(), self._clock.now_ns())
        except Overloaded:
            log.warning("the ledger is held by a stopped process: spend that was published counts at the next change")


class Reservation:
    """A funded plan. It is settled when its record is complete, at the latest when the block is left with one."""

    __slots__ = ("_admission", "_hold", "_planned", "_record", "_strict", "expired", "expires_ns")

    def __init__(self, admission: Admission, planned: Planned, record: CallRecord) -> None:
        self._admission = admission
        self._planned = planned
        self._record = record
        self._hold: Hold | None = None
        self._strict = False
        self.expired = False
        self.expires_ns = 0

    def holds(self, hold: Hold, strict: bool, now_ns: int) -> None:
        """Say what is held, since monotonic `now_ns`; `strict`: an unknown cost is charged as the worst case."""
        self._hold = hold
        self._strict = strict
        self.expires_ns = now_ns + int((self._planned.route.deadlines.total_s + MARGIN_S) * 1e9)

    def __enter__(self) -> Funded:
        return Funded(self._planned)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        hold = self._hold
        if hold is not None and not hold.settled and self._record.outcome != "in_flight":
            self._admission.correct(self._record)

    def settle(self, record: CallRecord) -> None:
        """Charge by the finished record."""
        if self._hold is not None:
            self._admission.charge(self._hold, self._nano(record), _tokens(record))

    def expire(self) -> None:
        """Charge the worst case, until the record says better."""
        self.expired = True
        self.expires_ns += int(CORRECTED_S * 1e9)
        if self._hold is not None:
            self._admission.charge(self._hold, None, None)

    def _nano(self, record: CallRecord) -> int | None:
        """What to charge; None: what was held."""
        usd = record.cost_usd
        if usd is None:
            if record.input_tokens is None and record.output_tokens is None:
                return 0  # no provider was at work
            return None if self._strict else 0
        if record.tokens_estimated and record.outcome == "cancelled" and not record.stream:
            # nothing of the answer was seen, and the provider went on writing it: it may be billed to its limit
            last = answering(record.attempts)
            usd += self._last_usd(record) - (0.0 if last is None else last.cost_usd or 0.0)
        return math.ceil(usd * NANO)

    def _last_usd(self, record: CallRecord) -> float:
        for candidate in self._planned.candidates:
            target = candidate.target
            if target.model == record.target_model and target.provider == record.provider:
                return worst_usd(self._planned, target) or 0.0
        return 0.0


def _permit(selected: Selected) -> None:
    allowed = selected.admitted.key.models
    asked = selected.asked.model
    if asked in allowed or (selected.app is not None and selected.app.name in allowed):
        return
    raise Forbidden(f"this API key may not use `{asked}`", param="model")


def _tokens(record: CallRecord) -> int:
    return (record.input_tokens or 0) + (record.output_tokens or 0)
