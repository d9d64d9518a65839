"""What a format reads and writes: drafts of artifacts on the way in, texts of files on the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError
from headgate.core.types import ArtifactRef, Json, JsonObject

FILE_CHARS_MAX = 1024 * 1024
_NAME_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_NAME_CHARS_MAX = 100

Lines = Mapping[str, int]


class Draft(msgspec.Struct):
    """An artifact read from another format, to be looked at before it is used.

    `version` None: the format does not say. `lines` are lines of the source by dotted paths of `content`. `remarks`
    say what was changed or left out, each with its place.
    """

    kind: str
    name: str
    content: JsonObject
    version: str | None = None
    message: str = ""
    lines: dict[str, int] = {}
    remarks: list[str] = []


class Given(msgspec.Struct, frozen=True):
    """A file to read. `parse` reads YAML, and so JSON: the value, and lines by dotted path.

    `pinned` gives the pin, `name@1.4.2`, for a partial of that name; None where there is no such partial.
    `partials` are names that others include: what has one of them is a partial.
    """

    file: str
    text: str
    parse: Callable[[str], tuple[Json, Lines]]
    pinned: Callable[[str], str | None]
    partials: frozenset[str] = frozenset()

    def fault(self, line: int, wrong: str, right: str) -> ConfigError:
        """The error for a mistake in a line, counted from 1."""
        return ConfigError(f"{self.file}:{line}", wrong, right)


class Exported(msgspec.Struct, frozen=True):
    """A prompt to write. `partial` gives the artifact that `name@1.4.2` pins; `write_yaml` writes YAML."""

    prompt: Artifact
    partial: Callable[[str], Artifact | None]
    write_yaml: Callable[[Json], str]


class Written(msgspec.Struct):
    """Texts by file name, and remarks: what the format has no place for."""

    files: dict[str, str]
    remarks: list[str]


class Format(Protocol):
    """A module of `prompts/formats`. `SUFFIX` ends the names of its files; `READS` is False where it only writes."""

    ABOUT: str
    SUFFIX: str
    READS: bool

    def offers(self, given: Given) -> dict[str, str | None]:
        """What of a file others may include: names, and versions where the format tells them."""
        ...

    def includes(self, given: Given) -> set[str]:
        """The names that a file includes, where those make a partial of what has them."""
        ...

    def read(self, given: Given) -> list[Draft]:
        """The artifacts in a file. Raises ConfigError naming file, line, what is wrong and what would be right."""
        ...

    def write(self, exported: Exported) -> Written:
        """The files of a prompt. Raises ConfigError where it says what the format cannot."""
        ...


def named(text: str) -> str:
    """The nearest name that we take: `greetingPrompt` is `greeting-prompt`."""
    out = ""
    for at, sign in enumerate(text):
        if sign.isupper() and at and text[at - 1].islower():
            out += "-"
        low = sign.lower()
        out += low if low in _NAME_SIGNS else "-"
    return out.strip("-_.")[:_NAME_CHARS_MAX] or "prompt"


def is_variable(name: str) -> bool:
    """Whether our templates can say that name."""
    return name.isidentifier() and name.isascii() and name not in _RESERVED


_RESERVED = frozenset(
    {"true", "false", "none", "True", "False", "None", "loop", "not", "and", "or", "in", "is", "if", "else"}
)


def artifact_of(draft: Draft, file: str) -> Artifact:
    """A draft as an artifact whose mistakes are told at lines of the source file."""
    ref = ArtifactRef(draft.kind, draft.name, draft.version or "1.0.0", "")
    return Artifact(ref, draft.content, file=file, lines=draft.lines)
