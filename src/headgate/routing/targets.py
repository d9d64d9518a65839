"""Targets: provider accounts joined with what is known of their models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from headgate.core.ports import Endpoint
from headgate.core.snapshot import Target
from headgate.routing.catalogue import Catalogue, Facts
from headgate.routing.lifecycle import Life, Lifecycle


class Account(msgspec.Struct, frozen=True):
    """A provider account that may be asked. `models` are those its settings name, with what they state of each;
    `lives` when some of them end."""

    endpoint: Endpoint
    type: str
    models: Mapping[str, Facts] = {}
    lives: Mapping[str, Life] = {}

    @property
    def name(self) -> str:
        """The account's name in this workspace."""
        return self.endpoint.name


class TargetFactory(Protocol):
    """Makes targets from names."""

    def target(self, provider: str, model: str) -> Target | None:
        """The target; None where there is no such provider account."""
        ...

    def providers(self) -> list[str]:
        """The names of the provider accounts."""
        ...


class Targets:
    """The accounts of a snapshot, in the order they were configured (`TargetFactory`)."""

    __slots__ = ("_accounts", "_lives", "_today", "catalogue")

    def __init__(
        self, accounts: Sequence[Account], catalogue: Catalogue, lives: Lifecycle | None = None, today: str = ""
    ) -> None:
        """`today`: the UTC day by which models are retired or not; without one none is."""
        self._accounts = {account.name: account for account in accounts}
        self.catalogue = catalogue
        self._lives = lives
        self._today = today

    @property
    def accounts(self) -> list[Account]:
        """In configured order."""
        return list(self._accounts.values())

    def account(self, name: str) -> Account | None:
        """The account of that name."""
        return self._accounts.get(name)

    def providers(self) -> list[str]:
        """The names of the provider accounts."""
        return list(self._accounts)

    def target(self, provider: str, model: str) -> Target | None:
        """The target, known to the catalogue or not; None where there is no such provider account.

        In the place of a model that is retired stands its successor, where the vendor named one.
        """
        account = self._accounts.get(provider)
        if account is None:
            return None
        life = self.life(account, model)
        if life is None:
            return self._target(account, model)
        follows = None if life.successor is None else self._target(account, life.successor)
        if follows is not None and life.retires <= self._today:
            return msgspec.structs.replace(follows, stands_for=f"{model}, retired {life.retires}")
        return msgspec.structs.replace(self._target(account, model), retires=life.retires, successor=follows)

    def life(self, account: Account, model: str) -> Life | None:
        """When the model ends at this account: as its settings state, else as the vendor published."""
        stated = account.lives.get(model)
        if stated is not None or self._lives is None:
            return stated
        return self._lives.find(account.type, model)

    def _target(self, account: Account, model: str) -> Target:
        shipped = self.catalogue.find(account.type, model)
        stated = account.models.get(model)
        facts = (stated.over(shipped) if stated is not None else shipped) or Facts()
        return Target(
            account.name, model, account.endpoint, facts.price, facts.context, facts.max_output, facts.abilities,
            known=shipped is not None or stated is not None,
        )  # fmt: skip
