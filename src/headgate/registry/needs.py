"""What goes together: everything that a release or a set of documents needs, and who needs a version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from headgate.core.apps import ReleaseSource, channel_releases
from headgate.core.artifact import Artifact
from headgate.core.registry import Reading, Version
from headgate.registry.references import references
from headgate.registry.workspace import APP_KIND


def needed(reading: Reading, wanted: Iterable[tuple[str, str]]) -> list[Artifact]:
    """The kept versions that (kind, `name@1.0.0`) pairs name, and all that these need; what is not kept is left out."""
    found: dict[tuple[str, str], Artifact] = {}
    waiting = list(wanted)
    while waiting:
        kind, named = waiting.pop()
        name, _, version = named.partition("@")
        artifact = None if (kind, named) in found else reading.artifact(kind, name, version)
        if artifact is not None:
            found[kind, named] = artifact
            waiting += references(artifact)
    return [found[key] for key in sorted(found)]


def completed(reading: Reading, documents: Sequence[Artifact]) -> list[Artifact]:
    """Documents together with the kept versions that they need."""
    given = {(one.ref.kind, f"{one.ref.name}@{one.ref.version}") for one in documents}
    wanted: list[tuple[str, str]] = []
    for one in documents:
        if one.ref.kind == APP_KIND:
            releases = msgspec.convert(one.content.get("releases", []), list[ReleaseSource])
            wanted += [pin for source in releases for pin in source.pins]
        else:
            wanted += references(one)
    kept = needed(reading, [pin for pin in dict.fromkeys(wanted) if pin not in given])
    return [*documents, *(one for one in kept if (one.ref.kind, f"{one.ref.name}@{one.ref.version}") not in given)]


def users(reading: Reading, version: Version) -> list[str]:
    """Channels (`support:production`) whose releases need a version, directly or through what they pin."""
    wanted = (version.ref.kind, version.ref.name, version.ref.version)
    releases = {(row.app, row.source.number): row.source for row in reading.releases()}
    found: dict[str, None] = {}
    for row in reading.channels():
        for number in channel_releases(row.target):
            pinned = needed(reading, releases[row.app, number].pins)
            if any((one.ref.kind, one.ref.name, one.ref.version) == wanted for one in pinned):
                found[f"{row.app}:{row.channel}"] = None
    return list(found)
