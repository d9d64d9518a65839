"""The HTTP/1.1 server: sockets in, requests to one handler, a graceful end."""

from __future__ import annotations

import socket

from headgate.core.ports import Clock
from headgate.wire.context import ServerContext
from headgate.wire.exchange import Handler
from headgate.wire.limits import ServerLimits
from headgate.wire.listener import Listener, bind
from headgate.wire.refusals import Refused


class HttpServer:
    """Serves `handler`. Made and used on one event loop."""

    def __init__(self, handler: Handler, limits: ServerLimits, clock: Clock) -> None:
        self._handler = handler
        self._limits = limits
        self._clock = clock
        self._context: ServerContext | None = None
        self._listeners: list[Listener] = []

    def listen(self, sock: socket.socket) -> None:
        """Serve a listening socket, which may be shared with other processes. Call it on the running loop."""
        if self._context is None:
            self._context = ServerContext(self._handler, self._limits, self._clock)
        self._listeners.append(Listener(self._context, sock))

    def listen_on(self, host: str, port: int) -> tuple[str, int]:
        """Bind and serve an address; port 0 takes a free one. Returns what was bound. Raises OSError."""
        sock = bind(host, port, self._limits.backlog)
        name = sock.getsockname()
        self.listen(sock)
        return str(name[0]), int(name[1])

    @property
    def connections(self) -> int:
        """Open client connections."""
        return 0 if self._context is None else len(self._context.connections)

    @property
    def refused(self) -> Refused:
        """What was refused before there was a call."""
        return Refused() if self._context is None else self._context.refusals.counts()

    @property
    def draining(self) -> bool:
        """`drain` was called."""
        return self._context is not None and self._context.draining

    async def drain(self, deadline_s: float) -> int:
        """Accept no more, let what is under way finish with `Connection: close`, cut the rest at the deadline.

        Returns how many connections had to be cut.
        """
        for listener in self._listeners:
            listener.close()
        context = self._context
        if context is None:
            return 0
        context.draining = True
        for connection in list(context.refused):
            connection.abort()
        for connection in list(context.connections):
            connection.drain()
        for listener in self._listeners:
            await listener.settled()
        if not context.connections:
            return 0
        context.emptied = context.loop.create_future()
        cut = 0

        def expire() -> None:
            nonlocal cut
            cut = len(context.connections)
            for connection in list(context.connections):
                connection.abort()

        timer = self._clock.call_later(deadline_s, expire)
        try:
            await context.emptied
        finally:
            timer.cancel()
        return cut
