"""Users' expressions: measured rightly, refused where they cannot be a rule, and their beginnings are complete."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.errors import ConfigError
from headgate.guardrails import loading
from headgate.guardrails.engine import PatternSet, Tail, regex
from headgate.guardrails.expression import BadExpression, read

MEASURED = {
    "abc": (3, 3),
    "a|bcd": (1, 3),
    "(?i)project x\\d{1,4}": (10, 13),
    "a*b": (1, None),
    "a+?b{2,}": (3, None),
    "[]x]{3}": (3, 3),
    "[^]\\]a-c[:alpha:]]": (1, 1),
    "(?:ab){2,3}c?": (4, 7),
    "(?P<name>ab)|(c)": (1, 2),
    "\\bfoo\\b": (3, 3),
    "\\x{1F600}\\x41\\pL\\p{Greek}\\101": (5, 5),
    "a{x}": (4, 4),
    "a{,3}": (5, 5),
    "(?i:ä)(?s:.)\\.": (3, 3),
    "(?:a|bb|c{0,2}d){1,2}": (1, 6),
    "😀{2}": (2, 2),
    "x{0}y": (1, 1),
}


@pytest.mark.parametrize("source", MEASURED)
def test_lengths_are_counted_in_characters(source: str) -> None:
    expression = read(source)
    assert (expression.shortest, expression.longest) == MEASURED[source]


REFUSED = {
    "(": "RE2",
    "(?=a)b": "RE2",
    "(a)\\1": "RE2",
    "a*": "empty",
    "a?|b": "empty",
    "^a": "anchor",
    "a$": "anchor",
    "\\Aa": "\\A",
    "a\\z": "\\z",
    "\\Qa.b\\E": "\\Q",
    "\\Ca": "\\C",
    "a(?i)b": "flags",
    "a" * 2001: "longer",
    "(?:(?:(?:a{1,100}b){1,100}c){1,100})": "RE2",
}


@pytest.mark.parametrize("source", REFUSED)
def test_what_cannot_be_a_rule_is_refused(source: str) -> None:
    with pytest.raises(BadExpression) as caught:
        read(source)
    assert REFUSED[source] in caught.value.wrong
    assert caught.value.right


SOURCES = [source for source in MEASURED if source != "x{0}y"] + [
    "(?:[ab]{2}c?){1,3}d",
    "a(?:b|cd)*e{2,3}",
    "[a-c]+@[a-c]+\\.d",
    "(?:\\babc|d\\be)f",
    "(?i)a[^b]{2}c",
]


@given(data=st.data(), source=st.sampled_from(SOURCES))
@settings(max_examples=400, deadline=None)
def test_every_beginning_of_a_match_is_known_as_one(data: st.DataObject, source: str) -> None:
    plain = (
        source.replace("[:alpha:]", "a-zA-Z")
        .replace("\\x{1F600}", "😀")
        .replace("\\pL\\p{Greek}", "xα")
        .replace("a{,3}", "a\\{,3}")
        .replace("[]x]", "[\\]x]")
        .replace("[^]", "[^\\]")
    )
    said = data.draw(st.from_regex(re.compile(plain, re.ASCII), fullmatch=True))
    match = regex(source).search(said.encode())
    if match is None or match.span() != (0, len(said.encode())):
        return  # boundaries and case folding differ between the two engines at the edges
    beginnings = regex(rf"(?:{read(source).prefix})\z")
    for stop in range(1, len(said) + 1):
        found = beginnings.search(said[:stop].encode())
        assert found is not None
        assert found.start() == 0


@pytest.mark.parametrize("source", SOURCES)
def test_what_can_begin_no_match_is_not_held(source: str) -> None:
    text = "\x02" * 20
    held = regex(rf"(?:{read(source).prefix})\z").search(text.encode())
    assert held is not None
    assert held.start() >= 20 - 6


def test_a_set_that_runs_out_of_memory_suspects_every_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = PatternSet(["a", "b"])
    assert patterns.found(b"xyz") == ()
    assert list(patterns.found(b"xbz")) == [1]

    class Broken:
        def Match(self, text: bytes) -> None:
            return None

    monkeypatch.setattr(patterns, "_set", Broken())
    assert list(patterns.found(b"xyz")) == [0, 1]


@pytest.mark.parametrize("public", [False, True])
def test_the_tail_is_found_through_either_door(monkeypatch: pytest.MonkeyPatch, public: bool) -> None:
    tail = Tail("ab?c?|")
    if public:
        monkeypatch.setattr(tail, "_match", None)
    else:
        assert tail._match is not None  # else the fast way is gone from this google-re2, and chunks cost more
    assert tail.start("xxä ab".encode(), 0) == 5
    assert tail.start(b"abcx", 0) == 4
    assert tail.start(b"abc", 1) == 3


def test_a_tail_that_fails_holds_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    tail = Tail("a?")
    monkeypatch.setattr(tail, "_match", lambda *_: [(-1, -1)])
    assert tail.start(b"xyz", 1) == 1


@pytest.mark.parametrize("check", ["email", "card", "provider_keys"])
def test_beginnings_stay_small(check: str) -> None:
    """Counts blow automata up: these had thousands of instructions, and chunks of varied text cost seven times more."""
    module = loading.find(check)
    assert module is not None
    made = module.make({}, lambda setting, wrong, right: ConfigError(setting, wrong, right))
    compiled: Any = regex(rf"(?:{read(made.pattern).prefix})\z")
    assert compiled.programsize < 500
