"""Adopting a group of unregistered prompts: a draft, read back as workspaces are and tried on every text."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.discovery import GroupedText, StoredGroup
from headgate.core.errors import ConfigError, GatewayError, InvalidRequest, NotFound
from headgate.core.types import JsonObject, as_list
from headgate.prompts.adopt import Draft, draft, written
from headgate.prompts.compile import compile_prompt
from headgate.prompts.ports import PromptTexts
from headgate.prompts.skeleton import Skeleton


class AdoptedInput(msgspec.Struct, frozen=True):
    """One varying part. `values` is how many different ones were observed."""

    name: str
    type: str
    enum: list[str] | None
    values: int


class Adopted(msgspec.Struct, frozen=True):
    """A drafted prompt file. It renders all `texts` observed ones exactly; of `others` the text is not kept."""

    fingerprint: str
    name: str
    file: str
    inputs: list[AdoptedInput]
    texts: int
    others: int


class Adoption:
    """Drafts prompt files. `load` reads one as workspaces are read; it raises ConfigError."""

    def __init__(self, store: PromptTexts, load: Callable[[str], Artifact]) -> None:
        self._store = store
        self._load = load

    def draft(self, scope: str, fingerprint: str, name: str | None, owner: str | None) -> Adopted:
        """The draft for the group of a fingerprint. Raises NotFound; InvalidRequest where no draft can be made."""
        group = self._group(scope, fingerprint)
        kept, others = self._texts(group)
        name = name or f"adopted-{group.id[:8]}"
        made = draft(Skeleton(tuple(group.words), tuple(group.gaps)), kept)
        file = written(made, name, owner, f"Drafted from {len(kept)} observed texts of group {group.id}.")
        self._check(made, file)
        return Adopted(
            fingerprint=group.id,
            name=name,
            file=file,
            inputs=[_shown(one.name, one.schema, len(set(map(str, one.values)))) for one in made.inputs],
            texts=len(kept),
            others=others,
        )

    def _group(self, scope: str, fingerprint: str) -> StoredGroup:
        members = self._store.members(scope)
        found = sorted(who for who in members if who[1] == fingerprint)
        if not found:
            raise NotFound(f"no unregistered prompt with the fingerprint `{fingerprint[:64]}` was told of")
        key = found[0][0], members[found[0]]
        group = next((one for one in self._store.groups() if (one.tenant, one.id) == key), None)
        if group is None:
            raise NotFound(f"the texts with the fingerprint `{fingerprint[:64]}` are no longer kept")
        return group

    def _texts(self, group: StoredGroup) -> tuple[list[str], int]:
        texts: list[GroupedText] = self._store.texts(group.tenant, group.id)
        kept = [one.text for one in texts if one.text is not None]
        if any(one.text is not None and len(one.text) < one.chars for one in texts):
            longest = max(len(text) for text in kept)
            raise InvalidRequest(f"texts of this group are longer than the {longest} characters that are kept of one")
        if not kept:
            raise InvalidRequest("no text of this group is kept: there was no room for it")
        return kept, len(texts) - len(kept)

    def _check(self, made: Draft, file: str) -> None:
        try:
            program = compile_prompt(self._load(file))
        except ConfigError as error:
            raise InvalidRequest(f"{error.wrong}; would be right: {error.right}", param="name") from error
        for index, text in enumerate(made.observed):
            if program.render(made.variables(index)) != [("system", text)]:
                raise GatewayError("the draft does not render what was observed")


def _shown(name: str, schema: JsonObject, values: int) -> AdoptedInput:
    enum = as_list(schema.get("enum"))
    words = None if enum is None else [str(one) for one in enum]
    return AdoptedInput(name, str(schema["type"]), words, values)
