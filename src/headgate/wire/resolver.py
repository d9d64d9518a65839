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
ENTRIES_MAX = 256
ADDRESSES_MAX = 4

Lookup: TypeAlias = "Callable[[str], Awaitable[Sequence[str]]]"


async def system_lookup(host: str) -> list[str]:
    """Addresses of a name by the system's resolver, in its order. Raises OSError where there are none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Resolver:
    """Resolves origins within a deadline; answers are kept for TTL_S seconds, at most ENTRIES_MAX of them."""

    __slots__ = ("_cache", "_clock", "_lookup")

    def __init__(self, clock: Clock, lookup: Lookup = system_lookup) -> None:
        self._clock = clock
        self._lookup = lookup
        self._cache: dict[str, tuple[int, list[str]]] = {}

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
            raise UpstreamError("connect_timeout", "the provider's host name was not resolved in time") from None
        except (OSError, UnicodeError):
            raise UpstreamError("dns_failed", "the provider's host name could not be resolved") from None
        if not found:
            raise UpstreamError("dns_failed", "the provider's host name has no address")
        if len(self._cache) >= ENTRIES_MAX:
            self._cache.pop(next(iter(self._cache)))
        self._cache[host] = (now + int(TTL_S * 1e9), found)
        return found

    async def _ask(self, host: str) -> Sequence[str]:
        return await self._lookup(host)
