"""The limit desk: sets the limits of tenants, teams and apps, and tells how every limited scope stands.

Lives in the control process.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from headgate.admission.account import Account
from headgate.admission.desk import KeyDesk, check_limits, check_word
from headgate.admission.holds import Standing
from headgate.admission.ledger import SharedLedger
from headgate.admission.ports import KeyStore
from headgate.core.errors import Forbidden, InvalidRequest
from headgate.core.keys import EVERY_TENANT, Limits, ScopeLimits, limits_of
from headgate.core.ports import Clock

SCOPES_MAX = 4_000
KINDS = ("tenant", "team", "app")


class LimitLine(NamedTuple):
    """One limited scope and how it stands; `label` is a key's name. `resets_ns`: when the budget is whole again."""

    address: str
    tenant: str
    label: str
    limits: Limits
    standing: Standing
    resets_ns: int | None


class LimitDesk:
    """Safe to use from several threads. A change is durable, then published, then answered."""

    def __init__(self, store: KeyStore, desk: KeyDesk, ledger: SharedLedger, clock: Clock) -> None:
        """`ledger` is read only (`SharedLedger.look`)."""
        self._store = store
        self._desk = desk
        self._ledger = ledger
        self._clock = clock
        self._lock = threading.Lock()

    def set(self, address: str, change: Mapping[str, object], scope: str, by: str) -> ScopeLimits:
        """Change the named fields of a scope's limits; the others stay. With nothing limited it has no limits any more.

        Only who may see every tenant may limit tenants and apps. Raises InvalidRequest, Forbidden.
        """
        kind, tenant, name = parsed(address)
        if scope != EVERY_TENANT and (kind != "team" or tenant != scope):
            raise Forbidden("you can limit teams of your own tenant only", param="scope")
        with self._lock:
            every = {one.address: one for one in self._store.limits(EVERY_TENANT)}
            known = every.get(address)
            if known is None and len(every) >= SCOPES_MAX:
                raise InvalidRequest(f"there are limits of {SCOPES_MAX} scopes already, the most one gateway keeps")
            limits = msgspec.structs.replace(Limits() if known is None else known.limits, **change)
            check_limits(limits)
            made = ScopeLimits(kind, tenant, name, limits, self._clock.now_ns(), by)
            self._store.set_limits(made)
        self._desk.publish()
        return made

    def lines(self, scope: str) -> list[LimitLine]:
        """Every limited scope of a tenant, or of EVERY_TENANT: apps, tenants, teams, then keys."""
        every = self._store.keys(EVERY_TENANT)
        spending = self._desk.spending()
        infos = [key.info for key in every]
        found: list[tuple[str, str, str, Account]] = []
        for one in self._store.limits(scope):
            spend = None if spending is None else spending.of_scope(one, infos)
            found.append((one.address, one.tenant, "", Account(one.address, one.name, one.limits, spend)))
        for info in infos:
            limits = limits_of(info)
            if limits.none or info.revoked or scope not in (EVERY_TENANT, info.tenant):
                continue
            address = f"key/{info.id}"
            spend = None if spending is None or info.budget_usd is None else spending.of_key(info)
            found.append((address, info.tenant, info.name, Account(address, info.name, limits, spend)))
        with self._lock:
            return [self._line(*one) for one in found]

    def _line(self, address: str, tenant: str, label: str, account: Account) -> LimitLine:
        now_ns = self._clock.now_ns()
        standing = self._ledger.standing(account, now_ns)
        limits = account.limits
        resets_ns = None if limits.budget_usd is None or limits.budget_period == "total" else account.ends_ns
        return LimitLine(address, tenant, label, limits, standing, resets_ns)

    def sync(self) -> None:
        """Have the ledger of now survive a power cut. Raises OSError."""
        self._ledger.sync()


def parsed(address: str) -> tuple[str, str, str]:
    """Kind, tenant and name of `tenant/NAME`, `team/TENANT/TEAM` or `app/NAME`. Raises InvalidRequest."""
    kind, _, rest = address.partition("/")
    tenant, name = ("", rest) if kind == "app" else (rest, rest)
    if kind == "team":
        tenant, _, name = rest.rpartition("/")
    if kind not in KINDS or not name or (kind == "team" and not tenant):
        raise InvalidRequest("`scope` reads `tenant/NAME`, `team/TENANT/TEAM` or `app/NAME`", param="scope")
    check_word("scope", name)
    check_word("scope", tenant or name)
    return kind, tenant, name
