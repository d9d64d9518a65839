"""One client connection of the server: requests in, one at a time and in order, answers out, every wait bounded."""

from __future__ import annotations

import asyncio
import logging
import socket
from enum import Enum
from typing import cast

from headgate.core.ports import TimerHandle
from headgate.wire.chunked import ChunkedBody
from headgate.wire.context import REFUSED_MAX, Nowhere, ServerContext, Sink
from headgate.wire.request import Head, Refusal, Request, path_told
from headgate.wire.server_exchange import ServerExchange
from headgate.wire.strand import Strand, raised_at

_log = logging.getLogger(__name__)
_NOWHERE = Nowhere()
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_EMPTY_LINES_MAX = 4
_RAW_BYTES_MAX = 4096


class State(Enum):
    """What the connection is waiting for."""

    HEAD = 0
    BODY = 1
    ANSWER = 2
    FLUSH = 3
    LINGER = 4
    GONE = 5


class ServerConnection(asyncio.Protocol):
    """HTTP/1.1 on one socket. Pipelined requests wait in the buffer, reading paused where it is full."""

    __slots__ = (
        "_advancing", "_ahead", "_body", "_buffer", "_dropped", "_due_ns", "_exchange", "_gathered", "_head",
        "_missing", "_partial", "_paused_reading", "_raw", "_received", "_state", "_strand", "_timer", "_timer_ns",
        "_transport", "_write_paused", "context", "peer", "sink",
    )  # fmt: skip

    def __init__(self, context: ServerContext) -> None:
        self.context = context
        self.peer = ""
        self._transport: asyncio.Transport
        self.sink: Sink = _NOWHERE
        self._state = State.HEAD
        self._buffer: bytes = b""  # what is being read now
        self._ahead = bytearray()  # what cannot be read yet: a part of a head, or requests ahead of their turn
        self._partial = False
        self._advancing = False
        self._head: Head
        self._raw = b""  # the bytes that `_head` was read from
        self._body: ChunkedBody | None = None
        self._gathered = bytearray()
        self._missing = 0
        self._received = self._dropped = 0
        self._exchange: ServerExchange | None = None
        self._strand: Strand | None = None
        self._timer: TimerHandle | None = None
        self._timer_ns = 0
        self._due_ns = 0
        self._paused_reading = False
        self._write_paused = False

    # -- transport callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast("asyncio.Transport", transport)
        self.sink = self._transport
        limits = self.context.limits
        self._transport.set_write_buffer_limits(high=limits.write_buffer_bytes)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = cast("tuple[str, int] | str | None", transport.get_extra_info("peername"))
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        context = self.context
        if len(context.connections) < context.capacity:
            context.connections.add(self)
            self._arm(limits.grace_s if context.draining else limits.header_s)  # draining: taken in the last moment
        elif len(context.refused) < REFUSED_MAX:
            context.refused.add(self)
            self._refuse(Refusal(503, "overloaded", "too many connections"))
        else:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """More bytes from the client."""
        state = self._state
        if state is State.HEAD:
            if self._partial:
                self._more_head(data)
            else:
                self._buffer = data
                self._advance()
        elif state is State.BODY:
            self._more_body(data)
        elif state is State.ANSWER or state is State.FLUSH:
            self._ahead += data
            ahead = len(self._buffer) + len(self._ahead)
            if ahead > self.context.limits.pipeline_bytes and not self._paused_reading:
                self._paused_reading = True
                self._transport.pause_reading()
        elif state is State.LINGER:
            self._dropped += len(data)
            if self._dropped > self.context.limits.linger_bytes:
                self._transport.abort()

    def eof_received(self) -> bool:
        """The client will send no more: it has left."""
        self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._leave()
        self._release()
        self._state = State.GONE
        self.sink = _NOWHERE
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.context.left(self)

    def pause_writing(self) -> None:
        """The client reads too slowly: from here on it has `write_s` to catch up."""
        self._write_paused = True
        self._arm(self.context.limits.write_s)
        if self._exchange is not None:
            self._exchange.pause(True)

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._write_paused = False
        if self._state in (State.ANSWER, State.FLUSH):
            self._due_ns = 0
        if self._exchange is not None:
            self._exchange.pause(False)
        if self._state is State.FLUSH:
            self._next()

    # -- for the exchange and the server

    def abort(self) -> None:
        """Cut the connection at once."""
        self._leave()
        self._transport.abort()

    def drain(self) -> None:
        """Close where nothing comes any more; the answer under way, or the next one, closes the connection."""
        if self._state is State.HEAD and not self._ahead:
            self._arm(self.context.limits.grace_s)
        elif self._exchange is not None:
            self._exchange.close = True

    # -- requests in

    def _advance(self) -> None:
        """Reads requests off the buffer until one is being answered or more bytes are needed."""
        if self._advancing:  # an answer that took no time at all: the loop below reads on
            return
        self._advancing = True
        try:
            while self._state is State.HEAD and self._buffer:
                if not self._read_head():
                    return
        except Refusal as refusal:
            self._refuse(refusal)
        finally:
            self._advancing = False

    def _more_head(self, data: bytes) -> None:
        """More of a head that is incomplete: only what is new is looked at, so that single bytes cost what they are."""
        ahead = self._ahead
        old = len(ahead)
        ahead += data
        whole = ahead.find(b"\r\n\r\n", max(old - 3, 0)) >= 0 or ahead.startswith(b"\r\n")
        bare = ahead.count(b"\n", old) != ahead.count(b"\r\n", max(old - 1, 0))
        if whole or bare or len(ahead) > self.context.limits.header_bytes:
            self._buffer = bytes(ahead)
            self._ahead = bytearray()
            self._advance()

    def _read_head(self) -> bool:
        raw = self._raw
        # clients repeat themselves, often to the byte: the head is then the one that was read before, 4 us saved
        start = len(raw) if raw and self._buffer.startswith(raw) else self._parse_head()
        if not start:
            return False
        head, buffer = self._head, self._buffer
        self._partial = False
        length = head.length
        if length is not None and length > self.context.limits.body_bytes:
            message = f"the body is larger than {self.context.limits.body_bytes} bytes"
            self._refuse(Refusal(413, "request_too_large", message), head)
            return False
        if length is None or length > len(buffer) - start:
            self._begin_body(head, buffer[start:])
            return True
        stop = start + length
        self._buffer = buffer[stop:]
        self._answer(head, buffer[start:stop])
        return True

    def _parse_head(self) -> int:
        """Reads the head in front of the buffer; where the body begins, 0 while the head is incomplete."""
        limits = self.context.limits
        buffer = self._buffer
        for _ in range(_EMPTY_LINES_MAX):  # RFC 9112 2.2: empty lines before a request line are skipped
            if not buffer.startswith(b"\r\n"):
                break
            buffer = buffer[2:]
        self._buffer = buffer
        end = buffer.find(b"\r\n\r\n")
        if end > limits.header_bytes or (end < 0 and len(buffer) > limits.header_bytes):
            message = f"the request head is larger than {limits.header_bytes} bytes"
            raise Refusal(431, "header_too_large", message, path_told(buffer))
        if end < 0:
            if buffer.count(b"\n") != buffer.count(b"\r\n"):
                raise Refusal(400, "invalid_request", "a line of the request head does not end in CRLF")
            if not self._partial:
                self._partial = True
                self._arm(limits.header_s)
            self._ahead += buffer
            self._buffer = b""
            return 0
        self._head = self.context.heads.read(buffer[:end])
        start = end + 4
        self._raw = buffer[:start] if start <= _RAW_BYTES_MAX else b""
        return start

    def _begin_body(self, head: Head, rest: bytes) -> None:
        limits = self.context.limits
        self._buffer = b""
        self._state = State.BODY
        if head.expects and not rest:
            self._transport.write(_CONTINUE)
        self._arm(limits.body_s)
        if head.length is None:
            self._body = ChunkedBody(limits.body_bytes)
        else:
            self._missing = head.length
        if rest:
            self._more_body(rest)

    def _more_body(self, data: bytes) -> None:
        size = len(data)
        self._received += size
        self.context.receiving += size
        if self.context.receiving > self.context.limits.receiving_bytes:
            self._refuse(Refusal(503, "overloaded", "too many large requests arrive at once"), self._head)
            return
        if self._body is not None:
            try:
                body = self._body.feed(data)
            except Refusal as refusal:
                self._refuse(refusal, self._head)
                return
            if body is None:
                return
            self._buffer = self._body.rest
            self._body = None
        else:
            missing = self._missing
            self._gathered += data[:missing]
            if size < missing:
                self._missing = missing - size
                return
            self._buffer = data[missing:]
            body = bytes(self._gathered)
            self._gathered = bytearray()
        self._release()
        self._answer(self._head, body)

    def _release(self) -> None:
        """Nothing of a body is being received any longer."""
        self.context.receiving -= self._received
        self._received = 0

    def _answer(self, head: Head, body: bytes) -> None:
        self._due_ns = 0
        self._state = State.ANSWER
        context = self.context
        exchange = ServerExchange(self, head.close or context.draining, head.chunkable, head.method == "HEAD")
        self._exchange = exchange
        request = Request(head, body, self.peer)
        self._strand = strand = Strand(context.loop, context.handler.serve(request, exchange), self._answered)
        strand.start()

    # -- answers out

    def _answered(self, error: BaseException | None) -> None:
        exchange = self._exchange
        self._strand = None
        if error is not None and not isinstance(error, asyncio.CancelledError):
            _log.error("a request failed: %s at %s", type(error).__name__, raised_at(error))
        if exchange is None or self._state is State.GONE or self._transport.is_closing():
            return
        if not exchange.started:
            self._exchange = None
            self._refuse(Refusal(500, "internal_error", "an internal error occurred", self._head.path))
        elif not exchange.finished:
            self.abort()
        elif self._write_paused:
            self._state = State.FLUSH
        else:
            self._next()

    def _next(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None or exchange.close or self.context.draining:
            self._close()
            return
        self._state = State.HEAD
        if self._paused_reading:
            self._paused_reading = False
            self._transport.resume_reading()
        self._arm(self.context.limits.idle_s)
        if self._ahead:
            self._buffer += bytes(self._ahead)
            self._ahead = bytearray()
        if self._buffer:
            self._advance()

    def _refuse(self, refusal: Refusal, head: Head | None = None) -> None:
        """Answers by ourselves, then reads and drops input for a moment so that the answer is not lost to a reset."""
        if head is not None:
            refusal.target = head.path
            refusal.request = Request(head, b"", self.peer)
        self.context.refusals.note(refusal)
        rendered = self.context.handler.refuse(refusal)
        self._release()
        self._buffer = b""
        self._ahead = bytearray()
        self._gathered = bytearray()
        self._body = None
        frame = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(rendered.body)
        self._transport.write(b"".join((self.context.start(refusal.status), rendered.headers, frame, rendered.body)))
        self._state = State.LINGER
        self._arm(self.context.limits.linger_s)
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _close(self) -> None:
        """Closes once everything written has been taken; a client that takes nothing is cut off."""
        self._state = State.LINGER
        self._arm(self.context.limits.write_s)
        self._transport.close()

    def _leave(self) -> None:
        strand, self._strand = self._strand, None
        if strand is not None:
            strand.cancel()

    # -- time

    def _arm(self, seconds: float) -> None:
        """One timer a connection, moved only when it would be late: a deadline that recedes costs no timer."""
        due = self.context.clock.monotonic_ns() + int(seconds * 1e9)
        self._due_ns = due
        if self._timer is None or self._timer_ns > due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_ns = due
            self._timer = self.context.clock.call_later(seconds, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._due_ns == 0:
            return
        limits = self.context.limits
        due = self._due_ns
        if self._state is State.BODY:
            due += self._received * 1_000_000_000 // limits.body_rate
        left = due - self.context.clock.monotonic_ns()
        if left > 0:
            self._timer_ns = due
            self._timer = self.context.clock.call_later(left / 1e9, self._tick)
        elif self._state is State.BODY:
            self._refuse(Refusal(408, "request_timeout", "the body did not arrive in time"), self._head)
        elif self._state is State.HEAD and self._ahead:
            self._refuse(Refusal(408, "request_timeout", "the request head did not arrive in time"))
        elif self._state is State.HEAD:
            self._close()
        else:
            self.abort()
