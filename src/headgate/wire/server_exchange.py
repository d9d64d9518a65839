"""An answer on an HTTP/1.1 connection."""

from __future__ import annotations

import asyncio

from headgate.wire.context import Connection

_CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
_CHUNKED_CLOSE = b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
_UNTIL_CLOSE = b"connection: close\r\n\r\n"


class ServerExchange:
    """Implements `Exchange`. A client that has gone is written to without effect: its task is being cancelled."""

    __slots__ = (
        "_chunked", "_connection", "_goes_on", "_head", "_headless", "_waiter", "close", "finished", "paused",
        "started",
    )  # fmt: skip

    def __init__(self, connection: Connection, close: bool, chunkable: bool, headless: bool) -> None:
        self._connection = connection
        self._head = b""
        self._chunked = chunkable
        self._headless = headless
        self._goes_on = False
        self._waiter: asyncio.Future[None] | None = None
        self.close = close
        self.started = False
        self.finished = False
        self.paused = False

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer at once, framed by Content-Length."""
        self.started = self.finished = True
        context = self._connection.context
        frame = b"content-length: %d\r\nconnection: close\r\n\r\n" if self._closes() else b"content-length: %d\r\n\r\n"
        shown = b"" if self._headless else body
        self._write(b"".join((context.start(status), headers, frame % len(body), shown)))

    def begin(self, status: int, headers: bytes) -> None:
        """Start a streamed answer; the head waits for the first body bytes."""
        self.started = True
        if not self._chunked:
            self.close = True
            frame = _UNTIL_CLOSE
        else:
            frame = _CHUNKED_CLOSE if self._closes() else _CHUNKED
        self._head = b"".join((self._connection.context.start(status), headers, frame))

    def write(self, data: bytes) -> None:
        """More of the body. Call `drain` after it while `paused` is set."""
        if not data:
            return
        if self._goes_on:  # all but the first write of a chunked answer: one format, one call
            self._connection.sink.write(b"%x\r\n%b\r\n" % (len(data), data))
            return
        self._goes_on = self._chunked and not self._headless
        head, self._head = self._head, b""
        if self._headless:
            self._write(head)
        elif self._chunked:
            self._write(b"%b%x\r\n%b\r\n" % (head, len(data), data))
        else:
            self._write(head + data)

    def finish(self, data: bytes = b"") -> None:
        """The last of the body and the end mark, in one write."""
        self.finished = True
        head, self._head = self._head, b""
        if self._headless:
            self._write(head)
        elif not self._chunked:
            self._write(head + data)
        elif data:
            self._write(b"%b%x\r\n%b\r\n0\r\n\r\n" % (head, len(data), data))
        else:
            self._write(head + b"0\r\n\r\n")

    def abort(self) -> None:
        """Cut the connection."""
        self.finished = True
        self._connection.abort()

    async def drain(self) -> None:
        """Wait until a slow reader has caught up."""
        if self.paused:
            self._waiter = self._connection.context.loop.create_future()
            await self._waiter

    def pause(self, paused: bool) -> None:
        """The connection's send buffer is full, or has room again."""
        self.paused = paused
        if not paused and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _closes(self) -> bool:
        if self._connection.context.draining:
            self.close = True
        return self.close

    def _write(self, data: bytes) -> None:
        if data:
            self._connection.sink.write(data)
