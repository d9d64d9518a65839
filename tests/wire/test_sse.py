"""Server-sent events: any cutting of the bytes gives the same events, and no byte is lost."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.wire.sse import SseParser, parse

some = settings(max_examples=60, derandomize=True, deadline=None)
NEWLINES = (b"\n", b"\r\n", b"\r")
EVENTS = [
    (b"", b'{"a":1}'),
    (b"ping", b"{}"),
    (b"", b""),
    (b"", b"two\nlines"),
    (b"", b""),
    (b"message_stop", b'{"type":"message_stop"}'),
    (b"", b"[DONE]"),
]


def spell(events: list[tuple[bytes, bytes]], newline: bytes) -> bytes:
    """The events on the wire; one without name and data is a comment."""
    out = b""
    for name, data in events:
        if name:
            out += b"event: " + name + newline
        out += b"".join(b"data: " + line + newline for line in data.split(b"\n")) if data else b": keep-alive" + newline
        out += newline
    return out


def read(pieces: list[bytes]) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """(name, data) of all events and every byte that came out."""
    parser = SseParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    wire = b"".join(event.wire for event in events) + parser.end()
    return [(event.name, event.data) for event in events], wire


@pytest.mark.parametrize("newline", NEWLINES)
def test_split_at_every_byte(newline: bytes) -> None:
    wire = spell(EVENTS, newline)
    assert read([wire]) == (EVENTS, wire)
    for at in range(len(wire) + 1):
        assert read([wire[:at], wire[at:]]) == (EVENTS, wire)
    assert read([wire[at : at + 1] for at in range(len(wire))]) == (EVENTS, wire)


_data = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1, max_size=12)
_events = st.lists(
    st.tuples(
        st.sampled_from([b"", b"error", b"content_block_delta"]),
        st.lists(_data, min_size=1, max_size=2).map(lambda lines: "\n".join(lines).encode()),
    ),
    max_size=5,
)


@some
@given(_events, st.sampled_from(NEWLINES), st.data())
def test_any_chunking(events: list[tuple[bytes, bytes]], newline: bytes, data: st.DataObject) -> None:
    wire = spell(events, newline)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    edges = [0, *cuts, len(wire)]
    assert read([wire[a:b] for a, b in itertools.pairwise(edges)]) == (events, wire)


@some
@given(st.lists(st.sampled_from([b"data: x", b"\n", b"\r", b"\r\n", b"event: e", b":c", b"data", b"\xef\xbb\xbf"])))
def test_no_byte_is_lost_whatever_comes(pieces: list[bytes]) -> None:
    assert read(pieces)[1] == b"".join(pieces)


def test_newline_styles_may_mix_within_a_stream() -> None:
    wire = b"data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n\r\n"
    assert read([wire]) == ([(b"", b"a"), (b"", b"b"), (b"", b"c"), (b"", b"d")], wire)


def test_blank_lines_before_an_event_belong_to_it() -> None:
    events = SseParser().feed(b"data: a\n\n\n\ndata: b\n\n")
    assert [event.wire for event in events] == [b"data: a\n\n", b"\n\ndata: b\n\n"]


def test_byte_order_mark_is_no_part_of_the_first_field() -> None:
    assert read([b"\xef\xbb\xbfdata: a\n\n"])[0] == [(b"", b"a")]


def test_only_one_space_after_the_colon_goes() -> None:
    assert read([b"data:  a\n\ndata:b\n\n"])[0] == [(b"", b" a"), (b"", b"b")]


def test_other_fields_carry_no_data() -> None:
    assert read([b"id: 1\nretry: 5\nunknown: x\n\n"])[0] == [(b"", b"")]


def test_an_unfinished_event_stays_behind() -> None:
    parser = SseParser()
    assert parser.feed(b"data: a\n\ndata: b\n")[0].data == b"a"
    assert parser.end() == b"data: b\n"
    assert parser.end() == b""


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_an_event_over_the_limit_is_refused(piece: int) -> None:
    parser = SseParser(limit=1000)
    with pytest.raises(ValueError, match="longer than 1000 bytes"):
        for _ in range(2000):
            parser.feed(b"x" * piece)


def test_many_events_may_exceed_the_limit_together() -> None:
    assert len(SseParser(limit=20).feed(b"data: x\n\n" * 50)) == 50


def test_a_long_event_in_small_pieces() -> None:
    wire = b"data: " + b"y" * 6_000_000 + b"\n\n"  # minutes where every piece copies all before it
    events, out = read([wire[at : at + 100] for at in range(0, len(wire), 100)])
    assert out == wire
    assert events == [(b"", wire[6:-2])]


def test_parse_reads_an_incomplete_block() -> None:
    assert parse(b"event: x\ndata: [DONE]")[1:] == (b"[DONE]", b"x")


@pytest.mark.parametrize("newline", NEWLINES)
@pytest.mark.parametrize("late", [False, True])
def test_an_event_of_many_lines_is_put_together_once(
    newline: bytes, late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line a read, with its newline at its end or in front of the next line."""
    joins = 0
    joined = SseParser._joined

    def counted(parser: SseParser) -> bytes:
        nonlocal joins
        joins += 1
        return joined(parser)

    monkeypatch.setattr(SseParser, "_joined", counted)
    lines = [b"data: x"] * 500
    pieces = (
        [lines[0], *(newline + line for line in lines[1:]), newline] if late else [line + newline for line in lines]
    )
    parser = SseParser()
    assert [event for piece in pieces for event in parser.feed(piece)] == []
    assert joins == 0
    [event] = parser.feed(newline)
    assert event.wire == b"".join(pieces) + newline
    assert event.data == b"\n".join([b"x"] * 500)
    assert joins == 1
    assert parser.end() == b""
