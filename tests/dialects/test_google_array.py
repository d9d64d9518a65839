"""The array form of a streamed answer: split at every byte, and made from the SSE form."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.dialects.google_array import ArrayFramer, ArraySplitter, as_event
from headgate.wire.sse import parse

TRICKY = [
    {"text": 'quotes " and \\ and \\" and }{][', "n": {"deep": [{"a": []}]}},
    {},
    {"\\": "\\\\", "ü": "\u2028", "brace}": "{"},
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('"\\{}[]aü', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('"\\{}a', max_size=4), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text('"\\{}a', max_size=4), json_values, max_size=3)


def split(data: bytes, size: int) -> list[object]:
    splitter = ArraySplitter()
    found = [json.loads(one) for at in range(0, len(data), size) for one in splitter.feed(data[at : at + size])]
    assert splitter.end() == b""
    return found


@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_is_split_wherever_it_is_cut(indent: int | None) -> None:
    data = json.dumps(TRICKY, indent=indent, ensure_ascii=False).encode()
    for size in range(1, len(data) + 1):
        assert split(data, size) == TRICKY


@given(st.lists(objects, max_size=4), st.integers(1, 9))
def test_any_array_is_split(trees: list[object], size: int) -> None:
    assert split(json.dumps(trees, ensure_ascii=False).encode(), size) == trees


def test_one_object_alone_is_an_element() -> None:
    assert split(b' {"a": {"b": 1}} ', 3) == [{"a": {"b": 1}}]


def test_an_unfinished_element_is_told_at_the_end() -> None:
    splitter = ArraySplitter()
    assert splitter.feed(b'[{"a": 1}, {"b": "x}') == [b'{"a": 1}']
    assert splitter.end() == b'{"b": "x}'


def test_elements_are_bounded_and_what_is_done_is_forgotten() -> None:
    splitter = ArraySplitter(limit=50)
    assert sum(len(splitter.feed(b'{"a": "' + b"x" * 30 + b'"}, ')) for _ in range(100)) == 100
    with pytest.raises(ValueError, match="longer than 50 bytes"):
        splitter.feed(b'{"a": "' + b"x" * 60)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 1000])
def test_a_text_may_end_in_any_number_of_backslashes(count: int) -> None:
    """Looked at piece by piece, and not past the quote that began the text."""
    element = json.dumps({"text": "\\" * count + '"}', "after": "}"}).encode()
    assert ArraySplitter().feed(b"[" + element + b", " + element + b"]") == [element, element]


def test_blanks_and_braces_outside_of_texts() -> None:
    element = b"{" + b" " * 5000 + b'"a": {"b": [{}, {}]}' + b"\n" * 5000 + b"}"
    splitter = ArraySplitter()
    found = [one for at in range(0, len(element), 777) for one in splitter.feed(element[at : at + 777])]
    assert found == [element]


def test_an_element_becomes_one_event_of_one_line() -> None:
    event = parse(as_event(json.dumps(TRICKY[0], indent=2).encode()))
    assert json.loads(event.data) == TRICKY[0]
    assert event.wire.count(b"\n") == 2


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_events_become_an_array(size: int) -> None:
    wire = b": ping\r\n\r\n" + b"".join(b"data: " + json.dumps(tree).encode() + b"\r\n\r\n" for tree in TRICKY)
    framer = ArrayFramer()
    out = b"".join(framer.feed(wire[at : at + size]) for at in range(0, len(wire), size)) + framer.end()
    assert json.loads(out) == TRICKY
    assert split(out, 5) == TRICKY


def test_no_events_are_an_empty_array() -> None:
    framer = ArrayFramer()
    assert framer.feed(b": ping\r\n\r\n") + framer.end() == b"[]\r\n"
