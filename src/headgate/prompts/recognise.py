"""Prompts that callers put together themselves: which registered version a call's own messages are a rendering of.

A version is told by its lead: its leading system messages, else its first message. Texts without variables are looked
up whole. Templates are looked up by the beginning of their first piece and the end of their last one, so a call is held
against few of them; of those that fit, the one with the most literal text is meant. What was found for a system prompt
is remembered by its digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import msgspec

from headgate.core.snapshot import Recognised
from headgate.core.types import ArtifactRef
from headgate.prompts.pattern import Pattern, pattern_of
from headgate.prompts.program import Line, TemplateProgram

KNOWN_MAX = 20_000  # versions, those that channels reach before others
REMEMBERED = 4_096  # system prompts
TEXT_CHARS_MAX = 1_000_000  # longer texts are not looked at
CANDIDATES_MAX = 256  # templates that begin and end alike; those with the least literal text are left out
TRIED_MAX = 32  # of these, held against one text piece by piece
FOUND_MAX = 8
TURNS_MAX = 200
SYSTEM = "system"
JOINED = "\n"  # as dialects tell a system prompt of several parts
_BEGIN = (256, 128, 64, 32, 16, 8, 0)  # characters by which templates are told apart
_END = (32, 16, 8, 0)

_Ends: TypeAlias = "dict[int, dict[str, list[Known]]]"
Turns = Callable[[int], Sequence[tuple[str, str]]]


class Known(msgspec.Struct, frozen=True):
    """One version. `turns` are what has to follow the lead, role by role."""

    told: Recognised
    lead: Pattern
    turns: tuple[tuple[str, Pattern], ...]
    order: tuple[int, bool, tuple[int, ...]]


class Leads:
    """Leads by what they begin and end with."""

    def __init__(self, known: Iterable[Known]) -> None:
        self._whole: dict[str, list[Known]] = {}
        self._begin: dict[int, dict[str, _Ends]] = {}
        self.left_out = 0
        for one in sorted(known, key=lambda one: one.order, reverse=True):
            self._add(one)
        self._begin = dict(sorted(self._begin.items(), reverse=True))

    def find(self, text: str) -> tuple[Known, ...]:
        """Versions whose lead the text is, the most literal first."""
        if len(text) > TEXT_CHARS_MAX:
            return ()
        alike, whole = self._alike(text), self._whole.get(text)
        if whole is None and not alike:
            return ()
        found = [] if whole is None else whole[:FOUND_MAX]
        tried = 0
        for one in alike[:CANDIDATES_MAX]:
            pieces = one.lead.pieces
            if text.startswith(pieces[0]) and text.endswith(pieces[-1]):
                tried += 1
                if one.lead.fits(text):
                    found.append(one)
                if tried >= TRIED_MAX:
                    break
        if len(found) > 1:
            found.sort(key=lambda one: one.order, reverse=True)
        return tuple(found[:FOUND_MAX])

    def _alike(self, text: str) -> list[Known]:
        """Templates that begin and end as the text does, as far as they are told apart."""
        alike: list[Known] = []
        for size, begins in self._begin.items():
            ends = begins.get(text[:size])
            if ends is not None:
                for end, table in ends.items():
                    alike += table.get(text[-end:] if end else "", ())
        return alike

    def _add(self, one: Known) -> None:
        pieces = one.lead.pieces
        first, last = pieces[0], pieces[-1]
        if len(pieces) == 1:
            candidates = self._whole.setdefault(first, [])
        else:
            size = next(size for size in _BEGIN if size <= len(first))
            end = next(size for size in _END if size <= len(last))
            ends = self._begin.setdefault(size, {}).setdefault(first[:size], {})
            candidates = ends.setdefault(end, {}).setdefault(last[-end:] if end else "", [])
        if len(candidates) < CANDIDATES_MAX:
            candidates.append(one)
        else:
            self.left_out += 1


class PromptIndex:
    """Implements `core.snapshot.Recogniser`. Used by one thread."""

    def __init__(self, programs: Iterable[TemplateProgram], live: frozenset[ArtifactRef]) -> None:
        """`live` are those that channels reach: of two that say the same, such a one is meant, else the newer.

        `left_out` counts templates that there was no room for.
        """
        by_system: list[Known] = []
        by_turn: list[Known] = []
        offered = sorted(programs, key=lambda program: program.ref not in live)
        for program in offered[:KNOWN_MAX]:
            for known, system in _known(program, program.ref in live):
                (by_system if system else by_turn).append(known)
        self._by_system = Leads(by_system)
        self._by_turn = Leads(by_turn) if by_turn else None
        self._remembered: dict[str, tuple[Known, ...]] = {}
        more = max(len(offered) - KNOWN_MAX, 0)
        self.left_out = more + self._by_system.left_out + (0 if self._by_turn is None else self._by_turn.left_out)

    def by_system(self, text: str, digest: str, turns: Turns) -> Recognised | None:
        """The version that a system prompt, and what follows it, is a rendering of. `digest` is the text's."""
        remembered = self._remembered
        found = remembered.pop(digest, None)
        if found is None:
            found = self._by_system.find(text)
            if len(remembered) >= REMEMBERED:
                del remembered[next(iter(remembered))]
        remembered[digest] = found  # again at the end: the one used longest ago goes first
        return _followed(found, turns) if found else None

    def by_turn(self, turns: Turns) -> Recognised | None:
        """The version that the first message, and what follows it, is a rendering of, where there is no system
        prompt."""
        if self._by_turn is None:
            return None
        said = turns(1)
        found = self._by_turn.find(said[0][1]) if said and said[0][0] == "user" else ()
        return _followed(found, lambda most: turns(most + 1)[1:]) if found else None


def _followed(found: Sequence[Known], turns: Turns) -> Recognised | None:
    """The first of them whose further messages were said too."""
    if not found[0].turns:
        return found[0].told
    most = max(len(one.turns) for one in found)
    said = turns(most) if most else ()
    for one in found:
        if len(one.turns) <= len(said) and all(
            role == wanted and pattern.fits(text)
            for (wanted, pattern), (role, text) in zip(one.turns, said, strict=False)
        ):
            return one.told
    return None


def _known(program: TemplateProgram, live: bool) -> list[tuple[Known, bool]]:
    """How a version may be met, and whether as a system prompt; nowhere where too little of its text is given."""
    lines = program.lines
    leading = next((at for at, line in enumerate(lines) if line.role != SYSTEM), len(lines))
    lead = pattern_of(lines[: leading or 1], JOINED)
    turns = [_turn(line) for line in lines[leading or 1 :]]
    patterns = tuple(turn for turn in turns if turn is not None)
    if lead is None or len(patterns) < len(turns) or len(turns) > TURNS_MAX:
        return []
    chars = lead.chars + sum(pattern.chars for _, pattern in patterns)
    version = tuple(int(part) for part in program.ref.version.split("."))
    varies = any(len(pattern.pieces) > 1 for pattern in (lead, *(pattern for _, pattern in patterns)))
    told = Recognised(program.ref, "template" if varies else "text")
    known = Known(told, lead, patterns, (chars, live, version))
    found: list[tuple[Known, bool]] = []
    if leading and (len(lead.pieces) == 1 or lead.telling) and lead.chars:
        found.append((known, True))
    if lead.telling and (not leading or len(lines) == 1) and lines[0].role in (SYSTEM, "user"):
        found.append((known, False))  # a text prompt may be sent as the user's first message just as well
    return found


def _turn(line: Line) -> tuple[str, Pattern] | None:
    pattern = pattern_of([line], JOINED)
    return None if pattern is None else (line.role, pattern)
