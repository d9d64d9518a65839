"""What the data plane serves from: the versions that channels reach, and the apps, as one set of documents.

It is on disk as one file that is replaced whole, so a worker needs no database, and what was good last serves on while
the registry is down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from headgate.core.apps import channel_releases
from headgate.core.artifact import Artifact, digest
from headgate.core.registry import AppRow, ChannelRow, Reading, ReleaseRow, Version
from headgate.core.types import ArtifactRef, Json, JsonObject
from headgate.registry.needs import needed
from headgate.registry.pins import default_channel
from headgate.registry.workspace import APP_KIND, Workspace

FORMAT = 1
FURTHER_MAX = 1_000  # prompt versions beyond those that are served
FURTHER_OF_ONE = 20  # of one prompt
FURTHER_BYTES_MAX = 8 * 1024 * 1024
_PROMPT = "prompt"


class Document(msgspec.Struct, frozen=True, omit_defaults=True):
    """An artifact or an app (`version` empty) without its place in a file."""

    kind: str
    name: str
    version: str
    content: JsonObject
    owner: str = ""
    author: str = ""
    message: str = ""


class Published(msgspec.Struct, frozen=True):
    """`serial` is the registry's when this was put together. Files carry it as JSON, `format` 1.

    `further` are prompt versions that no channel reaches, with the partials that these need: whoever fetched one and
    sends its text is recognised by it. Nothing is served from them.
    """

    serial: int
    documents: list[Document]
    format: int = FORMAT
    further: list[Document] = []


def publish(reading: Reading, also: Sequence[tuple[str, str]], fetched: Sequence[str] = ()) -> Published:
    """Everything that channels reach; `also` are (kind, `name@1.0.0`) that are served without an app, `fetched` prompt
    versions (`name@1.0.0`) that are to be known before others."""
    releases: dict[str, list[ReleaseRow]] = {}
    for release in reading.releases():
        releases.setdefault(release.app, []).append(release)
    channels: dict[str, list[ChannelRow]] = {}
    for channel in reading.channels():
        channels.setdefault(channel.app, []).append(channel)
    wanted: dict[tuple[str, str], None] = dict.fromkeys(also)
    apps: list[Document] = []
    for app in reading.apps():
        rows = channels.get(app.name, [])
        if default_channel(app) not in {row.channel for row in rows}:
            continue  # nothing of it is live yet
        apps.append(document_of(app_document(app, releases[app.name], rows)))
        live = {number for row in rows for number in channel_releases(row.target)}
        sources = [row.source for row in releases[app.name] if row.source.number in live]
        wanted.update((pin, None) for source in sources for pin in source.pins)
    served = [*map(document_of, needed(reading, wanted)), *apps]
    return Published(reading.serial(), served, further=_further(reading, served, fetched))


def _further(reading: Reading, served: Sequence[Document], fetched: Sequence[str]) -> list[Document]:
    """Prompt versions beyond those that are served, within bounds: fetched ones, then the newest; none that was
    revoked."""
    known = {(one.kind, one.name, one.version) for one in served}
    count: Counter[str] = Counter()
    found: dict[tuple[str, str, str], Document] = {}
    room, left = FURTHER_BYTES_MAX, FURTHER_MAX
    for version in [*_kept(reading, fetched), *reading.recent(_PROMPT, FURTHER_MAX)]:
        ref = version.ref
        key = (_PROMPT, ref.name, ref.version)
        if version.fate == "revoked" or key in known or key in found:
            continue
        pinned = f"{ref.name}@{ref.version}"
        if count[ref.name] >= FURTHER_OF_ONE and pinned not in fetched:
            continue
        made = {(one.ref.kind, one.ref.name, one.ref.version): one for one in needed(reading, [(_PROMPT, pinned)])}
        new = {one: document_of(made[one]) for one in made if one not in known and one not in found}
        room -= sum(len(msgspec.json.encode(one)) for one in new.values())
        if room < 0 or not left:
            break
        left -= 1
        count[ref.name] += 1
        found |= new
    return [found[key] for key in sorted(found)]


def _kept(reading: Reading, pinned: Sequence[str]) -> list[Version]:
    """Prompt versions by `name@1.0.0`, in that order; what is not kept is left out."""
    names = sorted({one.partition("@")[0] for one in pinned})
    kept = {f"{one.ref.name}@{one.ref.version}": one for one in reading.versions(_PROMPT, names)} if names else {}
    return [kept[one] for one in pinned if one in kept]


def app_document(
    app: AppRow, releases: Sequence[ReleaseRow], channels: Sequence[ChannelRow], all: bool = False
) -> Artifact:
    """An app as a document: the releases that its channels reach, or `all` of them."""
    live = {number for row in channels for number in channel_releases(row.target)}
    chosen = [row.source for row in releases if all or row.source.number in live]
    content: dict[str, Json] = {
        **app.settings,
        "releases": [msgspec.to_builtins(source) for source in chosen],
        "channels": {row.channel: msgspec.to_builtins(row.target) for row in channels},
    }
    return Artifact(ArtifactRef(APP_KIND, app.name, "", digest(content)), content, file=f"app {app.name}")


def document_of(artifact: Artifact) -> Document:
    """An artifact or app as a document."""
    ref = artifact.ref
    return Document(
        ref.kind, ref.name, ref.version, artifact.content, artifact.owner, artifact.author, artifact.message
    )


def workspace_of(documents: Sequence[Document]) -> Workspace:
    """Documents as a workspace. Digests are reckoned anew: nobody's word is taken for them."""
    out = Workspace()
    for one in documents:
        ref = ArtifactRef(one.kind, one.name, one.version, digest(one.content))
        made = Artifact(ref, one.content, one.owner, one.author, one.message)
        if one.kind == APP_KIND:
            out.apps[one.name] = made
        else:
            out.artifacts.setdefault((one.kind, one.name), {})[one.version] = made
    return out
