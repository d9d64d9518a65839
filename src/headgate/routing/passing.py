"""Client headers that reach a provider: only these, only where the provider speaks the client's dialect.

They switch features of the wire format. Headers that choose an account (OpenAI's organization and project) stay
behind: the account is the gateway's, and its bill.
"""

from __future__ import annotations

from collections.abc import Sequence

from headgate.core.types import Header

VALUE_BYTES_MAX = 1024
_PASSING: dict[str, frozenset[bytes]] = {
    "anthropic": frozenset({b"anthropic-version", b"anthropic-beta"}),
    "openai": frozenset({b"openai-beta"}),
}
_NONE: tuple[Header, ...] = ()


def passing(dialect: str, headers: Sequence[Header]) -> Sequence[Header]:
    """The headers of a client that may go along, names in lower case, in a stable order."""
    allowed = _PASSING.get(dialect)
    if allowed is None:
        return _NONE
    if allowed.isdisjoint(dict(headers)):  # SDKs send some 15 headers: to look at each costs 1 us
        return _NONE
    found = [header for header in headers if header[0] in allowed]
    return [(name, value) for name, value in sorted(found) if len(value) <= VALUE_BYTES_MAX and _one_line(value)]


def _one_line(value: bytes) -> bool:
    return value.isascii() and value.decode("ascii").isprintable()
