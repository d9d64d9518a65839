"""Documents as somebody sends them: nothing in them is believed before it was looked at."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.core.artifact import KINDS, Artifact, digest
from headgate.core.errors import ConfigError
from headgate.core.types import ArtifactRef, JsonObject
from headgate.registry.versions import is_name, parse_version
from headgate.registry.workspace import APP_KIND

DOCUMENTS_MAX = 20_000


class Offer(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An artifact, or an app (`version` empty). `file` and `lines` (dotted path to line) say where mistakes are."""

    kind: str
    name: str
    version: str
    content: JsonObject
    owner: str = ""
    author: str = ""
    message: str = ""
    file: str = ""
    lines: dict[str, int] = {}


def offer(artifact: Artifact, file: str) -> Offer:
    """An artifact as it is sent; `file` is what its sender calls the place."""
    ref = artifact.ref
    return Offer(
        ref.kind, ref.name, ref.version, artifact.content, artifact.owner, artifact.author, artifact.message, file,
        dict(artifact.lines),
    )  # fmt: skip


def artifacts(offers: Sequence[Offer]) -> tuple[list[Artifact], list[ConfigError]]:
    """The artifacts, digests reckoned here, and what is wrong with the others."""
    found: list[Artifact] = []
    faults: list[ConfigError] = []
    seen: set[tuple[str, str, str]] = set()
    if len(offers) > DOCUMENTS_MAX:
        return [], [ConfigError("documents", f"more than {DOCUMENTS_MAX} of them", "apply a part at a time")]
    for one in offers:
        ref = ArtifactRef(one.kind, one.name, one.version, digest(one.content))
        made = Artifact(ref, one.content, one.owner, one.author, one.message, one.file, one.lines)
        try:
            _check(made)
            if (one.kind, one.name, one.version) in seen:
                raise made.fault("version", f"{ref} is there twice", "keep one of them")
        except ConfigError as error:
            faults.append(error)
            continue
        seen.add((one.kind, one.name, one.version))
        found.append(made)
    return found, faults


def _check(made: Artifact) -> None:
    """Raises ConfigError where kind, name or version are none."""
    ref = made.ref
    if ref.kind != APP_KIND and ref.kind not in KINDS:
        raise made.fault("kind", f"unknown kind `{ref.kind}`", f"one of: {APP_KIND}, {', '.join(KINDS)}")
    if not is_name(ref.name):
        raise made.fault("name", f"`{ref.name}` is no name", "lower-case letters, digits, `-`, `_`, `.`")
    if (ref.version != "") if ref.kind == APP_KIND else parse_version(ref.version) is None:
        right = "apps have none" if ref.kind == APP_KIND else "MAJOR.MINOR.PATCH, such as 1.4.2"
        raise made.fault("version", f"`{ref.version}` is no version", right)
