"""The transport to providers: lean, pooled, and exact about what went wrong."""

from __future__ import annotations

import asyncio
import ssl

from headgate.core.errors import UpstreamError
from headgate.core.ports import Clock, OutboundRequest
from headgate.core.types import Origin
from headgate.wire.connection import UpstreamConnection
from headgate.wire.deadline import within
from headgate.wire.inbound import Answer
from headgate.wire.limits import ClientLimits
from headgate.wire.pool import Pool
from headgate.wire.resolver import Resolver
from headgate.wire.tls import client_context

ORIGINS_MAX = 1024


class HttpTransport:
    """Implements `core.ports.Transport`. Adds the body's length to each request.

    `ca_file` (PEM) replaces certifi's roots. There is one TLS context; certifi's is read with the first connection that
    needs it. Raises OSError or ssl.SSLError where `ca_file` cannot be read.
    """

    def __init__(
        self,
        clock: Clock,
        resolver: Resolver | None = None,
        limits: ClientLimits | None = None,
        ca_file: str | None = None,
    ) -> None:
        self._clock = clock
        self._resolver = resolver or Resolver(clock)
        self._limits = limits or ClientLimits()
        self._tls = None if ca_file is None else client_context(ca_file)
        self._pools: dict[Origin, Pool] = {}

    async def send(self, request: OutboundRequest) -> Answer:
        """Resolves when the answer's head has arrived; first-token and total deadlines count from this call.

        A pooled connection that had died before a byte of the answer is replaced by a fresh one, once.
        Raises UpstreamError: connect_failed, dns_failed, tls_failed, connect_timeout, first_token_timeout,
        total_timeout, connection_reset, malformed_response, pool_exhausted, address_refused.
        """
        pool = self._pools.get(request.origin) or self._pool(request.origin)
        began_ns = self._clock.monotonic_ns()
        connection = pool.take()
        if connection is not None:
            request.answer = answer = connection.start(request, began_ns)
            if await answer.arrive():
                return answer
        connection = await self._open(pool, request)
        request.answer = answer = connection.start(request, began_ns)
        await answer.arrive()
        return answer

    async def close(self) -> None:
        """Cut every connection."""
        for pool in self._pools.values():
            pool.close()

    def open_connections(self) -> int:
        """Connections open or being opened, idle ones included."""
        return sum(pool.open for pool in self._pools.values())

    def idle_connections(self) -> int:
        """Connections waiting in pools."""
        return sum(pool.idle for pool in self._pools.values())

    def _pool(self, origin: Origin) -> Pool:
        if len(self._pools) >= ORIGINS_MAX:  # origins come and go with configurations
            self._pools = {known: pool for known, pool in self._pools.items() if pool.open}
        pool = self._pools[origin] = Pool(self._clock, self._limits)
        return pool

    async def _open(self, pool: Pool, request: OutboundRequest) -> UpstreamConnection:
        pool.reserve()
        try:
            connection = await self._connect(pool, request)
        except BaseException:
            pool.settle(None)
            raise
        pool.settle(connection)
        return connection

    async def _connect(self, pool: Pool, request: OutboundRequest) -> UpstreamConnection:
        """Tries the origin's addresses in turn, each with its share of the time that is left."""
        origin = request.origin
        began_ns = self._clock.monotonic_ns()
        budget_s = request.deadlines.connect_s
        addresses = await self._resolver.resolve(origin, budget_s)
        tls = self._context() if origin.scheme == "https" else None
        failure: UpstreamError | None = None
        for index, address in enumerate(addresses):
            left_s = budget_s - (self._clock.monotonic_ns() - began_ns) / 1e9
            if left_s <= 0:
                break
            connection = UpstreamConnection(pool, self._clock, self._limits)
            try:
                await within(
                    self._clock,
                    left_s / (len(addresses) - index),
                    asyncio.get_running_loop().create_connection(
                        lambda made=connection: made,
                        address,
                        origin.port,
                        ssl=tls,
                        server_hostname=origin.host if tls is not None else None,
                    ),
                )
                return connection
            except TimeoutError:
                connection.abort()
                failure = UpstreamError("connect_timeout", "the provider could not be connected to in time")
            except ssl.SSLError:
                raise UpstreamError("tls_failed", "the provider's TLS certificate or handshake failed") from None
            except OSError as error:
                failure = _connect_failure(error, tls is not None)
            except asyncio.CancelledError:
                connection.abort()
                raise
        self._resolver.forget(origin.host)
        raise failure or UpstreamError("connect_timeout", "the provider could not be connected to in time")

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = client_context()
        return self._tls


def _connect_failure(error: OSError, tls: bool) -> UpstreamError:
    if tls and isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
        return UpstreamError("tls_failed", "the provider broke off the TLS handshake")
    return UpstreamError("connect_failed", "the provider could not be connected to")
