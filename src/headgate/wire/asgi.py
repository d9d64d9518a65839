"""The same handler as a plain ASGI application: for tests, embedding, and whoever prefers another server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

from headgate.core.types import Header
from headgate.wire.exchange import Handler
from headgate.wire.limits import ServerLimits
from headgate.wire.request import Head, Refusal, Request

_log = logging.getLogger(__name__)

Message: TypeAlias = "dict[str, object]"
Scope: TypeAlias = "dict[str, object]"
Receive: TypeAlias = "Callable[[], Awaitable[Message]]"
Send: TypeAlias = "Callable[[Message], Awaitable[None]]"


class AsgiExchange:
    """Implements `Exchange`. Messages wait until `drain`; `paused` is set while any do, so that nothing piles up."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._messages: list[Message] = []
        self.started = False
        self.finished = False
        self.paused = False
        self.aborted = False

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer at once."""
        self.begin(status, headers + b"content-length: %d\r\n" % len(body))
        self.finish(body)

    def begin(self, status: int, headers: bytes) -> None:
        """Start a streamed answer."""
        self.started = True
        self._queue({"type": "http.response.start", "status": status, "headers": _pairs(headers)})

    def write(self, data: bytes) -> None:
        """More of the body."""
        self._queue({"type": "http.response.body", "body": data, "more_body": True})

    def finish(self, data: bytes = b"") -> None:
        """The last of the body."""
        self.finished = True
        self._queue({"type": "http.response.body", "body": data, "more_body": False})

    def abort(self) -> None:
        """Leave the answer unfinished: the server then cuts the connection."""
        self.aborted = True
        self._messages.clear()

    async def drain(self) -> None:
        """Hand what waits to the server, which waits for its client."""
        while self._messages:
            await self._send(self._messages.pop(0))
        self.paused = False

    def _queue(self, message: Message) -> None:
        self._messages.append(message)
        self.paused = True


class AsgiApp:
    """Serves `handler` under any ASGI server. The limits on heads are that server's, the one on bodies is ours."""

    def __init__(self, handler: Handler, limits: ServerLimits | None = None) -> None:
        self._handler = handler
        self._limits = limits or ServerLimits()
        self._receiving = 0  # bytes of incomplete bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request, or the server's lifespan. Raises ValueError for any other protocol."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError("only HTTP is served here")
        exchange = AsgiExchange(send)
        head = _head(scope)
        try:
            body = await self._body(receive)
        except Refusal as refusal:
            refusal.target = head.path
            refusal.request = Request(head, b"", _peer(scope))
            await self._refuse(exchange, refusal)
            return
        request = Request(head, body, _peer(scope))
        await self._run(request, exchange, receive)

    async def _run(self, request: Request, exchange: AsgiExchange, receive: Receive) -> None:
        """A handler that breaks is an internal error; where its answer had begun, it stays unfinished."""
        work = asyncio.ensure_future(self._handler.serve(request, exchange))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)
        if work.cancelled():
            return
        error = work.exception()
        if error is not None:
            _log.error("a request failed: %s", type(error).__name__)
        if not exchange.started:
            await self._refuse(exchange, Refusal(500, "internal_error", "an internal error occurred", request.path))
        elif error is None:
            await exchange.drain()

    async def _refuse(self, exchange: AsgiExchange, refusal: Refusal) -> None:
        rendered = self._handler.refuse(refusal)
        exchange.send(refusal.status, rendered.headers, rendered.body)
        await exchange.drain()

    async def _body(self, receive: Receive) -> bytes:
        """The whole body. Raises Refusal where it, or the sum of all that arrive, is over the limit."""
        limits = self._limits
        body = bytearray()
        try:
            while True:
                message = await receive()
                part = cast("bytes", message.get("body", b""))
                body += part
                self._receiving += len(part)
                if len(body) > limits.body_bytes:
                    raise Refusal(413, "request_too_large", f"the body is larger than {limits.body_bytes} bytes")
                if not message.get("more_body"):
                    return bytes(body)
                if self._receiving > limits.receiving_bytes:
                    raise Refusal(503, "overloaded", "too many large requests arrive at once")
        finally:
            self._receiving -= len(body)


def _peer(scope: Scope) -> str:
    client = cast("tuple[str, int] | None", scope.get("client"))
    return client[0] if client else ""


def _head(scope: Scope) -> Head:
    raw = cast("bytes | None", scope.get("raw_path"))
    path = (raw or cast("str", scope["path"]).encode()).partition(b"?")[0].decode("latin-1")
    headers = [(name.lower(), value) for name, value in cast("list[Header]", scope["headers"])]
    query = cast("bytes", scope.get("query_string", b"")).decode("latin-1")
    return Head(cast("str", scope["method"]), path, query, headers)


def _pairs(lines: bytes) -> list[Header]:
    pairs: list[Header] = []
    for line in lines.split(b"\r\n"):
        name, colon, value = line.partition(b": ")
        if colon:
            pairs.append((name, value))
    return pairs


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
