"""Faults of the bytes: hangs, stalls, drips, aborts, odd but valid framing, and hostile HTTP."""

from __future__ import annotations

import functools
import gzip
from collections.abc import Callable, Iterator

import orjson

from headgate.simulator.fault import Act, Knobs
from headgate.simulator.fault_errors import outage
from headgate.simulator.messages import Frame, Reply, Request, Vendor
from headgate.simulator.steps import (
    LAST_CHUNK,
    Abort,
    Close,
    Hang,
    Pace,
    Send,
    Step,
    Wait,
    chunk,
    event,
    framed,
    head,
    opening,
    plain,
    streamed,
    whole,
)

MEGABYTE = 1 << 20
BOMB_BYTES = 100 * MEGABYTE
HEADER_BYTES = 10 * MEGABYTE
FLOOD = 10_000
_SPOKEN = ("content", "tool")
_HTML = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head>"
    b"<body><h1>Checking your browser before accessing the site.</h1></body></html>"
)


# -- the whole reply ------------------------------------------------------------------------------------------------


def said_as_error(reply: Reply, vendor: Vendor, request: Request) -> Reply:
    """The vendor's error body under status 200."""
    refused = vendor.refuse(outage(500)(vendor), request)
    return Reply(200, refused.headers, refused.body)


def said_as_html(reply: Reply, vendor: Vendor, request: Request) -> Reply:
    """A challenge page of a content network under status 200."""
    return Reply(200, {"content-type": "text/html; charset=UTF-8", "server": "cloudflare"}, _HTML)


def emptied(reply: Reply, vendor: Vendor, request: Request) -> Reply:
    """Status 200 and no body."""
    return Reply(200, reply.headers, b"", [] if reply.frames is not None else None)


def cut(reply: Reply, vendor: Vendor, request: Request) -> Reply:
    """Half of the JSON body; streams lose their second half of events."""
    if reply.frames is None:
        return Reply(200, reply.headers, reply.body[: len(reply.body) // 2])
    frames = reply.frames[: max(len(reply.frames) // 2, 1)]
    last = frames[-1]
    frames[-1] = Frame(last.kind, last.data[: len(last.data) // 2], last.event)
    return Reply(200, reply.headers, b"", frames, reply.newline, reply.array)


def newline(mark: bytes) -> Callable[[Reply, Vendor, Request], Reply]:
    """Another end of line in the events."""

    def remake(reply: Reply, vendor: Vendor, request: Request) -> Reply:
        return Reply(reply.status, reply.headers, reply.body, reply.frames, mark, reply.array)

    return remake


# -- silence and endings --------------------------------------------------------------------------------------------


def hang(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """The request is taken and never answered."""
    yield Hang()


def reset(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """The connection is reset before a byte of the answer."""
    yield Abort()


def closed(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """The connection ends before a byte of the answer."""
    yield Close()


def silent(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """The head, then nothing."""
    yield _opened(reply)
    yield Hang()


def stall(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """Some content, then nothing, the socket open."""
    yield from _first_part(reply, knobs)
    yield Hang()


def abort(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """Some content, half of a chunk, then a reset."""
    yield from _first_part(reply, knobs)
    if reply.frames is not None:
        yield Send(chunk(b'data: {"id":"half')[:-9])
    yield Wait(0.01)  # else the reset overtakes what was written
    yield Abort()


def drip(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """One byte, a long pause, one byte."""
    yield _opened(reply)
    body = reply.body if reply.frames is None else b"".join(part.data for part in framed(reply))
    for at in range(len(body)):
        if at:
            yield Wait(knobs.drip_s)
        byte = body[at : at + 1]
        yield Send(byte if reply.frames is None else chunk(byte))
    if reply.frames is not None:
        yield Send(LAST_CHUNK)


def linger(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """The complete stream, then the socket stays open without the body's end."""
    if reply.frames is None:
        yield from plain(reply, knobs.pace)
        return
    yield opening(reply)
    yield from streamed(framed(reply), knobs.pace)
    yield Hang()


def slow(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """Ten times as slow as set, and at least a second to the first byte."""
    pace = knobs.pace
    return plain(reply, Pace(max(pace.first_s * 10, 1.0), pace.interval_s * 10))


def _opened(reply: Reply) -> Send:
    if reply.frames is not None:
        return opening(reply)
    return Send(head(reply.status, {**reply.headers, "content-length": str(len(reply.body))}))


def _first_part(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """The head and the first content events; half the body where it is not streamed."""
    yield _opened(reply)
    if reply.frames is None:
        yield Send(reply.body[: len(reply.body) // 2])
        return
    left = knobs.after
    for step in streamed(framed(reply), knobs.pace):
        spoken = isinstance(step, Send) and step.frame is not None and step.frame.kind in _SPOKEN
        if spoken and left <= 0:
            return
        left -= spoken
        yield step


# -- odd but valid framing ------------------------------------------------------------------------------------------


def reframed(write: Callable[[Frame, bytes], bytes], first: bytes = b"") -> Act:
    """Streams whose events are written another way, after some first bytes."""

    def act(reply: Reply, knobs: Knobs) -> Iterator[Step]:
        if reply.frames is None or reply.array:
            yield from plain(reply, knobs.pace)
            return
        yield opening(reply)
        if first:
            yield Send(chunk(first))
        parts = (Send(write(frame, reply.newline), frame) for frame in reply.frames)
        yield from streamed(parts, knobs.pace)
        yield Send(LAST_CHUNK)

    return act


def single_bytes(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """Every byte of the body in a chunk and a write of its own."""
    if reply.frames is None:
        yield from plain(reply, knobs.pace)
        return
    yield opening(reply)
    for part in framed(reply):
        for at in range(len(part.data)):
            yield Send(chunk(part.data[at : at + 1]))
    yield Send(LAST_CHUNK)


def commented(frame: Frame, newline: bytes) -> bytes:
    """A comment before each event, and one inside."""
    return b": keep-alive" + newline + newline + b": inside" + newline + event(frame, newline)


def extra_fields(frame: Frame, newline: bytes) -> bytes:
    """Fields that mean nothing here: id, retry, and an unknown one; no space after the colon of data."""
    name = b"event:" + frame.event.encode() + newline if frame.event else b""
    lines = [b"id: 7", b"retry: 3000", b"unknown: field", b"data:" + frame.data]
    return name + newline.join(lines) + newline + newline


def many_lines(frame: Frame, newline: bytes) -> bytes:
    """The JSON indented over several data lines."""
    name = b"event: " + frame.event.encode() + newline if frame.event else b""
    lines = frame.data.split(b"\n")
    if frame.data.startswith(b"{"):
        lines = orjson.dumps(orjson.loads(frame.data), option=orjson.OPT_INDENT_2).split(b"\n")
    return name + b"".join(b"data: " + line + newline for line in lines) + newline


def megabyte(frame: Frame, newline: bytes) -> bytes:
    """Finishing events that are a megabyte long, by blanks within the JSON."""
    if frame.kind == "finish" and frame.data.startswith(b"{"):
        frame = Frame(frame.kind, b"{" + b" " * MEGABYTE + frame.data[1:], frame.event)
    return event(frame, newline)


# -- hostile HTTP ---------------------------------------------------------------------------------------------------


@functools.cache
def _bomb() -> bytes:
    return gzip.compress(b"{" + b" " * BOMB_BYTES + b"}", 9)


def gzip_bomb(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """A few kilobytes that unpack to a hundred megabytes."""
    headers = {**reply.headers, "content-encoding": "gzip"}
    yield whole(Reply(200, headers, _bomb()))


def length_short(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """A Content-Length ten bytes below the body that follows."""
    body = _body(reply)
    yield Send(head(200, {**reply.headers, "content-length": str(max(len(body) - 10, 0))}) + body)
    yield Close()


def length_long(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """A Content-Length that promises more than comes before the connection ends."""
    body = _body(reply)
    yield Send(head(200, {**reply.headers, "content-length": str(len(body) + 100)}) + body)
    yield Close()


def bad_chunk(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """A chunk whose size is no number."""
    yield opening(reply)
    yield Send(b"zz\r\n" + _body(reply) + b"\r\n")
    yield Close()


def huge_header(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """One header of ten megabytes."""
    yield whole(Reply(200, {"x-filler": "a" * HEADER_BYTES, **reply.headers}, _body(reply)))


def many_headers(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """A hundred thousand headers."""
    filler = {f"x-filler-{at}": "a" for at in range(100_000)}
    yield whole(Reply(200, {**filler, **reply.headers}, _body(reply)))


def flood(reply: Reply, knobs: Knobs) -> Iterator[Step]:
    """Ten thousand interim responses, then the answer."""
    hint = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n"
    for _ in range(FLOOD // 100):
        yield Send(hint * 100)
    yield from plain(reply, knobs.pace)


def _body(reply: Reply) -> bytes:
    return reply.body if reply.frames is None else b"".join(part.data for part in framed(reply))
