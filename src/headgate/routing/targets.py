"""Targets: provider accounts joined with what is known of their models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from headgate.core.ports import Endpoint
from headgate.core.snapshot import Target
from headgate.routing.catalogue import Catalogue, Facts


class Account(msgspec.Struct, frozen=True):
    """A provider account that may be asked. `models` are those its settings name, with what they state of each."""

    endpoint: Endpoint
    type: str
    models: Mapping[str, Facts] = {}

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

    __slots__ = ("_accounts", "catalogue")

    def __init__(self, accounts: Sequence[Account], catalogue: Catalogue) -> None:
        self._accounts = {account.name: account for account in accounts}
        self.catalogue = catalogue

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
        """The target, known to the catalogue or not; None where there is no such provider account."""
        account = self._accounts.get(provider)
        if account is None:
            return None
        shipped = self.catalogue.find(account.type, model)
        stated = account.models.get(model)
        facts = (stated.over(shipped) if stated is not None else shipped) or Facts()
        return Target(
            provider, model, account.endpoint, facts.price, facts.context, facts.max_output, facts.abilities,
            known=shipped is not None or stated is not None,
        )  # fmt: skip
