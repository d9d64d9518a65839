"""The simulator on a socket: one port, three vendors by path, faults on the way out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import orjson

from headgate.simulator.anthropic import Anthropic
from headgate.simulator.board import Board, Strike, from_tree, parse
from headgate.simulator.fault import Knobs
from headgate.simulator.google import Google
from headgate.simulator.http import HEAD_MAX, BadRequest, read_request
from headgate.simulator.messages import ApiError, Desk, Reply, Request, Vendor
from headgate.simulator.openai import OpenAi
from headgate.simulator.settings import SimulatorSettings
from headgate.simulator.signing import Signer
from headgate.simulator.steps import Abort, Close, Hang, Pace, Send, Step, Wait, plain, whole
from headgate.simulator.trees import dump, is_tree

CONTROL = "/__control"
_BACKLOG = 4096
_SHORT_WAIT_S = 0.25  # longer waits listen for the client leaving
_VENDORS: dict[str, Vendor] = {"openai": OpenAi(), "anthropic": Anthropic(), "google": Google()}


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that was served: who was asked, what for, under which fault, and the status of the answer."""

    vendor: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    json: object
    fault: str | None
    status: int


@dataclass(slots=True)
class _Line:
    """One connection: its streams, whether the client has left, how many requests it has served."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    gone: asyncio.Event
    served: int = 0


class _Protocol(asyncio.StreamReaderProtocol):
    """A stream protocol that tells at once when the client has left."""

    def __init__(self, simulator: Simulator, loop: asyncio.AbstractEventLoop) -> None:
        self.gone = asyncio.Event()
        reader = asyncio.StreamReader(limit=HEAD_MAX, loop=loop)

        async def serve_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await simulator.serve_line(_Line(reader, writer, self.gone))

        super().__init__(reader, serve_line, loop)

    def eof_received(self) -> bool | None:
        """The client sends no more."""
        self.gone.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        self.gone.set()
        super().connection_lost(exc)


def vendor_of(request: Request) -> Vendor:
    """Whose API a request is for. The model list's path is shared: clients are told by their headers."""
    path = request.path
    if path.startswith(("/v1beta", "/v1alpha")) or (path.startswith("/v1/models") and ":" in path):
        return _VENDORS["google"]
    if path.startswith("/v1/messages"):
        return _VENDORS["anthropic"]
    if path.startswith("/v1/models") and "x-goog-api-key" in request.headers:
        return _VENDORS["google"]
    if path.startswith("/v1/models") and "anthropic-version" in request.headers:
        return _VENDORS["anthropic"]
    return _VENDORS["openai"]


def split_suffix(vendor: Vendor, request: Request) -> str:
    """Takes `~fault` off the model's name; empty where it has none."""
    model, _, suffix = vendor.model(request).partition("~")
    if suffix:
        vendor.rename(request, model)
    return suffix


@dataclass(slots=True)
class Simulator:
    """A running simulator. `requests` holds the last ones served; `left` counts answers whose client went away first,
    `open` the connections now open."""

    settings: SimulatorSettings
    board: Board
    requests: deque[Seen]
    left: int = 0
    served: int = 0
    _desk: Desk = field(init=False)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set["asyncio.Task[None]"])

    def __post_init__(self) -> None:
        """Sets up the vendors' desk."""
        settings = self.settings
        keys, models = frozenset(settings.keys), frozenset(settings.models)
        self._desk = Desk(settings.seed, keys, Signer(settings.seed), settings.words_per_chunk, models)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, no slash at the end."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def open(self) -> int:
        """Connections now open."""
        return len(self._tasks)

    async def start(self) -> None:
        """Binds and listens. Raises OSError where the address is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Protocol(self, loop), self.settings.host, self.settings.port, backlog=_BACKLOG
        )

    async def close(self) -> None:
        """Stops listening and drops every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def fault(self, said: str) -> None:
        """Puts a rule in text form in force, as `POST /__control` does. Raises ValueError."""
        self.board.add(parse(said))

    async def serve_line(self, line: _Line) -> None:
        """Serves one connection until either side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                while await self._serve_one(line):
                    continue
        finally:
            self._tasks.discard(task)
            line.writer.close()

    async def _serve_one(self, line: _Line) -> bool:
        """Serves the next request; False where the connection ends with it."""
        try:
            request = await read_request(line.reader)
        except BadRequest as error:
            body = dump(
                {"error": {"message": str(error), "type": "invalid_request_error", "param": None, "code": None}}
            )
            headers = {"content-type": "application/json", "connection": "close"}
            return await self._play(line, [whole(Reply(error.status, headers, body)), Close()])
        if request is None:
            return False
        line.served += 1
        if request.path == CONTROL:
            self.served += 1
            return await self._play(line, [whole(self._control(request))])
        lasting = request.headers.get("connection", "").lower() != "close"
        return await self._play(line, self.steps(request, line.served)) and lasting

    def steps(self, request: Request, nth: int) -> Iterable[Step]:
        """What goes out in answer to the `nth` request of a connection (from 1). It is counted and logged."""
        self.served += 1
        request.nth, request.number = nth, self.served
        vendor = vendor_of(request)
        suffix = split_suffix(vendor, request)
        try:
            strike = self.board.strike(vendor, request, suffix)
        except ValueError as error:
            strike = None
            reply = vendor.refuse(ApiError(400, "invalid", str(error)), request)
        else:
            reply = self._reply(vendor, request, strike)
        self.requests.append(
            Seen(
                vendor.name,
                request.method,
                request.path,
                request.query,
                request.headers,
                request.body,
                request.json,
                strike.fault.name if strike else None,
                reply.status,
            )
        )
        if strike is None or strike.fault.act is None or (reply.status != 200 and not strike.fault.blind):
            return plain(reply, Pace(self.settings.first_s, self.settings.interval_s))
        return strike.fault.act(reply, strike.knobs)

    def _reply(self, vendor: Vendor, request: Request, strike: Strike | None) -> Reply:
        fault = strike.fault if strike else None
        if fault is not None and fault.refuse is not None:
            # a refusal that knew of plenty left in the window would contradict itself
            return vendor.refuse(fault.refuse(vendor), request).without("ratelimit")
        try:
            reply = vendor.handle(request, self._desk, (fault.bend if fault else None) or (lambda answer: answer))
        except ApiError as error:
            return vendor.refuse(error, request)
        if fault is None or strike is None or reply.status != 200:
            return reply
        if fault.refit is not None and reply.frames is not None:
            reply.frames = fault.refit(reply.frames, vendor, strike.knobs)
        return fault.remake(reply, vendor, request) if fault.remake is not None else reply

    def _control(self, request: Request) -> Reply:
        """`POST` sets a rule, `GET` shows rules and counters, `DELETE` resets them."""
        status = 200
        try:
            if request.method == "POST":
                if not is_tree(request.json):
                    raise ValueError("the body must be a JSON object: vendor, fault, share, count, seconds, key, model")
                self.board.add(from_tree(request.json))
            elif request.method == "DELETE":
                self.board.reset()
            elif request.method != "GET":
                status = 405
            body: object = {**self.board.shown(), "left": self.left, "open": self.open}
        except ValueError as error:
            status, body = 400, {"error": str(error)}
        return Reply(status, {"content-type": "application/json"}, orjson.dumps(body))

    async def _play(self, line: _Line, steps: Iterable[Step]) -> bool:
        """Carries the steps out; False where the connection ends with them."""
        for step in steps:
            if line.gone.is_set() or (isinstance(step, Send) and not await _sent(line, step.data)):
                self.left += 1
                return False
            if isinstance(step, Send):
                continue
            if isinstance(step, Wait):
                await _pause(line, step.seconds)
            elif isinstance(step, Hang):
                await _pause(line, max(self.settings.hold_s, _SHORT_WAIT_S))
                self.left += line.gone.is_set()
                return False
            else:
                if isinstance(step, Abort):
                    _reset(line.writer)
                return False
        return not line.writer.is_closing()


async def _sent(line: _Line, data: bytes) -> bool:
    """Writes, as fast as the client reads; False where it has left."""
    line.writer.write(data)
    try:
        await line.writer.drain()
    except ConnectionError:
        return False
    return True


async def _pause(line: _Line, seconds: float) -> None:
    """Waits, no longer than the client stays."""
    if seconds < _SHORT_WAIT_S:
        await asyncio.sleep(seconds)
        return
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(line.gone.wait(), seconds)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection with RST in place of FIN."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def serve(settings: SimulatorSettings | None = None) -> Simulator:
    """Starts a simulator in the running loop. Raises OSError, and ValueError for a fault rule that says nothing."""
    simulator = build(settings or SimulatorSettings(), asyncio.get_running_loop().time)
    await simulator.start()
    return simulator


def build(settings: SimulatorSettings, now: Callable[[], float]) -> Simulator:
    """A simulator that does not listen yet; `now` tells seconds, for rules that last a while.

    Raises ValueError for a fault rule that says nothing.
    """
    pace = Pace(settings.first_s, settings.interval_s)
    board = Board(settings.seed, Knobs(drip_s=settings.drip_s, pace=pace), now)
    simulator = Simulator(settings, board, deque(maxlen=settings.log_size))
    for said in settings.faults:
        simulator.fault(said)
    return simulator
