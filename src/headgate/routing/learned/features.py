"""Cheap features of a request: figures about its text, and which words of a vocabulary it holds.

All heavy lifting is left to C: byte counts, one split, one set intersection. A long text is read at both ends only.
"""

from __future__ import annotations

import math
from collections.abc import Set as AbstractSet

import msgspec

from headgate.core.chat import ChatRequest, Message, Text

VERSION = 1  # of what is computed here: a classifier trained on one version is not read with another
HEAD_CHARS = 3000
TAIL_CHARS = 1000
DENSE = (
    "length", "lines", "digits", "operators", "punctuation", "questions", "code_marks", "quotes", "capitals",
    "not_ascii", "word_length", "turns", "tools", "long_input",
)  # fmt: skip
_DIGITS = b"0123456789"
_OPERATORS = b"+*/=^<>%$\\"
_PUNCTUATION = b".,;:!?()[]{}\"'`-_#@&|~"
_CAPITALS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CODE_MARKS = (b"```", b"def ", b"();", b"</", b"->", b"==", b"{\n", b"import ", b"return ", b"()")
# what separates words: every ASCII character but letters, digits and what is inside of words
_BREAKS = {code: " " for code in range(128) if not chr(code).isalnum() and chr(code) not in "'_"}


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What features are made of: the last turn of the user, how many turns, are tools offered, how many characters."""

    text: str
    turns: int = 1
    tools: bool = False
    chars: int = 0


def facts_of(chat: ChatRequest) -> Facts:
    """The facts of a request in canonical form."""
    last = ""
    chars = turns = 0
    for message in chat.messages:
        said = _text(message)
        chars += len(said)
        if message.role == "user":
            turns += 1
            last = said or last
    return Facts(last, turns, bool(chat.tools), chars)


def _text(message: Message) -> str:
    parts = message.parts
    if len(parts) == 1 and type(parts[0]) is Text:
        return parts[0].text
    return "\n".join(part.text for part in parts if type(part) is Text)


def dense(facts: Facts) -> list[float]:
    """The figures, in the order of DENSE, each about 0 to 1."""
    text = _read(facts.text)
    raw = text.encode("utf-8", "surrogatepass")
    size = len(raw) or 1
    words = text.count(" ") + text.count("\n") + 1
    lines = raw.count(b"\n")
    return [
        min(math.log1p(len(facts.text)) / 9.0, 1.5),
        min(math.log1p(lines) / 4.0, 1.5),
        min(_share(raw, _DIGITS, size) * 5.0, 1.5),
        min(_share(raw, _OPERATORS, size) * 10.0, 1.5),
        min(_share(raw, _PUNCTUATION, size) * 5.0, 1.5),
        min(raw.count(b"?") / 2.0, 1.5),
        min(sum([raw.count(mark) for mark in _CODE_MARKS]) / 4.0, 1.5),
        min((raw.count(b'"') + raw.count("“".encode())) / 6.0, 1.5),
        min(_share(raw, _CAPITALS, size) * 5.0, 1.5),
        (size - len(text)) / size if text else 0.0,
        min(len(text) / words / 10.0, 1.5),
        min(math.log1p(facts.turns) / 3.0, 1.5),
        1.0 if facts.tools else 0.0,
        min(math.log1p(facts.chars) / 12.0, 1.5),
    ]


def words(facts: Facts) -> set[str]:
    """The different words, lower-case. Scripts without spaces give whole phrases: only their figures tell then."""
    return set(_read(facts.text).lower().translate(_BREAKS).split())


def known_words(facts: Facts, vocabulary: AbstractSet[str]) -> set[str]:
    """The words that are in the vocabulary."""
    return words(facts).intersection(vocabulary)


def _read(text: str) -> str:
    if len(text) <= HEAD_CHARS + TAIL_CHARS:
        return text
    return f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"


def _share(raw: bytes, characters: bytes, size: int) -> float:
    return (len(raw) - len(raw.translate(None, characters))) / size
