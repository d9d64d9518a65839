"""The simulated vendors at the end of a line in memory behave as they do on a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from headgate.app.drills.vendors import VendorPeer
from headgate.evaluation import Line, NetworkLoop, VirtualClock, run_virtual
from headgate.simulator import Simulator, SimulatorSettings, build

PORT = 9000
BODY = (
    b'{"model":"gpt-5-mini","stream":%b,"messages":[{"role":"user","content":"[[say]] one two three four five six"}]}'
)


class Client(asyncio.Protocol):
    """Keeps what arrives, each piece with its time, and how the connection ended."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.pieces: list[tuple[float, bytes]] = []
        self.ended: tuple[float, str] | None = None

    def data_received(self, data: bytes) -> None:
        self.pieces.append((self.clock.seconds(), data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = (self.clock.seconds(), type(exc).__name__)

    @property
    def text(self) -> bytes:
        return b"".join(data for _, data in self.pieces)


def talk(work: Callable[[Line, Client, VirtualClock, Simulator], Awaitable[None]], *faults: str) -> Client:
    """Runs `work` against a fresh vendor, then waits an hour."""

    async def main(loop: NetworkLoop) -> Client:
        clock = VirtualClock(loop)
        settings = SimulatorSettings(first_s=0.5, interval_s=0.1, words_per_chunk=2, faults=faults, hold_s=100.0)
        simulator = build(settings, clock.seconds)
        loop.network.serve(PORT, lambda line: VendorPeer(simulator, clock, line))
        line, client = await loop.network.connect(lambda: Client(clock), PORT)
        await work(line, client, clock, simulator)
        await clock.sleep(3600.0)
        return client

    return run_virtual(NetworkLoop(), main)


def post(stream: bool) -> bytes:
    body = BODY % (b"true" if stream else b"false")
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer sim-a\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def test_a_stream_comes_at_its_pace() -> None:
    async def work(line: Line, client: Client, clock: VirtualClock, simulator: Simulator) -> None:
        request = post(True)
        line.write(request[:30])
        line.write(request[30:])

    client = talk(work)
    assert [round(at, 3) for at, _ in client.pieces] == [0.5, 0.6, 0.7]
    assert client.text.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert client.ended is None


def test_requests_behind_each_other_are_answered_one_after_the_other() -> None:
    async def work(line: Line, client: Client, clock: VirtualClock, simulator: Simulator) -> None:
        line.write(post(False) + post(False))

    client = talk(work)
    assert [round(at, 3) for at, _ in client.pieces] == [0.5, 1.0]
    assert client.text.count(b"one two three four five six") == 2


def test_a_client_that_does_not_read_is_waited_for() -> None:
    async def work(line: Line, client: Client, clock: VirtualClock, simulator: Simulator) -> None:
        line.write(post(True))
        await clock.sleep(0.55)
        line.pause_reading()
        await clock.sleep(10.0)
        assert len(client.pieces) == 1
        line.resume_reading()

    client = talk(work)
    assert [round(at, 2) for at, _ in client.pieces] == [0.5, 10.55, 10.65]
    assert b"[DONE]" in client.text


def test_a_hanging_answer_ends_when_the_vendor_has_held_it_long_enough() -> None:
    async def work(line: Line, client: Client, clock: VirtualClock, simulator: Simulator) -> None:
        line.write(post(False))

    client = talk(work, "openai:f14-hang")
    assert client.text == b""
    assert client.ended == (100.0, "NoneType")


def test_a_reset_is_a_reset() -> None:
    async def work(line: Line, client: Client, clock: VirtualClock, simulator: Simulator) -> None:
        line.write(post(True))

    client = talk(work, "openai:f25-abort,after=1")
    assert client.text.endswith(b'11\r\ndata: {"id')
    assert b"[DONE]" not in client.text
    assert client.ended is not None
    assert client.ended[1] == "ConnectionResetError"


def test_nothing_goes_to_a_client_that_left() -> None:
    async def work(line: Line, client: Client, clock: VirtualClock, simulator: Simulator) -> None:
        line.write(post(True))
        await clock.sleep(0.55)
        line.abort()
        line.abort()

    client = talk(work)
    assert len(client.pieces) == 1
    assert client.ended is not None
    assert client.ended[1] == "NoneType"
