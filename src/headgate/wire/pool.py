"""The connections to one origin."""

from __future__ import annotations

from headgate.core.errors import UpstreamError
from headgate.core.ports import Clock
from headgate.wire.connection import UpstreamConnection
from headgate.wire.limits import ClientLimits


class Pool:
    """Bounded; the connection used last is used next, so that the others can expire."""

    __slots__ = ("_clock", "_idle", "_limits", "_open", "_pending")

    def __init__(self, clock: Clock, limits: ClientLimits) -> None:
        self._clock = clock
        self._limits = limits
        self._idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._pending = 0

    def take(self) -> UpstreamConnection | None:
        """An idle connection that is still good, or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable():
                return connection
            connection.abort()
        return None

    def reserve(self) -> None:
        """Room for one more connection, until `settle`. Raises UpstreamError: pool_exhausted."""
        if len(self._open) + self._pending >= self._limits.connections:
            raise UpstreamError("pool_exhausted", f"all {self._limits.connections} connections to it are in use")
        self._pending += 1

    def settle(self, connection: UpstreamConnection | None) -> None:
        """What came of a reservation."""
        self._pending -= 1
        if connection is not None and connection.usable():
            self._open.add(connection)

    def put(self, connection: UpstreamConnection) -> None:
        """Keep a connection for the next call."""
        if len(self._idle) >= self._limits.idle_connections:
            connection.abort()
            return
        self._idle.append(connection)
        connection.rest(self._clock.monotonic_ns() + int(self._limits.idle_s * 1e9))

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection is closed."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Cut every connection."""
        for connection in list(self._open):
            connection.abort()

    @property
    def open(self) -> int:
        """Connections open or being opened."""
        return len(self._open) + self._pending

    @property
    def idle(self) -> int:
        """Connections waiting to be used again."""
        return len(self._idle)
