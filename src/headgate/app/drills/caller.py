"""A client on a real socket: sends a request as an SDK does, and keeps what came back, whole or not."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from headgate.core.chat import Finish, Frame, RefusalDelta, TextDelta, ToolArgs
from headgate.core.errors import UpstreamError
from headgate.core.ports import Clock
from headgate.dialects.base import Dialect
from headgate.wire.deadline import within
from headgate.wire.request import Request

ANSWER_BYTES_MAX = 16 << 20
_READ_BYTES = 65_536


class Reply(msgspec.Struct):
    """What a client received. `status` None: no answer at all. `finished`: the body ended as HTTP says it must."""

    status: int | None = None
    headers: dict[str, str] = {}
    body: bytes = b""
    finished: bool = False

    @property
    def call_id(self) -> str:
        """The call's id; empty where the answer does not tell it."""
        return self.headers.get("x-headgate-call-id", "")


class Manner(msgspec.Struct, frozen=True):
    """How a client reads: at most `bytes_per_read` at a time with a pause after each; leaves once it has seen
    `leaves_after` bytes of the body, and gives up after `patience_s` seconds."""

    bytes_per_read: int = _READ_BYTES
    pause_s: float = 0.0
    leaves_after: int | None = None
    patience_s: float = 30.0


PLAINLY = Manner()


class Heard(msgspec.Struct, frozen=True):
    """An answer as an SDK of its dialect reads it. `error` is how it broke off, `arguments` those of tool calls."""

    text: str = ""
    finish: tuple[str, ...] = ()
    refused: bool = False
    arguments: tuple[str, ...] = ()
    error: str | None = None


async def call(clock: Clock, address: tuple[str, int], request: Request, manner: Manner = PLAINLY) -> Reply:
    """One call over a connection of its own. Whatever went wrong on the way is in the reply."""
    received = bytearray()
    with contextlib.suppress(TimeoutError, OSError):  # the reply tells: it is not finished
        await within(clock, manner.patience_s, _exchange(clock, address, _written(request, address), manner, received))
    return _reply(bytes(received))


def hear(reply: Reply, dialect: Dialect, stream: bool) -> Heard:
    """The answer in canonical words; of one that breaks off, what came before."""
    reader = dialect.reader(stream, True)
    frames: list[Frame] = []
    error = None if reply.finished else "connection cut"
    try:
        frames += reader.feed(reply.body)
        frames += reader.end()
    except UpstreamError as failure:
        error = failure.kind
    deltas = [delta for frame in frames for delta in frame.deltas]
    arguments: dict[tuple[int, int], str] = {}
    for delta in deltas:
        if isinstance(delta, ToolArgs):
            arguments[delta.choice, delta.index] = arguments.get((delta.choice, delta.index), "") + delta.text
    return Heard(
        "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)),
        tuple(delta.reason for delta in deltas if isinstance(delta, Finish)),
        any(isinstance(delta, RefusalDelta) for delta in deltas),
        tuple(arguments.values()),
        error,
    )


def _written(request: Request, address: tuple[str, int]) -> bytes:
    target = f"{request.path}?{request.query}" if request.query else request.path
    lines = [f"{request.method} {target} HTTP/1.1".encode(), f"host: {address[0]}:{address[1]}".encode()]
    lines += [name + b": " + value for name, value in request.headers]
    lines += [f"content-length: {len(request.body)}".encode(), b"connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + request.body


async def _exchange(
    clock: Clock, address: tuple[str, int], written: bytes, manner: Manner, received: bytearray
) -> None:
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(written)
        await writer.drain()
        while len(received) < ANSWER_BYTES_MAX:
            data = await reader.read(manner.bytes_per_read)
            received += data
            if not data or _seen_enough(received, manner):
                return
            if manner.pause_s:
                await clock.sleep(manner.pause_s)
    finally:
        writer.transport.abort()


def _seen_enough(received: bytearray, manner: Manner) -> bool:
    if manner.leaves_after is None:
        return False
    head, found, body = bytes(received).partition(b"\r\n\r\n")
    return bool(found) and bool(head) and len(body) >= manner.leaves_after


def _reply(received: bytes) -> Reply:
    """Reads one HTTP/1.1 answer, as far as it came."""
    head, found, rest = received.partition(b"\r\n\r\n")
    if not found:
        return Reply()
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    status = int(first.split()[1])
    if headers.get("transfer-encoding") == "chunked":
        body, finished = _unchunked(rest)
    else:
        wanted = int(headers.get("content-length", len(rest)))
        body, finished = rest[:wanted], len(rest) >= wanted
    return Reply(status, headers, body, finished)


def _unchunked(data: bytes) -> tuple[bytes, bool]:
    """The body of a chunked answer, and whether its last chunk came."""
    parts: list[bytes] = []
    at = 0
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end], 16)
        if size == 0:
            return b"".join(parts), True
        parts.append(data[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts), False
