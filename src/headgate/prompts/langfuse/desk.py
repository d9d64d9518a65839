"""The reading half of Langfuse's prompt API over the registry: one prompt, and the list of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.errors import InvalidRequest, NotFound
from headgate.core.handlers import Ask
from headgate.core.moments import moment_ns
from headgate.core.registry import Reading, RegistryStore, Version
from headgate.core.types import JsonObject
from headgate.prompts.langfuse import labels
from headgate.prompts.langfuse.form import ChatMessage, config_of, form_of, type_of
from headgate.prompts.langfuse.labels import LATEST, Exact, Served
from headgate.prompts.langfuse.numbers import number_of, version_of
from headgate.prompts.partials import Partials

KIND = "prompt"
LIMIT = 50
LIMIT_MAX = 100


class PromptQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which version: a number or a label, not both; neither means what production serves."""

    version: int | None = None
    label: str | None = None
    resolve: bool = True


class ListQuery(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Which prompts. `tag` and `filter` are there to be refused clearly."""

    name: str | None = None
    label: str | None = None
    tag: str | None = None
    page: int = 1
    limit: int = LIMIT
    from_updated_at: datetime | None = None
    to_updated_at: datetime | None = None
    filter: str | None = None


class PromptObject(msgspec.Struct, frozen=True, rename="camel"):
    """A prompt version as Langfuse gives it."""

    name: str
    version: int
    type: Literal["text", "chat"]
    prompt: str | list[ChatMessage]
    config: JsonObject
    labels: list[str]
    tags: list[str]
    commit_message: str | None
    created_at: datetime
    resolution_graph: None = None


class PromptMeta(msgspec.Struct, frozen=True, rename="camel"):
    """A prompt in the list."""

    name: str
    type: Literal["text", "chat"]
    versions: list[int]
    labels: list[str]
    tags: list[str]
    last_updated_at: datetime
    last_config: JsonObject


class PageMeta(msgspec.Struct, frozen=True, rename="camel"):
    """Where a page of the list stands."""

    page: int
    limit: int
    total_items: int
    total_pages: int


class PromptList(msgspec.Struct, frozen=True):
    """One page of prompts, by name."""

    data: list[PromptMeta]
    meta: PageMeta


class LangfuseDesk:
    """Serves what the registry keeps; `exact` is the registry's reading of versions, `fetched` is told of each that was
    given. Raises StoreUnavailable, and what each method names."""

    def __init__(self, store: RegistryStore, exact: Exact, fetched: Callable[[Version], None]) -> None:
        self._store = store
        self._exact = exact
        self._fetched = fetched

    def get(self, ask: Ask) -> PromptObject:
        """One version. Raises NotFound, InvalidRequest."""
        query, address = ask.query, ask.path["name"]
        assert isinstance(query, PromptQuery)
        if query.version is not None and query.label is not None:
            raise InvalidRequest("a version or a label, not both", param="label")
        if not query.resolve:
            raise InvalidRequest("partials are always in place here: leave `resolve` out", param="resolve")
        with self._store.reading() as reading:
            version = self._wanted(reading, address, query)
            if version.fate == "revoked":
                raise NotFound(f"{version.ref} was revoked: {version.why}")
            served = labels.by_prompt(labels.channels_of(reading))
            artifact = _content(reading, version)
            form = form_of(artifact, Partials(lambda pinned: _partial(reading, pinned)).look)
            name = version.ref.name
            newest = _newest(reading.versions(KIND, [name]))
        self._fetched(version)
        return PromptObject(
            name=address,
            version=number_of(version.ref.version),
            type=form.type,
            prompt=form.prompt,
            config=form.config,
            labels=labels.labels_of(name, version.ref.version, served.get(name, []), newest),
            tags=[],
            commit_message=version.message or None,
            created_at=_time(version.created_ns),
        )

    def list(self, ask: Ask) -> PromptList:
        """Prompts by name. Raises InvalidRequest."""
        query = ask.query
        assert isinstance(query, ListQuery)
        if query.filter is not None:
            raise InvalidRequest("filters are not read here: take `name` or `label`", param="filter")
        if query.page < 1 or not 1 <= query.limit <= LIMIT_MAX:
            raise InvalidRequest(f"`page` counts from 1, `limit` lies between 1 and {LIMIT_MAX}", param="limit")
        with self._store.reading() as reading:
            served = labels.by_prompt(labels.channels_of(reading))
            kept: dict[str, list[Version]] = {}
            for version in reading.versions(KIND, None if query.name is None else [query.name]):
                if version.fate != "revoked" and _within(version, query):
                    kept.setdefault(version.ref.name, []).append(version)
            labelled = [(versions, _labels(name, versions, served.get(name, []))) for name, versions in kept.items()]
            chosen = [one for one in labelled if query.tag is None and query.label in (None, *one[1])]
            page = chosen[(query.page - 1) * query.limit : query.page * query.limit]
            data = [_meta(reading, *one) for one in page]
        pages = -(-len(chosen) // query.limit)
        return PromptList(data, PageMeta(query.page, query.limit, len(chosen), pages))

    def _wanted(self, reading: Reading, address: str, query: PromptQuery) -> Version:
        name, label = address, query.label
        if "/" in address:
            found = labels.by_address(address, label, labels.channels_of(reading))
            if found is None:
                raise NotFound(f"there is no prompt `{address}`: no app calls one so")
            if query.version is None:
                return self._exact(reading, KIND, found.prompt, found.version)
            name = found.prompt
        if query.version is not None:
            version = version_of(query.version)
            if version is None:
                raise NotFound(f"{query.version} is no version: 3 is 3.0.0, 1001004002 is 1.4.2")
            return self._exact(reading, KIND, name, version)
        if label == LATEST:
            return self._exact(reading, KIND, name, "")
        if label is not None and label[:1].isdigit():
            return self._exact(reading, KIND, name, label)
        self._exact(reading, KIND, name, "")  # tells that there is no such prompt, rather than no such channel
        return self._exact(reading, KIND, name, labels.by_channel(name, label, labels.channels_of(reading)))


def _newest(versions: Sequence[Version]) -> str | None:
    """The highest version that is in use."""
    numbers = {tuple(map(int, one.ref.version.split("."))): one.ref.version for one in versions if one.fate == "active"}
    return numbers[max(numbers)] if numbers else None


def _labels(name: str, versions: Sequence[Version], served: Sequence[Served]) -> list[str]:
    """The labels of all versions; versions themselves, which are labels too, are left out."""
    newest = _newest(versions)
    numbers = [one.ref.version for one in versions]
    found = [label for number in numbers for label in labels.labels_of(name, number, served, newest)]
    return [label for label in dict.fromkeys(found) if label not in numbers]


def _meta(reading: Reading, versions: Sequence[Version], found: list[str]) -> PromptMeta:
    last = max(versions, key=lambda one: one.created_ns)
    artifact = _content(reading, last)
    numbers = sorted(number_of(one.ref.version) for one in versions)
    changed, config = _time(last.created_ns), config_of(artifact)
    return PromptMeta(last.ref.name, type_of(artifact), numbers, found, [], changed, config)


def _content(reading: Reading, version: Version) -> Artifact:
    artifact = reading.artifact(version.ref.kind, version.ref.name, version.ref.version)
    assert artifact is not None
    return artifact


def _partial(reading: Reading, pinned: str) -> Artifact | None:
    name, _, version = pinned.partition("@")
    return reading.artifact("partial", name, version)


def _within(version: Version, query: ListQuery) -> bool:
    since, until = query.from_updated_at, query.to_updated_at
    return (since is None or version.created_ns >= moment_ns(since, "fromUpdatedAt")) and (
        until is None or version.created_ns < moment_ns(until, "toUpdatedAt")
    )


def _time(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC)
