"""What the key desk asks of the world: somewhere to keep keys, somebody who knows what calls cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from headgate.core.keys import Spend, StoredKey


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


class SpendSource(Protocol):
    """Knows what was spent, from the records."""

    def spent_since(self, since_ns: int) -> Mapping[str, Spend]:
        """Spend by key id of all calls received at or after `since_ns` (wall time)."""
        ...
