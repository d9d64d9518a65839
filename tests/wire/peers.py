"""Both ends of a socket for the tests of this folder: a served handler, a client that speaks raw bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from headgate.core.ports import Clock
from headgate.wire.exchange import Exchange, Rendered
from headgate.wire.limits import ServerLimits
from headgate.wire.request import Refusal, Request
from headgate.wire.server import HttpServer
from tests.support.world import ManualClock

Serve = Callable[[Request, Exchange], Awaitable[None]]
TEXT = b"content-type: text/plain\r\n"


class Scripted:
    """A handler made of one coroutine function; keeps the requests it saw."""

    def __init__(self, serve: Serve | None = None) -> None:
        self.requests: list[Request] = []
        self._serve = serve

    async def serve(self, request: Request, exchange: Exchange) -> None:
        self.requests.append(request)
        if self._serve is None:
            exchange.send(200, TEXT, request.body or b"empty")
        else:
            await self._serve(request, exchange)

    def refuse(self, refusal: Refusal) -> Rendered:
        return Rendered(TEXT, f"{refusal.reason} {refusal.target}".encode())


class Raw:
    """A client that says exactly what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """One answer framed by Content-Length, chunks or the end of the connection."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        status = int(lines[0].split(" ")[1])
        if status < 200:
            return status, headers, b""
        if "content-length" in headers:
            return status, headers, await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, await self._chunks()
        return status, headers, await self.reader.read()

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readline()
        return body

    async def closed(self) -> bytes:
        """What else arrives until the server closes."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""


class Served:
    """A running server."""

    def __init__(self, server: HttpServer, port: int, handler: Scripted, clock: Clock) -> None:
        self.server = server
        self.port = port
        self.handler = handler
        self.clock = clock
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self, limit: int = 2**16) -> Raw:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=limit)
        self._writers.append(writer)
        return Raw(reader, writer)

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
        await self.server.drain(0.0)


@asynccontextmanager
async def served(
    serve: Serve | None = None, limits: ServerLimits | None = None, clock: Clock | None = None
) -> AsyncIterator[Served]:
    """A server on a free port of 127.0.0.1."""
    handler = Scripted(serve)
    time = clock or ManualClock()
    server = HttpServer(handler, limits or ServerLimits(), time)
    _, port = server.listen_on("127.0.0.1", 0)
    here = Served(server, port, handler, time)
    try:
        yield here
    finally:
        if isinstance(time, ManualClock):
            asyncio.get_running_loop().call_later(0.05, time.advance, 3600)
        await here.close()


def post(body: bytes, path: str = "/v1/chat/completions", extra: str = "") -> bytes:
    """A well-formed POST."""
    return f"POST {path} HTTP/1.1\r\nHost: gate\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so; the suite's own deadline ends a wait in vain."""
    while not condition():
        await asyncio.sleep(0.001)
