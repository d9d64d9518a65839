"""What admission asks of the world: somewhere to keep keys and limits, somebody who knows what calls cost, a ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from headgate.admission.account import Account
from headgate.admission.holds import Hold, Notice
from headgate.admission.upkeep import Reclaimed
from headgate.core.calls import Rollup
from headgate.core.errors import CallerError
from headgate.core.keys import ScopeLimits, Spend, StoredKey


class KeyStore(Protocol):
    """Keeps keys. `scope` is a tenant, or `core.keys.EVERY_TENANT` said out loud."""

    def add(self, key: StoredKey) -> None:
        """Keep a new key. Returns when it is durable."""
        ...

    def keys(self, scope: str) -> Sequence[StoredKey]:
        """All keys of the scope, revoked and expired ones included, oldest first."""
        ...

    def revoke(self, key_id: str, scope: str, at_ns: int) -> StoredKey | None:
        """Revoke a key, durably; the first time stands. None where the scope has no such key."""
        ...

    def limits(self, scope: str) -> Sequence[ScopeLimits]:
        """The limits of tenants, teams and apps, by address. Apps are of no tenant: only EVERY_TENANT has them."""
        ...

    def set_limits(self, limits: ScopeLimits) -> None:
        """Keep limits in place of earlier ones of the same address; where nothing is limited, keep none. Durable."""
        ...


class SpendSource(Protocol):
    """Knows what was spent, from the records."""

    def spent_since(self, since_ns: int) -> Mapping[str, Spend]:
        """Spend by key id of all calls received at or after `since_ns` (wall time)."""
        ...

    def rollups(self, scope: str, since_ns: int, until_ns: int, app: str | None = None) -> Sequence[Rollup]:
        """Sums of all calls in the range, among them what each app's calls cost."""
        ...


class Ledger(Protocol):
    """What was used and is held of every account. `SharedLedger` is it for one machine.

    Whoever leases from a ledger of many machines sets each account's limits to its lease and lets this one do the rest.
    """

    notices: list[Notice]
    """Budgets to tell of; whoever reads them takes them out."""

    def gone(self, accounts: Sequence[Account], wall_ns: int) -> CallerError | None:
        """The refusal where the money of an account is known to be spent; cheap."""
        ...

    def count(self, accounts: Sequence[Account], wall_ns: int) -> CallerError | None:
        """One request of every account at once, or of none and the refusal. Raises Overloaded."""
        ...

    def hold(
        self, accounts: Sequence[Account], nano: int, tokens: int, wall_ns: int, counted: Account | None = None
    ) -> Hold | CallerError:
        """The worst case of one call on every account, or on none and the refusal. Raises Overloaded."""
        ...

    def settle(self, hold: Hold, nano: int | None, tokens: int | None) -> None:
        """Charge what it was in the end; None: what was held. Again: in place of the first charge. Never raises."""
        ...

    def seed(self, accounts: Sequence[Account], wall_ns: int) -> None:
        """Raise what counts as spent to what the records say. Raises Overloaded."""
        ...

    def reclaim(self) -> Reclaimed:
        """Charge and free what dead processes held."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...
