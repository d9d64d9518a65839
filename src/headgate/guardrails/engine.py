"""The one place that touches google-re2: what is used of it, typed, with the options everything here is compiled with.

No captures, bounded memory, nothing printed. RE2 runs in time linear in the text, whatever the pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import re2

_MEMORY_BYTES_MAX = 8 * 1024 * 1024


class Found(Protocol):
    """A match in UTF-8 bytes."""

    def start(self) -> int:
        """Where it begins."""
        ...

    def end(self) -> int:
        """Where it ends."""
        ...

    def span(self) -> tuple[int, int]:
        """Both."""
        ...


class Regex(Protocol):
    """A compiled pattern. Boundaries look at the bytes around `pos` and `endpos`."""

    def search(self, text: bytes, pos: int | None = None, endpos: int | None = None) -> Found | None:
        """The leftmost match."""
        ...

    def match(self, text: bytes, pos: int | None = None, endpos: int | None = None) -> Found | None:
        """The match that begins at `pos`."""
        ...


class BadPattern(ValueError):
    """RE2 refuses a pattern; the message is RE2's own."""


class _Set(Protocol):
    def Match(self, text: bytes) -> list[int] | None: ...  # noqa: N802 - the engine's own name


class _Match(Protocol):
    def __call__(self, anchor: object, text: bytes, pos: int, endpos: int, /) -> Sequence[tuple[int, int]]: ...


def _options() -> re2.Options:
    chosen = re2.Options()
    chosen.never_capture = True
    chosen.log_errors = False
    chosen.max_mem = _MEMORY_BYTES_MAX
    return chosen


def regex(source: str) -> Regex:
    """Compiles a pattern. Raises BadPattern."""
    try:
        return cast("Regex", re2.compile(source, _options()))  # pyright: ignore[reportUnknownMemberType] - no stubs
    except re2.error as error:  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - no stubs
        said = cast("Exception", error).args
        reason = said[0] if said else b""
        raise BadPattern(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from None


class Tail:
    """A pattern at the end of a text: where the longest piece that fits begins. It must fit the empty piece.

    Asked for every chunk of every stream. The public `search` of google-re2 spends two thirds of its time in its
    Python wrapper, so the engine below it is called where it is as we know it, and `search` where it is not.
    """

    __slots__ = ("_anchor", "_match", "_regex")

    def __init__(self, source: str) -> None:
        self._regex = regex(rf"(?:{source})\z")
        self._anchor: object = getattr(getattr(re2, "_Anchor", None), "UNANCHORED", None)
        self._match = cast("_Match | None", getattr(getattr(self._regex, "_regexp", None), "Match", None))
        if self._anchor is None:
            self._match = None

    def start(self, text: bytes, at: int) -> int:
        """The byte, from `at` on; `at` itself, the safe answer, where the engine fails."""
        if self._match is not None:
            found = self._match(self._anchor, text, at, len(text))[0][0]
            return at if found < 0 else found
        match = self._regex.search(text, at)
        return at if match is None else match.start()


class PatternSet:
    """Many patterns in one pass: which of them are found, not where.

    RE2 answers "none" where it runs out of memory, too. The set's last pattern is found in every text, at its end, so
    that an answer without it is known for what it is.
    """

    __slots__ = ("_every", "_none", "_set")

    def __init__(self, sources: Sequence[str]) -> None:
        try:
            patterns = re2.Set.SearchSet(_options())  # pyright: ignore[reportUnknownMemberType] - no stubs
            for source in (*sources, r"\z"):
                patterns.Add(source)  # pyright: ignore[reportUnknownMemberType] - no stubs
            patterns.Compile()
        except re2.error:  # pyright: ignore[reportUnknownMemberType] - no stubs
            raise BadPattern("the patterns are too large together") from None
        self._set = cast("_Set", getattr(patterns, "_set", patterns))  # past a wrapper in Python, as in `Tail`
        self._every = range(len(sources))
        self._none = [len(sources)]

    def found(self, text: bytes) -> Sequence[int]:
        """Indexes of the patterns that may be found in UTF-8 text."""
        hits = self._set.Match(text)
        if hits == self._none:
            return ()
        last = self._none[0]
        return [hit for hit in hits if hit != last] if hits and last in hits else self._every
