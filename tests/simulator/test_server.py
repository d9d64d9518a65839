"""The server itself: kept connections, bad HTTP, the request log, many streams, clients that leave."""

from __future__ import annotations

import asyncio
import contextlib
import resource

import pytest

from headgate.simulator import Simulator, SimulatorSettings, serve
from headgate.simulator.messages import Frame, Reply
from headgate.simulator.steps import Pace, Send, Wait, plain
from tests.simulator.client import (
    Client,
    body_of,
    headers_of,
    path_of,
    read_answer,
    request_bytes,
    simulate,
)
from tests.support.world import run

CHAT = request_bytes("POST", path_of("openai", "", False), body_of("openai", "hi"), headers_of("openai"))
STREAM = request_bytes("POST", path_of("openai", "", True), body_of("openai", "hi", stream=True), headers_of("openai"))


def test_a_connection_serves_many_requests_also_pipelined() -> None:
    async def work(client: Client) -> None:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        for sent in (CHAT, STREAM, CHAT):
            writer.write(sent)
            assert (await read_answer(reader)).complete
        writer.write(CHAT + STREAM + CHAT)
        answers = [await read_answer(reader) for _ in range(3)]
        assert [got.status for got in answers] == [200] * 3
        assert answers[0].body == answers[2].body
        writer.close()
        assert [one.status for one in client.simulator.requests] == [200] * 6
        assert client.simulator.requests[0].json == body_of("openai", "hi")
        assert client.simulator.requests[0].headers["authorization"] == "Bearer sim-key"

    simulate(work)


def test_the_log_is_bounded() -> None:
    async def work(client: Client) -> None:
        for _ in range(5):
            await client.ask("openai")
        assert len(client.simulator.requests) == 3
        assert client.simulator.served == 5

    simulate(work, SimulatorSettings(log_size=3))


def test_chunked_requests() -> None:
    async def work(client: Client) -> None:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        head, _, body = CHAT.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.startswith(b"content-length")]
        writer.write(b"\r\n".join([*lines, b"transfer-encoding: chunked", b"", b""]))
        for at in range(0, len(body), 10):
            part = body[at : at + 10]
            writer.write(b"%x;note=1\r\n%s\r\n" % (len(part), part))
        writer.write(b"0\r\ntrailer: x\r\n\r\n")
        assert (await read_answer(reader)).status == 200
        writer.close()

    simulate(work)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nname : x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 100_000 + b"\r\n\r\n", 431),
    ],
)
def test_bad_http_is_refused_and_the_connection_closed(sent: bytes, status: int) -> None:
    async def work(client: Client) -> None:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        writer.write(sent)
        assert (await read_answer(reader)).status == status
        with contextlib.suppress(ConnectionError):
            assert await reader.read(1) == b""
        writer.close()

    simulate(work)


def test_two_thousand_streams_at_once() -> None:
    """All complete, none mixed with another."""

    async def one(client: Client, at: int) -> bool:
        got = await client.ask("openai", said=f"[[say]] {at} " + "word " * 5, stream=True, most_s=25)
        said = "".join(choice["delta"].get("content") or "" for e in got.events() for choice in e["choices"])
        return got.complete and said.startswith(f"{at} word")

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 5000 <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (5000, hard))

    async def work(client: Client) -> None:
        assert all(await asyncio.gather(*(one(client, at) for at in range(2000))))

    simulate(work, SimulatorSettings(interval_s=0.02, log_size=10))


async def _until(simulator: Simulator, left: int) -> None:
    while simulator.left < left or simulator.open:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("fault", ["", "f14", "f16", "f17"])
def test_a_client_that_leaves_is_noticed(fault: str) -> None:
    async def work(client: Client) -> None:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        headers = {**headers_of("openai"), "x-simulator-fault": fault} if fault else headers_of("openai")
        sent = body_of("openai", "[[long 5000]]", stream=True)
        writer.write(request_bytes("POST", path_of("openai", "", True), sent, headers))
        if fault != "f14":
            await reader.readuntil(b"data: " if fault != "f17" else b"\r\n\r\n")
        await asyncio.sleep(0.02)
        writer.close()
        await asyncio.wait_for(_until(client.simulator, 1), 5)

    simulate(work, SimulatorSettings(interval_s=0.01))


def test_a_client_that_resets_is_noticed() -> None:
    async def work(client: Client) -> None:
        reader, writer = await asyncio.open_connection(client.host, client.port)
        sent = body_of("openai", "[[long 5000]]", stream=True)
        writer.write(request_bytes("POST", path_of("openai", "", True), sent, headers_of("openai")))
        await reader.readuntil(b"data: ")
        writer.transport.abort()
        await asyncio.wait_for(_until(client.simulator, 1), 5)
        assert client.simulator.left == 1

    simulate(work, SimulatorSettings(interval_s=0.01))


def test_a_client_that_does_not_read_holds_its_answer_back() -> None:
    async def work(client: Client) -> None:
        _, writer = await asyncio.open_connection(client.host, client.port, limit=1024)
        sent = body_of("openai", "[[long 20000]]", stream=True)
        writer.write(request_bytes("POST", path_of("openai", "", True), sent, headers_of("openai")))
        other = await client.ask("openai", most_s=20)
        assert other.status == 200
        assert client.simulator.left == 0
        writer.transport.abort()
        await asyncio.wait_for(_until(client.simulator, 1), 10)

    simulate(work)


def test_closing_ends_hanging_connections() -> None:
    async def work() -> None:
        simulator = await serve(SimulatorSettings(faults=("*:f14-hang",)))
        client = Client(simulator)
        asked = asyncio.create_task(client.ask("openai"))
        while not simulator.requests:
            await asyncio.sleep(0.01)
        await simulator.close()
        assert (await asked).status == 0
        assert simulator.open == 0
        with pytest.raises(OSError, match="Connect"):
            await asyncio.open_connection(client.host, client.port)

    run(work())


def test_pace() -> None:
    """The first content waits for the first byte alone; the rest is spread by the interval."""
    frames = [Frame("open", b"{}"), Frame("content", b"1"), Frame("content", b"2"), Frame("finish", b"3")]
    steps = list(plain(Reply(200, {}, frames=frames), Pace(0.5, 0.1)))
    assert [step.seconds for step in steps if isinstance(step, Wait)] == [0.5, 0.1]
    assert steps[0] == Wait(0.5)
    assert sum(isinstance(step, Send) for step in steps) == 6
