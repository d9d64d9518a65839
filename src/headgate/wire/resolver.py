"""Names to addresses: looked up once, checked, then pinned, so that the address checked is the address used."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from headgate.core.errors import UpstreamError
from headgate.core.ports import Clock
from headgate.core.types import Origin
from headgate.wire.addresses import literal, looks_numeric, permitted
from headgate.wire.deadline import within

TTL_S = 30.0
STALE_S = 600.0
ENTRIES_MAX = 256
ADDRESSES_MAX = 4

Lookup: TypeAlias = "Callable[[str], Awaitable[Sequence[str]]]"


async def system_lookup(host: str) -> list[str]:
    """Addresses of a name by the system's resolver, in its order. Raises OSError where there are none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Resolver:
    """Resolves origins within a deadline; answers are kept for TTL_S seconds, at most ENTRIES_MAX of them.

    Where a look-up fails, the last answer serves for another STALE_S seconds (RFC 8767): name servers fail more often
    than addresses change.
    """

    __slots__ = ("_asking", "_cache", "_clock", "_lookup")

    def __init__(self, clock: Clock, lookup: Lookup = system_lookup) -> None:
        self._clock = clock
        self._lookup = lookup
        self._cache: dict[str, tuple[int, list[str]]] = {}
        self._asking: dict[str, asyncio.Future[Sequence[str]]] = {}

    async def resolve(self, origin: Origin, deadline_s: float) -> list[str]:
        """The addresses that may be connected to, best first, at most ADDRESSES_MAX.

        Raises UpstreamError: dns_failed, connect_timeout, address_refused.
        """
        host = origin.host
        address = literal(host)
        if address is not None:
            found = [address]
        elif looks_numeric(host):
            raise UpstreamError("address_refused", "the provider's host is a number that is not an IP address")
        else:
            found = await self._find(host, deadline_s)
        allowed = [text for text in found if permitted(text, origin.allow_private)]
        if not allowed:
            raise UpstreamError("address_refused", "the provider's host has no address that may be connected to")
        return allowed[:ADDRESSES_MAX]

    def forget(self, host: str) -> None:
        """Look the name up anew next time: its addresses did not answer."""
        self._cache.pop(host, None)

    async def _find(self, host: str, deadline_s: float) -> list[str]:
        now = self._clock.monotonic_ns()
        kept = self._cache.get(host)
        if kept is not None and kept[0] > now:
            return kept[1]
        try:
            found = list(await within(self._clock, deadline_s, self._ask(host)))
        except TimeoutError:
            failure = UpstreamError("connect_timeout", "the provider's host name was not resolved in time")
        except (OSError, UnicodeError):
            failure = UpstreamError("dns_failed", "the provider's host name could not be resolved")
        else:
            if found:
                self._keep(host, now, found)
                return found
            failure = UpstreamError("dns_failed", "the provider's host name has no address")
        if kept is not None and kept[0] + int(STALE_S * 1e9) > now:
            return kept[1]
        raise failure

    def _keep(self, host: str, now: int, found: list[str]) -> None:
        if host not in self._cache and len(self._cache) >= ENTRIES_MAX:
            self._cache.pop(next(iter(self._cache)))
        self._cache[host] = (now + int(TTL_S * 1e9), found)

    async def _ask(self, host: str) -> Sequence[str]:
        """One look-up at a time for each name: a name server that hangs must not use up the resolver's threads."""
        task = self._asking.get(host)
        if task is None:
            task = self._asking[host] = asyncio.ensure_future(self._lookup(host))
            task.add_done_callback(lambda done: self._asked(host, done))
        return await asyncio.shield(task)

    def _asked(self, host: str, done: asyncio.Future[Sequence[str]]) -> None:
        self._asking.pop(host, None)
        if not done.cancelled():
            done.exception()  # whoever waited has seen it; nobody may have waited to the end
