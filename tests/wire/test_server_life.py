"""Connections from the first byte to the last: order, hang-ups, a graceful end."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket

import pytest

from headgate.wire.exchange import Exchange
from headgate.wire.limits import ServerLimits
from headgate.wire.listener import Listener
from headgate.wire.request import Request
from headgate.wire.server import HttpServer
from tests.support.world import ManualClock, run
from tests.wire.peers import TEXT, Scripted, post, served, until

pytestmark = pytest.mark.usefixtures("both_loops")


def test_pipelined_requests_are_answered_one_at_a_time_in_order() -> None:
    running = 0
    most = 0

    async def slower_first(request: Request, exchange: Exchange) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(20 - int(request.body)):
            await asyncio.sleep(0)
        running -= 1
        exchange.send(200, TEXT, request.body)

    async def talk() -> None:
        async with served(slower_first) as here:
            client = await here.connect()
            await client.say(b"".join(post(b"%d" % number) for number in range(20)))
            assert [(await client.answer())[2] for _ in range(20)] == [b"%d" % number for number in range(20)]
            assert most == 1

    run(talk())


def test_any_number_of_requests_that_are_answered_at_once_need_no_deeper_stack() -> None:
    async def at_once(request: Request, exchange: Exchange) -> None:
        exchange.send(200, TEXT, request.body)

    async def talk() -> None:
        async with served(at_once) as here:
            client = await here.connect()
            await client.say(b"".join(post(b"%d" % number) for number in range(2000)))
            assert [(await client.answer())[2] for _ in range(2000)] == [b"%d" % number for number in range(2000)]

    run(talk())


def test_a_head_that_repeats_is_good_for_its_own_bytes_only() -> None:
    async def echo(request: Request, exchange: Exchange) -> None:
        told = dict(request.headers).get(b"x-note", b"none")
        exchange.send(200, TEXT, told + b" " + request.body)

    async def talk() -> None:
        async with served(echo) as here:
            client = await here.connect()
            got: list[bytes] = []
            for extra, body in (("X-Note: a\r\n", b"1"), ("X-Note: a\r\n", b"2"), ("X-Note: ab\r\n", b"3"), ("", b"4")):
                await client.say(post(body, extra=extra))
                got.append((await client.answer())[2])
            assert got == [b"a 1", b"a 2", b"ab 3", b"none 4"]

    run(talk())


def test_what_is_sent_ahead_is_bounded() -> None:
    release = asyncio.Event()

    async def hold(request: Request, exchange: Exchange) -> None:
        await release.wait()
        exchange.send(200, TEXT, request.body[:1])

    async def talk() -> None:
        async with served(hold, limits=ServerLimits(pipeline_bytes=1000)) as here:
            client = await here.connect()
            wire = post(b"y" * 100_000)
            count = 200  # 20 MB: more than any kernel buffer on the way
            sent = asyncio.ensure_future(client.say(wire * count))
            await asyncio.sleep(0.1)
            assert not sent.done()
            release.set()
            for _ in range(count):
                assert (await client.answer())[0] == 200
            await sent

    run(talk())


@pytest.mark.parametrize("how", ["close", "reset", "half"])
def test_a_client_that_leaves_cancels_its_call(how: str) -> None:
    seen: list[str] = []

    async def wait(request: Request, exchange: Exchange) -> None:
        try:
            exchange.begin(200, TEXT)
            exchange.write(b"x")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def talk() -> None:
        async with served(wait) as here:
            client = await here.connect()
            await client.say(post(b"a"))
            await client.reader.readuntil(b"x")
            if how == "close":
                client.writer.close()
            elif how == "reset":
                client.writer.transport.abort()
            else:
                client.writer.write_eof()
            await until(lambda: seen == ["cancelled"])
            await until(lambda: here.server.connections == 0)

    run(talk())


def test_a_streamed_answer_is_chunked_and_its_head_goes_out_with_the_first_bytes() -> None:
    go = asyncio.Event()

    async def stream(request: Request, exchange: Exchange) -> None:
        exchange.begin(200, TEXT)
        await go.wait()
        exchange.write(b"one")
        exchange.write(b"")
        exchange.write(b"two")
        exchange.finish(b"three")

    async def talk() -> None:
        async with served(stream) as here:
            client = await here.connect()
            await client.say(post(b"a"))
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.reader.read(1), 0.05)
            go.set()
            status, headers, body = await client.answer()
            assert (status, headers["transfer-encoding"], body) == (200, "chunked", b"onetwothree")
            await client.say(b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\na")
            status, headers, body = await client.answer()
            assert "transfer-encoding" not in headers
            assert (headers["connection"], body) == ("close", b"onetwothree")

    run(talk())


def test_head_gets_headers_alone() -> None:
    async def talk() -> None:
        async with served() as here:
            client = await here.connect()
            await client.say(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + post(b"next"))
            head = await client.reader.readuntil(b"\r\n\r\n")
            assert b"content-length: 5\r\n" in head
            assert (await client.answer())[2] == b"next"

    run(talk())


def test_connection_close_is_kept() -> None:
    async def talk() -> None:
        async with served() as here:
            client = await here.connect()
            await client.say(post(b"a", extra="Connection: keep-alive, Close\r\n") + post(b"b"))
            assert (await client.answer())[1]["connection"] == "close"
            assert await client.closed() == b""
            assert len(here.handler.requests) == 1

    run(talk())


def test_a_handler_that_breaks_is_an_internal_error_and_its_words_stay_inside(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: Request, exchange: Exchange) -> None:
        if request.body == b"late":
            exchange.begin(200, TEXT)
            exchange.write(b"partial")
        raise ValueError("secret content")

    async def talk() -> None:
        async with served(broken) as here:
            client = await here.connect()
            await client.say(post(b"early"))
            status, _, body = await client.answer()
            assert (status, body) == (500, b"internal_error /v1/chat/completions")
            client = await here.connect()
            await client.say(post(b"late"))
            got = await client.closed()
            assert b"partial" in got
            assert not got.endswith(b"0\r\n\r\n")

    with caplog.at_level(logging.ERROR):
        run(talk())
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_a_handler_that_forgets_to_answer_is_an_internal_error() -> None:
    async def silent(request: Request, exchange: Exchange) -> None:
        return

    async def talk() -> None:
        async with served(silent) as here:
            client = await here.connect()
            await client.say(post(b"a"))
            assert (await client.answer())[0] == 500

    run(talk())


def test_drain_lets_calls_finish_closes_the_idle_and_refuses_newcomers() -> None:
    go = asyncio.Event()

    async def wait(request: Request, exchange: Exchange) -> None:
        if request.body == b"slow":
            await go.wait()
        exchange.send(200, TEXT, request.body)

    async def talk() -> None:
        async with served(wait, clock=ManualClock()) as here:
            idle, busy = await here.connect(), await here.connect()
            await idle.say(post(b"a"))
            await idle.answer()
            await busy.say(post(b"slow") + post(b"never"))
            await until(lambda: len(here.handler.requests) == 2)
            drained = asyncio.ensure_future(here.server.drain(30.0))
            await asyncio.sleep(0)
            with pytest.raises(ConnectionRefusedError):
                await here.connect()
            here.clock.advance(1.0)  # type: ignore[attr-defined]
            assert await idle.closed() == b""
            go.set()
            status, headers, body = await busy.answer()
            assert (status, headers["connection"], body) == (200, "close", b"slow")
            assert await drained == 0
            assert len(here.handler.requests) == 2

    run(talk())


def test_a_request_that_was_on_its_way_is_answered_before_the_end() -> None:
    async def talk() -> None:
        async with served(clock=ManualClock()) as here:
            early, waiting = await here.connect(), await here.connect()
            await early.say(post(b"a"))
            await early.answer()
            late = await here.connect()
            drained = asyncio.ensure_future(here.server.drain(30.0))
            await asyncio.sleep(0)
            for client in (early, late):
                await client.say(post(b"b"))
                status, headers, _ = await client.answer()
                assert (status, headers["connection"]) == (200, "close")
            here.clock.advance(1.0)  # type: ignore[attr-defined]
            assert await waiting.closed() == b""
            assert await drained == 0

    run(talk())


def test_drain_cuts_what_is_not_done_in_time() -> None:
    async def forever(request: Request, exchange: Exchange) -> None:
        await asyncio.Event().wait()

    async def talk() -> None:
        clock = ManualClock()
        async with served(forever, clock=clock) as here:
            client = await here.connect()
            await client.say(post(b"a"))
            await until(lambda: len(here.handler.requests) == 1)
            drained = asyncio.ensure_future(here.server.drain(5.0))
            await asyncio.sleep(0)
            clock.advance(5.0)
            assert await drained == 1
            assert await client.closed() == b""

    run(talk())


def test_answers_carry_a_date_and_no_delay_is_set() -> None:
    async def talk() -> None:
        async with served() as here:
            client = await here.connect()
            await client.say(post(b"a"))
            _, headers, _ = await client.answer()
            assert headers["date"] == "thu, 09 oct 2025 08:53:20 gmt"
            await client.say(post(b"a"))
            await client.answer()

    run(talk())


class Exhausted:
    """A listening socket in a process without file descriptors."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.accepts = 0
        self.broke = True

    def accept(self) -> tuple[socket.socket, object]:
        self.accepts += 1
        if self.broke:
            raise OSError(errno.EMFILE, "too many open files")
        return self._sock.accept()

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


def test_out_of_descriptors_neither_spins_nor_floods_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def talk() -> None:
        clock = ManualClock()
        async with served(clock=clock) as here:
            listener: Listener = here.server._listeners[0]  # type: ignore[reportPrivateUsage]
            real = Exhausted(listener._sock)  # type: ignore[reportPrivateUsage]
            monkeypatch.setattr(listener, "_sock", real)
            client = await here.connect()
            for _ in range(20):
                await asyncio.sleep(0.005)
                clock.advance(0.25)
            await asyncio.sleep(0.005)
            assert 2 <= real.accepts <= 25
            assert listener.exhausted == real.accepts
            real.broke = False
            clock.advance(0.25)
            await client.say(post(b"a"))
            assert (await client.answer())[2] == b"a"

    with caplog.at_level(logging.ERROR):
        run(talk())
    assert len([line for line in caplog.records if "EMFILE" in line.getMessage()]) == 1


def test_a_socket_given_by_descriptor_is_served() -> None:
    async def talk() -> None:
        parent = socket.create_server(("127.0.0.1", 0))
        server = HttpServer(Scripted(), ServerLimits(), ManualClock())
        server.listen(socket.socket(fileno=parent.detach()))
        listener: Listener = server._listeners[0]  # type: ignore[reportPrivateUsage]
        port = listener._sock.getsockname()[1]  # type: ignore[reportPrivateUsage]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(b"a"))
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        await until(lambda: server.connections == 0)
        assert await server.drain(1.0) == 0

    run(talk())
