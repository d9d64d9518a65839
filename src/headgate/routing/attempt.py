"""One try at one target: from its answer's head to its end, and what is put on record about it."""

from __future__ import annotations

from collections.abc import Mapping

from headgate.core.chat import Begin, Finish, Frame, ReasoningDelta, RefusalDelta, TextDelta, ToolArgs, UsageDelta
from headgate.core.errors import UpstreamError
from headgate.core.ports import Clock, Inbound, OutboundRequest
from headgate.core.record import AttemptRecord
from headgate.core.snapshot import Target
from headgate.core.types import Usage, folded, money
from headgate.dialects.base import UNREAD, AnswerReader
from headgate.routing.flow import Flow

LINGER_S = 0.25  # how long a provider may keep a stream open after its answer is complete
BARREN_BYTES_MAX = 1024 * 1024  # of a stream before its first content
ERROR_BODY_BYTES_MAX = 256 * 1024
ERROR_BODY_S = 5.0
_REQUEST_ID_CHARS_MAX = 128


class Attempt:
    """Reads one answer. `refused` is set once the model has begun to refuse, `complete` once the answer has ended."""

    __slots__ = (
        "_barren_bytes", "_began_ns", "_clock", "_ended", "_finished", "_first_token_ns", "_flow", "_idle_ns",
        "_inbound", "_part_ns", "_reader", "_request", "_unread", "_usage", "complete", "headers", "number", "record",
        "refused", "started_ns", "stream", "target",
    )  # fmt: skip

    def __init__(self, began_ns: int, target: Target, number: int, why: str, clock: Clock) -> None:
        """`began_ns`: the start of the call, which the record's times count from."""
        self._began_ns = began_ns
        self._clock = clock
        self.target = target
        self.number = number
        self.started_ns = now = clock.monotonic_ns()
        self.record = AttemptRecord(target.provider, target.model, (now - began_ns) // 1000, why)
        self.headers: Mapping[bytes, bytes] = {}
        self.refused = False
        self.complete = False
        self.stream = False
        self._request: OutboundRequest | None = None
        self._idle_ns = self._barren_bytes = 0
        self._flow: Flow | None = None
        self._part_ns: int | None = None  # when the event that is not whole yet began
        self._ended = False
        self._finished = False
        self._unread = 0
        self._usage: Usage | None = None
        self._inbound: Inbound | None = None
        self._reader: AnswerReader | None = None
        self._first_token_ns: int | None = None

    def asks(self, request: OutboundRequest, stream: bool) -> None:
        """What is sent, before it is."""
        self._request = request
        self.stream = stream
        self._idle_ns = int(request.deadlines.idle_s * 1e9)
        if stream and request.deadlines.min_rate:
            self._flow = Flow(request.deadlines.min_rate)

    def call_off(self) -> None:
        """The target answers nobody: whoever reads this attempt gets UpstreamError called_off, at once."""
        request = self._request
        if request is not None and request.answer is not None:
            request.answer.call_off()

    def answers(self, inbound: Inbound, reader: AnswerReader) -> None:
        """The head of a good answer arrived."""
        self._reader = reader
        self.heard(inbound)
        if self.stream and self._request is not None:
            self._first_token_ns = self.started_ns + int(self._request.deadlines.first_token_s * 1e9)

    def heard(self, inbound: Inbound) -> None:
        """An answer's head arrived: its connection is ours to let go of, its status and request id go on record."""
        self._inbound = inbound
        self.record.status = inbound.status
        self.headers = names = dict(inbound.headers)
        request_id = names.get(b"x-request-id") or names.get(b"request-id")
        if request_id is not None:
            self.record.request_id = request_id[:_REQUEST_ID_CHARS_MAX].decode("ascii", "replace")

    @property
    def over(self) -> bool:
        """The answer was read to its end, and its connection let go of."""
        return self._ended and self.complete

    async def read(self, committed: bool) -> list[Frame] | None:
        """The frames of the next read that completes any; None at the end.

        Raises UpstreamError: what transport and reader raise; first_token_timeout where only lifecycle events come,
        response_too_large where there is no end of them; bad_tool_call where the model's call was broken and nothing
        was committed yet; too_slow where content drips.
        """
        inbound, reader = self._inbound, self._reader
        if inbound is None or reader is None or self._ended:
            return None
        if self.complete:
            await self._linger(inbound)
            return None
        while True:
            try:
                data = await inbound.read()
            except UpstreamError as error:
                return self._broken_off(inbound, reader, error, committed)
            if data is None:
                self._ended = True
                frames = reader.end()
                inbound.release()
                self._note(frames, committed)
                self.complete = True
                return frames or None
            if self._first_token_ns is not None:
                self._barren(len(data))
            frames = reader.feed(data)
            if frames:
                self._part_ns = None
                before = self.record.chars
                self._note(frames, committed)
                if self._flow is not None:
                    self._flows(self._flow, self.record.chars - before)
                return frames
            if self.stream:
                self._partial()

    def _broken_off(
        self, inbound: Inbound, reader: AnswerReader, error: UpstreamError, committed: bool
    ) -> list[Frame] | None:
        """The end of a stream that stalls or breaks where only its formal end was missing: the model had finished.

        Raises `error` where more was missing than that.
        """
        if not self._finished:
            raise error
        try:
            frames = reader.end()
        except UpstreamError:
            raise error from None
        inbound.abort()
        self._ended = True
        self._note(frames, committed)
        self.complete = True
        return frames or None

    def close(self, outcome: str, error: UpstreamError | None = None) -> None:
        """The attempt is over; its connection is aborted unless the answer was read to its end. Once only."""
        record = self.record
        if record.outcome != "in_flight":
            return
        record.outcome = outcome
        record.ended_us = self._us(self._clock.monotonic_ns())
        if error is not None:
            record.error = error.kind
            record.message = error.message
            if error.attempt_status is not None:
                record.status = error.attempt_status
        usage = self._usage
        if usage is not None:
            record.input_tokens = usage.input
            record.output_tokens = usage.output
            record.cost_usd = money(self.target.price, usage)

    def drop(self) -> None:
        """Nothing more is wanted of the connection."""
        if self._inbound is not None and not self.over:
            self._inbound.abort()

    def _note(self, frames: list[Frame], committed: bool) -> None:
        """What the frames say. `type(...) is`, since `isinstance` is slow to say no of a struct's class: 0.1 us."""
        record = self.record
        broken = False
        chars = 0
        for frame in frames:
            for delta in frame.deltas:
                if type(delta) is TextDelta:
                    chars += len(delta.text)
                elif type(delta) is Begin:
                    record.model_answered = record.model_answered or delta.model
                    record.fingerprint = record.fingerprint or delta.fingerprint
                elif type(delta) is Finish:
                    self._finished = True
                    self.refused = self.refused or delta.reason == "refusal"
                    broken = broken or delta.reason == "error"
                elif type(delta) is UsageDelta:
                    self._usage = folded(self._usage, delta.usage)
                elif type(delta) is ToolArgs or type(delta) is ReasoningDelta or type(delta) is RefusalDelta:
                    self.refused = self.refused or type(delta) is RefusalDelta
                    chars += len(delta.text)
            if frame.content and record.first_token_us is None:
                record.first_token_us = self._us(self._clock.monotonic_ns())
                self._first_token_ns = None
            self.complete = self.complete or frame.last
        record.chars += chars
        if self._finished:
            self._left_out(frames)
        if broken and not committed:
            raise UpstreamError("bad_tool_call", "the model's answer was broken off by its provider")
        if self._first_token_ns is not None:
            self._in_time(self._first_token_ns)

    def _left_out(self, frames: list[Frame]) -> None:
        """Counts, on record, what of the frames could not be read."""
        self._unread += sum([frame.unsaid == UNREAD for frame in frames])
        if self._unread:
            self.record.message = f"events behind the finish that could not be read and were left out: {self._unread}"

    def _flows(self, flow: Flow, chars: int) -> None:
        if flow.came(chars, self._clock.monotonic_ns()) and not self._finished:
            raise UpstreamError("too_slow", "the content came at less than the slowest rate that the route allows")

    def _partial(self) -> None:
        """Some bytes came, and no whole event: a drip of bytes is no sign of life."""
        now = self._clock.monotonic_ns()
        if self._part_ns is None:
            self._part_ns = now
        elif now - self._part_ns > self._idle_ns:
            raise UpstreamError("too_slow", "the provider sent less than one whole event in the time it may be idle")
        if self._first_token_ns is not None:
            self._in_time(self._first_token_ns)

    def _barren(self, size: int) -> None:
        """So many bytes more, and no content yet."""
        self._barren_bytes += size
        if self._barren_bytes > BARREN_BYTES_MAX:
            raise UpstreamError("response_too_large", "the provider streamed without end and without any content")

    def _in_time(self, limit_ns: int) -> None:
        if self._clock.monotonic_ns() > limit_ns:
            raise UpstreamError("first_token_timeout", "the provider kept the stream open without any content")

    async def _linger(self, inbound: Inbound) -> None:
        """Reads the rest of a complete answer's body, which frees the connection for the next call."""
        timer = self._clock.call_later(LINGER_S, inbound.abort)
        try:
            while await inbound.read() is not None:
                pass
        except UpstreamError:
            inbound.abort()  # the answer was complete: how its connection ends is of no interest
        else:
            inbound.release()
        finally:
            timer.cancel()
        self._ended = True

    def _us(self, now_ns: int) -> int:
        return (now_ns - self._began_ns) // 1000


async def error_body(inbound: Inbound, clock: Clock) -> bytes:
    """The body of an error answer, as much of it as comes within bounds. The connection is let go of."""
    parts: list[bytes] = []
    size = 0
    timer = clock.call_later(ERROR_BODY_S, inbound.abort)
    try:
        while size < ERROR_BODY_BYTES_MAX and (data := await inbound.read()) is not None:
            parts.append(data)
            size += len(data)
    except UpstreamError:
        inbound.abort()  # the status says enough; what arrived is used
    finally:
        timer.cancel()
    inbound.release()
    return b"".join(parts)[:ERROR_BODY_BYTES_MAX]
