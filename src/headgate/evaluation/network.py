"""A network in memory: connections between the gateway's real HTTP client and peers that have no sockets.

What the client's protocol sees is what a socket shows it: bytes in the pieces they were sent in, an end, a reset, or a
refused, unanswered or broken connection attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol, TypeVar

from headgate.evaluation.virtual import VirtualLoop

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Peer(Protocol):
    """The far end of a connection. It answers through the line it was given."""

    def received(self, data: bytes) -> None:
        """The client sent bytes."""
        ...

    def resumed(self) -> None:
        """The client reads again."""
        ...

    def left(self) -> None:
        """The connection is over, whoever ended it."""
        ...


class Weather(Enum):
    """What meets a new connection: an answer, a refusal, or silence."""

    CLEAR = "clear"
    REFUSED = "refused"
    BLACKHOLE = "blackhole"


class Line(asyncio.Transport):
    """The client's end of one connection; `deliver`, `finish` and `reset` are for the far end."""

    def __init__(self, loop: VirtualLoop, protocol: asyncio.Protocol, lost: Callable[[Line], None]) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._forget = lost
        self._closing = False
        self._mute = False
        self.paused = False
        self.peer: Peer | None = None

    # -- for the client

    def write(self, data: Any) -> None:
        """Send bytes; they arrive once the caller has returned."""
        if not self._closing:
            self._loop.call_soon(self._arrive, bytes(data))

    def is_closing(self) -> bool:
        """Whether the connection is over."""
        return self._closing

    def abort(self) -> None:
        """Cut the connection."""
        self._lose(None)

    def close(self) -> None:
        """Everything written has been sent at once: the same as `abort`."""
        self._lose(None)

    def pause_reading(self) -> None:
        """Ask the peer to hold its bytes back."""
        self.paused = True

    def resume_reading(self) -> None:
        """The peer may go on."""
        if self.paused:
            self.paused = False
            self._loop.call_soon(self._resumed)

    def get_write_buffer_size(self) -> int:
        """Nothing waits to be sent."""
        return 0

    # -- for the peer

    def deliver(self, data: bytes) -> bool:
        """Bytes reach the client. False where it is no longer there, or became so by them."""
        if not self._closing and not self._mute:
            self._protocol.data_received(data)
        return not self._closing

    def finish(self) -> None:
        """A clean end (FIN)."""
        if self._closing or self._mute:
            return
        self._protocol.eof_received()
        self._lose(None)

    def reset(self) -> None:
        """A reset (RST)."""
        if not self._mute:
            self._lose(ConnectionResetError())

    def mute(self) -> None:
        """From now on nothing gets through either way, and neither side is told."""
        self._mute = True

    # -- inside

    def _arrive(self, data: bytes) -> None:
        if not self._closing and not self._mute and self.peer is not None:
            self.peer.received(data)

    def _resumed(self) -> None:
        if not self._closing and self.peer is not None:
            self.peer.resumed()

    def _lose(self, error: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._forget(self)
        if self.peer is not None:
            self.peer.left()
        self._loop.call_soon(self._protocol.connection_lost, error)


class Network:
    """Ports that answer in memory, whatever the host. `weather` sets what new connections to a port meet."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._accept: dict[int, Callable[[Line], Peer]] = {}
        self._weather: dict[int, Weather] = {}
        self._lines: dict[int, dict[Line, None]] = {}

    def serve(self, port: int, accept: Callable[[Line], Peer]) -> None:
        """Answer connections to a port with the peers that `accept` makes."""
        self._accept[port] = accept
        self._lines[port] = {}

    def weather(self, port: int, weather: Weather) -> None:
        """From now on. Open connections are reset where new ones are refused, and go silent in a blackhole."""
        self._weather[port] = weather
        for line in list(self._lines[port]):
            if weather is Weather.REFUSED:
                line.reset()
            elif weather is Weather.BLACKHOLE:
                line.mute()

    def open(self) -> int:
        """Connections now open."""
        return sum(len(lines) for lines in self._lines.values())

    async def connect(self, factory: Callable[[], P], port: int) -> tuple[Line, P]:
        """A new connection. Raises ConnectionRefusedError; waits for ever in a blackhole."""
        weather = self._weather.get(port, Weather.CLEAR)
        if weather is Weather.BLACKHOLE:
            await self._loop.create_future()
        if weather is Weather.REFUSED or port not in self._accept:
            raise ConnectionRefusedError(port)
        protocol = factory()
        assert isinstance(protocol, asyncio.Protocol)
        lines = self._lines[port]
        line = Line(self._loop, protocol, lambda gone: lines.pop(gone, None))
        lines[line] = None
        line.peer = self._accept[port](line)
        protocol.connection_made(line)
        return line, protocol


class NetworkLoop(VirtualLoop):
    """A virtual loop whose outgoing connections are made on a network in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Network(self)

    async def create_connection(
        self, protocol_factory: Callable[[], P], host: str | None = None, port: int | None = None, **options: Any
    ) -> tuple[Line, P]:
        """Connect to a port of the network. TLS is taken as good. Raises OSError as a socket would."""
        assert port is not None
        return await self.network.connect(protocol_factory, port)
