"""Which IP addresses a provider may have. Whoever controls a name must not reach what only we can reach."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address

# Cloud metadata services hand out credentials of the machine itself: no flag opens them.
METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254")
)
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # all that IANA hands out; the rest is old, special or local
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def permitted(text: str, allow_private: bool) -> bool:
    """Whether a connection to the address in `text` may be made; False where it is not an IP address at all.

    Without `allow_private` only globally reachable unicast addresses pass: no loopback, private, link-local, shared,
    documentation, multicast or reserved ones, nor an IPv6 form that carries one of these inside (mapped, 6to4,
    Teredo, NAT64).
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    for form in _forms(address):
        if form in METADATA or form.is_multicast:
            return False
        if not allow_private and not (form.is_global and (form.version == 4 or form in _GLOBAL_UNICAST)):
            return False
    return True


def literal(host: str) -> str | None:
    """The canonical address where `host` is an IP address literal, else None."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return None


def looks_numeric(host: str) -> bool:
    """Whether resolvers may read `host` as a number (`2130706433`, `0x7f.1`, `127.1`) though it is no proper address.

    After the WHATWG URL standard's "ends in a number" checker.
    """
    last = host.rstrip(".").rpartition(".")[2].lower()
    return last.isdigit() or (last.startswith("0x") and all(digit in "0123456789abcdef" for digit in last[2:]))


def _forms(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address, or in its place the IPv4 addresses it stands for."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    if address.teredo is not None:
        return [address, *address.teredo]
    if address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address]
