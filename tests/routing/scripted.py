"""A scripted transport and a dialect so small that a test can be read without knowing any vendor.

An answer is lines: `begin:MODEL`, `text:...`, `refuse:...`, `usage:IN,OUT`, `finish:REASON`, `ping`, `error:KIND`,
`last`. A request is `{"model": ..., "say": ...}`; `say: "private"` has no canonical form, and a target whose model is
`mute` cannot be written for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence

from headgate.core.chat import (
    Begin,
    ChatRequest,
    Finish,
    Frame,
    Media,
    Message,
    RefusalDelta,
    Text,
    TextDelta,
    UsageDelta,
)
from headgate.core.errors import CannotCarry, UpstreamError
from headgate.core.ports import Deadlines, OutboundRequest
from headgate.core.record import AttemptRecord, CallRecord
from headgate.core.snapshot import Route, Snapshot, Target
from headgate.core.stages import Admitted, Asked, Call, Funded, Grounded, KeyInfo, Prompted, Screened, Selected
from headgate.core.types import Header, Origin, Usage
from headgate.dialects.base import Carried, Read
from headgate.routing import Routing
from tests.support.world import ManualClock, SeededEntropy


class LineReader:
    def __init__(self, stream: bool) -> None:
        self.stream = stream
        self.rest = b""
        self.finished = False
        self.spoke = False

    def feed(self, data: bytes) -> list[Frame]:
        self.rest += data
        if not self.stream:
            return []
        *lines, self.rest = self.rest.split(b"\n")
        return [self.frame(line) for line in lines]

    def end(self) -> list[Frame]:
        if self.stream:
            if not self.finished:
                raise UpstreamError("truncated" if self.spoke else "empty_answer", "the answer has no end")
            return []
        if self.rest.startswith(b"<"):
            raise UpstreamError("malformed_response", "not this dialect")
        frames = [self.frame(line) for line in self.rest.split(b"\n") if line]
        if not frames:
            raise UpstreamError("empty_answer", "no choice")
        if not self.finished:
            raise UpstreamError("truncated", "the answer has no end")
        return [Frame(self.rest, [delta for frame in frames for delta in frame.deltas], last=True, content=True)]

    def frame(self, line: bytes) -> Frame:
        word, _, rest = line.decode().partition(":")
        frame = Frame(line + b"\n", [])
        if word == "begin":
            frame.deltas = [Begin("id", rest)]
        elif word == "text":
            frame.deltas, frame.content, self.spoke = [TextDelta(rest)], True, True
        elif word == "refuse":
            frame.deltas, frame.content, self.spoke = [RefusalDelta(rest)], True, True
        elif word == "usage":
            into, out = rest.split(",")
            frame.deltas = [UsageDelta(Usage(int(into), int(out)))]
        elif word == "finish":
            frame.deltas, self.finished = [Finish(rest, rest)], True
        elif word == "error":
            raise UpstreamError(rest, "an error inside the answer")
        elif word == "last":
            frame.last = True
        else:
            assert word == "ping", line
        return frame


class LineDialect:
    """Implements what routing uses of `Dialect`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.read_count = 0

    def read_request(self, body: bytes, stream: bool) -> Read:
        self.read_count += 1
        said = json.loads(body).get("say", "")
        if said == "private":
            raise CannotCarry("only its own format can say this")
        parts: list[Text | Media] = [Media("image/png", "AA==")] if said == "picture" else [Text(said)]
        return Read(ChatRequest([Message("user", list(parts))], stream=stream), ["read"])

    def write_request(self, chat: ChatRequest, model: str, abilities: frozenset[str] | None) -> Carried:
        if model == "mute":
            raise CannotCarry("mute cannot take this")
        return Carried(json.dumps({"model": model, "translated": self.name}).encode(), ["written"])

    def splice_request(self, body: bytes, asked: Asked, model: str) -> Carried:
        if model != asked.model:
            body = json.dumps({**json.loads(body), "model": model}).encode()
        return Carried(body, [])

    def reader(self, stream: bool, keep_usage: bool, choices: int = 1) -> LineReader:
        return LineReader(stream)


class LineEndpoint:
    """Says the error kind in the body: `overloaded 7` is overloaded, come back in 7 s."""

    def __init__(self, name: str, dialect: str) -> None:
        self.name = name
        self.dialect = dialect

    def request(
        self, model: str, stream: bool, body: bytes, extra: Sequence[Header], within: Deadlines
    ) -> OutboundRequest:
        head = b"".join([b"POST / HTTP/1.1\r\n", *(key + b": " + value + b"\r\n" for key, value in extra)])
        return OutboundRequest(Origin("https", f"{self.name}.{model}", 443), head, body, within)

    def failure(self, status: int, headers: Sequence[Header], body: bytes) -> UpstreamError:
        kind, _, cool = body.decode().partition(" ")
        return UpstreamError(
            kind or "server_error",
            f"the provider answered {status}",
            attempt_status=status,
            cool_s=float(cool) if cool else None,
            body=body if kind == "client_fault" else None,
        )


class Reply:
    """What a target answers: a status and steps. bytes arrive; an error is raised; a number moves the clock; an event
    is waited for; None hangs until aborted."""

    def __init__(
        self,
        *steps: bytes | UpstreamError | float | asyncio.Event | None,
        status: int = 200,
        headers: Sequence[Header] = (),
    ):
        self.steps = list(steps)
        self.status = status
        self.headers = list(headers)


class ScriptedInbound:
    def __init__(self, reply: Reply, clock: ManualClock) -> None:
        self.status = reply.status
        self.headers: Sequence[Header] = reply.headers
        self.steps = list(reply.steps)
        self.clock = clock
        self.ended = False
        self.called_off = False
        self.fate = "open"
        self.aborted = asyncio.Event()

    async def read(self) -> bytes | None:
        assert self.fate != "released"
        while self.steps:
            step = self.steps.pop(0)
            if isinstance(step, bytes):
                return step
            if isinstance(step, UpstreamError):
                raise step
            if step is None:
                self.clock.advance(1.0)  # what waits for a timer would wait for this long
                await self.aborted.wait()
                raise UpstreamError("called_off" if self.called_off else "connection_reset", "aborted")
            if isinstance(step, asyncio.Event):
                await step.wait()
                continue
            self.clock.advance(step)
        self.ended = True
        return None

    def release(self) -> None:
        if self.fate == "open":
            self.fate = "released" if self.ended else "closed"

    def call_off(self) -> None:
        self.called_off = True
        self.abort()

    def abort(self) -> None:
        self.aborted.set()
        if self.fate == "open":
            self.fate = "aborted"


class ScriptedTransport:
    """`replies[host]`: what each request to it gets in turn; the last one is repeated."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.replies: dict[str, list[Reply | UpstreamError | Callable[[], None]]] = {}
        self.requests: list[OutboundRequest] = []
        self.inbounds: list[ScriptedInbound] = []
        self.hang: asyncio.Event | None = None

    def hosts(self) -> list[str]:
        return [request.origin.host for request in self.requests]

    async def send(self, request: OutboundRequest) -> ScriptedInbound:
        self.requests.append(request)
        script = self.replies[request.origin.host]
        reply = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(reply, UpstreamError):
            raise reply
        if not isinstance(reply, Reply):
            reply()
            await asyncio.Event().wait()
            raise AssertionError
        inbound = ScriptedInbound(reply, self.clock)
        request.answer = inbound  # type: ignore[assignment]
        self.inbounds.append(inbound)
        return inbound


GOOD = b"begin:m-1\ntext:hello\nusage:3,2\nfinish:stop\nlast\n"
WHOLE = b"begin:m-1\ntext:hello\nusage:3,2\nfinish:stop\n"


class House:
    """Routing over scripted providers a, b and c; a and b speak `one`, c speaks `two`."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.probes: list[AttemptRecord] = []
        self.transport = ScriptedTransport(self.clock)
        self.dialects = {"one": LineDialect("one"), "two": LineDialect("two")}
        self.routing = Routing(self.transport, self.clock, SeededEntropy(), self.dialects, self)  # type: ignore[arg-type]
        self.endpoints = {name: LineEndpoint(name, "two" if name == "c" else "one") for name in "abc"}

    def probed(self, at_ns: int, record: AttemptRecord) -> None:
        self.probes.append(record)

    def target(self, name: str, **facts: object) -> Target:
        """`a` is model `m` of provider a; `a.x` names the model."""
        provider, _, model = name.partition(".")
        return Target(provider, model or "m", self.endpoints[provider], **facts)  # type: ignore[arg-type]

    def route(self, *names: str | Target, attempts: int = 3, deadlines: Deadlines | None = None) -> Route:
        targets = tuple(self.target(name) if isinstance(name, str) else name for name in names)
        return Route(targets, None, deadlines or Deadlines(), attempts)

    def script(self, name: str, *replies: Reply | UpstreamError | Callable[[], None]) -> None:
        provider, _, model = name.partition(".")
        self.transport.replies[f"{provider}.{model or 'm'}"] = list(replies)

    def screened(
        self, route: Route, *, stream: bool = True, say: str = "hi", chars: int = 40, **asked: object
    ) -> Screened:
        body = json.dumps({"model": "m", "say": say}).encode()
        record = CallRecord("call_1", self.clock.now_ns(), "one")
        snapshot = Snapshot("", 0, {}, None, None, {})  # type: ignore[arg-type]
        call = Call("call_1", "one", snapshot, record, self.clock.monotonic_ns())
        call.headers = [(b"authorization", b"Bearer client-secret"), (b"openai-beta", b"x")]
        admitted = Admitted(call, KeyInfo("k", "k", "t"))
        ask = Asked("m", stream, body, None, input_chars=chars, **asked)  # type: ignore[arg-type]
        selected = Selected(admitted, ask, route)
        return Screened(Grounded(Prompted(selected, body), body), body)

    async def ask(self, route: Route, *, commit: bool = True, lost: tuple[str, ...] = (), **how: object) -> Told:
        """Plays the page: commits at the first content. `lost`: what no target could have been told."""
        screened = self.screened(route, **how)  # type: ignore[arg-type]
        told = Told(screened.grounded.prompted.selected.admitted.call.record)
        told.record.dropped = [*lost]
        planned = self.routing.plan(screened)
        try:
            async with self.routing.send(Funded(planned)) as upstream:
                while (batch := await upstream.read()) is not None:
                    told.batches.append((batch.attempt, b"".join(frame.wire for frame in batch.frames)))
                    told.dialects.append(batch.dialect)
                    if commit and any(frame.content for frame in batch.frames):
                        upstream.commit()
        except Exception as error:
            told.error = error
        return told


class Told:
    """What the client and the record were told."""

    def __init__(self, record: CallRecord) -> None:
        self.record = record
        self.batches: list[tuple[int, bytes]] = []
        self.dialects: list[str] = []
        self.error: Exception | None = None

    @property
    def outcomes(self) -> list[tuple[str, str, str | None]]:
        return [(attempt.provider, attempt.outcome, attempt.error) for attempt in self.record.attempts]

    @property
    def upstream(self) -> UpstreamError:
        assert isinstance(self.error, UpstreamError), self.error
        return self.error

    @property
    def answer(self) -> bytes:
        """The bytes of the last attempt."""
        return b"".join(wire for attempt, wire in self.batches if attempt == self.batches[-1][0])


async def read_all(house: House, screened: Screened) -> None:
    """Reads an answer to its end, and shows it to nobody."""
    async with house.routing.send(Funded(house.routing.plan(screened))) as upstream:
        while await upstream.read() is not None:
            pass
