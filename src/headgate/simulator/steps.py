"""How an answer reaches its socket, as data: what to send, when to wait, how to end. Faults rewrite these steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

from headgate.simulator.messages import Frame, Reply

LAST_CHUNK = b"0\r\n\r\n"
_SPOKEN = frozenset({"content", "tool"})  # the frames that a model takes time over


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes at once; `frame` is what they carry, where it is one event."""

    data: bytes
    frame: Frame | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds without a byte."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hang:
    """Nothing more, socket open, until the client leaves or the simulator's own limit is over."""


@dataclass(frozen=True, slots=True)
class Close:
    """A clean end of the connection (FIN)."""


@dataclass(frozen=True, slots=True)
class Abort:
    """A reset of the connection (RST)."""


Step: TypeAlias = "Send | Wait | Hang | Close | Abort"


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds before the first byte of an answer, and between the content events of a stream."""

    first_s: float = 0.0
    interval_s: float = 0.0


def head(status: int, headers: dict[str, str]) -> bytes:
    """The status line and headers."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(frame: Frame, newline: bytes) -> bytes:
    """One server-sent event."""
    name = b"event: " + frame.event.encode() + newline if frame.event else b""
    return name + b"data: " + frame.data + newline + newline


def framed(reply: Reply) -> Iterator[Send]:
    """The frames of a streamed reply as the bytes of its body, not yet chunked."""
    frames = reply.frames or []
    for at, frame in enumerate(frames):
        if not reply.array:
            yield Send(event(frame, reply.newline), frame)
            continue
        last = at == len(frames) - 1
        yield Send((b",\r\n" if at else b"[") + frame.data + (b"]" if last else b""), frame)


def plain(reply: Reply, pace: Pace) -> Iterator[Step]:
    """A reply as it is meant to be."""
    if pace.first_s:
        yield Wait(pace.first_s)
    if reply.frames is None:
        yield whole(reply)
        return
    yield opening(reply)
    yield from streamed(framed(reply), pace)
    yield Send(LAST_CHUNK)


def whole(reply: Reply) -> Send:
    """Head and body in one piece."""
    return Send(head(reply.status, {**reply.headers, "content-length": str(len(reply.body))}) + reply.body)


def opening(reply: Reply) -> Send:
    """The head of a chunked answer."""
    return Send(head(reply.status, {**reply.headers, "transfer-encoding": "chunked"}))


def streamed(parts: Iterable[Send], pace: Pace) -> Iterator[Step]:
    """Body parts as chunks at the set pace; the first content comes without a wait."""
    spoken = False
    for part in parts:
        if part.frame is not None and part.frame.kind in _SPOKEN:
            if spoken and pace.interval_s:
                yield Wait(pace.interval_s)
            spoken = True
        yield Send(chunk(part.data), part.frame)
