"""A provider that says exactly what a test tells it to, over TCP or TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from headgate.core.ports import Deadlines, OutboundRequest
from headgate.core.types import Origin
from headgate.wire.client import HttpTransport
from headgate.wire.inbound import Answer

HEAD = b"POST /v1/x HTTP/1.1\r\nhost: provider\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Wire:
    """One connection as the provider sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader = reader
        self.writer = writer
        self.number = number

    async def request(self) -> tuple[bytes, bytes]:
        """Head and body of the next request. Raises IncompleteReadError where there is none."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        return head, await self.reader.readexactly(length)

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Answer with a TCP reset."""
        self.writer.transport.abort()


Play = Callable[[Wire], Awaitable[None]]


class Provider:
    """A listening provider; `connections` counts those it was asked for, `open` those not yet closed."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self.port = 0
        self.connections = 0
        self.open = 0

    def origin(self, scheme: str = "http", host: str = "127.0.0.1") -> Origin:
        return Origin(scheme, host, self.port, True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            await self._play(Wire(reader, writer, self.connections))
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def provider(play: Play, tls: ssl.SSLContext | None = None) -> AsyncIterator[Provider]:
    """A provider on a free port."""
    here = Provider(play)
    server = await asyncio.start_server(here.serve, "127.0.0.1", 0, ssl=tls)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()
        for task in asyncio.all_tasks():
            if task.get_coro().__qualname__ == "Provider.serve":  # type: ignore[union-attr]
                task.cancel()
        await asyncio.sleep(0.01)


def outbound(origin: Origin, body: bytes = b"{}", deadlines: Deadlines | None = None) -> OutboundRequest:
    """A request to the provider."""
    return OutboundRequest(origin, HEAD, body, deadlines or Deadlines())


async def whole(answer: Answer) -> bytes:
    """The body to its end, and the connection back to its pool."""
    parts: list[bytes] = []
    while (data := await answer.read()) is not None:
        parts.append(data)
    answer.release()
    return b"".join(parts)


async def fetch(transport: HttpTransport, request: OutboundRequest) -> bytes:
    """Send and read all."""
    return await whole(await transport.send(request))
