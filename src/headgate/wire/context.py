"""What all connections of one server share."""

from __future__ import annotations

import asyncio
import resource
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

from headgate.core.ports import Clock
from headgate.wire.exchange import Handler
from headgate.wire.limits import ServerLimits
from headgate.wire.refusals import Refusals
from headgate.wire.request import HeadReader

REFUSED_MAX = 128  # connections over the capacity that are being told so; more are cut without a word
_UNLIMITED = 1 << 20
_SPARE_DESCRIPTORS = 32  # journal, stores, listening sockets, the connections of the management API
_STARTS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def descriptors() -> int:
    """How many file descriptors this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _UNLIMITED if soft == resource.RLIM_INFINITY else soft


class Sink(Protocol):
    """Where an answer's bytes go: the transport itself, which is a call less per chunk; once the client has gone,
    nowhere."""

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...


class Nowhere:
    """Implements `Sink` for a client that has gone."""

    __slots__ = ()

    def write(self, data: bytes) -> None:
        """Drop them."""


class Connection(Protocol):
    """An open client connection, as the server and its answers see it."""

    context: ServerContext
    sink: Sink

    def drain(self) -> None:
        """Close as soon as nothing is under way."""
        ...

    def abort(self) -> None:
        """Cut the connection at once."""
        ...


class ServerContext:
    """Handler, bounds and open connections of a server. `draining` is set once and for all.

    `capacity` is how many connections are served at once: each may need a second descriptor for its provider, so half
    of what the process may open is the most, whatever the limits say. `receiving` is how many bytes of incomplete
    bodies are held.
    """

    __slots__ = (
        "_date", "_date_s", "_starts", "capacity", "clock", "connections", "draining", "emptied", "handler", "heads",
        "limits", "loop", "receiving", "refusals", "refused",
    )  # fmt: skip

    def __init__(self, handler: Handler, limits: ServerLimits, clock: Clock) -> None:
        self.handler = handler
        self.limits = limits
        self.clock = clock
        self.loop = asyncio.get_running_loop()
        self.heads = HeadReader(limits)
        self.capacity = min(limits.connections, descriptors() // 2 - _SPARE_DESCRIPTORS)
        self.connections: set[Connection] = set()
        self.refused: set[Connection] = set()
        self.refusals = Refusals(clock)
        self.receiving = 0
        self.draining = False
        self.emptied: asyncio.Future[None] | None = None
        self._starts: dict[int, bytes] = {}
        self._date_s = 0
        self._date = b""

    def start(self, status: int) -> bytes:
        """Status line and Date header of an answer; the date is written once a second."""
        now_s = self.clock.now_ns() // 1_000_000_000
        if now_s != self._date_s:
            self._date_s = now_s
            self._date = f"date: {formatdate(now_s, usegmt=True)}\r\n".encode()
            self._starts = {}
        start = self._starts.get(status)
        if start is None:
            start = (_STARTS.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status) + self._date
            self._starts[status] = start
        return start

    def left(self, connection: Connection) -> None:
        """A connection is gone."""
        self.refused.discard(connection)
        self.connections.discard(connection)
        if self.emptied is not None and not self.connections and not self.emptied.done():
            self.emptied.set_result(None)
