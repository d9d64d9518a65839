"""What texts of one template have in common: words in order, with gaps where they differ."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import msgspec
import re2

from headgate.prompts.alignment import align

COMMON_MIN = 3  # words in common, below which two texts have nothing to do with each other
LIKE = 0.6  # of the longer one's words, where neither has gaps yet
KEPT = 0.8  # of a skeleton's words, that a further text has
FILLED = 0.3  # of a further text's words, that are the skeleton's
EDGE_WORDS = 20  # that begin and end both: no chance
GAPS_MAX = 16
ISLAND_WORDS = 3  # fewer between long gaps are chance: every text has `the` somewhere
LONG_GAP_WORDS = 8
SHOWN_GAP = "\N{HORIZONTAL ELLIPSIS}"

_WORD = re2.compile(r"\s*(?:[\pL\pM\pN_]+|[^\s\pL\pM\pN_])")  # pyright: ignore[reportUnknownMemberType] - no types there


@functools.lru_cache(maxsize=1)  # a new text is held against several skeletons
def words_of(text: str) -> tuple[str, ...]:
    """Words and marks, each with the white space before it; what is left at the end belongs to the last. Joined they
    are the text."""
    found: list[str] = _WORD.findall(text)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - as above
    left = text[sum(len(word) for word in found) :]
    if left:
        found.append(left)
    return tuple(found)


class Skeleton(msgspec.Struct, frozen=True):
    """`gaps[i]`: anything may stand before word i; the last of them: anything may follow the last word."""

    words: tuple[str, ...]
    gaps: tuple[bool, ...]

    @classmethod
    def of(cls, text: str, cut: bool = False) -> Skeleton:
        """A text alone: no gaps, but for the rest of one that was cut."""
        words = words_of(text)
        return cls(words, (*[False] * len(words), cut))

    @property
    def blocks(self) -> list[str]:
        """What is constant: one more than there are gaps, the first and the last may be empty."""
        out = [""]
        for word, gap in zip(self.words, self.gaps, strict=False):
            if gap:
                out.append("")
            out[-1] += word
        return [*out, ""] if self.gaps[-1] else out

    def shown(self, most: int) -> str:
        """Up to `most` characters for people, gaps as an ellipsis, white space as one space."""
        text = " ".join(SHOWN_GAP.join(self.blocks).split())
        return text if len(text) <= most else text[: most - 1] + SHOWN_GAP

    def split(self, text: str) -> list[str] | None:
        """What fills the gaps in a text, in order; None where the text is not of this template.

        Blocks and fillings in turn are the text. Each block is taken where it comes first, which finds a place for all
        of them wherever there is one.
        """
        first, *rest = self.blocks
        if not rest:
            return [] if text == first else None
        last = rest.pop()
        if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
            return None
        at, end = len(first), len(text) - len(last)
        values: list[str] = []
        for block in rest:
            found = text.find(block, at, end)
            if found < 0:
                return None
            values.append(text[at:found])
            at = found + len(block)
        return [*values, text[at:end]]

    def joined(self, text: str, cut: bool = False) -> Skeleton | None:
        """The skeleton of this one's texts and a further one, of which the end may be `cut`; None where that is not of
        the same template."""
        if not cut and self._fits(text):
            return self
        words = words_of(text)
        pairs = align(self.words, words)
        if not self._like(words, pairs, cut):
            return None
        loose = self._common(words, pairs)
        if cut:
            loose.gaps[-1] = max(loose.gaps[-1], 1)
        made = _without_islands(loose)
        many = sum(made.gaps) > GAPS_MAX or len(made.words) < COMMON_MIN
        return None if many or made.split(text) is None else made

    def _fits(self, text: str) -> bool:
        """Whether a text only fills the gaps, and is not mostly filling: told without looking at its words."""
        if not any(self.gaps) or self.split(text) is None:
            return False
        return len(self.words) >= EDGE_WORDS or sum(map(len, self.words)) >= FILLED * len(text)

    def _like(self, words: Sequence[str], pairs: Sequence[tuple[int, int]], cut: bool) -> bool:
        common, mine, others = len(pairs), len(self.words), len(words)
        if common < COMMON_MIN:
            return False
        if cut:
            alike = common >= LIKE * others
        elif any(self.gaps):
            alike = common >= KEPT * mine and common >= FILLED * others
        else:
            alike = common >= LIKE * max(mine, others)
        return alike or _edges(mine, others, pairs) >= EDGE_WORDS

    def _common(self, words: Sequence[str], pairs: Sequence[tuple[int, int]]) -> _Loose:
        """The words of both, with the number of words that a gap before each stood for at most."""
        gaps: list[int] = []
        before = (-1, -1)
        for x, y in [*pairs, (len(self.words), len(words))]:
            missing = max(x - before[0], y - before[1]) - 1
            open_here = any(self.gaps[before[0] + 1 : x + 1])
            gaps.append(missing if missing or not open_here else 1)
            before = (x, y)
        return _Loose([self.words[x] for x, _ in pairs], gaps)


class _Loose(msgspec.Struct, frozen=True):
    words: list[str]
    gaps: list[int]


def _without_islands(loose: _Loose) -> Skeleton:
    """Drops short runs of words beside a long gap: they are there by chance."""
    words: list[str] = []
    gaps: list[bool] = [loose.gaps[0] > 0]
    start = 0
    count = len(loose.words)
    while start < count:
        stop = start + 1
        while stop < count and not loose.gaps[stop]:
            stop += 1
        inside = loose.gaps[start] and loose.gaps[stop]
        if inside and stop - start < ISLAND_WORDS and max(loose.gaps[start], loose.gaps[stop]) > LONG_GAP_WORDS:
            gaps[-1] = True
        else:
            words += loose.words[start:stop]
            gaps += [False] * (stop - start - 1) + [loose.gaps[stop] > 0]
        start = stop
    return Skeleton(tuple(words), tuple(gaps))


def _edges(mine: int, others: int, pairs: Sequence[tuple[int, int]]) -> int:
    """How many words at the beginning and at the end are the same."""
    begin = 0
    while begin < len(pairs) and pairs[begin] == (begin, begin):
        begin += 1
    end = 0
    while end < len(pairs) - begin and pairs[-1 - end] == (mine - 1 - end, others - 1 - end):
        end += 1
    return begin + end
