"""CPU of routing per call, transport and dialect apart: plan, send, one read, end. `python benchmarks/routing.py`.

The transport answers at once and the reader makes one frame without looking, so what is measured is routing itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Coroutine, Sequence

from headgate.core.chat import Begin, Finish, Frame, TextDelta, UsageDelta
from headgate.core.errors import UpstreamError
from headgate.core.ports import Deadlines, OutboundRequest
from headgate.core.record import CallRecord
from headgate.core.snapshot import Route, Target
from headgate.core.stages import Admitted, Asked, Call, Funded, Grounded, KeyInfo, Prompted, Screened, Selected
from headgate.core.types import Header, Origin, Price, Usage
from headgate.dialects.base import Carried
from headgate.routing import Routing
from headgate.wire.clock import SystemClock

BODY = b'{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}]}'
DELTAS = [Begin("id", "m"), TextDelta("hello"), Finish("stop", "stop"), UsageDelta(Usage(10, 5))]
HEADERS = [(b"content-type", b"application/json"), (b"date", b"x"), (b"server", b"x"), (b"x-request-id", b"req_1")]
CLIENT = [(b"host", b"x"), (b"user-agent", b"x"), (b"authorization", b"x"), (b"content-type", b"x"),
          *((b"x-stainless-%d" % number, b"x") for number in range(8))]  # fmt: skip


class Entropy:
    """Not asked while all is well."""

    def bytes(self, count: int) -> bytes:
        """Zeros."""
        return bytes(count)

    def uniform(self) -> float:
        """The middle."""
        return 0.5


class Inbound:
    """`reads` reads, then the end."""

    __slots__ = ("headers", "left", "status")

    def __init__(self, reads: int) -> None:
        self.status = 200
        self.headers: Sequence[Header] = HEADERS
        self.left = reads

    async def read(self) -> bytes | None:
        """At once."""
        self.left -= 1
        return b"x" if self.left >= 0 else None

    def release(self) -> None:
        """Nothing to give back."""

    def abort(self) -> None:
        """Nothing to close."""


class Transport:
    """Answers at once."""

    def __init__(self, reads: int) -> None:
        self.reads = reads

    async def send(self, request: OutboundRequest) -> Inbound:
        """A good head."""
        return Inbound(self.reads)


class Reader:
    """One frame a read, made beforehand."""

    __slots__ = ("stream",)
    frame = [Frame(b"x", [TextDelta("hello")], content=True)]
    whole = [Frame(b"x", list(DELTAS), last=True, content=True)]

    def __init__(self, stream: bool) -> None:
        self.stream = stream

    def feed(self, data: bytes) -> list[Frame]:
        """A chunk of a stream, nothing of a whole answer."""
        return self.frame if self.stream else []

    def end(self) -> list[Frame]:
        """The whole answer."""
        return [] if self.stream else self.whole


class Dialect:
    """Passes bytes."""

    name = "openai"

    def splice_request(self, body: bytes, asked: Asked, model: str) -> Carried:
        """Nothing differs."""
        return Carried(body, [])

    def reader(self, stream: bool, keep_usage: bool, choices: int = 1) -> Reader:
        """See Reader."""
        return Reader(stream)


class Endpoint:
    """As `providers.endpoint` with its head in the cache."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dialect = "openai"
        self.origin = Origin("https", "x", 443)
        self.heads = {("gpt-5-mini", stream, ()): b"POST" for stream in (True, False)}

    def request(
        self, model: str, stream: bool, body: bytes, extra: Sequence[Header], within: Deadlines
    ) -> OutboundRequest:
        """One look-up."""
        return OutboundRequest(self.origin, self.heads[model, stream, tuple(extra)], body, within)

    def failure(self, status: int, headers: Sequence[Header], body: bytes) -> UpstreamError:
        """Never asked here."""
        raise AssertionError(status)


ROUTE = Route(tuple(Target(name, "gpt-5-mini", Endpoint(name), Price(0.25, 2.0), 400_000) for name in "abc"))  # type: ignore[arg-type]


def screened(stream: bool) -> Screened:
    """A call as the input screen hands it on."""
    call = Call("call_x", "openai", None, CallRecord("call_x", 1, "openai"), time.monotonic_ns())  # type: ignore[arg-type]
    call.headers = CLIENT
    selected = Selected(Admitted(call, KeyInfo("k", "k", "t")), Asked("gpt-5-mini", stream, BODY, None), ROUTE)
    return Screened(Grounded(Prompted(selected, BODY), BODY), BODY)


async def one(routing: Routing, given: Screened) -> None:
    """What the page does with routing."""
    async with routing.send(Funded(routing.plan(given))) as upstream:
        while await upstream.read() is not None:
            pass


async def bare(transport: Transport, reader: Reader) -> None:
    """The same without routing: what is taken off."""
    inbound = await transport.send(OutboundRequest(Origin("https", "x", 443), b"POST", BODY, Deadlines()))
    while await inbound.read() is not None:
        reader.feed(b"x")
    reader.end()


async def cpu_us(make: Callable[[int], Coroutine[object, object, None]], rounds: int, calls: int) -> float:
    """Median over `rounds` of CPU microseconds per call."""
    found: list[float] = []
    for _ in range(rounds):
        works = [make(number) for number in range(calls)]
        begun = time.process_time_ns()
        for work in works:
            await work
        found.append((time.process_time_ns() - begun) / 1000 / calls)
    return statistics.median(found)


async def measure(rounds: int, calls: int) -> dict[str, float]:
    """Microseconds: per whole call, per streamed call of one chunk, per further chunk."""
    results: dict[str, float] = {}
    shapes = (("whole", False, 1), ("stream_1", True, 1), ("stream_101", True, 101), ("troubled", True, 1))
    for name, stream, reads in shapes:
        transport = Transport(reads)
        routing = Routing(transport, SystemClock(), Entropy(), {"openai": Dialect()})  # type: ignore[dict-item]
        if name == "troubled":
            routing.health.failed(ROUTE.targets[0], UpstreamError("overloaded", "x", cool_s=3600.0))
        given = [screened(stream) for _ in range(calls * rounds)]
        pool = iter(given)
        routed = await cpu_us(lambda _, routing=routing, pool=pool: one(routing, next(pool)), rounds, calls)
        plain = await cpu_us(
            lambda _, transport=transport, stream=stream: bare(transport, Reader(stream)), rounds, calls
        )
        results[name] = routed - plain
    return {
        "whole_call_us": round(results["whole"], 2),
        "streamed_call_us": round(results["stream_1"], 2),
        "streamed_call_with_a_troubled_target_us": round(results["troubled"], 2),
        "chunk_us": round((results["stream_101"] - results["stream_1"]) / 100, 3),
    }


def main() -> int:
    """Prints a table, or one JSON line with --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=2000)
    chosen = parser.parse_args()
    found = asyncio.run(measure(chosen.rounds, chosen.calls))
    if chosen.json:
        print(json.dumps({"benchmark": "routing", **found}))
    else:
        for name, value in found.items():
            print(f"{name:42} {value:8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
