"""Expressions of our templates as trees, for those who write them in another language."""

from __future__ import annotations

import json
from typing import TypeAlias

import msgspec

from headgate.core.types import Json

DEPTH_MAX = 16


class Unsaid(Exception):
    """An expression that is not taken apart here; the template is none the worse for it."""


class Path(msgspec.Struct, frozen=True):
    """`order.items[0].name`."""

    steps: tuple[str, ...]


class Value(msgspec.Struct, frozen=True):
    """A literal."""

    value: Json


class Filter(msgspec.Struct, frozen=True):
    """`inner | name(arguments)`."""

    inner: Expression
    name: str
    arguments: tuple[Expression, ...] = ()


class Not(msgspec.Struct, frozen=True):
    """`not inner`."""

    inner: Expression


class Compared(msgspec.Struct, frozen=True):
    """`left == right` or `left != right`."""

    left: Expression
    right: Expression
    same: bool = True


class Tested(msgspec.Struct, frozen=True):
    """`inner is defined`, `inner is not none`."""

    inner: Expression
    test: str
    positive: bool = True


class Either(msgspec.Struct, frozen=True):
    """`then if condition else otherwise`."""

    then: Expression
    condition: Expression
    otherwise: Expression


Expression: TypeAlias = "Path | Value | Filter | Not | Compared | Tested | Either"
_WORDS = {"true": True, "false": False, "none": None}
_ENDS = frozenset({"if", "else", "and", "or", "in", "is", "not", "recursive"})


def expression(text: str) -> Expression:
    """The tree of an expression. Raises Unsaid for what is not in it: arithmetic, slices, `and`, `or`, `~`."""
    parser = _Parser(_tokens(text))
    found = parser.either(0)
    if parser.peek() is not None:
        raise Unsaid(str(parser.peek()))
    return found


def plain(tree: Expression) -> Expression:
    """Without what only says how a missing value counts: the path in `x|default(none)`, `"" if x is none else x`."""
    if isinstance(tree, Filter) and tree.name in ("default", "d") and _is_nothing(tree):
        return plain(tree.inner)
    if isinstance(tree, Filter):
        return Filter(plain(tree.inner), tree.name, tree.arguments)
    if isinstance(tree, Either) and isinstance(tree.condition, Tested) and tree.then == Value(""):
        condition, otherwise = tree.condition, plain(tree.otherwise)
        shown = otherwise.inner if isinstance(otherwise, Filter) and otherwise.name == "tojson" else otherwise
        if condition.test == "none" and condition.positive and plain(condition.inner) == shown:
            return otherwise
    return tree


def _is_nothing(tree: Filter) -> bool:
    first, *rest = tree.arguments or (Value(""),)
    loose = rest == [Value(True)]
    nothing = first == Value(None) or (loose and first in (Value(""), Value([]), Value({})))
    return nothing and (loose or not rest)


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, wanted: str | None = None) -> str:
        found = self.peek()
        if found is None or (wanted is not None and found != wanted):
            raise Unsaid(str(found))
        self._at += 1
        return found

    def _found(self, wanted: str) -> bool:
        if self.peek() == wanted:
            self._at += 1
            return True
        return False

    def either(self, depth: int) -> Expression:
        if depth > DEPTH_MAX:
            raise Unsaid("deep")
        then = self._negated(depth)
        if not self._found("if"):
            return then
        condition = self._negated(depth)
        self._take("else")
        return Either(then, condition, self.either(depth + 1))

    def _negated(self, depth: int) -> Expression:
        if depth > DEPTH_MAX:
            raise Unsaid("deep")
        if self._found("not"):
            return Not(self._negated(depth + 1))
        left = self._filtered(depth)
        for sign, same in (("==", True), ("!=", False)):
            if self._found(sign):
                return Compared(left, self._filtered(depth), same)
        if self._found("is"):
            positive = not self._found("not")
            return Tested(left, self._take(), positive)
        return left

    def _filtered(self, depth: int) -> Expression:
        tree = self._value(depth)
        while self._found("|"):
            name = self._take()
            arguments: list[Expression] = []
            if self._found("("):
                while not self._found(")"):
                    arguments.append(self.either(depth + 1))
                    self._found(",")
            tree = Filter(tree, name, tuple(arguments))
        return tree

    def _value(self, depth: int) -> Expression:
        found = self._take()
        if found == "(":
            tree = self.either(depth + 1)
            self._take(")")
            return self._stepped(tree)
        if found == "[":
            return Value(self._list(depth))
        if found == "{":
            return Value(self._map(depth))
        if found[0] in "\"'":
            return Value(_string(found))
        if found[0].isdigit() or (found == "-" and (self.peek() or "x")[0].isdigit()):
            number = found + (self._take() if found == "-" else "")
            return Value(float(number) if "." in number else int(number))
        if found in _WORDS:
            return Value(_WORDS[found])
        if found in _ENDS or not (found[0].isalpha() or found[0] == "_"):
            raise Unsaid(found)
        return self._stepped(Path((found,)))

    def _stepped(self, tree: Expression) -> Expression:
        """What follows in points and brackets: part of the path."""
        steps: list[str] = []
        while True:
            if self._found("."):
                steps.append(self._take())
            elif self._found("["):
                found = self._take()
                steps.append(_string(found) if found[0] in "\"'" else found)
                self._take("]")
            else:
                break
        if not steps:
            return tree
        inner = plain(tree)
        if not isinstance(inner, Path):
            raise Unsaid(steps[0])
        return Path((*inner.steps, *steps))

    def _list(self, depth: int) -> list[Json]:
        out: list[Json] = []
        while not self._found("]"):
            out.append(self._literal(depth))
            self._found(",")
        return out

    def _map(self, depth: int) -> dict[str, Json]:
        out: dict[str, Json] = {}
        while not self._found("}"):
            key = self._literal(depth)
            self._take(":")
            if not isinstance(key, str):
                raise Unsaid("key")
            out[key] = self._literal(depth)
            self._found(",")
        return out

    def _literal(self, depth: int) -> Json:
        tree = self.either(depth + 1)
        if not isinstance(tree, Value):
            raise Unsaid("literal")
        return tree.value


def _tokens(text: str) -> list[str]:
    out: list[str] = []
    at = 0
    while at < len(text):
        sign = text[at]
        end = at + 1
        if sign in "\"'":
            while end < len(text) and text[end] != sign:
                end += 2 if text[end] == "\\" else 1
            end += 1
        elif sign.isalnum() or sign == "_":
            while end < len(text) and (text[end].isalnum() or text[end] == "_"):
                end += 1
            if sign.isdigit() and text[end : end + 1] == "." and text[end + 1 : end + 2].isdigit():
                end += 1
                while end < len(text) and text[end].isalnum():
                    end += 1
        elif text[at : at + 2] in ("==", "!="):
            end += 1
        if not sign.isspace():
            out.append(text[at:end])
        at = end
    return out


def _string(found: str) -> str:
    """A string as written; JSON's escapes are those of our templates."""
    if len(found) < 2 or found[-1] != found[0]:
        raise Unsaid(found)
    if "\\" not in found:
        return found[1:-1]
    try:
        return str(json.loads('"' + found[1:-1].replace("\\'", "'") + '"'))
    except ValueError as error:
        raise Unsaid(found) from error
