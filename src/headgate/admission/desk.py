"""The key desk: creates, lists and revokes keys, and publishes them to the workers.

Lives in the control process.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from headgate.admission.files import PublishedKey, write_keys
from headgate.admission.keys import KeyRing, Peppered, mint_key, mint_key_id, shown_part
from headgate.admission.periods import BUDGET_PERIODS, period_bounds
from headgate.admission.ports import KeyStore, SpendSource
from headgate.core.errors import InvalidRequest, NotFound
from headgate.core.keys import EVERY_TENANT, Spend, StoredKey
from headgate.core.ports import Clock, Entropy
from headgate.core.stages import KeyInfo

KEYS_MAX = 10_000
NAME_CHARS_MAX = 200
MODELS_MAX = 200
COUNT_MAX = 1_000_000_000
USD_MAX = 1e9
DEFAULT_TENANT = "default"


class NewKey(msgspec.Struct, frozen=True):
    """What a new key is to stand for; the fields mean what they mean on `core.stages.KeyInfo`."""

    name: str
    tenant: str = DEFAULT_TENANT
    admin: bool = False
    models: Sequence[str] = ()
    expires_ns: int | None = None
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    budget_usd: float | None = None
    budget_period: str = "month"


class Created(NamedTuple):
    """A key just made. `secret` is the key itself: show it now, it is not kept."""

    key: StoredKey
    secret: str


class KeyLine(NamedTuple):
    """A key and what it has spent in its current period; `spend` None where nobody keeps count."""

    key: StoredKey
    spend: Spend | None


class KeyDesk:
    """Safe to use from several threads. A change is durable, then published, then answered."""

    def __init__(
        self,
        store: KeyStore,
        folder: Path,
        peppered: Peppered,
        clock: Clock,
        entropy: Entropy,
        spending: SpendSource | None = None,
    ) -> None:
        self._store = store
        self._folder = folder
        self._peppered = peppered
        self._clock = clock
        self._entropy = entropy
        self._spending = spending
        self._lock = threading.Lock()
        self._published: list[PublishedKey] | None = None
        self._ring = KeyRing(peppered, ())

    @property
    def ring(self) -> KeyRing:
        """The keys as they were published last."""
        return self._ring

    def now_ns(self) -> int:
        """The desk's wall clock."""
        return self._clock.now_ns()

    def open(self) -> str | None:
        """Publish what is stored.

        Where there is no key at all, make an admin key first and return it: show it once.
        """
        secret = None
        if not self._store.keys(EVERY_TENANT):
            secret = self.create(NewKey(name="first admin key", admin=True), "first start").secret
        self.publish()
        return secret

    def create(self, new: NewKey, by: str) -> Created:
        """Make and publish a key. Raises InvalidRequest naming the field at fault."""
        now_ns = self._clock.now_ns()
        _check(new, now_ns)
        secret = mint_key(self._entropy)
        info = KeyInfo(
            id=mint_key_id(self._entropy),
            name=new.name,
            tenant=new.tenant,
            admin=new.admin,
            models=frozenset(new.models),
            expires_ns=new.expires_ns,
            rpm=new.rpm,
            tpm=new.tpm,
            budget_usd=new.budget_usd,
            budget_period=new.budget_period,
            concurrency=new.concurrency,
        )
        stored = StoredKey(info, self._peppered.digest(secret), shown_part(secret), now_ns, by)
        with self._lock:
            if len(self._store.keys(EVERY_TENANT)) >= KEYS_MAX:
                raise InvalidRequest(f"there are {KEYS_MAX} keys already, the most one gateway keeps")
            self._store.add(stored)
            self._publish()
        return Created(stored, secret)

    def list(self, scope: str) -> list[KeyLine]:
        """The keys of a tenant, or of EVERY_TENANT, with what they have spent."""
        stored = self._store.keys(scope)
        spends = self._spends([key.info for key in stored])
        return [KeyLine(key, spends.get(key.info.id)) for key in stored]

    def revoke(self, key_id: str, scope: str) -> StoredKey:
        """Revoke a key and publish that. Raises NotFound; revoking twice is no error."""
        with self._lock:
            stored = self._store.revoke(key_id, scope, self._clock.now_ns())
            if stored is None:
                raise NotFound(f"there is no key `{key_id}`")
            self._publish()
        return stored

    def publish(self) -> bool:
        """Publish keys and their spend where they differ from what was published last; whether they did.

        Called on a timer it keeps the spend that restarted workers begin with fresh, and repairs a
        publication that failed. Raises OSError.
        """
        with self._lock:
            return self._publish()

    def _publish(self) -> bool:
        stored = self._store.keys(EVERY_TENANT)
        budgeted = [key.info for key in stored if key.info.budget_usd is not None and not key.info.revoked]
        spends = self._spends(budgeted)
        keys = [PublishedKey(key.digest, key.info, spends.get(key.info.id, Spend())) for key in stored]
        if keys == self._published:
            return False
        self._published = None
        write_keys(self._folder, self._clock.now_ns(), keys)
        self._published = keys
        self._ring = KeyRing(self._peppered, [(key.digest, key.info) for key in stored])
        return True

    def _spends(self, infos: Sequence[KeyInfo]) -> dict[str, Spend]:
        if self._spending is None:
            return {}
        now_ns = self._clock.now_ns()
        by_start: dict[int, Mapping[str, Spend]] = {}
        spends: dict[str, Spend] = {}
        for info in infos:
            starts_ns = period_bounds(info.budget_period, now_ns)[0]
            if starts_ns not in by_start:
                by_start[starts_ns] = self._spending.spent_since(starts_ns)
            spent = by_start[starts_ns].get(info.id)
            spends[info.id] = Spend(starts_ns) if spent is None else msgspec.structs.replace(spent, since_ns=starts_ns)
        return spends


def _check(new: NewKey, now_ns: int) -> None:
    for param, text in (("name", new.name), ("tenant", new.tenant)):
        if not text.strip() or len(text) > NAME_CHARS_MAX or not text.isprintable():
            raise InvalidRequest(f"`{param}` needs 1 to {NAME_CHARS_MAX} printable characters", param=param)
    if new.admin and new.tenant != DEFAULT_TENANT:
        raise InvalidRequest("an admin key is for every tenant: leave `tenant` out", param="tenant")
    if new.tenant == EVERY_TENANT:
        raise InvalidRequest(f"`{EVERY_TENANT}` is no tenant", param="tenant")
    for param, count in (("rpm", new.rpm), ("tpm", new.tpm), ("concurrency", new.concurrency)):
        if count is not None and not 1 <= count <= COUNT_MAX:
            raise InvalidRequest(f"`{param}` must lie between 1 and {COUNT_MAX}", param=param)
    budget = new.budget_usd
    if budget is not None and not (math.isfinite(budget) and 0 < budget <= USD_MAX):
        raise InvalidRequest(f"`budget_usd` is more than 0 and at most {USD_MAX:,.0f}", param="budget_usd")
    if new.budget_period not in BUDGET_PERIODS:
        raise InvalidRequest(f"`budget_period` is one of {', '.join(BUDGET_PERIODS)}", param="budget_period")
    if new.expires_ns is not None and new.expires_ns <= now_ns:
        raise InvalidRequest("`expires` lies in the past", param="expires")
    if len(new.models) > MODELS_MAX or not all(new.models):
        raise InvalidRequest(f"`models` holds at most {MODELS_MAX} names, none empty", param="models")
