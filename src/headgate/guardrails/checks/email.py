"""E-mail addresses as people write them, at most 254 characters (RFC 5321, errata 1690).

Not looked for: quoted local parts, addresses at IP literals, and domains in other scripts than ASCII.
"""

from __future__ import annotations

from headgate.core.types import JsonObject
from headgate.guardrails.check import Check, Fault

SETTINGS: tuple[str, ...] = ()

_LOCAL = r"[A-Za-z0-9_][A-Za-z0-9._%+\-]{0,63}"
_DOMAIN = r"[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,24}"


def make(settings: JsonObject, fault: Fault) -> Check:
    """Takes no settings."""
    return Check(
        pattern=f"{_LOCAL}@{_DOMAIN}",
        longest=254,
        replace="[email]",
        probe=r"[A-Za-z0-9._%+\-]@[A-Za-z0-9\-]",
    )
