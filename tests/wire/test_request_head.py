"""Whatever head we accept, two independent parsers read the same way: no smuggling past us, or through us."""

from __future__ import annotations

import h11
import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headgate.wire.chunked import ChunkedBody
from headgate.wire.limits import ServerLimits
from headgate.wire.request import HeadReader, Refusal

LIMITS = ServerLimits()


class Llhttp:
    """What httptools makes of a head."""

    def __init__(self, wire: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.url = b""
        self.complete = 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(wire)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.complete += 1


PIECES = st.sampled_from(
    b"GET|POST| |/|/v1/messages|?a=b|HTTP/1.1|HTTP/1.0|\r\n|\n|\r|\t|:|: |Host|Host: a|Content-Length|"
    b"Content-Length: 3|Transfer-Encoding: chunked|Transfer-Encoding:|chunked|identity|Connection: close|"
    b"X-A: 1|\x00|\x0b|\xe9|,|0|3|+|-|#|%|Expect: 100-continue|;|http://h/".split(b"|")
)
SOUND = st.lists(
    st.sampled_from([b"X-A: 1", b"content-length: 3", b"Connection: close", b"Y:  z ", b"TE: trailers", b"X-B:"]),
    max_size=6,
)


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Heads near the grammar: sound lines with something odd spliced in somewhere."""
    lines = [b"POST /x HTTP/1.1", b"Host: a", *draw(SOUND)]
    head = b"\r\n".join(lines)
    for odd in draw(st.lists(PIECES, max_size=3)):
        at = draw(st.integers(0, len(head)))
        head = head[:at] + odd + head[at + draw(st.integers(0, 3)) :]
    return head.partition(b"\r\n\r\n")[0]


@given(heads() | st.lists(PIECES, max_size=14).map(b"".join))
@example(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3")
@settings(max_examples=600, deadline=None)
def test_an_accepted_head_means_the_same_to_everybody(raw: bytes) -> None:
    if b"\r\n\r\n" in raw + b"\r\n":
        return
    try:
        head = HeadReader(LIMITS).read(raw)
    except Refusal:
        return
    wire = raw + b"\r\n\r\n"
    ours = list(head.headers)
    ll = Llhttp(wire)
    assert ll.complete == 1
    assert ll.headers == ours
    assert ll.parser.get_method().decode() == head.method
    assert not (head.length is None and any(name == b"content-length" for name, _ in ours))
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(wire)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    assert [(name, value) for name, value in event.headers] == ours


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.binary(max_size=10), st.data())
@settings(max_examples=200, deadline=None)
def test_chunks_come_together_however_they_are_cut(parts: list[bytes], rest: bytes, data: st.DataObject) -> None:
    wire = b"".join(b"%x;e=1\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\nA: b\r\n\r\n" + rest
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    body = ChunkedBody(1000)
    got: bytes | None = None
    after = b""
    for start, stop in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        if got is None:
            got = body.feed(wire[start:stop])
        else:
            after += wire[start:stop]
    assert got == b"".join(parts)
    assert body.rest + after == rest


def test_one_byte_chunks_are_bounded_too() -> None:
    body = ChunkedBody(100)
    with pytest.raises(Refusal) as caught:
        body.feed(b"1\r\nx\r\n" * 101)
    assert caught.value.status == 413


def test_secrets_are_not_remembered_and_the_memory_is_bounded() -> None:
    reader = HeadReader(LIMITS)
    for number in range(5000):
        reader.read(b"GET /%d HTTP/1.1\r\nHost: a\r\nX-%d: 1\r\nAuthorization: Bearer s%d" % (number, number, number))
    reader.read(b"GET /?key=secret HTTP/1.1\r\nHost: a\r\nx-api-key: secret")
    kept = repr(reader._lines) + repr(reader._starts)  # type: ignore[reportPrivateUsage]
    assert "Bearer" not in kept
    assert "secret" not in kept
    assert len(reader._lines) <= 2048  # type: ignore[reportPrivateUsage]
    assert len(reader._starts) <= 2048  # type: ignore[reportPrivateUsage]
