"""Prompts to be moved out of code: which findings hold one, under which names, with which variables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

import msgspec

from headgate.scanner.finding import Finding, Message
from headgate.scanner.keys import keys_in
from headgate.scanner.prose import WORDS_MIN, parts_of_name, words_in
from headgate.scanner.templates import variables
from headgate.scanner.text import Hole

NAME_CHARS_MAX = 60
RESERVED = frozenset({
    "and", "else", "elif", "false", "for", "if", "in", "is", "loop", "none", "not", "null", "or", "true", "self",
})  # fmt: skip


class Piece(msgspec.Struct, frozen=True):
    """One message: `blocks` of text with the variables `names` between them, one fewer."""

    role: str
    blocks: tuple[str, ...]
    names: tuple[str, ...]


class Extracted(msgspec.Struct, frozen=True):
    """A prompt to be written. `name` is unique among all; `variables` in the order of their first use."""

    finding: Finding
    name: str
    pieces: tuple[Piece, ...]
    variables: tuple[str, ...]
    settings: dict[str, float | int]


class Left(msgspec.Struct, frozen=True):
    """A finding that is not written, and why."""

    finding: Finding
    why: str


def extracted(findings: Iterable[Finding]) -> tuple[list[Extracted], list[Left]]:
    """What can be written, and what is left. A text that is part of a written prompt is not written again."""
    out: list[Extracted] = []
    left: list[Left] = []
    names: set[str] = set()
    texts: list[str] = []
    order = {"messages": 0, "template": 0, "sdk_call": 1, "signature": 1, "prompt_string": 2}
    holding = [one for one in findings if one.prompt is not None and one.kind in order]
    for one in sorted(holding, key=lambda f: order[f.kind]):
        said = _written(one)
        if not said:
            if one.kind != "sdk_call":
                left.append(Left(one, "all of its text comes from variables"))
            continue
        plain = "\n".join(message.text.plain() for message in said)
        if keys_in(plain):
            left.append(Left(one, "a provider's key is in it"))
            continue
        if one.kind == "prompt_string" and any(plain.strip() in text for text in texts):
            left.append(Left(one, "part of a prompt that is written"))
            continue
        texts.append(plain)
        made = _made(one, said, _unique(one, names))
        names.add(made.name)
        out.append(made)
    return sorted(out, key=lambda e: (e.finding.path, e.finding.line)), left


def _written(one: Finding) -> list[Message]:
    """The messages up to the last one that has words of its own: what follows, the caller sends itself."""
    assert one.prompt is not None
    said = [Message(message.role, variables(message.text)) for message in one.prompt.messages]
    while said and words_in(said[-1].text.literal()) == 0:
        said.pop()
    return said if sum(words_in(message.text.literal()) for message in said) >= WORDS_MIN else []


def _made(one: Finding, said: list[Message], name: str) -> Extracted:
    assert one.prompt is not None
    pieces = [_piece(message) for message in said]
    used = dict.fromkeys(variable for piece in pieces for variable in piece.names)
    return Extracted(one, name, tuple(pieces), tuple(used), one.prompt.settings)


def _piece(message: Message) -> Piece:
    blocks, names = [""], list[str]()
    for part in message.text.parts:
        if isinstance(part, Hole):
            names.append(variable_name(part.name))
            blocks.append("")
        else:
            blocks[-1] += part
    return Piece(message.role, tuple(blocks), tuple(names))


def variable_name(name: str) -> str:
    """A name that a template may use: ASCII, and not a word of the template language."""
    word = "".join(sign if sign.isascii() and (sign.isalnum() or sign == "_") else "_" for sign in name).strip("_")
    if not word or word[0].isdigit() or word.lower() in RESERVED:
        word = f"value_{word}".strip("_")
    return word


def _unique(one: Finding, taken: set[str]) -> str:
    """`answers-system-prompt` of a name in `answers.py`, with a number where that is taken."""
    assert one.prompt is not None
    file = PurePosixPath(one.path)
    stem = file.parent.name if file.stem in ("__init__", "index", "main", "prompts") and file.parent.name else file.stem
    words = [word for word in (*parts_of_name(stem), *parts_of_name(one.prompt.name)) if word.isascii()]
    base = "-".join(dict.fromkeys(words)).strip("-")[:NAME_CHARS_MAX] or "prompt"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name
