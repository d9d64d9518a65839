"""The client's side of one call: what may go out, when, and in which form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headgate.core.chat import Begin, Delta, Finish, Frame
from headgate.core.errors import HeadgateError, UpstreamError
from headgate.core.stages import Asked, Call, Passed
from headgate.dialects.base import CHARS_PER_TOKEN, AnswerMeta, AnswerWriter, Dialect, Sent
from headgate.edge import headers
from headgate.edge.failure import send_failure
from headgate.edge.surface import JSON, Surface
from headgate.wire.exchange import Exchange

HELD_BYTES_MAX = 1024 * 1024  # of a stream before its first content; whole answers have the transport's bound


class ClientReply:
    """Implements `pipeline.Reply`.

    Status and frames are held until the first content; the frame that completes an answer, and everything after it,
    until `end`, when the record is safe. A new attempt starts the answer afresh.
    """

    __slots__ = (
        "_alike", "_attempt", "_begin", "_blocked", "_call", "_committed", "_content", "_dialect", "_exchange",
        "_finished", "_framer", "_held", "_held_bytes", "_open_block", "_surface", "_tail", "_writer",
    )  # fmt: skip

    def __init__(self, exchange: Exchange, call: Call, surface: Surface, dialects: Mapping[str, Dialect]) -> None:
        self._exchange = exchange
        self._call = call
        self._surface = surface
        self._dialect = dialects[surface.dialect]
        self._framer = surface.framer() if surface.framer is not None else None
        self._committed = False
        self._blocked = False
        self._attempt = 0
        self._alike = 0  # the number in the last frame that went out as it came
        self._writer: AnswerWriter | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._tail: list[bytes] = []
        self._begin: Begin | None = None
        self._open_block: int | None = None
        self._content = False
        self._finished: set[int] = set()  # choices

    async def write(self, passed: Passed) -> None:
        """Send frames; status and first frame go out with the first content. Waits for a slow reader.

        Raises UpstreamError (response_too_large) where a stream goes on and on without any content.
        """
        data = self._render(passed)
        if passed.blocked is not None:
            self._blocked = True
        exchange = self._exchange
        if not self._committed:
            if data:
                self._hold(data)
            if not passed.commits or not self._call.record.stream:
                return
            data = self._commit()
        if self._framer is not None:
            data = self._framer.feed(data)
        if data:
            exchange.write(data)
            if exchange.paused:
                await exchange.drain()

    async def end(self, passed: Passed) -> None:
        """Send the held tail and the last byte."""
        data = b"" if self._blocked else self._render(passed)
        blocked = self._blocked or passed.blocked is not None
        if not self._call.record.stream:
            self._end_whole(data, blocked)
        else:
            data += self._cut(None) if blocked else self._closing()
            self._finish(data)
        if self._exchange.paused:
            await self._exchange.drain()

    async def fail(self, error: HeadgateError) -> None:
        """The call failed: an HTTP error where nothing has gone out yet, else the dialect's in-band error."""
        if not self._committed:
            send_failure(self._exchange, self._surface, self._dialect, error, self._call.record)
        else:
            self._finish(self._cut(error))
        if self._exchange.paused:
            await self._exchange.drain()

    # -- rendering

    def _render(self, passed: Passed) -> bytes:
        if passed.attempt != self._attempt:
            self._restart(passed)
        frames = passed.frames
        if not frames:
            return b""
        if self._alike and len(frames) == 1:
            frame = frames[0]
            if frame.alike == self._alike and not frame.changed and not frame.drop:
                return frame.wire  # what is kept of the last one holds for this one too: 0.4 us saved
        if self._writer is not None:
            return self._writer.write(self._said(frames))
        parts: list[bytes] = []
        for frame in frames:
            if frame.drop:
                continue
            wire = self._dialect.patch(frame) if frame.changed else frame.wire
            if frame.last or self._tail:
                self._tail.append(wire)
                self._alike = 0
                continue
            parts.append(wire)
            self._note(frame)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _note(self, frame: Frame) -> None:
        """What is needed to end the stream properly by ourselves."""
        if self._begin is None:
            self._begin = _begin(frame)
        self._open_block = frame.open_block
        self._alike = frame.alike
        if frame.content:
            self._content = True
        for delta in frame.deltas:
            if type(delta) is Finish:
                self._finished.add(delta.choice)

    def _said(self, frames: Sequence[Frame]) -> list[Delta]:
        """What frames of another dialect say; what they show beside that goes on record as lost."""
        deltas: list[Delta] = []
        for frame in frames:
            deltas.extend(frame.deltas)
            if frame.unsaid is not None and frame.unsaid not in self._call.record.dropped:
                self._call.record.dropped.append(frame.unsaid)
        return deltas

    def _restart(self, passed: Passed) -> None:
        if self._attempt:  # what an abandoned try said is not sent
            self._held.clear()
            self._held_bytes = 0
            self._tail.clear()
            self._begin = None
            self._open_block = None
            self._content = False
            self._finished.clear()
        self._attempt = passed.attempt
        self._alike = 0
        foreign = passed.dialect != self._surface.dialect
        self._writer = self._dialect.writer(self._call.record.stream, self._meta()) if foreign else None

    # -- endings

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > HELD_BYTES_MAX and self._call.record.stream:
            raise UpstreamError("response_too_large", "the provider streamed without end and without any content")

    def _commit(self) -> bytes:
        self._committed = True
        self._exchange.begin(200, headers.answered(self._surface, self._call.record, self._surface.stream_type))
        held = self._held
        data = held[0] if len(held) == 1 else b"".join(held)
        self._held = []
        return data

    def _closing(self) -> bytes:
        return b"".join(self._tail) if self._writer is None else self._writer.end()

    def _cut(self, error: HeadgateError | None) -> bytes:
        """Ends the answer early; a completing frame that was held back is not sent."""
        if self._writer is not None:
            return self._writer.cut(error)
        sent = Sent(self._begin, self._open_block, self._content, self._asked().choices, self._finished)
        return self._dialect.cut(sent, self._meta(), error)

    def _finish(self, data: bytes) -> None:
        if not self._committed:
            data = self._commit() + data
        if self._framer is not None:
            data = self._framer.feed(data) + self._framer.end()
        self._exchange.finish(data)

    def _end_whole(self, data: bytes, blocked: bool) -> None:
        writer = self._writer
        if blocked:
            if writer is None:
                writer = self._dialect.writer(False, self._meta())
                if self._begin is not None:
                    writer.write([self._begin])
            body = writer.cut(None)
        elif writer is not None:
            body = writer.end()
        else:
            body = b"".join((*self._held, data, *self._tail))
        self._exchange.send(200, headers.answered(self._surface, self._call.record, JSON), body)

    def _meta(self) -> AnswerMeta:
        call = self._call
        record = call.record
        asked = self._asked()
        wants_usage = asked.wants_usage if record.stream else True
        tokens = -(-asked.input_chars // CHARS_PER_TOKEN)
        origin = record.target_dialect or self._surface.dialect
        return AnswerMeta(call.id, record.model_asked, call.received_ns // 1_000_000_000, wants_usage, origin, tokens)

    def _asked(self) -> Asked:
        call = self._call
        return self._dialect.ask(call.body, call.path_model, call.path_stream)


def _begin(frame: Frame) -> Begin | None:
    for delta in frame.deltas:
        if isinstance(delta, Begin):
            return delta
    return None
