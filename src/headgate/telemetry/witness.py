"""The witness: keeps the record of one call from its first byte to its last, whatever way the call ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType

from headgate.core.chat import Begin, Finish, Frame, ReasoningDelta, RefusalDelta, TextDelta, ToolArgs, UsageDelta
from headgate.core.errors import HeadgateError
from headgate.core.ports import Clock, Journal
from headgate.core.record import CallRecord, GapRecord
from headgate.core.stages import Call, Funded, Passed
from headgate.core.types import Usage, folded
from headgate.telemetry.bodies import BodyKeeper
from headgate.telemetry.cost import settle
from headgate.telemetry.ports import Listener
from headgate.telemetry.sampling import PromptSamples

CLIENT_LEFT = "client_closed"
MESSAGE_CHARS_MAX = 500
NAME_CHARS_MAX = 200
NAMES_MAX = 100

_OUTCOMES = {"caller": "refused", "policy": "blocked", "provider": "failed", "gateway": "failed"}


class Telemetry:
    """Owns the record: implements `pipeline.Telemetry`.

    `listeners` are told of every sealed record, in order, once it is in the journal.
    """

    __slots__ = ("clock", "journal", "listeners", "samples")

    def __init__(self, journal: Journal, clock: Clock, listeners: Sequence[Listener] = ()) -> None:
        self.journal = journal
        self.clock = clock
        self.listeners = tuple(listeners)
        self.samples = PromptSamples(journal, clock)

    def witness(self, call: Call) -> CallWitness:
        """Seals the record on every way out, refusals, failures and hang-ups included."""
        return CallWitness(self, call)

    def refused(self, call: Call, error: HeadgateError) -> None:
        """Puts a call on record that ended before anybody looked at it."""
        self.witness(call).refuse(error)


class CallWitness:
    """Implements `pipeline.Witness` for one call."""

    __slots__ = (
        "_attempt",
        "_blocked",
        "_bodies",
        "_call",
        "_chars",
        "_funded",
        "_owner",
        "_record",
        "_usage",
        "sealed",
    )

    def __init__(self, owner: Telemetry, call: Call) -> None:
        self._owner = owner
        self._call = call
        self._record = record = call.record
        self._funded: Funded | None = None
        self._attempt = 0
        self._chars = 0
        self._usage: Usage | None = None
        self._blocked: str | None = None
        self._bodies: BodyKeeper | None = None
        self.sealed = False
        record.snapshot = call.snapshot.digest
        record.peer = call.peer

    async def __aenter__(self) -> CallWitness:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.sealed:
            return
        if error is not None:
            self._note(error)
        self.seal()

    def open(self, funded: Funded) -> None:
        """Journal the call as in flight, with what the stages decided. Raises Overloaded where the journal is full
        and the configuration says `refuse`."""
        self._funded = funded
        planned = funded.planned
        selected = planned.screened.grounded.prompted.selected
        record, asked, app, release = self._record, selected.asked, selected.app, selected.release
        record.stream = asked.stream
        record.model_asked = record.model_asked or asked.model
        self._clip(record)
        if record.route is None and planned.route.ref is not None:
            record.route = str(planned.route.ref)
        if app is not None and record.app is None:
            record.app = app.name
        if release is not None and record.release is None:
            record.release = str(release)
        sources = planned.screened.grounded.sources
        if sources and not record.sources:
            record.sources = list(sources)
        if (self._call.snapshot.bodies if app is None else app.bodies) == "full":
            self._bodies = BodyKeeper(planned.screened.body)
        if record.fingerprint is not None and self._call.snapshot.discovery and (app is None or app.discovery):
            self._owner.samples.look(record.fingerprint, funded)
        self._owner.journal.opened(record)

    def saw(self, passed: Passed) -> None:
        """Note first token, finish, model and usage of what goes out."""
        if passed.attempt != self._attempt:
            if self._attempt:
                self._restart()
            self._attempt = passed.attempt
        record = self._record
        if passed.commits and record.ttft_us is None:
            record.ttft_us = (self._owner.clock.monotonic_ns() - self._call.started_ns) // 1000
            record.committed = True
        if passed.blocked is not None:
            self._blocked = passed.blocked
        if passed.frames:
            self._read(passed.frames)

    def refuse(self, error: HeadgateError) -> None:
        """Seal the record of a call that `error` ended."""
        self._note(error)
        self.seal()

    def seal(self) -> None:
        """Finish the record. On return it is in the journal. The second time nothing happens."""
        if self.sealed:
            return
        self.sealed = True
        owner, record = self._owner, self._record
        if record.outcome == "in_flight":
            self._conclude(record)
        if self._funded is not None:
            settle(record, self._funded, self._usage, self._chars)
        if self._bodies is not None:
            record.request_body, record.response_body = self._bodies.bodies()
        if self._funded is None or record.dropped:
            self._clip(record)
        record.latency_us = (owner.clock.monotonic_ns() - self._call.started_ns) // 1000
        try:
            owner.journal.sealed(record)
        except (ValueError, TypeError, OverflowError, OSError) as error:
            # text that cannot be encoded, a journal closed under us: a counted loss, never a failed call
            now = owner.clock.now_ns()
            owner.journal.gap(GapRecord(record.received_ns, now, 1, f"record not written: {type(error).__name__}"))
        for listener in owner.listeners:
            listener(record)

    def _restart(self) -> None:
        """Another try answers from the beginning: what an earlier one said never went out."""
        self._chars = 0
        self._usage = None
        self._record.finish = self._record.model_answered = None
        if self._bodies is not None:
            self._bodies.restart()

    def _read(self, frames: Sequence[Frame]) -> None:
        """What the frames say. `type(...) is`, since `isinstance` is slow to say no of a struct's class: 0.1 us."""
        record, bodies = self._record, self._bodies
        for frame in frames:
            for delta in frame.deltas:
                if type(delta) is TextDelta:
                    self._chars += len(delta.text)
                elif type(delta) is Begin:
                    if delta.model:
                        record.model_answered = delta.model[:NAME_CHARS_MAX]
                elif type(delta) is Finish:
                    if record.finish is None:
                        record.finish = _finish(delta)
                elif type(delta) is UsageDelta:
                    self._usage = folded(self._usage, delta.usage)
                elif type(delta) is ToolArgs or type(delta) is ReasoningDelta or type(delta) is RefusalDelta:
                    self._chars += len(delta.text)
            if bodies is not None:
                bodies.add(frame)

    def _clip(self, record: CallRecord) -> None:
        """What a client or a provider chose the length of: one of them must not crowd out the record."""
        if len(record.model_asked) > NAME_CHARS_MAX:
            record.model_asked = record.model_asked[:NAME_CHARS_MAX]
        if record.dropped:
            record.dropped = [name[:NAME_CHARS_MAX] for name in record.dropped[:NAMES_MAX]]

    def _conclude(self, record: CallRecord) -> None:
        """The page came to its end."""
        record.outcome = "ok"
        if self._blocked is not None:
            record.outcome = "blocked"
            record.error = record.error or "policy_blocked"
            record.message = record.message or f"the answer was ended by rule {self._blocked}"[:MESSAGE_CHARS_MAX]
        if record.status is None:
            record.status = 200

    def _note(self, error: BaseException) -> None:
        """The page was left early."""
        record = self._record
        started = record.committed and record.stream  # then the client has had a 200
        if isinstance(error, HeadgateError):
            record.outcome = _OUTCOMES[error.blame]
            record.error, record.message = error.reason, error.message[:MESSAGE_CHARS_MAX]
            record.status = 200 if started else error.status
        elif isinstance(error, asyncio.CancelledError | ConnectionError):
            record.outcome, record.error = "cancelled", CLIENT_LEFT
            record.status = 200 if started else None
        else:
            # the text of an unforeseen exception may hold anything: its type must do
            record.outcome, record.error, record.message = "failed", "internal_error", type(error).__name__
            record.status = 200 if started else 500


def _finish(delta: Finish) -> str:
    """The canonical reason; the provider's own word where nobody knows what it means."""
    return delta.raw[:NAME_CHARS_MAX] if delta.reason == "other" and delta.raw else delta.reason
