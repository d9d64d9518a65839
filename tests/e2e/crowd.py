"""A crowd of clients on raw sockets, each call marked by a word of its own; most of them leave, at any moment.

What comes back is looked at as bytes: a client costs a socket and a coroutine, so that one process can be thousands.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.gateway import CALL_S, Gateway

WORDS = 30
_TOLD = re.compile(rb'"content":"([^"]*)"')
_LENGTH = re.compile(rb"content-length: (\d+)\r\n")
_RESET = struct.pack("ii", 1, 0)
# how a client leaves: within its request, without reading, after some of the answer, or not at all
WAYS = ("within the request", "at once", "while the answer comes", "stays")


@dataclass
class Crowd:
    """Calls made so far, by how their clients left; `wrong` holds what was not as it must be, word for word."""

    gateway: Gateway
    app: str
    key: str
    seed: int
    left: Counter[str] = field(default_factory=Counter[str])
    whole: int = 0
    wrong: list[str] = field(default_factory=list)
    begun: int = 0

    async def come(self, count: int, at_once: int) -> None:
        """So many calls, `at_once` at any time."""
        turns = iter(range(self.begun, self.begun + count))
        self.begun += count

        async def caller() -> None:
            for turn in turns:
                await self._call(turn)

        await asyncio.gather(*(caller() for _ in range(at_once)))

    async def _call(self, turn: int) -> None:
        dice = random.Random(f"{self.seed}/{turn}")
        tag, way, stream = f"tag{turn}x", dice.choice(WAYS), dice.random() < 0.8
        host, port = self.gateway.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        if dice.random() < 0.5:  # half of them end with a reset
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        request = self._request(tag, stream)
        try:
            if way == "within the request":
                writer.write(request[: dice.randrange(1, len(request))])
                await writer.drain()
                await asyncio.sleep(dice.random() * 0.02)
            else:
                writer.write(request)
                await writer.drain()
                await self._answer(reader, way, tag, dice)
            self.left[way] += 1
        except OSError as error:
            self.wrong.append(f"{tag}: {type(error).__name__}")
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, way: str, tag: str, dice: random.Random) -> None:
        if way == "at once":
            await asyncio.sleep(dice.random() * 0.05)
            return
        most = dice.randrange(1, 9000) if way == "while the answer comes" else 1 << 20
        got = bytearray()
        async with asyncio.timeout(CALL_S):
            while len(got) < most and not _complete(got):
                data = await reader.read(min(4096, most - len(got)))
                if not data:
                    break
                got += data
        said = b"".join(_TOLD.findall(got)).decode()
        expected = " ".join([tag] * WORDS)
        if not expected.startswith(said.strip()):
            self.wrong.append(f"{tag}: {said[:200]!r}")
        elif way == "stays":
            if said.strip() == expected and got.startswith(b"HTTP/1.1 200 "):
                self.whole += 1
            else:
                self.wrong.append(f"{tag}: {bytes(got[:300])!r}")

    def _request(self, tag: str, stream: bool) -> bytes:
        said = [{"role": "user", "content": f"[[say]] {' '.join([tag] * WORDS)}"}]
        body = json.dumps({"model": self.app, "messages": said, "stream": stream}).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {self.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _complete(got: bytearray) -> bool:
    """Whether all of an answer is there."""
    length = _LENGTH.search(got)
    if length is None:
        return got.endswith(b"0\r\n\r\n")
    return len(got) >= got.index(b"\r\n\r\n") + 4 + int(length[1])


def descriptors(pid: int) -> int:
    """Open file descriptors of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / (1 << 20)


def threads(pid: int) -> int:
    """Threads of a process."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
