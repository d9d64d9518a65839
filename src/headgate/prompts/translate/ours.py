"""Our templates as trees, for formats that say them in another language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from headgate.core.artifact import Artifact
from headgate.prompts.template import Block, blocks, line_of
from headgate.prompts.translate.expression import Expression, Unsaid, expression

DEPTH_MAX = 32
_MARKS = "-+"


class Said(msgspec.Struct, frozen=True):
    """Text as it stands."""

    text: str


class Remark(msgspec.Struct, frozen=True):
    """A comment."""

    text: str


class Shown(msgspec.Struct, frozen=True):
    """`{{ what }}`."""

    what: Expression


class Included(msgspec.Struct, frozen=True):
    """`{% include "name" %}`."""

    name: str


class Choice(msgspec.Struct, frozen=True):
    """`{% if %}`, with what follows each condition."""

    branches: list[tuple[Expression, list[Said | Remark | Shown | Included | Choice | Loop]]]
    otherwise: list[Said | Remark | Shown | Included | Choice | Loop] | None


class Loop(msgspec.Struct, frozen=True):
    """`{% for names in over %}`."""

    names: tuple[str, ...]
    over: Expression
    inside: list[Said | Remark | Shown | Included | Choice | Loop]
    otherwise: list[Said | Remark | Shown | Included | Choice | Loop] | None


Piece: TypeAlias = "Said | Remark | Shown | Included | Choice | Loop"
_Item: TypeAlias = "Said | Remark | tuple[Block, str]"


def pieces(artifact: Artifact, path: str, source: str) -> list[Piece]:
    """The tree of a sound template at a dotted path of the file. Raises ConfigError for what only our language says."""
    return _Reader(artifact, path, source).read()


class _Reader:
    def __init__(self, artifact: Artifact, path: str, source: str) -> None:
        self._artifact = artifact
        self._path = path
        self._source = source
        self._items = list(_items(source))
        self._at = 0

    def read(self) -> list[Piece]:
        return self._until((), 0)

    def _until(self, ends: tuple[str, ...], depth: int) -> list[Piece]:
        """Pieces up to a tag among `ends`, which is next then."""
        out: list[Piece] = []
        while self._at < len(self._items):
            item = self._items[self._at]
            if not isinstance(item, tuple):
                self._at += 1
                out.append(item)
                continue
            block, inner = item
            if block.tag and block.word in ends:
                return out
            self._at += 1
            out.append(self._piece(block, inner, depth))
        return out

    def _piece(self, block: Block, inner: str, depth: int) -> Piece:
        if depth > DEPTH_MAX:
            raise self._fault(block, f"nested deeper than {DEPTH_MAX} levels", "make it flatter")
        if not block.tag:
            return Shown(self._expression(block, inner))
        word, _, rest = inner.partition(" ")
        if word == "include":
            return Included(rest.strip().strip("\"'"))
        if word == "if":
            return self._choice(block, rest, depth)
        return self._loop(block, rest, depth)

    def _choice(self, block: Block, condition: str, depth: int) -> Choice:
        branches: list[tuple[Expression, list[Piece]]] = []
        otherwise: list[Piece] | None = None
        while True:
            branches.append((self._expression(block, condition), self._until(("elif", "else", "endif"), depth + 1)))
            block, inner = self._tag()
            if block.word != "elif":
                break
            condition = inner.partition(" ")[2]
        if block.word == "else":
            otherwise = self._until(("endif",), depth + 1)
            self._tag()
        return Choice(branches, otherwise)

    def _loop(self, block: Block, rest: str, depth: int) -> Loop:
        names, found, over = rest.partition(" in ")
        if not found or " if " in over:
            raise self._fault(block, "a loop with a condition", "put an `if` inside it")
        given = tuple(name.strip() for name in names.split(","))
        inside = self._until(("else", "endfor"), depth + 1)
        otherwise: list[Piece] | None = None
        if self._tag()[0].word == "else":
            otherwise = self._until(("endfor",), depth + 1)
            self._tag()
        return Loop(given, self._expression(block, over), inside, otherwise)

    def _tag(self) -> tuple[Block, str]:
        item = self._items[self._at]
        assert isinstance(item, tuple)
        self._at += 1
        return item

    def _expression(self, block: Block, text: str) -> Expression:
        try:
            return expression(text)
        except Unsaid:
            raise self._fault(
                block, f"`{text.strip()}` is said by our templates only", "compute it in the application"
            ) from None

    def _fault(self, block: Block, wrong: str, right: str) -> Exception:
        line = line_of(self._source, block.start)
        return self._artifact.fault(self._path, f"line {line} of the template: {wrong}", right)


def _items(source: str) -> Iterator[_Item]:
    """Texts, comments, and blocks with what they hold; white space that a block takes away is gone."""
    at, trim, raw_from = 0, False, -1
    for block in [*blocks(source), None]:
        start = len(source) if block is None else block.start
        text = source[at:start]
        if raw_from >= 0:
            closing = source.rindex("{%", raw_from, source.index("endraw", raw_from))
            yield Said(source[raw_from:closing])
            text = source[source.index("%}", closing) + 2 : start]
            raw_from = -1
        marks = "" if block is None else source[block.start + 2 : block.start + 3]
        yield from _texts(text, trim, marks == "-")
        if block is None:
            return
        inner = source[block.start + 2 : block.end - 2]
        trim = inner.endswith("-")
        at = block.end
        if block.tag and block.word == "raw":
            raw_from = block.end
            continue
        yield block, inner.strip(_MARKS).strip()


def _texts(text: str, trim_before: bool, trim_after: bool) -> Iterator[Said | Remark]:
    """Text between blocks, with its comments."""
    parts: list[Said | Remark] = []
    while (start := text.find("{#")) >= 0:
        end = text.find("#}", start)
        comment = text[start + 2 : end]
        before = text[:start]
        parts += [Said(before.rstrip() if comment.startswith("-") else before), Remark(comment.strip(_MARKS).strip())]
        text = text[end + 2 :].lstrip() if comment.endswith("-") else text[end + 2 :]
    parts.append(Said(text))
    if trim_before and isinstance(parts[0], Said):
        parts[0] = Said(parts[0].text.lstrip())
    if trim_after and isinstance(parts[-1], Said):
        parts[-1] = Said(parts[-1].text.rstrip())
    for part in parts:
        if isinstance(part, Remark) or part.text:
            yield part
