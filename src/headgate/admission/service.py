"""Admission as the page sees it: who are you, may you, can you afford it."""

from __future__ import annotations

from types import TracebackType

from headgate.admission.files import KeySource
from headgate.admission.keys import KeyRing, well_formed
from headgate.admission.limits import Meter, Taken, limited
from headgate.core.errors import Forbidden, Unauthenticated
from headgate.core.ports import Clock, TimerHandle
from headgate.core.record import CallRecord
from headgate.core.stages import Admitted, Call, Funded, KeyInfo, Planned, Selected
from headgate.core.types import Usage, money

UNSETTLED_MAX = 10_000
POLL_S = 0.5


class Admission:
    """Keys, limits and budgets of one worker. Every call to it happens on the event loop's thread."""

    __slots__ = ("_clock", "_meters", "_polling", "_ring", "_source", "_unsettled")

    def __init__(self, source: KeySource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._meters: dict[str, Meter] = {}
        self._unsettled: dict[str, Reservation] = {}
        self._polling: TimerHandle | None = None
        source.poll()
        self._ring = source.ring
        self._take_over()

    def admit(self, call: Call) -> Admitted:
        """Raises Unauthenticated, LimitExceeded, BudgetExceeded.

        The record knows key and tenant from here on.
        """
        info = self._find(call)
        record = call.record
        record.key_id = info.id
        record.tenant = info.tenant
        meter = self._meters.get(info.id)
        if meter is not None:
            meter.admit(self._clock.monotonic_ns(), call.received_ns)
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
        """Holds the worst case until the block is left. Raises Forbidden, LimitExceeded, BudgetExceeded."""
        selected = planned.screened.grounded.prompted.selected
        admitted = selected.admitted
        info = admitted.key
        if info.models:
            _permit(selected)
        meter = self._meters.get(info.id)
        if meter is None:
            return Reservation(self, planned, admitted.call.record, None, None)
        usd = planned.estimate_usd
        if info.budget_usd is not None and len(planned.candidates) > 1:
            usd = _dearest(planned)
        tokens = planned.input_tokens + planned.output_tokens
        taken = meter.take(usd, tokens, self._clock.monotonic_ns(), self._clock.now_ns())
        return Reservation(self, planned, admitted.call.record, meter, taken)

    def correct(self, record: CallRecord) -> None:
        """Charge a call again, now that its record is complete.

        For calls that left the page before their usage was known (a client that hung up): until this they are
        charged their worst case. Harmless for any other record.
        """
        reservation = self._unsettled.pop(record.id, None)
        if reservation is not None:
            reservation.settle(record)

    def postpone(self, reservation: Reservation, call_id: str) -> None:
        """Keep a call charged with its worst case where `correct` finds it; the oldest stay as charged."""
        if len(self._unsettled) >= UNSETTLED_MAX:
            del self._unsettled[next(iter(self._unsettled))]
        self._unsettled[call_id] = reservation

    def refresh(self) -> bool:
        """Take over newly published keys, if any; calls under way keep the key they came with."""
        if not self._source.poll():
            return False
        self._ring = self._source.ring
        self._take_over()
        return True

    def watch(self) -> None:
        """Refresh every POLL_S seconds until `stop`."""
        self.refresh()
        self._polling = self._clock.call_later(POLL_S, self.watch)

    def stop(self) -> None:
        """End `watch`."""
        if self._polling is not None:
            self._polling.cancel()
            self._polling = None

    @property
    def ring(self) -> KeyRing:
        """The keys in force."""
        return self._ring

    @property
    def trouble(self) -> str | None:
        """Why the published keys could not be read, where they could not: the last good ones are in force."""
        return self._source.trouble

    def meter(self, key_id: str) -> Meter | None:
        """The meter of a limited key."""
        return self._meters.get(key_id)

    def _take_over(self) -> None:
        published = self._source.published
        if published is None:
            return
        wall_ns = self._clock.now_ns()
        meters: dict[str, Meter] = {}
        for key in published.keys:
            info = key.info
            if not limited(info):
                continue
            meter = self._meters.get(info.id)
            if meter is None:
                meter = Meter(info)
            else:
                meter.limit(info)
            meter.seed(key.spend, wall_ns)
            meters[info.id] = meter
        self._meters = meters


class Reservation:
    """A funded plan; leaving the block settles it by what the record says, on every way out."""

    __slots__ = ("_admission", "_meter", "_planned", "_record", "_taken")

    def __init__(
        self,
        admission: Admission,
        planned: Planned,
        record: CallRecord,
        meter: Meter | None,
        taken: Taken | None,
    ) -> None:
        self._admission = admission
        self._planned = planned
        self._record = record
        self._meter = meter
        self._taken = taken

    def __enter__(self) -> Funded:
        return Funded(self._planned)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        taken = self._taken
        if taken is not None and not taken.settled and not self.settle(self._record):
            self._admission.postpone(self, self._record.id)

    def settle(self, record: CallRecord) -> bool:
        """Charge by the record; False where it does not say and the worst case was charged."""
        meter, taken = self._meter, self._taken
        if meter is None or taken is None:
            return True
        usd = record.cost_usd
        tokens = _tokens(record)
        if usd is None and tokens is None:
            if _answering(record):
                meter.settle(taken, None, None)
                return False
            meter.settle(taken, 0.0, 0)
            return True
        if usd is None:
            # answered by a target without a known price: nothing to charge, and counted so that it can be
            # told
            meter.unpriced += 1
            usd = 0.0
        meter.settle(taken, usd, tokens)
        return True


def _permit(selected: Selected) -> None:
    allowed = selected.admitted.key.models
    asked = selected.asked.model
    if asked in allowed or (selected.app is not None and selected.app.name in allowed):
        return
    raise Forbidden(f"this API key may not use `{asked}`", param="model")


def _dearest(planned: Planned) -> float | None:
    """The worst case over every target that may be asked."""
    worst = planned.estimate_usd
    usage = Usage(planned.input_tokens, planned.output_tokens)
    for candidate in planned.candidates[1:]:
        usd = money(candidate.target.price, usage)
        if usd is not None and (worst is None or usd > worst):
            worst = usd
    return worst


def _tokens(record: CallRecord) -> int | None:
    if record.input_tokens is None and record.output_tokens is None:
        return None
    return (record.input_tokens or 0) + (record.output_tokens or 0)


def _answering(record: CallRecord) -> bool:
    """Whether a provider was at work on the call, so that it may cost something although nobody said what."""
    if record.committed:
        return True
    for attempt in record.attempts:
        if attempt.first_token_us is not None:
            return True
        if attempt.error is None and (attempt.status is None or attempt.status < 300):
            return True
    return False
