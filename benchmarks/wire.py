"""What HTTP in and out cost: CPU microseconds of a process that does nothing but pass calls on.

Three processes: a canned upstream, a load generator, and the measured one, `HttpServer` and `HttpTransport` under
uvloop. Run `python benchmarks/wire.py [calls]`; prints one JSON line per shape of call. The first figure of each is
user plus system CPU of the measured process per call, or per chunk of a stream.
"""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import os
import sys
import time
from multiprocessing.connection import Connection

import uvloop

from headgate.core.ports import Deadlines, OutboundRequest
from headgate.core.types import Origin
from headgate.wire.client import HttpTransport
from headgate.wire.clock import SystemClock
from headgate.wire.exchange import Exchange, Rendered
from headgate.wire.limits import ServerLimits
from headgate.wire.listener import bind
from headgate.wire.request import Refusal, Request
from headgate.wire.server import HttpServer

CONNECTIONS = 32
CHUNKS = 100
SDK_HEADERS = b"".join(
    b"%b: %b\r\n" % pair
    for pair in (
        (b"Host", b"127.0.0.1:8484"),
        (b"Accept-Encoding", b"gzip, deflate"),
        (b"Connection", b"keep-alive"),
        (b"Accept", b"application/json"),
        (b"Content-Type", b"application/json"),
        (b"User-Agent", b"OpenAI/Python 3.54.0"),
        (b"X-Stainless-Lang", b"python"),
        (b"X-Stainless-Package-Version", b"3.54.0"),
        (b"X-Stainless-OS", b"Linux"),
        (b"X-Stainless-Arch", b"x64"),
        (b"X-Stainless-Runtime", b"CPython"),
        (b"X-Stainless-Runtime-Version", b"3.11.7"),
        (b"Authorization", b"Bearer hg_0123456789abcdef0123456789abcdef"),
        (b"X-Stainless-Async", b"false"),
        (b"x-stainless-retry-count", b"0"),
        (b"x-stainless-read-timeout", b"600"),
    )
)
LEAN_HEADERS = b"Host: a\r\nAuthorization: Bearer hg_0123456789abcdef\r\nContent-Type: application/json\r\n"
BODY = b'{"model":"m","messages":[{"role":"user","content":"%b"}]}' % (b"x" * 960)
ANSWER = b'{"id":"a","choices":[{"message":{"role":"assistant","content":"%b"}}]}' % (b"y" * 1100)
CHUNK = b'data: {"id":"a","choices":[{"index":0,"delta":{"content":" word"}}]}\n\n'
HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: up\r\nauthorization: Bearer sk\r\ncontent-type: application/json\r\n"
)
KINDS = {"call": LEAN_HEADERS, "call with an SDK's headers": SDK_HEADERS, "stream": LEAN_HEADERS}


class Passing:
    """Passes calls on and answers back, and knows nothing of what they say."""

    def __init__(self, transport: HttpTransport, origin: Origin) -> None:
        self._transport = transport
        self._origin = origin
        self._deadlines = Deadlines()

    async def serve(self, request: Request, exchange: Exchange) -> None:
        """One call."""
        answer = await self._transport.send(OutboundRequest(self._origin, HEAD, request.body, self._deadlines))
        if request.path == "/stream":
            exchange.begin(answer.status, b"content-type: text/event-stream\r\n")
            while (data := await answer.read()) is not None:
                exchange.write(data)
                if exchange.paused:
                    await exchange.drain()
            exchange.finish()
        else:
            parts: list[bytes] = []
            while (data := await answer.read()) is not None:
                parts.append(data)
            exchange.send(answer.status, b"content-type: application/json\r\n", b"".join(parts))
        answer.release()

    def refuse(self, refusal: Refusal) -> Rendered:
        """Nothing here is refused."""
        return Rendered(b"", refusal.reason.encode())


class Canned(asyncio.Protocol):
    """The upstream: one answer, or CHUNKS chunks a millisecond apart, for each request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A gateway has connected."""
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Part of a request."""
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        length = int(self.buffer[self.buffer.find(b"content-length: ") + 16 : end].split(b"\r\n")[0])
        if len(self.buffer) < end + 4 + length:
            return
        stream = b'"stream":true' in self.buffer
        self.buffer = b""
        if stream:
            self.transport.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            self.step(CHUNKS)
        else:
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER))

    def step(self, left: int) -> None:
        """The next chunk."""
        if self.transport.is_closing():
            return
        if left:
            self.transport.write(b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK))
            asyncio.get_running_loop().call_later(0.001, self.step, left - 1)
        else:
            self.transport.write(b"0\r\n\r\n")


class Load(asyncio.Protocol):
    """One client connection: the next request as soon as the last is answered."""

    def __init__(self, wire: bytes, stream: bool, left: list[int], done: asyncio.Future[None]) -> None:
        self.wire, self.stream, self.left, self.done = wire, stream, left, done
        self.got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = transport
        transport.write(self.wire)

    def data_received(self, data: bytes) -> None:
        """Part of an answer."""
        self.got += data
        if self.stream:
            whole = self.got.endswith(b"\r\n0\r\n\r\n")
        else:
            end = self.got.find(b"\r\n\r\n")
            whole = end > 0 and len(self.got) == end + 4 + len(ANSWER)
        if not whole:
            return
        self.got = b""
        self.left[0] -= 1
        if self.left[0] > 0:
            self.transport.write(self.wire)
        elif not self.done.done():
            self.done.set_result(None)


def upstream(pipe: Connection) -> None:
    """The upstream process."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Canned, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


def load(pipe: Connection) -> None:
    """The load process: (port, kind, count) in, wall seconds out."""

    async def one(port: int, kind: str, count: int) -> float:
        loop = asyncio.get_running_loop()
        stream = kind == "stream"
        body = BODY[:-1] + b',"stream":true}' if stream else BODY
        path = b"/stream" if stream else b"/v1/chat/completions"
        wire = b"POST %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (path, KINDS[kind], len(body), body)
        done: asyncio.Future[None] = loop.create_future()
        left = [count]
        began = time.perf_counter()
        made = [
            await loop.create_connection(lambda: Load(wire, stream, left, done), "127.0.0.1", port)
            for _ in range(CONNECTIONS)
        ]
        await done
        took = time.perf_counter() - began
        for transport, _ in made:
            transport.abort()
        return took

    while (order := pipe.recv()) is not None:
        pipe.send(uvloop.run(one(*order)))


async def measure(origin: Origin, pipe: Connection, count: int) -> None:
    """Serve while the load runs, and print what it cost."""
    clock = SystemClock()
    server = HttpServer(Passing(HttpTransport(clock), origin), ServerLimits(), clock)
    sock = bind("127.0.0.1", 0, 2048)
    server.listen(sock)
    port = sock.getsockname()[1]
    loop = asyncio.get_running_loop()
    gc.collect()
    gc.freeze()
    for kind in KINDS:
        calls = count // 20 if kind == "stream" else count
        await loop.run_in_executor(None, order, pipe, (port, kind, calls // 10))
        cpu = time.process_time()
        wall = await loop.run_in_executor(None, order, pipe, (port, kind, calls))
        cpu = time.process_time() - cpu
        units = calls * CHUNKS if kind == "stream" else calls
        line = {"shape": kind, "cpu_us": round(cpu / units * 1e6, 1), "per": "chunk" if kind == "stream" else "call"}
        print(json.dumps(line | {"calls": calls, "wall_s": round(wall, 2)}))


def order(pipe: Connection, what: tuple[int, str, int]) -> float:
    """Ask the load process for a run."""
    pipe.send(what)
    return pipe.recv()


def main() -> None:
    """Start the two helpers, measure, end them."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    context = multiprocessing.get_context("spawn")
    here_up, there_up = context.Pipe()
    here_load, there_load = context.Pipe()
    helpers = [
        context.Process(target=upstream, args=(there_up,), daemon=True),
        context.Process(target=load, args=(there_load,), daemon=True),
    ]
    for helper in helpers:
        helper.start()
    if len(os.sched_getaffinity(0)) > 1:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[:1])
        for helper in helpers:
            os.sched_setaffinity(helper.pid or 0, cores[1:])
    uvloop.run(measure(Origin("http", "127.0.0.1", here_up.recv(), True), here_load, count))
    here_load.send(None)
    for helper in helpers:
        helper.terminate()
        helper.join()


if __name__ == "__main__":
    main()
