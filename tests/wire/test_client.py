"""The client against providers that misbehave in every way: which error, and what becomes of the connection."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib

import pytest

from headgate.core.errors import UpstreamError
from headgate.core.ports import Deadlines
from headgate.core.types import Origin
from headgate.wire.client import HttpTransport
from headgate.wire.limits import ClientLimits
from headgate.wire.resolver import Resolver
from tests.support.world import ManualClock, run
from tests.wire.peers import until
from tests.wire.provider import OK, STREAM, Play, Wire, fetch, outbound, provider

pytestmark = pytest.mark.usefixtures("both_loops")

LIMITS = ClientLimits(header_bytes=4096, body_bytes=1_000_000, buffer_bytes=65536, connections=4, idle_connections=2)


def answers(*says: bytes, close: bool = False) -> Play:
    """A provider that answers the nth request of a connection with the nth saying."""

    async def play(wire: Wire) -> None:
        for say in says:
            await wire.request()
            await wire.say(say)
        if close:
            wire.writer.close()

    return play


def test_requests_go_out_exactly_and_connections_are_used_again() -> None:
    heads: list[bytes] = []

    async def play(wire: Wire) -> None:
        while True:
            head, body = await wire.request()
            heads.append(head + body)
            await wire.say(OK)

    async def talk() -> None:
        async with provider(play) as there:
            transport = HttpTransport(ManualClock(), limits=LIMITS)
            for _ in range(3):
                answer = await transport.send(outbound(there.origin(), b"abc"))
                assert answer.status == 200
                assert list(answer.headers) == [(b"content-length", b"2")]
                assert await answer.read() == b"ok"
                assert await answer.read() is None
                answer.release()
                answer.release()
                answer.abort()
            assert there.connections == 1
            assert transport.idle_connections() == 1
            await transport.close()
            await until(lambda: there.open == 0)

    run(talk())
    assert heads == [b"POST /v1/x HTTP/1.1\r\nhost: provider\r\ncontent-length: 3\r\n\r\nabc"] * 3


GOOD = {
    "chunked": (STREAM + b"2\r\nok\r\n0\r\n\r\n", False),
    "chunked with a trailer": (STREAM + b"2\r\nok\r\n0\r\nA: b\r\n\r\n", False),
    "until the end of the connection": (b"HTTP/1.1 200 OK\r\n\r\nok", True),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nok", True),
    "connection close": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", True),
    "after an interim answer": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + OK, False),
    "gzip": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(gzip.compress(b"ok"))
        + gzip.compress(b"ok"),
        False,
    ),
    "deflate": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(zlib.compress(b"ok"))
        + zlib.compress(b"ok"),
        False,
    ),
}


@pytest.mark.parametrize("cut", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("name", GOOD)
def test_good_answers(name: str, cut: bool) -> None:
    say, close = GOOD[name]

    async def play(wire: Wire) -> None:
        await wire.request()
        for piece in [bytes([byte]) for byte in say] if cut else [say]:
            await wire.say(piece)
            await asyncio.sleep(0)
        if close:
            wire.writer.close()

    async def talk() -> None:
        async with provider(play) as there:
            transport = HttpTransport(ManualClock(), limits=LIMITS)
            assert await fetch(transport, outbound(there.origin())) == b"ok"
            assert transport.idle_connections() == (0 if close else 1)
            await transport.close()

    run(talk())


CODED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
SWITCH = b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
BAD = {
    "not HTTP": (b"SSH-2.0-OpenSSH\r\n", False, "malformed_response"),
    "a bad status line": (b"HTTP/1.1 OK\r\n\r\n", False, "malformed_response"),
    "a header line that is none": (b"HTTP/1.1 200 OK\r\nbroken\r\n\r\n", False, "malformed_response"),
    "an endless header": (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 100_000, False, "malformed_response"),
    "endless headers": (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000, False, "malformed_response"),
    "too many headers": (b"HTTP/1.1 200 OK\r\n" + b"A:b\r\n" * 300 + b"\r\n", False, "malformed_response"),
    "a flood of interim answers": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50, False, "malformed_response"),
    "a switch of protocols": (SWITCH, False, "malformed_response"),
    "a coding we cannot undo": (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\nxx", False, "malformed_response"),
    "corrupt gzip": (CODED + b"xxxxxxxxxxxx", False, "malformed_response"),
    "a bad chunk size": (STREAM + b"zz\r\nok\r\n", False, "malformed_response"),
    "closed before the status": (b"", True, "connection_reset"),
    "closed within the head": (b"HTTP/1.1 200 OK\r\nA: ", True, "connection_reset"),
    "shorter than its length": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", True, "truncated"),
    "chunks without an end": (STREAM + b"2\r\nok\r\n", True, "truncated"),
    "a cut chunk": (STREAM + b"5\r\nok", True, "truncated"),
    "a cut gzip body": (CODED + gzip.compress(b"ok" * 99)[:-9], True, "truncated"),
    "a body over the limit": (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_001, False, "response_too_large"),
    "a gzip bomb": (CODED + gzip.compress(b"\0" * 50_000_000), False, "response_too_large"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_answers(name: str) -> None:
    say, close, kind = BAD[name]

    async def talk() -> None:
        async with provider(answers(say, close=close)) as there:
            transport = HttpTransport(ManualClock(), limits=LIMITS)
            with pytest.raises(UpstreamError) as caught:
                await fetch(transport, outbound(there.origin()))
            assert caught.value.kind == kind
            await until(lambda: transport.open_connections() == 0)
            await until(lambda: there.open == 0)
            assert there.connections == 1

    run(talk())


def test_a_reset_within_the_body_is_told_after_what_arrived() -> None:
    async def play(wire: Wire) -> None:
        await wire.request()
        await wire.say(STREAM + b"2\r\nok\r\n")
        await asyncio.sleep(0.02)
        wire.reset()

    async def talk() -> None:
        async with provider(play) as there:
            transport = HttpTransport(ManualClock(), limits=LIMITS)
            answer = await transport.send(outbound(there.origin()))
            assert await answer.read() == b"ok"
            with pytest.raises(UpstreamError) as caught:
                await answer.read()
            assert caught.value.kind in ("connection_reset", "truncated")
            answer.abort()

    run(talk())


def test_bytes_after_the_answer_are_nobody_s_and_poison_the_connection() -> None:
    async def play(wire: Wire) -> None:
        await wire.request()
        await wire.say(OK + (OK if wire.number == 1 else b""))
        await wire.reader.read()

    async def talk() -> None:
        async with provider(play) as there:
            transport = HttpTransport(ManualClock(), limits=LIMITS)
            assert await fetch(transport, outbound(there.origin())) == b"ok"
            assert transport.idle_connections() == 0
            assert await fetch(transport, outbound(there.origin())) == b"ok"
            assert there.connections == 2
            await transport.close()

    run(talk())


def test_bytes_on_an_idle_connection_close_it() -> None:
    async def play(wire: Wire) -> None:
        await wire.request()
        await wire.say(OK)
        await asyncio.sleep(0.01)
        await wire.say(OK)

    async def talk() -> None:
        async with provider(play) as there:
            transport = HttpTransport(ManualClock(), limits=LIMITS)
            assert await fetch(transport, outbound(there.origin())) == b"ok"
            await until(lambda: transport.open_connections() == 0)

    run(talk())


def test_a_dead_pooled_connection_is_replaced_once() -> None:
    async def play(wire: Wire) -> None:
        await wire.request()
        await wire.say(OK)
        await wire.request()
        if wire.number == 1:
            wire.reset()
        else:
            await wire.say(OK)

    async def talk() -> None:
        async with provider(play) as there:
            transport = HttpTransport(ManualClock(), limits=LIMITS)
            for _ in range(3):
                assert await fetch(transport, outbound(there.origin())) == b"ok"
            assert there.connections == 2
            await transport.close()

    run(talk())


def test_a_pooled_connection_that_dies_within_the_answer_is_not_tried_again() -> None:
    async def play(wire: Wire) -> None:
        await wire.request()
        await wire.say(OK)
        await wire.request()
        await wire.say(b"HTTP/1.1 2")
        wire.writer.close()

    async def talk() -> None:
        async with provider(play) as there:
            transport = HttpTransport(ManualClock(), limits=LIMITS)
            await fetch(transport, outbound(there.origin()))
            with pytest.raises(UpstreamError) as caught:
                await fetch(transport, outbound(there.origin()))
            assert caught.value.kind == "connection_reset"
            assert there.connections == 1

    run(talk())


def test_a_fresh_connection_that_dies_is_not_tried_again() -> None:
    async def talk() -> None:
        async with provider(answers(b"", close=True)) as there:
            transport = HttpTransport(ManualClock(), limits=LIMITS)
            with pytest.raises(UpstreamError):
                await transport.send(outbound(there.origin()))
            assert there.connections == 1

    run(talk())


WAITS = Deadlines(connect_s=3, first_token_s=10, idle_s=20, total_s=60)
LATE = {
    "nothing at all": ([b""], 10, "first_token_timeout"),
    "a head and no body": ([STREAM], 10, "first_token_timeout"),
    "a stall": ([STREAM + b"2\r\nok\r\n"], 20, "idle_timeout"),
    "a drip": ([STREAM + b"2\r\nok\r\n"] + [b"1\r\nx\r\n"] * 5, 15, "total_timeout"),
}


@pytest.mark.parametrize("name", LATE)
def test_deadlines(name: str) -> None:
    says, step, kind = LATE[name]
    clock = ManualClock()

    async def play(wire: Wire) -> None:
        await wire.request()
        for say in says:
            if say:
                await wire.say(say)
            await asyncio.sleep(0.03)
            clock.advance(step - 0.1)
            assert not failed or clock.mono_ns > 60e9
        await asyncio.sleep(0.01)
        clock.advance(0.2)

    failed: list[str] = []

    async def talk() -> None:
        async with provider(play) as there:
            transport = HttpTransport(clock, limits=LIMITS)
            with pytest.raises(UpstreamError) as caught:
                await fetch(transport, outbound(there.origin(), deadlines=WAITS))
            failed.append(caught.value.kind)
            await until(lambda: there.open == 0)

    run(talk())
    assert failed == [kind]


def test_refused_connections() -> None:
    async def talk() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            port = sock.getsockname()[1]
        transport = HttpTransport(ManualClock(), limits=LIMITS)
        with pytest.raises(UpstreamError) as caught:
            await transport.send(outbound(Origin("http", "127.0.0.1", port, True)))
        assert caught.value.kind == "connect_failed"
        assert transport.open_connections() == 0

    run(talk())


def test_private_addresses_are_refused_without_the_flag() -> None:
    async def talk() -> None:
        with pytest.raises(UpstreamError) as caught:
            await HttpTransport(ManualClock()).send(outbound(Origin("http", "127.0.0.1", 1)))
        assert caught.value.kind == "address_refused"

    run(talk())


def test_a_black_hole_is_given_up_after_connect_s_and_the_next_address_gets_its_share() -> None:
    async def talk() -> None:
        clock = ManualClock()
        with socket.socket() as full:
            full.bind(("127.0.0.2", 0))
            full.listen(0)
            port = full.getsockname()[1]
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.2", port))

            async def lookup(host: str) -> list[str]:
                return ["127.0.0.2", "127.0.0.3"]

            transport = HttpTransport(clock, Resolver(clock, lookup), LIMITS)
            task = asyncio.ensure_future(transport.send(outbound(Origin("http", "api.example", port, True))))
            await asyncio.sleep(0.02)
            clock.advance(1.4)
            await asyncio.sleep(0.01)
            assert not task.done()
            clock.advance(0.2)  # half of three seconds: on to 127.0.0.3, which refuses
            with pytest.raises(UpstreamError) as caught:
                await task
            assert caught.value.kind == "connect_failed"
            assert transport.open_connections() == 0
            for filler in fillers:
                filler.close()

    run(talk())


def test_the_pool_is_bounded_and_says_so() -> None:
    async def play(wire: Wire) -> None:
        await wire.request()
        await wire.say(STREAM)

    async def talk() -> None:
        async with provider(play) as there:
            transport = HttpTransport(ManualClock(), limits=LIMITS)
            held = [await transport.send(outbound(there.origin())) for _ in range(4)]
            with pytest.raises(UpstreamError) as caught:
                await transport.send(outbound(there.origin()))
            assert caught.value.kind == "pool_exhausted"
            held[0].abort()
            held[0].abort()
            await until(lambda: transport.open_connections() == 3)
            held[0] = await transport.send(outbound(there.origin()))
            for answer in held:
                answer.release()  # not read to the end: closed, not pooled
            await until(lambda: transport.open_connections() == 0)
            await until(lambda: there.open == 0)

    run(talk())


def test_idle_connections_expire_and_their_number_is_bounded() -> None:
    async def talk() -> None:
        clock = ManualClock()
        async with provider(answers(OK, OK)) as there:
            transport = HttpTransport(clock, limits=LIMITS)
            held = [await transport.send(outbound(there.origin())) for _ in range(4)]
            for answer in held:
                assert await answer.read() == b"ok"
                assert await answer.read() is None
                answer.release()
            assert transport.idle_connections() == 2
            await asyncio.sleep(0.01)
            clock.advance(29)
            assert transport.idle_connections() == 2
            clock.advance(2)
            await until(lambda: transport.open_connections() == 0)

    run(talk())


def test_a_slow_reader_pauses_the_provider_and_no_deadline_but_the_total_counts() -> None:
    sent = 0

    async def play(wire: Wire) -> None:
        nonlocal sent
        await wire.request()
        await wire.say(STREAM)
        for _ in range(64):
            await wire.say(b"80000\r\n" + b"x" * 0x80000 + b"\r\n")
            sent += 0x80000
        await wire.say(b"0\r\n\r\n")

    async def talk() -> None:
        clock = ManualClock()
        async with provider(play) as there:
            transport = HttpTransport(clock, limits=ClientLimits(buffer_bytes=65536))
            answer = await transport.send(outbound(there.origin(), deadlines=WAITS))
            before = -1
            while before != sent or not sent:
                before = sent
                await asyncio.sleep(0.05)
            assert sent < 32 * 2**20
            clock.advance(40)  # twice the idle deadline: it is we who do not read
            await asyncio.sleep(0.01)
            size = 0
            while (data := await answer.read()) is not None:
                assert len(data) <= 2**20
                size += len(data)
            assert size == 64 * 0x80000
            answer.release()
            assert transport.idle_connections() == 1
            await transport.close()

    run(talk())


def test_an_answer_before_the_end_of_the_request_costs_the_connection() -> None:
    async def play(wire: Wire) -> None:
        await wire.reader.readuntil(b"\r\n\r\n")
        await wire.say(OK)
        await asyncio.Event().wait()  # and reads no more of the body

    async def talk() -> None:
        async with provider(play) as there:
            transport = HttpTransport(ManualClock(), limits=LIMITS)
            answer = await transport.send(outbound(there.origin(), b"x" * 20_000_000))
            assert await answer.read() == b"ok"
            assert await answer.read() is None
            answer.release()
            assert transport.idle_connections() == 0
            await until(lambda: transport.open_connections() == 0)

    run(talk())


def test_aborting_wakes_whoever_reads() -> None:
    async def play(wire: Wire) -> None:
        await wire.request()
        await wire.say(STREAM)

    async def talk() -> None:
        async with provider(play) as there:
            transport = HttpTransport(ManualClock(), limits=LIMITS)
            answer = await transport.send(outbound(there.origin()))
            reading = asyncio.ensure_future(answer.read())
            await asyncio.sleep(0.01)
            answer.abort()
            with pytest.raises(UpstreamError):
                await reading
            await until(lambda: there.open == 0)

    run(talk())


@pytest.mark.parametrize("when", ["connecting", "waiting for the head", "reading"])
def test_a_cancelled_call_leaves_no_connection_behind(when: str) -> None:
    async def play(wire: Wire) -> None:
        await wire.request()
        if when == "reading":
            await wire.say(STREAM)

    async def talk() -> None:
        async with provider(play) as there:
            transport = HttpTransport(ManualClock(), limits=LIMITS)
            task = asyncio.ensure_future(fetch(transport, outbound(there.origin())))
            await asyncio.sleep(0 if when == "connecting" else 0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: transport.open_connections() == 0)
            await until(lambda: there.open == 0)
            assert transport.idle_connections() == 0

    run(talk())
