"""One connection to a provider: a request out, its answer in, every wait and every size bounded."""

from __future__ import annotations

import asyncio
import socket
import zlib
from typing import Protocol, cast

import httptools

from headgate.core.ports import Clock, OutboundRequest, TimerHandle
from headgate.core.types import Header
from headgate.wire.inbound import Answer
from headgate.wire.inflate import CODINGS, Inflater
from headgate.wire.limits import ClientLimits

_TAIL = b"content-length: %d\r\n\r\n"
_NEVER_NS = 2**63  # later than any deadline
_LATE = {
    "first_token_timeout": "the provider sent nothing in time",
    "idle_timeout": "the provider stopped sending",
    "total_timeout": "the provider's answer took too long",
}


class Home(Protocol):
    """The pool a connection belongs to."""

    def put(self, connection: UpstreamConnection) -> None:
        """Keep it for the next call."""
        ...

    def lost(self, connection: UpstreamConnection) -> None:
        """It is closed."""
        ...


class UpstreamConnection(asyncio.Protocol):
    """HTTP/1.1 on one socket, one exchange at a time. Belongs to a pool from the moment it is connected."""

    __slots__ = (
        "_answer", "_body_max", "_buffer_max", "_clock", "_due_ns", "_fed", "_framed", "_head", "_head_bytes",
        "_idle_ns", "_inflater", "_informational", "_keep", "_late", "_limits", "_parser", "_pool", "_timer",
        "_timer_ns", "_total_ns", "_transport", "loop", "paused", "received", "reused",
    )  # fmt: skip

    def __init__(self, pool: Home, clock: Clock, limits: ClientLimits) -> None:
        self._pool = pool
        self._clock = clock
        self._limits = limits
        self.loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body_max = limits.body_bytes
        self._buffer_max = limits.buffer_bytes
        self._answer: Answer | None = None
        self._head: list[Header] = []
        self._head_bytes = 0
        self._informational = 0
        self._framed = False
        self._fed = False
        self._inflater: Inflater | None = None
        self._keep = True
        self.paused = False
        self.received = 0
        self.reused = False
        self._late = ""
        self._due_ns = 0
        self._idle_ns = 0
        self._total_ns = 0
        self._timer: TimerHandle | None = None
        self._timer_ns = _NEVER_NS  # when it fires

    # -- transport callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, TLS included."""
        self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Bytes from the provider."""
        answer = self._answer
        if answer is None or answer.complete:
            self.abort()  # nobody asked: whatever it is, it must not become the next call's answer
            return
        self._fed = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._keep = False
            if not answer.complete:
                self._fail("malformed_response", "the provider's answer is not HTTP")
                return
        if answer.complete:
            self._due_ns = 0
        elif not answer.status:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.header_bytes:
                self._fail("malformed_response", "the provider's answer has an oversized head")
            return
        else:
            self._progress(answer)
        answer.wake()

    def eof_received(self) -> bool:
        """The provider closed its side: the end of an answer that has no other end mark."""
        answer = self._answer
        if answer is not None and answer.status and not answer.complete and not self._framed:
            self._finish(answer)
            answer.wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._keep = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._timer_ns = _NEVER_NS
        self._pool.lost(self)
        answer = self._answer
        if answer is None or answer.complete:
            return
        if exc is not None or not self._fed or not answer.status:
            answer.stale = self.reused and not self._fed
            answer.fail("connection_reset", "the provider's connection broke")
        else:
            answer.fail("truncated", "the provider's answer ended before its end")

    # -- parser callbacks

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field."""
        self._head.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is there."""
        answer = self._answer
        status = self._parser.get_status_code()
        head, self._head = self._head, []
        if answer is None or answer.complete:
            self._keep = False
            return
        if status < 200:
            self._informational += 1
            if self._informational > self._limits.informational or status == 101:
                self._fail("malformed_response", "the provider sent interim answers without end")
            return
        if len(head) > self._limits.headers:
            self._fail("malformed_response", "the provider's answer has too many header fields")
            return
        names = dict(head)  # providers send some 25 fields: a look-up each is 5 us less than a loop over all
        self._framed = b"content-length" in names or b"transfer-encoding" in names or status in (204, 304)
        if b"content-encoding" in names and not self._unpacks(head):
            self._fail("malformed_response", "the provider's answer has a content coding we did not ask for")
            return
        answer.headers = head
        answer.status = status

    def on_body(self, data: bytes) -> None:
        """Body bytes, transfer coding removed."""
        answer = self._answer
        if answer is None or answer.complete:
            self._keep = False
            return
        self.received = received = self.received + len(data)
        if received > self._body_max:
            self._fail("response_too_large", "the provider's answer is over the limit")
            return
        if self._inflater is not None:
            try:
                data = self._inflater.feed(data)
            except ValueError:
                self._fail("response_too_large", "the provider's answer is over the limit")
                return
            except zlib.error:
                self._fail("malformed_response", "the provider's answer is compressed and corrupt")
                return
        if data:
            answer.add(data)

    def on_message_complete(self) -> None:
        """The end of an answer, interim ones included."""
        answer = self._answer
        if answer is None or answer.complete:
            self._keep = False
        elif answer.status:
            self._finish(answer)

    # -- for the transport and the answer

    def start(self, request: OutboundRequest, began_ns: int) -> Answer:
        """Send a request; deadlines count from `began_ns` (monotonic)."""
        answer = Answer(self)
        self._answer = answer
        self._head_bytes = 0
        self._informational = 0
        self.received = 0
        self._fed = False
        self._inflater = None
        deadlines = request.deadlines
        self._total_ns = began_ns + int(deadlines.total_s * 1e9)
        self._idle_ns = int(deadlines.idle_s * 1e9)
        self._arm(began_ns + int(deadlines.first_token_s * 1e9), "first_token_timeout")
        transport = self._transport
        if transport is None or transport.is_closing():
            answer.fail("connection_reset", "the provider's connection broke")
            return answer
        body = request.body
        transport.write(b"".join((request.head, _TAIL % len(body), body)))
        return answer

    def usable(self) -> bool:
        """Whether a request may be sent on this idle connection."""
        return self._keep and self._transport is not None and not self._transport.is_closing()

    def drained(self) -> None:
        """The reader has caught up: read on."""
        if self.paused:
            self.paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
            self._arm(self._clock.monotonic_ns() + self._idle_ns, "idle_timeout")

    def give_back(self) -> None:
        """The answer was read to its end: to the pool, where the connection can be used again."""
        self._answer = None
        transport = self._transport
        # an answer that came before all of its request was sent leaves the rest in front of the next request
        unsent = transport is None or transport.get_write_buffer_size() > 0
        if self._keep and not self.paused and not unsent and self.usable():
            self._pool.put(self)
        else:
            self.abort()

    def rest(self, until_ns: int) -> None:
        """Idle in the pool; closed at `until_ns` (monotonic)."""
        self.reused = True
        self._arm(until_ns, "")

    def abort(self) -> None:
        """Close at once; never back to the pool."""
        self._keep = False
        self._due_ns = 0
        if self._transport is not None:
            self._transport.abort()

    # -- inside

    def _unpacks(self, head: list[Header]) -> bool:
        """Prepares for the content coding of an answer; False where it is none that we know."""
        for name, value in head:
            coding = value.lower()
            if name == b"content-encoding" and coding != b"identity":
                if coding not in CODINGS:
                    return False
                self._inflater = Inflater(self._limits.body_bytes)
        return True

    def _finish(self, answer: Answer) -> None:
        if self._inflater is not None and self.received and not self._inflater.complete:
            self._fail("truncated", "the provider's compressed answer ended before its end")
            return
        answer.complete = True
        self._due_ns = 0
        if not self._framed or not self._parser.should_keep_alive():
            self._keep = False

    def _progress(self, answer: Answer) -> None:
        """Body bytes have come: from here on the idle deadline counts, unless it is we who do not read."""
        if answer.size > self._buffer_max:
            if not self.paused and self._transport is not None:
                self.paused = True
                self._transport.pause_reading()
            self._arm(self._total_ns, "total_timeout")
        elif self.received:
            due_ns = self._clock.monotonic_ns() + self._idle_ns
            if self._timer_ns <= due_ns < self._total_ns:
                self._due_ns = due_ns  # what `_arm` comes to for nearly every chunk, 0.2 us cheaper
                self._late = "idle_timeout"
            else:
                self._arm(due_ns, "idle_timeout")

    def _fail(self, kind: str, message: str) -> None:
        self.abort()
        answer = self._answer
        if answer is not None:
            answer.fail(kind, message)  # last: whoever waits for it goes on from here

    def _arm(self, due_ns: int, late: str) -> None:
        """Moves the one timer only where it would be late: a deadline that recedes costs no timer."""
        if late and due_ns > self._total_ns:
            due_ns, late = self._total_ns, "total_timeout"
        self._due_ns = due_ns
        self._late = late
        if self._timer is None or self._timer_ns > due_ns:
            if self._timer is not None:
                self._timer.cancel()
            self._schedule(due_ns - self._clock.monotonic_ns())

    def _schedule(self, delay_ns: int) -> None:
        self._timer_ns = self._due_ns
        self._timer = self._clock.call_later(max(delay_ns, 0) / 1e9, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._timer_ns = _NEVER_NS
        if self._due_ns == 0:
            return
        left = self._due_ns - self._clock.monotonic_ns()
        if left > 0:
            self._schedule(left)
        elif self._answer is None:
            self.abort()
        else:
            self._fail(self._late, _LATE[self._late])
