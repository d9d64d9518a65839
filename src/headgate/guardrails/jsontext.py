"""JSON text in pieces, cut into what a rule should see: the contents of strings, unescaped, and the bare values.

Tool-call arguments are JSON text, and `\\u0040` in them is an `@` to whoever reads them. Every run carries its place in
the raw text, so that what was found can be replaced there. Text that is no JSON (it does not begin like an object, an
array or a string), or goes on after its value, is one bare run to the end.
"""

from __future__ import annotations

from typing import Final, NamedTuple

OPEN_STRING: Final = 0
OPEN_BARE: Final = 1
RUN: Final = 2
CLOSE: Final = 3
OPEN_LOOSE: Final = 4

_SPACE = " \t\r\n"
_STRUCTURE = '{}[],:"'
_OPENERS = '{["'
_SHORT = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_REPLACEMENT = "\ufffd"


def looks_like_json(text: str) -> bool | None:
    """Whether a text begins like a JSON object, or an array of anything but bare values; None where it is too short."""
    head = text.lstrip(_SPACE)
    if not head:
        return None
    if head[0] not in "{[":
        return False
    inside = head[1:].lstrip(_SPACE)
    if not inside:
        return None
    return inside[0] in ('"}' if head[0] == "{" else '"{[]')


class Token(NamedTuple):
    """A run of text that stands in characters `start` to `end` of the raw text, or the opening or close of a value.

    An opening tells a string, a bare value, or prose that is no JSON and has no end.

    A run either is the raw text, character by character, or is the one character of an escape sequence.
    """

    kind: int
    start: int
    end: int
    text: str = ""


class JsonText:
    """The lexer. Total: any text gives tokens, and however it is cut, the same runs."""

    __slots__ = ("_bare", "_begun", "_depth", "_over", "_rest", "_string", "at", "loose")

    def __init__(self, at: int = 0) -> None:
        self.at = at  # characters of raw text that have been given out
        self.loose = False
        self._rest = ""  # an unfinished escape sequence
        self._string = False
        self._bare = False
        self._begun = False
        self._depth = 0
        self._over = False  # the value is complete

    def feed(self, raw: str) -> list[Token]:
        """The tokens of more raw text."""
        return self._cut(self._rest + raw if self._rest else raw, False)

    def goes_on(self, raw: str) -> bool:
        """Takes more raw text where it is nothing but more of the open string, character by character."""
        if not self._string or self._rest or '"' in raw or "\\" in raw:
            return False
        self.at += len(raw)
        return True

    def end(self) -> list[Token]:
        """The text is over: what was unfinished, and the close of what was open."""
        tokens = self._cut(self._rest, True)
        if self._string or self._bare:
            tokens.append(Token(CLOSE, self.at, self.at))
        return tokens

    def _cut(self, text: str, ending: bool) -> list[Token]:
        tokens: list[Token] = []
        base = self.at
        at = 0
        size = len(text)
        while at < size:
            if self._string:
                after = self._inside(text, at, base, ending, tokens)
                if after == at:
                    break
                at = after
            else:
                at = self._outside(text, at, base, tokens)
        self.at = base + at
        self._rest = text[at:]
        return tokens

    def _inside(self, text: str, at: int, base: int, ending: bool, tokens: list[Token]) -> int:
        """Up to and past the closing quote; where an escape sequence is unfinished, up to it."""
        quote = -2
        while True:
            if quote < at and quote != -1:
                quote = text.find('"', at)
            stop = quote if quote >= 0 else len(text)
            slash = text.find("\\", at, stop)
            if slash >= 0:
                stop = slash
            if stop > at:
                tokens.append(Token(RUN, base + at, base + stop, text[at:stop]))
                at = stop
            if slash < 0:
                break
            said, after = _escape(text, slash, ending)
            if after == slash:
                return at
            tokens.append(Token(RUN, base + slash, base + after, said))
            at = after
        if quote >= 0:
            tokens.append(Token(CLOSE, base + at, base + at))
            self._string = False
            self._over = self._depth <= 0
            return quote + 1
        return at

    def _outside(self, text: str, at: int, base: int, tokens: list[Token]) -> int:
        start = at
        size = len(text)
        if self._bare:
            while at < size and (self.loose or text[at] not in _STRUCTURE):
                at = size if self.loose else at + 1
            if at > start:
                tokens.append(Token(RUN, base + start, base + at, text[start:at]))
            if at < size:
                tokens.append(Token(CLOSE, base + at, base + at))
                self._bare = False
            return at
        sign = text[at]
        if sign in _SPACE:
            return at + 1
        if not self._begun:
            self._begun = True
            self.loose = sign not in _OPENERS
        if self._over:  # another object may follow, a line each; anything else is prose
            self._over = False
            self.loose = sign != "{"
        if not self.loose:
            if sign == '"':
                tokens.append(Token(OPEN_STRING, base + at + 1, base + at + 1))
                self._string = True
                return at + 1
            if sign in _STRUCTURE:
                self._nest(sign)
                return at + 1
        tokens.append(Token(OPEN_LOOSE if self.loose else OPEN_BARE, base + at, base + at))
        self._bare = True
        return at

    def _nest(self, sign: str) -> None:
        if sign in "{[":
            self._depth += 1
        elif sign in "}]":
            self._depth -= 1
            self._over = self._depth <= 0


def _escape(text: str, at: int, ending: bool) -> tuple[str, int]:
    """The character that the escape sequence at `at` means and where it ends; `at` itself where it is unfinished."""
    kind = text[at + 1 : at + 2]
    if kind in _SHORT:
        return _SHORT[kind], at + 2
    if kind != "u":
        # no JSON: the characters stand for themselves
        return (text[at], at + 1) if kind or ending else ("", at)
    unit = _unit(text, at)
    if unit is None:
        return ("", at) if len(text) < at + 6 and not ending else (text[at], at + 1)
    if not 0xD800 <= unit < 0xE000:
        return chr(unit), at + 6
    if unit >= 0xDC00:
        return _REPLACEMENT, at + 6
    follows = text[at + 6 : at + 12]
    low = _unit(text, at + 6) if follows.startswith("\\u") else None
    if low is not None and 0xDC00 <= low < 0xE000:
        return chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)), at + 12
    waiting = len(follows) < 6 and ("\\u".startswith(follows) or follows.startswith("\\u"))
    return ("", at) if waiting and not ending else (_REPLACEMENT, at + 6)


def _unit(text: str, at: int) -> int | None:
    """The UTF-16 unit written as `\\uXXXX` at `at`; None where it is none."""
    digits = text[at + 2 : at + 6]
    if len(digits) < 4 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        return None
    return int(digits, 16)
