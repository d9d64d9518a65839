"""An API key as it is kept, what a scope may use, and what it has used. Never the key itself."""

from __future__ import annotations

import msgspec

from headgate.core.roles import Role
from headgate.core.stages import KeyInfo

EVERY_TENANT = "*"  # the one scope that is not a tenant's name; said out loud wherever all tenants are meant


class StoredKey(msgspec.Struct, frozen=True):
    """A key's row. `digest` is HMAC-SHA256 of the key under the pepper (32 bytes); `shown` its first
    characters. `roles` are those on the management API; none: the key is for calls only.

    Times are nanoseconds since the Unix epoch.
    """

    info: KeyInfo
    digest: bytes
    shown: str
    created_ns: int
    created_by: str
    revoked_ns: int | None = None
    roles: frozenset[Role] = frozenset()


class Spend(msgspec.Struct, frozen=True, gc=False):
    """What a scope has spent since `since_ns`: US dollars, tokens, calls, calls of unknown price."""

    since_ns: int = 0
    usd: float = 0.0
    calls: int = 0
    unpriced: int = 0
    tokens: int = 0


class Limits(msgspec.Struct, frozen=True, gc=False):
    """What a scope may use; the fields mean what they mean on `core.stages.KeyInfo`. None: not limited."""

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    budget_usd: float | None = None
    budget_period: str = "month"
    unpriced: str = "deny"

    @property
    def none(self) -> bool:
        """Whether nothing is limited."""
        return self.rpm is None and self.tpm is None and self.concurrency is None and self.budget_usd is None


class ScopeLimits(msgspec.Struct, frozen=True):
    """The limits of all calls of a tenant, a team or an app together, and who set them when (ns since the epoch).

    `tenant` is "" for an app: apps are for every tenant. `name` is the tenant's, the team's or the app's own.
    """

    kind: str
    tenant: str
    name: str
    limits: Limits
    set_ns: int
    set_by: str

    @property
    def address(self) -> str:
        """`tenant/acme`, `team/acme/checkout`, `app/support`."""
        return f"team/{self.tenant}/{self.name}" if self.kind == "team" else f"{self.kind}/{self.name}"


def limits_of(info: KeyInfo) -> Limits:
    """What a key itself may use."""
    return Limits(info.rpm, info.tpm, info.concurrency, info.budget_usd, info.budget_period, info.unpriced)
