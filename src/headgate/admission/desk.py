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

from headgate.admission.files import PublishedKey, PublishedScope, write_keys
from headgate.admission.keys import KeyRing, Peppered, mint_key, mint_key_id, shown_part
from headgate.admission.periods import BUDGET_PERIODS
from headgate.admission.ports import KeyStore, SpendSource
from headgate.admission.shedding import CRITICALITIES, DEFAULT
from headgate.admission.spending import Spending
from headgate.core.errors import InvalidRequest, NotFound
from headgate.core.keys import EVERY_TENANT, Limits, ScopeLimits, Spend, StoredKey
from headgate.core.ports import Clock, Entropy
from headgate.core.roles import Role, allow
from headgate.core.stages import KeyInfo

KEYS_MAX = 10_000
NAME_CHARS_MAX = 200
MODELS_MAX = 200
COUNT_MAX = 1_000_000_000
USD_MAX = 1e9
DEFAULT_TENANT = "default"
UNPRICED = ("deny", "allow")


class NewKey(msgspec.Struct, frozen=True):
    """What a new key is to stand for; the fields mean what they mean on `core.stages.KeyInfo` and
    `core.keys.StoredKey`."""

    name: str
    tenant: str = DEFAULT_TENANT
    roles: frozenset[Role] = frozenset()
    models: Sequence[str] = ()
    expires_ns: int | None = None
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    budget_usd: float | None = None
    budget_period: str = "month"
    team: str | None = None
    unpriced: str = "deny"
    criticality: str = DEFAULT


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
        self._spending = None if spending is None else Spending(spending)
        self._lock = threading.Lock()
        self._published: tuple[list[PublishedKey], list[PublishedScope]] | None = None
        self._ring = KeyRing(peppered, ())
        self._roles: Mapping[str, frozenset[Role]] = {}

    @property
    def ring(self) -> KeyRing:
        """The keys as they were published last."""
        return self._ring

    def identify(self, credential: str | None) -> tuple[KeyInfo, frozenset[Role]]:
        """The key shown now and its roles. Raises Unauthenticated as `KeyRing.find` does."""
        info = self._ring.find(credential, self.now_ns())
        return info, self._roles[info.id]

    def now_ns(self) -> int:
        """The desk's wall clock."""
        return self._clock.now_ns()

    def open(self) -> str | None:
        """Publish what is stored.

        Where there is no key at all, make an admin key first and return it: show it once.
        """
        secret = None
        if not self._store.keys(EVERY_TENANT):
            secret = self.create(NewKey(name="first admin key", roles=allow("admin")), "first start").secret
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
            admin="admin" in new.roles,
            models=frozenset(new.models),
            expires_ns=new.expires_ns,
            rpm=new.rpm,
            tpm=new.tpm,
            budget_usd=new.budget_usd,
            budget_period=new.budget_period,
            concurrency=new.concurrency,
            team=new.team,
            unpriced=new.unpriced,
            criticality=new.criticality,
        )
        stored = StoredKey(info, self._peppered.digest(secret), shown_part(secret), now_ns, by, roles=new.roles)
        with self._lock:
            if len(self._store.keys(EVERY_TENANT)) >= KEYS_MAX:
                raise InvalidRequest(f"there are {KEYS_MAX} keys already, the most one gateway keeps")
            self._store.add(stored)
            self._publish()
        return Created(stored, secret)

    def list(self, scope: str) -> list[KeyLine]:
        """The keys of a tenant, or of EVERY_TENANT, with what they have spent."""
        spending = self.spending()
        return [
            KeyLine(key, None if spending is None else spending.of_key(key.info)) for key in self._store.keys(scope)
        ]

    def spending(self) -> Spending | None:
        """What the records say was spent, as of now; None where nobody keeps count."""
        return None if self._spending is None else Spending(self._spending.source).at(self._clock.now_ns())

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
        spending = None if self._spending is None else self._spending.at(self._clock.now_ns())
        keys = [PublishedKey(key.digest, key.info, _spend(spending, key.info)) for key in stored]
        infos = [key.info for key in stored]
        scopes = [
            PublishedScope(one.kind, one.name, one.address, one.limits, _spend_of_scope(spending, one, infos))
            for one in self._store.limits(EVERY_TENANT)
        ]
        if (keys, scopes) == self._published:
            return False
        self._published = None
        write_keys(self._folder, self._clock.now_ns(), keys, scopes)
        self._published = keys, scopes
        # first: whoever finds a key in the new ring finds its roles, and no key is ever taken out
        self._roles = {key.info.id: key.roles for key in stored}
        self._ring = KeyRing(self._peppered, [(key.digest, key.info) for key in stored])
        return True


def _spend(spending: Spending | None, info: KeyInfo) -> Spend:
    if spending is None or info.budget_usd is None or info.revoked:
        return Spend()
    return spending.of_key(info)


def _spend_of_scope(spending: Spending | None, scope: ScopeLimits, infos: Sequence[KeyInfo]) -> Spend:
    if spending is None or scope.limits.budget_usd is None:
        return Spend()
    return spending.of_scope(scope, infos)


def _check(new: NewKey, now_ns: int) -> None:
    check_word("name", new.name)
    check_word("tenant", new.tenant)
    if new.team is not None:
        check_word("team", new.team)
        if "/" in new.team:
            raise InvalidRequest("a team's name holds no `/`", param="team")
    if new.roles and (new.tenant != DEFAULT_TENANT or new.team is not None):
        raise InvalidRequest("a key with a role is for every tenant: leave `tenant` and `team` out", param="tenant")
    if new.criticality not in CRITICALITIES:
        raise InvalidRequest(f"`criticality` is one of {', '.join(CRITICALITIES)}", param="criticality")
    if new.tenant == EVERY_TENANT:
        raise InvalidRequest(f"`{EVERY_TENANT}` is no tenant", param="tenant")
    check_limits(
        Limits(new.rpm, new.tpm, new.concurrency, new.budget_usd, new.budget_period, new.unpriced),
    )
    if new.expires_ns is not None and new.expires_ns <= now_ns:
        raise InvalidRequest("`expires` lies in the past", param="expires")
    if len(new.models) > MODELS_MAX or not all(new.models):
        raise InvalidRequest(f"`models` holds at most {MODELS_MAX} names, none empty", param="models")


def check_word(param: str, text: str) -> None:
    """Raises InvalidRequest where a name cannot be one."""
    if not text.strip() or len(text) > NAME_CHARS_MAX or not text.isprintable():
        raise InvalidRequest(f"`{param}` needs 1 to {NAME_CHARS_MAX} printable characters", param=param)


def check_limits(limits: Limits) -> None:
    """Raises InvalidRequest naming the field that no limit can be."""
    for param, count in (("rpm", limits.rpm), ("tpm", limits.tpm), ("concurrency", limits.concurrency)):
        if count is not None and not 1 <= count <= COUNT_MAX:
            raise InvalidRequest(f"`{param}` must lie between 1 and {COUNT_MAX}", param=param)
    budget = limits.budget_usd
    if budget is not None and not (math.isfinite(budget) and 0 < budget <= USD_MAX):
        raise InvalidRequest(f"`budget_usd` is more than 0 and at most {USD_MAX:,.0f}", param="budget_usd")
    if limits.budget_period not in BUDGET_PERIODS:
        raise InvalidRequest(f"`budget_period` is one of {', '.join(BUDGET_PERIODS)}", param="budget_period")
    if limits.unpriced not in UNPRICED:
        raise InvalidRequest(f"`unpriced` is one of {', '.join(UNPRICED)}", param="unpriced")
