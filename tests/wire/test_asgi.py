"""The handler under another server: what ASGI asks for, and the same behaviour."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn

from headgate.wire.asgi import AsgiApp
from headgate.wire.exchange import Exchange
from headgate.wire.limits import ServerLimits
from headgate.wire.request import Request
from tests.support.world import run
from tests.wire.peers import TEXT, Raw, Scripted, Serve, post, until


@asynccontextmanager
async def under_uvicorn(serve: Serve | None = None) -> AsyncIterator[tuple[Raw, Scripted]]:
    handler = Scripted(serve)
    app = AsgiApp(handler, ServerLimits(body_bytes=1000))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on"))  # type: ignore[arg-type]
    sock = socket.create_server(("127.0.0.1", 0))
    running = asyncio.ensure_future(server.serve([sock]))
    await until(lambda: server.started)
    reader, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
    try:
        yield Raw(reader, writer), handler
    finally:
        writer.close()
        server.should_exit = True
        await running


async def stream(request: Request, exchange: Exchange) -> None:
    exchange.begin(200, TEXT)
    for part in (b"one ", b"two "):
        exchange.write(part)
        if exchange.paused:
            await exchange.drain()
    if request.body == b"break":
        raise ValueError("secret")
    exchange.finish(b"three")


def test_whole_and_streamed_answers() -> None:
    async def talk() -> None:
        async with under_uvicorn() as (client, handler):
            await client.say(post(b"abc", "/v1/models%2Fx?key=%20", "X-A: B\r\n"))
            status, headers, body = await client.answer()
            assert (status, headers["content-type"], body) == (200, "text/plain", b"abc")
            request = handler.requests[0]
            assert (request.method, request.path, request.query) == ("POST", "/v1/models%2Fx", "key=%20")
            assert (b"x-a", b"B") in request.headers
            assert request.peer == "127.0.0.1"
        async with under_uvicorn(stream) as (client, _):
            await client.say(post(b"a"))
            status, headers, body = await client.answer()
            assert (headers["transfer-encoding"], body) == ("chunked", b"one two three")

    run(talk())


def test_a_body_over_the_limit_is_refused() -> None:
    async def talk() -> None:
        async with under_uvicorn() as (client, handler):
            await client.say(post(b"x" * 1001, "/v1/messages"))
            status, _, body = await client.answer()
            assert (status, body) == (413, b"request_too_large /v1/messages")
            assert handler.requests == []

    run(talk())


def test_a_handler_that_breaks_is_an_internal_error_or_a_cut(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: Request, exchange: Exchange) -> None:
        raise ValueError("secret")

    async def talk() -> None:
        async with under_uvicorn(broken) as (client, _):
            await client.say(post(b"a"))
            status, _, body = await client.answer()
            assert (status, body) == (500, b"internal_error /v1/chat/completions")
        async with under_uvicorn(stream) as (client, _):
            await client.say(post(b"break"))
            got = await client.closed()
            assert b"two" in got
            assert not got.endswith(b"0\r\n\r\n")

    run(talk())
    assert "secret" not in caplog.text


def test_a_client_that_leaves_cancels_the_call() -> None:
    seen: list[str] = []

    async def wait(request: Request, exchange: Exchange) -> None:
        try:
            seen.append("waiting")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def talk() -> None:
        async with under_uvicorn(wait) as (client, _):
            await client.say(post(b"a"))
            await until(lambda: bool(seen))
            client.writer.close()
            await until(lambda: seen == ["waiting", "cancelled"])

    run(talk())


def test_other_protocols_are_not_served() -> None:
    async def talk() -> None:
        with pytest.raises(ValueError):
            await AsgiApp(Scripted())({"type": "websocket"}, None, None)  # type: ignore[arg-type]

    run(talk())


def test_bodies_that_arrive_share_one_budget() -> None:
    handler = Scripted()
    app = AsgiApp(handler, ServerLimits(receiving_bytes=1000))
    more = asyncio.Event()

    async def ask(parts: list[bytes]) -> object:
        told: list[dict[str, object]] = []

        async def receive() -> dict[str, object]:
            if len(parts) == 1:
                await more.wait()
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: dict[str, object]) -> None:
            told.append(message)

        scope = {"type": "http", "method": "POST", "path": "/v1/messages", "headers": []}
        await app(dict(scope), receive, send)
        return told[0]["status"], told[1]["body"]

    async def talk() -> None:
        first = asyncio.ensure_future(ask([b"x" * 700, b"y"]))
        await asyncio.sleep(0)
        assert await ask([b"x" * 400, b"y"]) == (503, b"overloaded /v1/messages")
        more.set()
        assert await first == (200, b"x" * 700 + b"y")
        assert await ask([b"x" * 900, b"y"]) == (200, b"x" * 900 + b"y")

    run(talk())
