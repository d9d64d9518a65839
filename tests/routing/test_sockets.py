"""Routing over the real transport and real sockets: what a scripted transport cannot prove."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from headgate.core.chat import TextDelta
from headgate.core.ports import Deadlines
from headgate.core.record import CallRecord
from headgate.core.snapshot import Route, Snapshot, Target
from headgate.core.stages import Admitted, Call, Funded, Grounded, KeyInfo, Prompted, Screened, Selected
from headgate.dialects import DIALECTS
from headgate.providers import ProviderSettings, build
from headgate.routing import Routing
from headgate.wire.client import HttpTransport
from headgate.wire.clock import SystemClock, SystemEntropy
from tests.support.world import run
from tests.wire.provider import STREAM, Wire, provider

CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
HELLO = b"data: %b\n\n" % json.dumps({**CHUNK, "choices": [{"index": 0, "delta": {"content": "hello"}}]}).encode()
STOP = (
    b"data: %b\n\ndata: [DONE]\n\n"
    % json.dumps({**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}).encode()
)
END = b"0\r\n\r\n"


def part(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def answers(wire: Wire) -> None:
    """Every request of the connection gets a whole stream."""
    while True:
        await wire.request()
        await wire.say(STREAM + part(HELLO) + part(STOP) + END)


class Sockets:
    """Routing to servers of one's own on local ports."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.transport = HttpTransport(self.clock)
        self.routing = Routing(self.transport, self.clock, SystemEntropy(), DIALECTS)

    def route(self, *ports: int, deadlines: Deadlines | None = None) -> Route:
        targets = []
        for port in ports:
            settings = ProviderSettings(
                name=f"p{port}",
                type="openai_compatible",
                base_url=f"http://127.0.0.1:{port}/v1",
                allow_http=True,
                allow_private=True,
            )
            targets.append(Target(settings.name, "m", build(settings)))
        return Route(tuple(targets), None, deadlines or Deadlines())

    def screened(self, route: Route) -> Screened:
        body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode()
        asked = DIALECTS["openai"].ask(body, None, False)
        record = CallRecord("call_1", self.clock.now_ns(), "openai")
        call = Call("call_1", "openai", Snapshot("", 0, {}, None, None, {}), record, self.clock.monotonic_ns())  # type: ignore[arg-type]
        selected = Selected(Admitted(call, KeyInfo("k", "k", "t")), asked, route)
        return Screened(Grounded(Prompted(selected, asked.body), asked.body), asked.body)

    async def ask(self, screened: Screened) -> str:
        """The text; commits at the first content."""
        text = ""
        async with self.routing.send(Funded(self.routing.plan(screened))) as upstream:
            while (batch := await upstream.read()) is not None:
                for frame in batch.frames:
                    text += "".join(delta.text for delta in frame.deltas if isinstance(delta, TextDelta))
                    if frame.content:
                        upstream.commit()
        return text


def outcomes(screened: Screened) -> list[tuple[str, str | None]]:
    record = screened.grounded.prompted.selected.admitted.call.record
    return [(attempt.outcome, attempt.error) for attempt in record.attempts]


def test_a_closed_port_and_then_a_hang_and_then_an_answer_on_one_connection() -> None:
    async def hangs(wire: Wire) -> None:
        await wire.request()

    async def play() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # bound and not listening: connections to it are refused
            async with provider(hangs) as silent, provider(answers) as good:
                sockets = Sockets()
                route = sockets.route(
                    closed.getsockname()[1], silent.port, good.port, deadlines=Deadlines(3, 0.2, 60, 600)
                )
                screened = sockets.screened(route)
                assert await sockets.ask(screened) == "hello"
                assert outcomes(screened) == [
                    ("failed", "connect_failed"),
                    ("failed", "first_token_timeout"),
                    ("ok", None),
                ]
                again = sockets.screened(route)
                assert await sockets.ask(again) == "hello"
                assert outcomes(again) == [("failed", "connect_failed"), ("ok", None)]
                assert good.connections == 1
                await sockets.transport.close()

    run(play())


def test_a_stream_that_lingers_after_its_end_is_closed_by_us() -> None:
    async def lingers(wire: Wire) -> None:
        await wire.request()
        await wire.say(STREAM + part(HELLO) + part(STOP))

    async def play() -> None:
        async with provider(lingers) as slow:
            sockets = Sockets()
            screened = sockets.screened(sockets.route(slow.port))
            assert await sockets.ask(screened) == "hello"
            assert outcomes(screened) == [("ok", None)]
            assert sockets.transport.open_connections() == 0
            while slow.open:
                await asyncio.sleep(0.005)
            await sockets.transport.close()

    run(play())


def test_a_client_that_leaves_closes_the_providers_connection() -> None:
    async def stalls(wire: Wire) -> None:
        await wire.request()
        await wire.say(STREAM + part(HELLO))

    async def play() -> None:
        async with provider(stalls) as slow:
            sockets = Sockets()
            screened = sockets.screened(sockets.route(slow.port))
            work = asyncio.ensure_future(sockets.ask(screened))
            while not screened.grounded.prompted.selected.admitted.call.record.committed:
                await asyncio.sleep(0.005)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            assert outcomes(screened) == [("cancelled", None)]
            while slow.open:
                await asyncio.sleep(0.005)
            assert sockets.transport.open_connections() == 0
            await sockets.transport.close()

    run(play())
