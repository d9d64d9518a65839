"""A provider's answer as it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Protocol

from headgate.core.errors import UpstreamError
from headgate.core.types import Header
from headgate.wire.strand import Strand, park, running


class Line(Protocol):
    """The connection an answer arrives on."""

    loop: asyncio.AbstractEventLoop
    paused: bool

    def drained(self) -> None:
        """The reader has taken everything that waited; called where `paused` is set."""
        ...

    def give_back(self) -> None:
        """The answer was read to its end."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


class Answer:
    """Implements `core.ports.Inbound`. Fed by its connection; let go of it by exactly one of `release` and `abort`."""

    __slots__ = ("_chunks", "_failure", "_line", "_waiter", "complete", "headers", "size", "stale", "status")

    def __init__(self, line: Line) -> None:
        self._line: Line | None = line
        self._chunks: list[bytes] = []
        self._waiter: asyncio.Future[None] | Strand | None = None
        self._failure: tuple[str, str] | None = None
        self.status = 0
        self.headers: Sequence[Header] = ()
        self.size = 0  # bytes that wait to be read
        self.complete = False
        self.stale = False

    # -- for the caller

    async def arrive(self) -> bool:
        """Wait for the head. False where a pooled connection had died before it answered anything.

        Raises UpstreamError.
        """
        try:
            while not self.status:
                if self._failure is not None:
                    if self.stale:
                        return False
                    raise UpstreamError(*self._failure)
                await self._more()
        except asyncio.CancelledError:
            self.abort()
            raise
        return True

    async def read(self) -> bytes | None:
        """All body bytes that arrived since the last read; None at the clean end.

        Raises UpstreamError: truncated, connection_reset, first_token_timeout, idle_timeout, total_timeout,
        malformed_response, response_too_large.
        """
        try:
            while not self._chunks:
                if self._failure is not None:
                    raise UpstreamError(*self._failure)
                if self.complete:
                    return None
                await self._more()
        except asyncio.CancelledError:
            self.abort()
            raise
        chunks, self._chunks = self._chunks, []
        self.size = 0
        line = self._line
        if line is not None and line.paused:
            line.drained()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def release(self) -> None:
        """Done: the connection goes back to the pool if the body was read to its end, else it is closed."""
        line, self._line = self._line, None
        if line is not None:
            if self.complete and not self._chunks:
                line.give_back()
            else:
                line.abort()

    def abort(self) -> None:
        """Close the connection at once. Safe to call twice and after release."""
        line, self._line = self._line, None
        if line is not None:
            self._chunks = []
            line.abort()
            self.wake()

    def call_off(self) -> None:
        """Close the connection at once; whoever waits for more gets UpstreamError called_off."""
        line = self._line
        if line is not None:
            line.abort()
            self.fail("called_off", "the provider had stopped answering, so its answer was not waited for")

    # -- for the connection

    def add(self, data: bytes) -> None:
        """Body bytes have arrived."""
        self._chunks.append(data)
        self.size += len(data)

    def fail(self, kind: str, message: str) -> None:
        """The answer ends here, badly; what arrived before can still be read."""
        if self._failure is None and not self.complete:
            self._failure = (kind, message)
        self.wake()

    def wake(self) -> None:
        """Something is there for whoever waits."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if isinstance(waiter, Strand):
                waiter.go_on()
            elif not waiter.done():
                waiter.set_result(None)

    def _more(self) -> Awaitable[None]:
        """What to await until there is more: no coroutine of its own, which would be entered once per chunk."""
        line = self._line
        if line is None:
            raise UpstreamError("connection_reset", "the answer was let go of before its end")
        strand = running()
        if strand is not None:
            self._waiter = strand
            return park(strand)
        self._waiter = waiter = line.loop.create_future()
        return waiter
