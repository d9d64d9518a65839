"""An API key as it is kept: what it stands for, and the digest that recognises it. Never the key itself."""

from __future__ import annotations

import msgspec

from headgate.core.stages import KeyInfo

EVERY_TENANT = "*"  # the one scope that is not a tenant's name; said out loud wherever all tenants are meant


class StoredKey(msgspec.Struct, frozen=True):
    """A key's row. `digest` is HMAC-SHA256 of the key under the pepper (32 bytes); `shown` its first
    characters.

    Times are nanoseconds since the Unix epoch.
    """

    info: KeyInfo
    digest: bytes
    shown: str
    created_ns: int
    created_by: str
    revoked_ns: int | None = None


class Spend(msgspec.Struct, frozen=True, gc=False):
    """What a key has spent since `since_ns`: US dollars, tokens, calls, calls of unknown price."""

    since_ns: int = 0
    usd: float = 0.0
    calls: int = 0
    unpriced: int = 0
    tokens: int = 0
