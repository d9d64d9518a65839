"""What the registry keeps: versions with their fate, apps, releases, channels, decisions, and a log of every change."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

import msgspec

from headgate.core.apps import ChannelTarget, ReleaseSource
from headgate.core.artifact import Artifact
from headgate.core.types import ArtifactRef, JsonObject

Fate = Literal["active", "retired", "revoked"]
Verdict = Literal["approve", "reject", "request_changes", "comment"]


class Version(msgspec.Struct, frozen=True):
    """One version without its content. `fate`: retired ones go into no new release, revoked ones are never served."""

    ref: ArtifactRef
    owner: str
    author: str
    message: str
    created_ns: int
    created_by: str
    fate: Fate = "active"
    why: str = ""


class AppRow(msgspec.Struct, frozen=True):
    """An app without releases and channels. `declared`: what its document last said of channels, so that a document
    that was not changed does not undo a rollback."""

    name: str
    settings: JsonObject
    declared: dict[str, ChannelTarget]
    set_ns: int
    set_by: str


class ReleaseRow(msgspec.Struct, frozen=True):
    """One release of an app: immutable."""

    app: str
    source: ReleaseSource
    created_ns: int
    created_by: str

    def __str__(self) -> str:
        """`support#17`."""
        return f"{self.app}#{self.source.number}"


class ChannelRow(msgspec.Struct, frozen=True):
    """Where a channel of an app points now."""

    app: str
    channel: str
    target: ChannelTarget
    set_ns: int
    set_by: str


class Decision(msgspec.Struct, frozen=True):
    """What a reviewer said of a release. The last one of each reviewer counts; comments decide nothing."""

    app: str
    number: int
    actor: str
    actor_name: str
    verdict: Verdict
    reason: str
    at_ns: int


class Entry(msgspec.Struct, frozen=True):
    """One change on record: who, what, to what, why. `detail` holds what it was before and after."""

    at_ns: int
    actor: str
    actor_name: str
    action: str
    subject: str
    app: str | None = None
    reason: str = ""
    detail: JsonObject = {}


class AuditTrail(Protocol):
    """Takes what was decided, synchronously and inside the change itself: what cannot be recorded does not happen."""

    def record(self, entry: Entry) -> None:
        """Raises StoreUnavailable; the change is undone then."""
        ...


class Reading(Protocol):
    """What is kept, as of one moment."""

    def artifact(self, kind: str, name: str, version: str) -> Artifact | None:
        """One version with its content."""
        ...

    def versions(self, kind: str | None = None, names: Sequence[str] | None = None) -> list[Version]:
        """Versions without content, by kind, name and age."""
        ...

    def recent(self, kind: str, limit: int) -> list[Version]:
        """The versions that were kept last, newest first."""
        ...

    def apps(self) -> list[AppRow]:
        """Every app, by name."""
        ...

    def app(self, name: str) -> AppRow | None:
        """One app."""
        ...

    def releases(self, app: str | None = None) -> list[ReleaseRow]:
        """Releases of one app or of all, by app and number."""
        ...

    def channels(self, app: str | None = None) -> list[ChannelRow]:
        """Channels of one app or of all, by app and name."""
        ...

    def decisions(self, app: str, number: int) -> list[Decision]:
        """What was said of a release, oldest first."""
        ...

    def entries(self, app: str | None = None, subject: str | None = None, limit: int = 100) -> list[Entry]:
        """The log, newest first."""
        ...

    def serial(self) -> int:
        """Counts changes: grows with every entry of the log."""
        ...


class Change(Reading, AuditTrail, Protocol):
    """One change: all of it happens, or nothing."""

    def put_artifact(self, artifact: Artifact, created_ns: int, created_by: str) -> None:
        """Keep a version. Its ref is new."""
        ...

    def set_fate(self, ref: ArtifactRef, fate: Fate, why: str) -> None:
        """Retire or revoke a version, or take it back."""
        ...

    def put_app(self, app: AppRow) -> None:
        """Keep an app, in place of what was there."""
        ...

    def put_release(self, release: ReleaseRow) -> None:
        """Keep a release. Its number is new."""
        ...

    def put_channel(self, channel: ChannelRow) -> None:
        """Point a channel somewhere."""
        ...

    def put_decision(self, decision: Decision) -> None:
        """Keep what a reviewer said."""
        ...


class RegistryStore(Protocol):
    """Durable; one change at a time, whoever makes it."""

    def reading(self) -> AbstractContextManager[Reading]:
        """Raises StoreUnavailable."""
        ...

    def changing(self) -> AbstractContextManager[Change]:
        """Commits when left without an error, else undoes all. Raises StoreUnavailable."""
        ...


class Swapped(msgspec.Struct, frozen=True):
    """How a change came into force: on how many workers, which slots are behind, after how many seconds. No worker:
    nothing that is served changed."""

    workers: int
    behind: list[int]
    seconds: float
