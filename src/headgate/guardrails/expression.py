"""A user's expression in RE2 syntax: checked, measured in characters, and turned into the pattern of its beginnings.

The beginnings are what makes an exact hold-back possible. For a pattern P, `prefix` matches every string that can be
continued to a match of P (the empty string and whole matches included), so `prefix` anchored at the end of a text
says from which character on a match may still be under way; everything before is decided, whatever comes next.

For a sequence AB the beginnings are those of A, or A followed by those of B; for a repetition A{n,m} at most m-1 times
A followed by the beginnings of A; for A|B those of either. Word boundaries are left out of them, which can only make
them match more.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from headgate.guardrails.engine import BadPattern, regex

SOURCE_CHARS_MAX = 2000
_COUNTED_MAX = 1
_QUANTIFIED = {"*": (0, None), "+": (1, None), "?": (0, 1)}


class Expression(msgspec.Struct, frozen=True, gc=False):
    """A pattern that is fit to be a rule. `shortest` and `longest` count characters; `longest` None: no bound."""

    source: str
    prefix: str
    shortest: int
    longest: int | None


class BadExpression(ValueError):
    """An expression that cannot be a rule: what is wrong, what would be right."""

    def __init__(self, wrong: str, right: str) -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.right = right


def read(source: str) -> Expression:
    """Reads an expression. Raises BadExpression where RE2 or the rules of a sliding window refuse it."""
    if len(source) > SOURCE_CHARS_MAX:
        raise BadExpression(f"the expression is longer than {SOURCE_CHARS_MAX} characters", "split it into rules")
    try:
        regex(source)
    except BadPattern as error:
        raise BadExpression(f"not an RE2 expression: {error}", "use RE2 syntax, without look-around") from None
    reader = _Reader(source)
    node = reader.alternation(top=True)
    if node.shortest == 0:
        raise BadExpression("the expression matches the empty text", "demand at least one character")
    prefix = f"(?{reader.flags}:{node.prefix})" if reader.flags else node.prefix
    try:
        regex(rf"(?:{prefix})\z")
    except BadPattern as error:
        raise BadExpression(f"the expression is too large: {error}", "use smaller repetitions") from None
    return Expression(source, prefix, node.shortest, node.longest)


class _Node(NamedTuple):
    """`wide` matches whatever `source` does and more: counts are left out of it, they make automata large."""

    source: str
    wide: str
    prefix: str
    shortest: int
    longest: int | None


_NOTHING = _Node("", "", "", 0, 0)
_EDGES = ("\\b", "\\B")


class _Reader:
    """Recursive descent over a source that RE2 has accepted: it need not judge, only measure."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self.flags = ""
        if source.startswith("(?") and (stop := source.find(")")) > 0 and source[2:stop].isalpha():
            self.flags = source[2:stop]
            self._at = stop + 1

    def alternation(self, top: bool = False) -> _Node:
        """Branches up to the closing parenthesis or the end."""
        branches = [self._sequence(top)]
        while self._peek() == "|":
            self._at += 1
            branches.append(self._sequence(top))
        if len(branches) == 1:
            return branches[0]
        bounds = [branch.longest for branch in branches if branch.longest is not None]
        return _Node(
            "(?:" + "|".join(branch.source for branch in branches) + ")",
            "(?:" + "|".join(branch.wide for branch in branches) + ")",
            "(?:" + "|".join(branch.prefix for branch in branches) + ")",
            min(branch.shortest for branch in branches),
            max(bounds) if len(bounds) == len(branches) else None,
        )

    def _peek(self) -> str:
        return self._source[self._at : self._at + 1]

    def _sequence(self, top: bool) -> _Node:
        parts: list[_Node] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated())
        node = _NOTHING
        for part in reversed(parts):
            prefix = part.prefix if not part.longest and part.longest is not None else _chain(part, node)
            if part.longest == 0:  # a word boundary: what follows begins as it would without it
                prefix = node.prefix
            longest = None if part.longest is None or node.longest is None else part.longest + node.longest
            node = _Node(
                part.source + node.source, part.wide + node.wide, prefix, part.shortest + node.shortest, longest
            )
        if top and parts and parts[0].source in _EDGES:
            # the characters around a leading boundary are already there, so it can be asked at once
            return node._replace(prefix=f"(?:{parts[0].source}{node.prefix}|)")
        return node

    def _repeated(self) -> _Node:
        atom = self._atom()
        least, most = 1, 1
        sign = self._peek()
        if sign in _QUANTIFIED and sign:
            least, most = _QUANTIFIED[sign]
            self._at += 1
        elif sign == "{" and (counts := self._counts()) is not None:
            least, most = counts
        else:
            return atom
        lazy = "?" if self._peek() == "?" else ""
        self._at += len(lazy)
        span = f"{{{least},{'' if most is None else most}}}" if most != least else f"{{{least}}}"
        many = most is None or most > _COUNTED_MAX
        wide = f"(?:{atom.wide}){('+' if least else '*') if many else span}" if most != 0 else ""
        before = "*" if many else f"{{0,{most - 1}}}" if most else ""
        longest = 0 if most == 0 or atom.longest == 0 else None if None in (most, atom.longest) else most * atom.longest  # type: ignore[operator]
        prefix = f"(?:(?:{atom.wide}){before}{atom.prefix})" if most != 0 else ""
        return _Node(f"(?:{atom.source}){span}{lazy}", wide, prefix, atom.shortest * least, longest)

    def _counts(self) -> tuple[int, int | None] | None:
        """`{n}`, `{n,}` or `{n,m}`; None where the brace is a plain character."""
        stop = self._source.find("}", self._at)
        least, comma, most = self._source[self._at + 1 : max(stop, 0)].partition(",")
        if stop < 0 or not least.isdigit() or (most and not most.isdigit()):
            return None
        self._at = stop + 1
        return int(least), int(most) if most else None if comma else int(least)

    def _atom(self) -> _Node:
        sign = self._peek()
        if sign == "(":
            return self._group()
        if sign == "\\":
            return self._escape()
        if sign in ("^", "$"):
            raise BadExpression(
                f"the expression uses the anchor {sign}", "leave it out: a rule looks at a text of which it sees a part"
            )
        start = self._at
        if sign == "[":
            self._skip_class()
        else:
            self._at += 1
        return _one(self._source[start : self._at])

    def _group(self) -> _Node:
        start = self._at
        self._at += 1
        opening = "(?:"
        if self._peek() == "?":
            stop = min(self._find(":"), self._find(")"), self._find(">"))
            head = self._source[start : stop + 1]
            if head.endswith(")"):
                raise BadExpression(f"flags in the middle: {head}", "put them first, or scope them: (?i:...)")
            self._at = stop + 1
            opening = head if head.endswith(":") else "(?:"
        inner = self.alternation()
        self._at += 1
        return inner._replace(
            source=f"{opening}{inner.source})", wide=f"{opening}{inner.wide})", prefix=f"{opening}{inner.prefix})"
        )

    def _find(self, sign: str) -> int:
        at = self._source.find(sign, self._at)
        return len(self._source) if at < 0 else at

    def _escape(self) -> _Node:
        start = self._at
        kind = self._source[start + 1]
        self._at += 2
        if kind in "AzCQ":
            raise BadExpression(
                f"the expression uses \\{kind}", "leave it out: anchors, bytes and \\Q have no meaning here"
            )
        if kind in "bB":
            return _Node(f"\\{kind}", "", "", 0, 0)
        if kind in "pPx" and self._peek() == "{":
            self._at = self._find("}") + 1
        elif kind in "pP":
            self._at += 1
        elif kind == "x":
            self._at += 2
        elif kind in "01234567":
            while self._at < start + 4 and self._peek() and self._peek() in "01234567":
                self._at += 1
        return _one(self._source[start : self._at])

    def _skip_class(self) -> None:
        """Moves past `[...]`; a bracket that comes first is a member, and `[:name:]` may be inside."""
        self._at += 2 if self._source.startswith("[^", self._at) else 1
        first = True
        while first or self._peek() != "]":
            first = False
            if self._source.startswith("[:", self._at) and (stop := self._source.find(":]", self._at)) > 0:
                self._at = stop + 2
            else:
                self._at += 2 if self._peek() == "\\" else 1
        self._at += 1


def _one(source: str) -> _Node:
    return _Node(source, source, f"{source}?", 1, 1)


def _chain(part: _Node, rest: _Node) -> str:
    """The beginnings of `part` followed by `rest`."""
    if not rest.source:
        return part.prefix
    if part.prefix == f"{part.source}?":
        return f"(?:{part.wide}{rest.prefix})?"
    return f"(?:{part.wide}{rest.prefix}|{part.prefix})"
