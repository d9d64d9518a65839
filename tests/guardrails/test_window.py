"""Matches are exactly those of the definition, and time is linear in the text."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.guardrails import engine
from headgate.guardrails.check import Check
from headgate.guardrails.engine import regex
from headgate.guardrails.patterns import RuleSet, combine, prepare
from headgate.guardrails.window import Window


def rules(*checks: Check) -> RuleSet:
    made = combine([prepare(f"r{n}", "flag", check, "", frozenset()) for n, check in enumerate(checks)], "block")
    assert made is not None
    return made


def odd(text: str, start: int, end: int) -> int | None:
    """Confirms candidates not followed by an a; the last b of them is too much."""
    if text[end : end + 1] == "a":
        return None
    return end - 1 if text[end - 1] == "b" and end - start > 1 else end


CHECKS = (
    Check(pattern="ab+c*", longest=4, replace=""),
    Check(pattern=r"c[^a]*ä", longest=5, replace=""),
    Check(pattern=r"\b(?:a|ab){1,3}", longest=6, replace="", verify=odd),
    Check(pattern=r"(?:b|bc)c?\b", longest=3, replace=""),
    Check(pattern=r"a.{0,2}?b", longest=4, replace=""),
)


def defined(check: Check, text: str) -> list[tuple[int, int]]:
    """The definition, word for word: at each character the preferred match within the bound, if confirmed."""
    pattern = regex(check.pattern)
    data = text.encode()
    spans: list[tuple[int, int]] = []
    at = 0
    while at < len(text):
        first = len(text[:at].encode())
        limit = len(text[: at + check.longest].encode())
        match = pattern.match(data, first, limit)
        end = None if match is None else len(data[: match.end()].decode())
        if end is not None and check.verify is not None:
            end = check.verify(text, at, end)
        if end is None:
            at += 1
        else:
            spans.append((at, end))
            at = end
    return spans


@given(text=st.text(alphabet="abcä ", max_size=40), cuts=st.lists(st.integers(1, 40), max_size=10))
@settings(max_examples=500, deadline=None)
def test_matches_are_those_of_the_definition(text: str, cuts: list[int]) -> None:
    window = Window(rules(*CHECKS))
    places = [0, *sorted({place for place in cuts if place < len(text)}), len(text)]
    found = [finding for start, stop in pairwise(places) if stop > start for finding in window.feed(text[start:stop])]
    found += window.pause()
    for number, check in enumerate(CHECKS):
        assert [(f.start, f.end) for f in found if f.rule == f"r{number}"] == defined(check, text)


@given(text=st.text(alphabet="abcä ", max_size=60))
@settings(max_examples=100, deadline=None)
def test_never_more_than_the_longest_match_is_held(text: str) -> None:
    window = Window(rules(*CHECKS))
    for at, sign in enumerate(text):
        window.feed(sign)
        assert at + 1 - window.decided <= 6


class Counting:
    """A pattern that counts the bytes it was asked to search."""

    def __init__(self, inner: engine.Regex) -> None:
        self.inner = inner
        self.bytes = 0

    def search(self, text: bytes, pos: int | None = None, endpos: int | None = None) -> engine.Found | None:
        found = self.inner.search(text, pos, endpos)
        stop = (len(text) if endpos is None else endpos) if found is None else found.end()
        self.bytes += stop - (pos or 0)
        return found

    def match(self, text: bytes, pos: int | None = None, endpos: int | None = None) -> engine.Found | None:
        self.bytes += (len(text) if endpos is None else endpos) - (pos or 0)
        return self.inner.match(text, pos, endpos)


def searched(pattern: str, longest: int, text: str) -> int:
    """Bytes read by the exact look at a hostile text."""
    parts = prepare("r", "flag", Check(pattern=pattern, longest=longest, replace=""), "", frozenset())
    counting = Counting(parts.rule.regex)
    parts = parts._replace(rule=msgspec.structs.replace(parts.rule, regex=counting))
    made = combine([parts], "block")
    assert made is not None
    Window(made).pause(text)
    return counting.bytes


def test_hostile_texts_cost_linear_work() -> None:
    for pattern, longest, unit, tail in (
        ("begin.*end", 20, "begin", "end"),
        ("(?:a|a)+b", 30, "a", "b"),
        ("(?:x+x+)+y", 40, "x", "y"),
    ):
        once = searched(pattern, longest, unit * 500 + tail)
        twice = searched(pattern, longest, unit * 1000 + tail)
        assert once > 0
        assert twice <= 2.2 * once
        assert twice <= len(unit * 1000 + tail) * longest * 4


def test_the_engine_is_called_below_its_wrapper_and_agrees_with_it() -> None:
    """Fails where google-re2 moves what `Tail` calls: then the public way is taken, at three times the cost."""
    tail = engine.Tail("a|ab|b+")
    public = engine.Tail("a|ab|b+")
    assert tail._match is not None
    public._match = None
    for text in (b"", b"xa", b"xab", b"bbb", b"xx", b"axb"):
        assert tail.start(text, 0) == public.start(text, 0)
