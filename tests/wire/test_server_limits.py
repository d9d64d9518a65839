"""Every bound of the server, hit."""

from __future__ import annotations

import asyncio

import pytest

from headgate.core.errors import Overloaded
from headgate.wire.context import ServerContext
from headgate.wire.exchange import Exchange
from headgate.wire.limits import ServerLimits
from headgate.wire.request import Request
from tests.support.world import ManualClock, run
from tests.wire.peers import TEXT, Raw, Scripted, post, served, until

pytestmark = pytest.mark.usefixtures("both_loops")

SMALL = ServerLimits(header_s=10, body_s=30, body_rate=1000, idle_s=75, write_s=5, linger_s=2)


def test_a_hundred_thousand_headers_are_refused_at_64_kb() -> None:
    async def talk() -> None:
        async with served() as here:
            client = await here.connect()
            wire = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(100_000))
            client.writer.write(wire + b"\r\n")
            assert (await client.answer())[0] == 431
            assert here.handler.requests == []

    run(talk())


def test_a_head_of_exactly_the_limit_passes() -> None:
    async def talk() -> None:
        async with served(limits=ServerLimits(header_bytes=100)) as here:
            client = await here.connect()
            start = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
            await client.say(start + b"a" * (100 - len(start)) + b"\r\n\r\n")
            assert (await client.answer())[0] == 200
            await client.say(start + b"a" * (101 - len(start)) + b"\r\n\r\n")
            assert (await client.answer())[0] == 431

    run(talk())


def test_a_body_one_byte_over_32_mb_is_refused_before_it_is_read() -> None:
    async def talk() -> None:
        async with served() as here:
            client = await here.connect()
            await client.say(
                f"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: {32 * 2**20 + 1}\r\n\r\n".encode()
            )
            status, _, body = await client.answer()
            assert (status, body) == (413, b"request_too_large /v1/messages")

    run(talk())


def test_a_client_that_sends_all_of_it_still_reads_the_refusal() -> None:
    async def talk() -> None:
        async with served() as here:
            client = await here.connect()
            client.writer.write(post(b"x" * (32 * 2**20 + 1)))
            await client.writer.drain()
            assert (await client.answer())[0] == 413

    run(talk())


def test_a_body_of_exactly_32_mb_passes() -> None:
    async def count(request: Request, exchange: Exchange) -> None:
        exchange.send(200, TEXT, b"%d" % len(request.body))

    async def talk() -> None:
        async with served(count) as here:
            client = await here.connect()
            client.writer.write(post(b"x" * (32 * 2**20)))
            assert (await client.answer())[2] == b"33554432"

    run(talk())


def test_a_chunked_body_is_refused_where_its_sum_passes_the_limit() -> None:
    async def talk() -> None:
        async with served(limits=ServerLimits(body_bytes=10)) as here:
            client = await here.connect()
            await client.say(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\n")
            status, _, body = await client.answer()
            assert (status, body) == (413, b"request_too_large /x")

    run(talk())


def test_a_small_body_over_a_small_limit_is_refused_though_it_came_at_once() -> None:
    async def talk() -> None:
        async with served(limits=ServerLimits(body_bytes=3)) as here:
            client = await here.connect()
            await client.say(post(b"abc") + post(b"abcd"))
            assert (await client.answer())[0] == 200
            assert (await client.answer())[0] == 413

    run(talk())


async def _late(say: bytes, seconds: float, more: bytes = b"", again: float = 0) -> tuple[int, bytes]:
    """What a client hears that says something, and more later, and then nothing: status (0: closed) and body."""
    clock = ManualClock()
    async with served(limits=SMALL, clock=clock) as here:
        client = await here.connect()
        await until(lambda: here.server.connections == 1)
        await client.say(say)
        await asyncio.sleep(0.01)
        clock.advance(seconds)
        if more:
            await client.say(more)
            await asyncio.sleep(0.01)
            clock.advance(again)
        got = await client.closed()
        if not got:
            return 0, b""
        head, _, body = got.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), body


def test_slowloris_in_the_head_is_cut_off() -> None:
    assert run(_late(b"GET / HTTP/1.1\r\nHost: a\r\n", 10)) == (408, b"request_timeout ")


def test_dripping_headers_do_not_buy_time() -> None:
    drip = run(_late(b"GET / HTTP/1.1\r\nHost: a\r\n", 9, b"X-A: 1\r\n", 1.1))
    assert drip == (408, b"request_timeout ")


def test_empty_lines_do_not_buy_time() -> None:
    assert run(_late(b"\r\n", 9, b"\r\n", 1.1)) == (0, b"")


def test_slowloris_in_the_body_is_cut_off() -> None:
    assert run(_late(post(b"x" * 100)[:-50], 30.1)) == (408, b"request_timeout /v1/chat/completions")


def test_a_body_that_keeps_its_rate_has_time() -> None:
    async def talk() -> None:
        clock = ManualClock()
        async with served(limits=SMALL, clock=clock) as here:
            client = await here.connect()
            wire = post(b"x" * 100_000)
            await client.say(wire[:50_000])
            await asyncio.sleep(0.02)
            clock.advance(70)  # 30 s plus 50 KB at 1 KB/s
            await client.say(wire[50_000:])
            assert (await client.answer())[0] == 200

    run(talk())


def test_a_silent_connection_is_closed_without_a_word() -> None:
    assert run(_late(b"", 10)) == (0, b"")


def test_an_idle_connection_is_closed_after_its_time() -> None:
    async def talk() -> None:
        clock = ManualClock()
        async with served(limits=SMALL, clock=clock) as here:
            client = await here.connect()
            await client.say(post(b"a"))
            await client.answer()
            await asyncio.sleep(0.01)
            clock.advance(74)
            await client.say(post(b"a"))
            await client.answer()
            await asyncio.sleep(0.01)
            clock.advance(76)
            assert await client.closed() == b""

    run(talk())


def test_connections_over_the_cap_get_503() -> None:
    async def talk() -> None:
        async with served(limits=ServerLimits(connections=2)) as here:
            first, second = await here.connect(), await here.connect()
            await until(lambda: here.server.connections == 2)
            third = await here.connect()
            assert (await third.answer())[0] == Overloaded.status
            assert await third.closed() == b""
            for client in (first, second):
                await client.say(post(b"a"))
                assert (await client.answer())[0] == 200
            first.writer.close()
            await until(lambda: here.server.connections == 1)
            fourth = await here.connect()
            await fourth.say(post(b"a"))
            assert (await fourth.answer())[0] == 200

    run(talk())


def test_the_flood_over_the_cap_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.wire.server_connection.REFUSED_MAX", 1)

    async def talk() -> None:
        async with served(limits=ServerLimits(connections=1)) as here:
            await here.connect()
            await until(lambda: here.server.connections == 1)
            told = await here.connect()
            assert (await told.answer())[0] == 503
            cut = await here.connect()
            assert await cut.closed() == b""

    run(talk())


def test_capacity_is_half_of_the_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.wire.context.descriptors", lambda: 1024)

    async def talk() -> None:
        assert ServerContext(Scripted(), ServerLimits(), ManualClock()).capacity == 480
        assert ServerContext(Scripted(), ServerLimits(connections=10), ManualClock()).capacity == 10

    run(talk())


def test_expect_100_continue() -> None:
    async def talk() -> None:
        async with served(limits=ServerLimits(body_bytes=100)) as here:
            client = await here.connect()
            await client.say(post(b"", extra="Expect: 100-continue\r\n").replace(b"Length: 0", b"Length: 3"))
            assert (await client.answer())[0] == 100
            await client.say(b"abc")
            assert (await client.answer())[2] == b"abc"
            await client.say(post(b"", extra="Expect: 100-continue\r\n").replace(b"Length: 0", b"Length: 101"))
            assert (await client.answer())[0] == 413

    run(talk())


def test_a_slow_reader_holds_the_handler_back_and_is_cut_off_in_the_end() -> None:
    written = 0
    ended: list[str] = []

    async def flood(request: Request, exchange: Exchange) -> None:
        nonlocal written
        try:
            exchange.begin(200, TEXT)
            while True:
                exchange.write(b"x" * 65536)
                written += 65536
                if exchange.paused:
                    await exchange.drain()
                else:
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def talk() -> None:
        clock = ManualClock()
        async with served(flood, limits=SMALL, clock=clock) as here:
            client: Raw = await here.connect(limit=1024)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await client.say(post(b"a"))
            before = -1
            while before != written or not written:
                before = written
                await asyncio.sleep(0.05)
            assert written < 32 * 2**20  # what the kernel takes, and one buffer of ours
            clock.advance(4.9)
            await asyncio.sleep(0.01)
            assert not ended
            clock.advance(0.2)
            await until(lambda: here.server.connections == 0)
            assert ended == ["cancelled"]

    run(talk())
