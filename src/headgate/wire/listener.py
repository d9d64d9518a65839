"""Accepting connections from one listening socket. Out of file descriptors it waits, and says so once in a while."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket

from headgate.core.ports import TimerHandle
from headgate.wire.context import ServerContext
from headgate.wire.server_connection import ServerConnection

_log = logging.getLogger(__name__)
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_SWEEP_MAX = 4096  # connections that wait to be taken when the listener ends
_REST_S = 0.25
_LOG_EVERY_NS = 10_000_000_000


def bind(host: str, port: int, backlog: int) -> socket.socket:
    """A listening TCP socket, non-blocking, with SO_REUSEADDR. Raises OSError where the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(backlog)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


class Listener:
    """Takes connections off one socket. Several processes may share the socket: each takes what it can serve."""

    def __init__(self, context: ServerContext, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._context = context
        self._sock = sock
        self._adopting: set[asyncio.Task[object]] = set()
        self._resting: TimerHandle | None = None
        self._logged_ns: int | None = None
        self.exhausted = 0
        context.loop.add_reader(sock.fileno(), self._accept)

    def close(self) -> None:
        """Take who waits already, and then nobody more. The socket itself is closed too; other processes' copies of it
        live on."""
        if self._sock.fileno() < 0:
            return
        if self._resting is not None:
            self._resting.cancel()
        self._context.loop.remove_reader(self._sock.fileno())
        self._take(_SWEEP_MAX)
        self._sock.close()

    async def settled(self) -> None:
        """Every connection that was taken is being served: a turn of the loop or two."""
        if self._adopting:
            await asyncio.wait(self._adopting)

    def _accept(self) -> None:
        self._take(self._context.limits.accepts)

    def _take(self, most: int) -> None:
        for _ in range(most):
            try:
                sock, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                if most != _SWEEP_MAX:
                    self._rest(error)
                return
            sock.setblocking(False)
            task = self._context.loop.create_task(
                self._context.loop.connect_accepted_socket(lambda: ServerConnection(self._context), sock)
            )
            self._adopting.add(task)
            task.add_done_callback(self._adopted)

    def _adopted(self, task: asyncio.Task[object]) -> None:
        self._adopting.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.warning("a connection could not be taken over: %s", type(error).__name__)

    def _rest(self, error: OSError) -> None:
        """A readable socket that cannot be accepted from would call us again at once, for ever."""
        self.exhausted += 1
        now = self._context.clock.monotonic_ns()
        if self._logged_ns is None or now - self._logged_ns > _LOG_EVERY_NS:
            self._logged_ns = now
            _log.error("cannot accept connections: %s", errno.errorcode.get(error.errno or 0, "OSError"))
        self._context.loop.remove_reader(self._sock.fileno())
        self._resting = self._context.clock.call_later(_REST_S, self._resume)

    def _resume(self) -> None:
        self._resting = None
        self._context.loop.add_reader(self._sock.fileno(), self._accept)
