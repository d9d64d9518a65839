"""Whether a text is a rendering of a template: its literal pieces in order, the first and the last at the ends."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.prompts.literal import literals
from headgate.prompts.program import Line

PIECE_CHARS_MIN = 16  # the longest piece of a template that is recognised, white space at its ends left out


class Pattern(msgspec.Struct, frozen=True, gc=False):
    """Anything may stand between two pieces; one piece is the text itself."""

    pieces: tuple[str, ...]

    @property
    def chars(self) -> int:
        """Characters that are given: the more, the less is left to chance."""
        return sum(map(len, self.pieces))

    @property
    def telling(self) -> bool:
        """Whether there is a piece that no other text has by chance."""
        return max(len(piece.strip()) for piece in self.pieces) >= PIECE_CHARS_MIN

    def fits(self, text: str) -> bool:
        """Linear in the text for each piece; the first place of a piece is as good as any later one."""
        pieces = self.pieces
        first, last = pieces[0], pieces[-1]
        if len(pieces) == 1:
            return text == first
        at, end = len(first), len(text) - len(last)
        if at > end or not text.startswith(first) or not text.endswith(last):
            return False
        for piece in pieces[1:-1]:
            at = text.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True


def pattern_of(lines: Sequence[Line], between: str) -> Pattern | None:
    """The pattern of messages that are joined; None where one of them has tags."""
    pieces = [""]
    for index, line in enumerate(lines):
        found = literals(line.template)
        if found is None:
            return None
        pieces[-1] += (between if index else "") + found.texts[0]
        pieces += found.texts[1:]
    inner = [piece for piece in pieces[1:-1] if piece]  # two variables side by side are one gap
    return Pattern((pieces[0], *inner, *pieces[1:][-1:]))
