"""What the scanner reports: places in code, and files it could not read."""

from __future__ import annotations

import hashlib
from typing import Literal, TypeAlias

import msgspec

from headgate.scanner.keys import masked
from headgate.scanner.text import Text

Kind: TypeAlias = Literal[
    "sdk_call", "messages", "template", "signature", "prompt_string", "prompt_file", "hardcoded_key"
]
KINDS: tuple[Kind, ...] = (
    "sdk_call", "messages", "template", "signature", "prompt_string", "prompt_file", "hardcoded_key",
)  # fmt: skip
Confidence: TypeAlias = Literal["high", "medium", "low"]
CONFIDENCES: tuple[Confidence, ...] = ("high", "medium", "low")
EXCERPT_CHARS = 100


class Message(msgspec.Struct, frozen=True):
    """One chat message as far as the code spells it out. `role` is `system`, `user` or `assistant`."""

    role: str
    text: Text


class Prompt(msgspec.Struct, frozen=True):
    """What a prompt file can be written from. `name` is the name the code gives it; `settings` are constants only."""

    messages: tuple[Message, ...]
    name: str = ""
    settings: dict[str, float | int] = {}


class Draft(msgspec.Struct):
    """A place, before names of other modules are looked up. Lines count from 1, columns from 1."""

    line: int
    column: int
    end_line: int
    kind: Kind
    confidence: Confidence
    text: Text
    provider: str | None = None
    model: str | None = None
    prompt: Prompt | None = None
    excerpt: str | None = None


class Finding(msgspec.Struct, frozen=True):
    """A place where a prompt or a call to a model stands.

    `path` is relative to the scanned folder, with `/`. `digest` is the SHA-256 (hex) of the text with variables as
    `{name}`; `fingerprint` (16 hex digits) stays the same when lines move and when white space changes. `excerpt` is
    one line, keys masked. `prompt` is for prompt files and never printed.
    """

    path: str
    line: int
    column: int
    end_line: int
    kind: Kind
    confidence: Confidence
    provider: str | None
    model: str | None
    variables: tuple[str, ...]
    digest: str
    fingerprint: str
    excerpt: str
    prompt: Prompt | None = None

    def public(self) -> dict[str, object]:
        """The finding as printed."""
        fields: dict[str, object] = msgspec.to_builtins(self)
        del fields["prompt"]
        return fields


class Skipped(msgspec.Struct, frozen=True):
    """A file that was not scanned, and why. `line` from 1, or None where no line is to blame."""

    path: str
    why: str
    line: int | None = None


def finding(path: str, draft: Draft) -> Finding:
    """The finding of a settled draft."""
    plain = draft.text.plain()
    digest = hashlib.sha256(plain.encode(errors="replace")).hexdigest()
    normal = " ".join(plain.split())
    print_of = hashlib.sha256(f"{path}\0{draft.kind}\0{normal}".encode(errors="replace")).hexdigest()[:16]
    shown = normal if draft.excerpt is None else " ".join(draft.excerpt.split())
    if draft.kind != "hardcoded_key":  # its excerpt is the masked key already
        shown = masked(shown)
    if len(shown) > EXCERPT_CHARS:
        shown = shown[: EXCERPT_CHARS - 1] + "…"
    return Finding(
        path, draft.line, draft.column, draft.end_line, draft.kind, draft.confidence, draft.provider, draft.model,
        draft.text.variables(), digest, print_of, shown, draft.prompt,
    )  # fmt: skip
