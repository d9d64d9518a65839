"""The one place of the scanner that touches google-re2: linear in the text, whatever the scanned project holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, cast

import re2


class Match(Protocol):
    """Where a pattern matched."""

    def group(self, index: int = 0, /) -> str:
        """The text of a group."""
        ...

    def start(self) -> int:
        """Where the match begins, in characters."""
        ...

    def end(self) -> int:
        """Where it ends."""
        ...


class _Compiled(Protocol):
    def search(self, text: str, /) -> Match | None: ...
    def finditer(self, text: str, /) -> Iterator[Match]: ...


class Pattern:
    """A compiled regular expression."""

    __slots__ = ("_compiled",)

    def __init__(self, source: str) -> None:
        self._compiled = cast("_Compiled", re2.compile(source))  # pyright: ignore[reportUnknownMemberType] - no stubs

    def search(self, text: str) -> Match | None:
        """The first match, or None."""
        return self._compiled.search(_encodable(text))

    def all(self, text: str) -> Iterator[Match]:
        """Every match, left to right."""
        return self._compiled.finditer(_encodable(text))


def _encodable(text: str) -> str:
    """Half a surrogate pair, which a literal may hold and re2 refuses, becomes `?`; positions stay."""
    return text if text.isascii() else text.encode(errors="replace").decode()
