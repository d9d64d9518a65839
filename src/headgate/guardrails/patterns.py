"""All rules of one direction as one compiled set, and the exact look at the few that may have hit.

What a rule matches is defined over the whole text of a channel, so that it cannot depend on how the text arrives: from
the left, at each character, the pattern's preferred match within the next `longest` characters, if the check confirms
it; then on from its end, or from the next character after a false alarm. Offsets are characters; RE2 sees UTF-8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from headgate.guardrails.check import Check, Verify
from headgate.guardrails.engine import PatternSet, Regex, Tail, regex
from headgate.guardrails.expression import read
from headgate.guardrails.files import TEXT_FILE

_CHECK_ERRORS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class Rule(msgspec.Struct, frozen=True):
    """One rule ready to run. `spares` names the rules an allow rule exempts; empty: all. `cut` tells that the pattern
    by itself may match more than `longest` characters."""

    name: str
    action: str
    replace: str
    regex: Regex
    longest: int
    cut: bool = False
    verify: Verify | None = None
    spares: frozenset[str] = frozenset()


class Span(NamedTuple):
    """A match of rule number `order`: characters `start` to `end` of a text. `failed`: the check broke down on it."""

    start: int
    end: int
    order: int
    rule: Rule
    failed: bool = False


CANDIDATES_MAX = 100_000  # of one rule in one piece of text: about half a second of work
TOO_MANY = Rule(name="match_limit", action="block", replace="", regex=regex("x"), longest=1)


class View(NamedTuple):
    """A stretch of a text, the same in UTF-8 (lone surrogates replaced), and where in the text it begins."""

    text: str
    data: bytes
    base: int


def encoded(text: str) -> bytes:
    """A text as RE2 sees it."""
    return text.encode() if text.isascii() else text.encode("utf-8", "replace")


class RuleSet:
    """The rules of one direction."""

    __slots__ = ("_beginnings", "_bodies", "_set", "changes", "error_action", "longest", "rules", "suspects")

    def __init__(
        self, rules: Sequence[Rule], probes: Sequence[str], prefixes: Sequence[str], error_action: str
    ) -> None:
        self.rules = tuple(rules)
        self.longest = max((rule.longest for rule in rules), default=0)
        self.error_action = error_action
        self.changes = any(rule.action in ("redact", "block") for rule in rules)
        self._set = PatternSet(probes)
        self._bodies = PatternSet([*probes, TEXT_FILE])
        self.suspects = self._set.found  # the rules that may match somewhere in UTF-8 bytes, by their numbers
        self._beginnings = Tail("|".join(prefixes))

    def clean(self, data: bytes) -> bool:
        """Whether no rule can match anywhere in UTF-8 `data`."""
        return not self._set.found(data)

    def clean_body(self, data: bytes) -> bool:
        """Whether no rule can match anywhere in the JSON text of a request, and no file in it can be text.

        A pattern more in the same pass costs nothing; a search of its own would be a third of it.
        """
        return not self._bodies.found(data)

    def undecided(self, text: str, data: bytes) -> int:
        """The character from which on a match may still be under way at the end of a text; `data` is its UTF-8."""
        size = len(text)
        at = size - self.longest if size > self.longest else 0
        if size == len(data):
            return self._beginnings.start(data, at)
        start = self._beginnings.start(data, len(encoded(text[:at])))
        return len(data[:start].decode())

    def look(self, view: View, suspects: Sequence[int], begin: dict[int, int], first: int, stop: int) -> list[Span]:
        """Matches of `suspects` that start in characters `first` to `stop` of the view, by (start, rule), counted from
        the text's beginning.

        `begin` holds where a rule may start next, where that is not before `first`; it is kept up to date.
        """
        found: list[Span] = []
        base = view.base
        for order in suspects:
            at = max(begin.get(order, 0) - base, first)
            begin[order] = base + self._find(order, view, at, stop, found)
        if len(found) > 1:
            found.sort(key=_place)
        return found

    def _find(self, order: int, view: View, at: int, stop: int, found: list[Span]) -> int:
        """Adds one rule's matches to `found`, or a block where there are too many to look at.

        Returns where the last one ended (`at` where there is none).
        """
        rule = self.rules[order]
        cursor = _Cursor(view, at)
        free = at
        seen = 0
        while cursor.char < stop:
            match = cursor.next(rule, stop)
            if match is None:
                break
            seen += 1
            if seen > CANDIDATES_MAX:
                found.append(Span(match[0] + view.base, match[1] + view.base, order, TOO_MANY))
                break
            start = match[0]
            end: int | None = match[1]
            failed = False
            if rule.verify is not None:
                try:
                    end = rule.verify(view.text, start, match[1])
                except _CHECK_ERRORS:
                    failed = True
            if end is None:
                cursor.move(start + 1)
            else:
                found.append(Span(start + view.base, end + view.base, order, rule, failed))
                cursor.move(end)
                free = end
        return free


def _place(span: Span) -> tuple[int, int]:
    return span.start, span.order


class _Cursor:
    """A place in a text, in characters and in bytes of its UTF-8."""

    __slots__ = ("_byte", "_data", "_narrow", "_text", "char")

    def __init__(self, view: View, char: int) -> None:
        text, data, _ = view
        self._text = text
        self._data = data
        self._narrow = len(text) == len(data)
        self._byte = char if self._narrow else len(text[:char].encode("utf-8", "replace"))
        self.char = char

    def move(self, char: int) -> None:
        """Forward to a character."""
        self._byte = self._bytes_to(char)
        self.char = char

    def next(self, rule: Rule, stop: int) -> tuple[int, int] | None:
        """The rule's next candidate that starts before `stop`; the cursor is left at or before it."""
        if not rule.cut:
            return self._search(rule, len(self._data), stop)
        size = len(self._text)
        # an expression without a bound is searched block by block: one search of the whole text for each failed
        # beginning would make the time quadratic
        while self.char < stop:
            block = min(self.char + 2 * rule.longest, size)
            candidate = self._search(rule, self._bytes_to(block), stop)
            if candidate is None or (block < size and candidate[0] > block - rule.longest):
                if block == size:
                    return None
                self.move(min(block - rule.longest + 1, stop))
            elif candidate[1] - candidate[0] <= rule.longest:
                return candidate
            else:
                self.move(candidate[0])
                shorter = rule.regex.match(self._data, self._byte, self._bytes_to(self.char + rule.longest))
                if shorter is not None:
                    return self.char, self.char + self._chars(self._byte, shorter.end())
                self.move(self.char + 1)
        return None

    def _search(self, rule: Rule, limit: int, stop: int) -> tuple[int, int] | None:
        match = rule.regex.search(self._data, self._byte, limit)
        if match is None:
            return None
        first, last = match.span()
        start = self.char + self._chars(self._byte, first)
        return (start, start + self._chars(first, last)) if start < stop else None

    def _chars(self, first: int, last: int) -> int:
        return last - first if self._narrow else len(self._data[first:last].decode())

    def _bytes_to(self, char: int) -> int:
        if self._narrow:
            return char
        return self._byte + len(self._text[self.char : char].encode("utf-8", "replace"))


class Ingredients(NamedTuple):
    """A rule with what the set needs of it."""

    rule: Rule
    probe: str
    prefix: str


def prepare(name: str, action: str, check: Check, replace: str, spares: frozenset[str]) -> Ingredients:
    """A rule from its check. Raises expression.BadExpression."""
    expression = read(check.pattern)
    longest = expression.longest
    cut = longest is None or longest > check.longest
    rule = Rule(
        name=name,
        action=action,
        replace=replace,
        regex=regex(check.pattern),
        longest=check.longest if cut else longest or check.longest,
        cut=cut,
        verify=check.verify,
        spares=spares,
    )
    return Ingredients(rule, check.probe or check.pattern, expression.prefix)


def combine(parts: Sequence[Ingredients], error_action: str) -> RuleSet | None:
    """One set of many rules; None where there are none."""
    if not parts:
        return None
    return RuleSet([p.rule for p in parts], [p.probe for p in parts], [p.prefix for p in parts], error_action)
