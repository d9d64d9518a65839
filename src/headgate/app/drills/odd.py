"""Servers that fail below HTTP: nobody listens, nobody accepts, no TLS; and names that lead astray."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence

from headgate.core.errors import ConfigError

_QUEUE = 64
_FILL = 8  # connections that are more than a queue of one takes


class OddHosts:
    """The hosts of the shapes whose `by` is `network`. `certificates`: the servers' side of shapes of bad certificates,
    by name. `close` frees their sockets."""

    def __init__(self, certificates: Mapping[str, ssl.SSLContext]) -> None:
        self._certificates = certificates
        self._tls: dict[str, asyncio.Server] = {}
        self._sockets: list[socket.socket] = []
        self._refusing = self._bound().getsockname()[1]  # bound, never listening
        self._deaf = self._listening(0)
        self._stalling = self._listening(_QUEUE)
        self._rude: asyncio.Server | None = None
        self._asking: set[asyncio.Future[Sequence[str]]] = set()
        address = self._deaf.getsockname()
        for _ in range(_FILL):
            caller = self._kept(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(address)  # a full queue drops every further SYN

    async def open(self) -> None:
        """Starts what needs a loop. Raises OSError."""
        self._rude = await asyncio.start_server(_speak_http, sock=self._listening(_QUEUE))
        for name, context in self._certificates.items():
            self._tls[name] = await asyncio.start_server(_speak_http, sock=self._listening(_QUEUE), ssl=context)

    def base_url(self, name: str) -> str:
        """Where a provider struck by shape `name` is said to be. Raises ConfigError for a name of no such shape."""
        rude = 0 if self._rude is None else self._rude.sockets[0].getsockname()[1]
        places = {
            "f10-nxdomain": "http://nobody.invalid:80",
            "f10-silent": "http://silent.invalid:80",
            "f10-stale": f"http://moved.invalid:{self._refusing}",
            "f11-refused": f"http://127.0.0.1:{self._refusing}",
            "f11-blackhole": f"http://127.0.0.1:{self._deaf.getsockname()[1]}",
            "f12-not-tls": f"https://127.0.0.1:{rude}",
            "f12-stall": f"https://127.0.0.1:{self._stalling.getsockname()[1]}",
        }
        for known, server in self._tls.items():
            places[known] = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        if name not in places:
            raise ConfigError("SHAPE", f"no host fails as `{name}`", ", ".join(places))
        return places[name]

    async def lookup(self, host: str) -> Sequence[str]:
        """Stands in for the system's name servers. Raises OSError for an unknown name."""
        if host == "silent.invalid":
            answer: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
            self._asking.add(answer)
            return await answer
        if host == "moved.invalid":
            return ["127.0.0.1"]
        raise OSError("no such name")

    def close(self) -> None:
        """Frees every socket."""
        for answer in self._asking:
            answer.set_exception(OSError("no name server"))
        for server in (*self._tls.values(), *([] if self._rude is None else [self._rude])):
            server.close()
        for sock in self._sockets:
            sock.close()

    def _bound(self) -> socket.socket:
        sock = self._kept(socket.socket())
        sock.bind(("127.0.0.1", 0))
        return sock

    def _listening(self, backlog: int) -> socket.socket:
        sock = self._bound()
        sock.listen(backlog)
        return sock

    def _kept(self, sock: socket.socket) -> socket.socket:
        self._sockets.append(sock)
        return sock


async def _speak_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers whatever comes, a TLS greeting too, as a plain HTTP server does."""
    await reader.read(1024)
    writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    writer.close()
