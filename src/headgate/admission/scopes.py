"""Whose limits a call comes under: those of its key, the key's team and tenant, and the app it asks for."""

from __future__ import annotations

from typing import NamedTuple

from headgate.admission.account import Account
from headgate.admission.files import PublishedKeys
from headgate.core.keys import Limits, Spend, limits_of
from headgate.core.stages import KeyInfo

CHAINS_MAX = 50_000


class Chain(NamedTuple):
    """The accounts of one kind of call, narrowest first. `rated` have a request rate; `app` is the app's own account.

    `strict`: a budget among them takes only calls whose price is known.
    """

    accounts: tuple[Account, ...] = ()
    rated: tuple[Account, ...] = ()
    budgeted: bool = False
    strict: bool = False
    app: Account | None = None


FREE = Chain()


class Scopes:
    """All limited accounts of one publication. An account outlives a change of its limits."""

    __slots__ = ("_accounts", "_chains", "limited")

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._chains: dict[tuple[str, str | None], Chain] = {}
        self.limited = False

    def take_over(self, published: PublishedKeys) -> None:
        """Take the limits that were published; what is not limited any more is let go of."""
        before, self._accounts, self._chains = self._accounts, {}, {}
        for key in published.keys:
            limits = limits_of(key.info)
            if not limits.none and not key.info.revoked:
                self._add(before, f"key/{key.info.id}", "this API key", limits, key.spend)
        for scope in published.scopes:
            self._add(before, scope.address, f"{scope.kind} `{scope.name}`", scope.limits, scope.spend)
        self.limited = bool(self._accounts)

    def _add(self, before: dict[str, Account], address: str, label: str, limits: Limits, spend: Spend) -> None:
        account = before.get(address)
        if account is None:
            account = Account(address, label, limits, spend)
        else:
            account.seed = spend
            if account.limits != limits:
                account.limit(limits)
        self._accounts[address] = account

    def all(self) -> list[Account]:
        """Every limited account."""
        return list(self._accounts.values())

    def of(self, info: KeyInfo, app: str | None) -> Chain:
        """The accounts of a call with this key, at the door (`app` None) or once its app is known."""
        known = (info.id, app)
        chain = self._chains.get(known)
        if chain is None:
            if len(self._chains) >= CHAINS_MAX:
                self._chains.clear()
            chain = self._chains[known] = self._chain(info, app)
        return chain

    def _chain(self, info: KeyInfo, app: str | None) -> Chain:
        find = self._accounts.get
        team = None if info.team is None else find(f"team/{info.tenant}/{info.team}")
        own = None if app is None else find(f"app/{app}")
        found = (find(f"key/{info.id}"), team, find(f"tenant/{info.tenant}"), own)
        accounts = tuple(account for account in found if account is not None)
        if not accounts:
            return FREE
        budgets = [account for account in accounts if account.budget_nano is not None]
        return Chain(
            accounts,
            tuple(account for account in accounts if account.rpm is not None and account is not own),
            bool(budgets),
            any(account.limits.unpriced == "deny" for account in budgets),
            own,
        )
