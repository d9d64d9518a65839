"""What discovery asks of the world: a store of groups and their texts, and what calls used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from headgate.core.discovery import GroupedText, PromptUse, StoredGroup


class PromptTexts(Protocol):
    """Groups of unregistered prompts. `scope` is a tenant or EVERY_TENANT. Raises StoreUnavailable."""

    def groups(self) -> list[StoredGroup]:
        """All of them."""
        ...

    def known(self, tenant: str, fingerprint: str) -> bool:
        """Whether the text with this fingerprint was told of before."""
        ...

    def room(self) -> int:
        """How many more characters of text there is room for."""
        ...

    def put(
        self, texts: Sequence[GroupedText], groups: Sequence[StoredGroup], merged: Sequence[tuple[str, str, str]] = ()
    ) -> None:
        """Keep texts, and the groups that are new or changed, all or none. `merged`: of this tenant, this group's texts
        are that group's from now on."""
        ...

    def members(self, scope: str) -> Mapping[tuple[str, str], str]:
        """The group of each (tenant, fingerprint)."""
        ...

    def texts(self, tenant: str, group: str) -> list[GroupedText]:
        """The texts of a group, those whose text is not kept included."""
        ...

    def touch(self, uses: Sequence[PromptUse]) -> None:
        """These fingerprints are still in use."""
        ...

    def retain(self, before_ns: int) -> None:
        """Drop what was not seen since, and groups without texts."""
        ...


class Uses(Protocol):
    """What calls used. Raises StoreUnavailable."""

    def prompt_use(self, scope: str, since_ns: int, until_ns: int, app: str | None = None) -> list[PromptUse]:
        """How many calls that reached a model used which prompt, over whole UTC hours."""
        ...
