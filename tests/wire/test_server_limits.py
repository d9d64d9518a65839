"""Every bound of the server, hit."""

from __future__ import annotations

import asyncio

import pytest

from headgate.core.errors import Overloaded
from headgate.wire.context import ServerContext
from headgate.wire.exchange import Exchange
from headgate.wire.limits import ServerLimits
from headgate.wire.request import Request
from headgate.wire.server_connection import ServerConnection
from tests.support.world import ManualClock, run
from tests.wire.peers import TEXT, Raw, Scripted, Served, post, served, until

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


async def _part(here: Served, size: int, told: int | None = None) -> Raw:
    """A client that has sent `size` bytes of a body of `told`; chunked where nothing is told."""
    client = await here.connect()
    framing = "Transfer-Encoding: chunked" if told is None else f"Content-Length: {told}"
    wire = f"POST /v1/messages HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode()
    await client.say(wire + (b"%x\r\n" % (size * 2) if told is None else b"") + b"x" * size)
    return client


def test_bodies_that_arrive_share_one_budget_and_give_it_back_on_every_way_out() -> None:
    async def talk() -> None:
        clock = ManualClock()
        limits = ServerLimits(body_bytes=2000, receiving_bytes=1000, linger_s=2, body_s=30, body_rate=1000)
        async with served(limits=limits, clock=clock) as here:
            first = await _part(here, 500, 1000)
            context = here.server._context
            assert context is not None
            await until(lambda: context.receiving == 500)
            second = await _part(here, 300)
            await until(lambda: context.receiving > 800)
            third = await _part(here, 400, 500)
            status, headers, body = await third.answer()
            assert (status, body) == (503, b"overloaded /v1/messages")
            assert headers["connection"] == "close"
            assert context.receiving < 1000
            small = await here.connect()
            await small.say(post(b"x" * 1500))  # came at once: nothing was held
            assert (await small.answer())[0] == 200
            second.writer.close()  # its client leaves
            await until(lambda: context.receiving == 500)
            await first.say(b"x" * 500)  # it is complete
            assert (await first.answer())[0] == 200
            assert context.receiving == 0
            await (bad := await _part(here, 100)).say(b"x" * 100 + b"nonsense")  # it is malformed
            assert (await bad.answer())[0] == 400
            assert context.receiving == 0
            late = await _part(here, 100, 200)
            await until(lambda: context.receiving == 100)
            clock.advance(31)  # it is too slow
            assert (await late.answer())[0] == 408
            assert context.receiving == 0
            cut = await _part(here, 100, 200)
            await until(lambda: context.receiving == 100)
            cut.writer.transport.abort()
            await until(lambda: context.receiving == 0)

    run(talk())


def test_every_way_to_cut_a_head_reads_the_same() -> None:
    wire = b"\r\n" + post(b"abc", extra="X-A: 1\r\n") + post(b"de")

    async def talk() -> None:
        async with served() as here:
            for at in range(1, len(wire)):
                client = await here.connect()
                for part in (wire[:at], wire[at:]):
                    await client.say(part)
                    await asyncio.sleep(0.001)
                assert [(await client.answer())[2] for _ in range(2)] == [b"abc", b"de"]
                client.writer.close()

    run(talk())


class _Wire(asyncio.Transport):
    """A transport to nowhere, for bytes handed over one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.said = b""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.said += bytes(data)

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("end", "status"),
    [(b"\r\n\r\n", b"200"), (b"\n", b"400"), (b"a" * 70_000, b"431")],
)
def test_single_bytes_behind_a_long_head_are_not_read_again_and_again(
    monkeypatch: pytest.MonkeyPatch, end: bytes, status: bytes
) -> None:
    reads: list[int] = []
    parse = ServerConnection._parse_head

    def counted(connection: ServerConnection) -> int:
        reads.append(1)
        return parse(connection)

    monkeypatch.setattr(ServerConnection, "_parse_head", counted)

    async def talk() -> None:
        context = ServerContext(Scripted(), ServerLimits(), ManualClock())
        connection, wire = ServerConnection(context), _Wire()
        connection.connection_made(wire)
        connection.data_received(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000)
        for byte in b"a" * 1000 + end:
            if wire.said:
                break
            connection.data_received(bytes((byte,)))
        assert wire.said.split(b" ")[1] == status
        connection.connection_lost(None)

    run(talk())
    assert len(reads) == 2
