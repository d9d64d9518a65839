"""A gate with scripted rooms and the real dialects: what reaches the edge is chosen, what leaves it is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

from headgate.core.chat import Batch, Frame
from headgate.core.errors import HeadgateError, Unauthenticated
from headgate.core.ids import CallIds
from headgate.core.record import AttemptRecord, CallRecord
from headgate.core.snapshot import Snapshot
from headgate.core.stages import Admitted, Call, KeyInfo, Passed
from headgate.dialects import DIALECTS
from headgate.edge import DataPlane
from headgate.pipeline import Gate
from headgate.wire.limits import ServerLimits
from headgate.wire.server import HttpServer
from tests.support.world import ManualClock, SeededEntropy
from tests.wire.peers import Raw

KEY = "hg_test"
Step = Passed | HeadgateError | Callable[[], Awaitable[None]]


class Direct:
    """Models by their own name."""

    def route(self, model: str) -> None:
        return None

    def models(self) -> list[tuple[str, str]]:
        return [("gpt-5", "openai"), ("claude", "anthropic")]


def snapshot() -> Snapshot:
    """Two models and an app."""
    app = cast("Any", type("App", (), {"name": "support"}))
    return Snapshot("d1", 1_760_000_000_000_000_000, {"support": app}, Direct(), cast("Any", None), {})


class Script:
    """What the rooms do with each call: `feeds` go out one by one, then `tail`. The journal is `events`."""

    def __init__(self, feeds: list[Step], tail: Passed | HeadgateError | None = None) -> None:
        self.feeds = feeds
        self.tail = tail or Passed([], "openai", 1)
        self.dialect = "openai"
        self.stream = True
        self.refusal: HeadgateError | None = None
        self.dropped: list[str] = []
        self.provider: str | None = "acme"
        self.release: str | None = "support#3"
        self.prompt: str | None = "prompt/support@1.4.2"
        self.events: list[str] = []
        self.calls: list[Call] = []
        self.committed = 0

    # one object stands in for every room

    @asynccontextmanager
    async def witness(self, call: Call) -> AsyncIterator[Script]:
        self.calls.append(call)
        try:
            yield self
        except asyncio.CancelledError:
            self.events.append("cancelled")
            raise
        finally:
            self.events.append("closed")

    def refused(self, call: Call, error: HeadgateError) -> None:
        self.calls.append(call)
        self.events.append(f"refused: {error.reason}")

    def open(self, funded: object) -> None:
        self.events.append("opened")

    def saw(self, passed: Passed) -> None:
        return

    def seal(self) -> None:
        self.events.append("sealed")

    def identify(self, call: Call) -> Admitted:
        return self.admit(call)

    def admit(self, call: Call) -> Admitted:
        if call.credential != KEY:
            raise Unauthenticated("no such key")
        self.call = call
        return Admitted(call, KeyInfo("k1", "test", "t1"))

    def select(self, admitted: Admitted) -> Any:
        call = admitted.call
        asked = DIALECTS[call.dialect].ask(call.body, call.path_model, call.path_stream)
        call.record.stream = asked.stream
        call.record.model_asked = asked.model
        call.record.release = self.release
        call.record.prompt = self.prompt
        return admitted

    def render(self, selected: Any) -> Any:
        return selected

    async def ground(self, prompted: Any) -> Any:
        return prompted

    async def screen_input(self, grounded: Any) -> Any:
        if self.refusal is not None:
            raise self.refusal
        return grounded

    def output(self, screened: Any) -> Script:
        return self

    def plan(self, screened: Any) -> Any:
        return screened

    @contextmanager
    def reserve(self, planned: Any) -> Iterator[Any]:
        yield planned

    @asynccontextmanager
    async def send(self, funded: Any) -> AsyncIterator[Script]:
        record: CallRecord = self.call.record
        record.provider = self.provider
        record.target_model = "m-1"
        record.target_dialect = self.dialect
        record.dropped = self.dropped
        record.attempts.append(AttemptRecord("acme", "m-1", 0, "first"))
        self._steps = iter(self.feeds)
        try:
            yield self
        finally:
            self.events.append("let go")

    async def read(self) -> Batch | None:
        for step in self._steps:
            if isinstance(step, HeadgateError):
                raise step
            if isinstance(step, Passed):
                self._next = step
                return Batch(step.frames, step.attempt, step.dialect)
            await step()
        return None

    def commit(self) -> None:
        self.committed += 1

    async def feed(self, batch: Batch) -> Passed:
        return self._next

    async def finish(self) -> Passed:
        if isinstance(self.tail, HeadgateError):
            raise self.tail
        return self.tail


def passed(dialect: str, wire: bytes, *, stream: bool = True, attempt: int = 1, final: bool = False) -> Passed:
    """What an open screen makes of a provider's bytes."""
    reader = DIALECTS[dialect].reader(stream, True)
    frames: list[Frame] = reader.feed(wire)
    if final or not stream:
        frames += reader.end()
    return Passed(frames, dialect, attempt, any(frame.content for frame in frames))


class Gateway:
    """A data plane over real sockets."""

    def __init__(self, script: Script, server: HttpServer, port: int, clock: ManualClock) -> None:
        self.script = script
        self.server = server
        self.port = port
        self.clock = clock

    async def connect(self) -> Raw:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        return Raw(reader, writer)

    async def ask(
        self, path: str, body: bytes | None = b"{}", headers: str = f"x-api-key: {KEY}\r\n", method: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own."""
        client = await self.connect()
        method = method or ("GET" if body is None else "POST")
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        await client.say(f"{method} {path} HTTP/1.1\r\nHost: a\r\n{headers}{length}\r\n".encode() + (body or b""))
        answer = await client.answer()
        client.writer.close()
        return answer


@asynccontextmanager
async def gateway(script: Script, limits: ServerLimits | None = None, **more: Any) -> AsyncIterator[Gateway]:
    """Serve the script's gate."""
    gate = Gate()
    room = cast("Any", script)
    gate.telemetry = gate.admission = gate.releases = gate.prompts = room
    gate.retrieval = gate.guardrails = gate.routing = room
    clock = ManualClock()
    plane = DataPlane(gate, snapshot, CallIds(clock, SeededEntropy()), clock, DIALECTS, **more)
    server = HttpServer(plane, limits or ServerLimits(), clock)
    _, port = server.listen_on("127.0.0.1", 0)
    try:
        yield Gateway(script, server, port, clock)
    finally:
        asyncio.get_running_loop().call_later(0.02, clock.advance, 3600)
        await server.drain(1.0)
