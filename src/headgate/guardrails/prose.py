"""Prose with backslashes in it, judged twice: as it stands, and with escape sequences as white space.

JSON or code quoted in prose writes a line break as `\\n`, whose letter hides the boundary before what follows, or would
be taken for its beginning. Paths and formulas have backslashes that mean nothing of the kind. So both readings count:
their findings are joined, and a redaction that begins inside an escape sequence takes all of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from headgate.guardrails.window import Finding, Window

_LETTERS = "bfnrtv"  # as wide as the white space that is put in their place


def without_escapes(text: str) -> str:
    """The text with `\\n` and its like as white space, character for character."""
    for letter in _LETTERS:
        text = text.replace("\\" + letter, "\n\n")
    return text


class Prose:
    """The findings of one text, in an order that does not depend on how it is cut. Offsets count characters.

    Made where the first backslash comes: `plain` is the window over what came before, `size` its characters.
    """

    __slots__ = ("_at", "_ends", "_escaped", "_kept", "_late", "_plain", "_rest", "_size", "_spaced", "decided")

    def __init__(self, plain: Window, size: int) -> None:
        self.decided = plain.decided  # every match that starts before is known
        self._plain = plain
        self._spaced = plain.copy()  # the second reading
        self._size = size
        self._rest = ""  # a backslash of which nobody knows yet what it begins
        self._late: list[tuple[int, int, Finding]] = []  # (start, reading, finding) not yet decided in both readings
        self._ends: dict[str, int] = {}  # of each rule, where its last finding ended
        self._kept = ""  # text from character `_at` on: as much as a redaction may still begin in
        self._at = size
        self._escaped = False  # the first character of it is the second of an escape sequence

    def feed(self, text: str) -> Sequence[Finding]:
        """More of the text; the findings it settles."""
        decided = self._read(text)
        return self._settle(decided, decided - self._begins_escape(decided - 1))

    def pause(self, text: str = "") -> Sequence[Finding]:
        """More of the text, judged as though it ended here. It may go on: a match over the gap is still found."""
        if text:
            self._read(text)
        self._note(0, self._plain.pause())
        self._note(1, self._spaced.pause(self._rest))
        self._rest = ""
        return self._settle(self._size, self._size)

    def opening(self, start: int) -> int:
        """Where a redaction from `start` on begins: one character before where that would cut an escape sequence."""
        return start - self._begins_escape(start - 1)

    def _read(self, text: str) -> int:
        """Both readings of more text; before the character returned both are decided."""
        self._forget()
        self._size += len(text)
        self._kept += text
        self._note(0, self._plain.feed(text))
        text = self._rest + text
        self._rest = "\\" if text.endswith("\\") else ""
        text = without_escapes(text.removesuffix(self._rest))
        if text:
            self._note(1, self._spaced.feed(text))
        return min(self._plain.decided, self._spaced.decided)

    def _forget(self) -> None:
        """Drops text in which no redaction begins any more."""
        if self._kept and self.decided - 1 > self._at:
            escaped = self._begins_escape(self.decided - 2)
            self._kept = self._kept[self.decided - 1 - self._at :]
            self._at = self.decided - 1
            self._escaped = escaped

    def _note(self, reading: int, findings: Sequence[Finding]) -> None:
        self._late += [(finding.start, reading, finding) for finding in findings]

    def _settle(self, decided: int, cleared: int) -> Sequence[Finding]:
        """The findings that start before `decided`, each rule's own once; text before `cleared` is done with."""
        settled: list[Finding] = []
        if self._late:
            ready = sorted((late for late in self._late if late[0] < decided), key=_order)
            self._late = [late for late in self._late if late[0] >= decided]
            for _, _, finding in ready:
                if finding.end > self._ends.get(finding.rule, -1):
                    self._ends[finding.rule] = finding.end
                    settled.append(finding)
        self.decided = max(self.decided, cleared)
        return settled

    def _begins_escape(self, at: int) -> bool:
        """Whether the character there is the backslash that begins an escape sequence, not one that ends it."""
        place = at - self._at
        run = 0
        while place - run >= 0 and self._kept[place - run] == "\\":
            run += 1
        if run and run > place and self._escaped:
            run -= 1
        return run % 2 == 1


def _order(late: tuple[int, int, Finding]) -> tuple[int, int]:
    return late[0], late[1]
