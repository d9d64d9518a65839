"""The page alone: a whole worker without its sockets. `python -m benchmarks.page [--stream] [--bare] [--limits]`.

Both transports are stand-ins in memory, so what is measured is Python: from the bytes of a request to the bytes of its
answer, for 32 clients in turn. Prints thread CPU in microseconds per call (per chunk where streamed) as one JSON line:
the lowest 5% and the median of many short rounds. The lowest 5% repeats within about 5% on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.load.contestants import HEADGATE, WORKSPACE, Contestant
from headgate.admission import KeyDesk, NewKey, load_pepper
from headgate.app.config import Config, load_config
from headgate.app.up import check
from headgate.app.worker import GC_THRESHOLD, Worker
from headgate.stores.control import ControlStore
from headgate.wire.clock import SystemClock, SystemEntropy
from headgate.wire.connection import UpstreamConnection
from headgate.wire.limits import ClientLimits
from headgate.wire.server_connection import ServerConnection

CLIENTS = 32
CHUNKS = 100
TEXT = "The lazy brew of a toxic dog makes quick wizards jump. "
TOLD: dict[str, Any] = {"id": "chatcmpl-1", "created": 1790000000, "model": "gpt-4o-mini-2024-07-18"}
USAGE = {"prompt_tokens": 200, "completion_tokens": 150, "total_tokens": 350}


class Wire:
    """A transport in memory: what is written goes to `heard`."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self.write = heard
        self._closed = False

    def get_extra_info(self, name: str) -> None:
        """Nothing is known of a socket that is none."""

    def set_write_buffer_limits(self, high: int | None = None) -> None:
        """Nothing is ever held back."""

    def get_write_buffer_size(self) -> int:
        """Nothing is ever held back."""
        return 0

    def is_closing(self) -> bool:
        """Whether it was cut."""
        return self._closed

    def abort(self) -> None:
        """Cut it."""
        self._closed = True


def whole() -> list[bytes]:
    """A provider's answer in one piece."""
    message = {"index": 0, "message": {"role": "assistant", "content": TEXT * 13}, "finish_reason": "stop"}
    body = json.dumps({**TOLD, "object": "chat.completion", "choices": [message], "usage": USAGE}).encode()
    return [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)]


def stream() -> list[bytes]:
    """A provider's answer chunk by chunk."""

    def chunk(data: bytes) -> bytes:
        return b"%x\r\ndata: %b\n\n\r\n" % (len(data) + 8, data)

    def event(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return chunk(json.dumps({**TOLD, "object": "chat.completion.chunk", "choices": [choice]}).encode())

    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    first, last = head + event({"role": "assistant", "content": ""}), event({}, "stop")
    usage = chunk(json.dumps({**TOLD, "choices": [], "usage": USAGE}).encode())
    words = [event({"content": f"word {number} of a text "}) for number in range(CHUNKS)]
    return [first, *words, last + usage + chunk(b"[DONE]") + b"0\r\n\r\n"]


def configured(folder: Path, limits: bool) -> tuple[Config, str]:
    """A gateway's configuration and a key, in `folder`; one with `limits` has a rate of each kind and a budget."""
    os.environ["BENCH_KEY"] = "sk-bench"
    (folder / "workspace").mkdir()
    (folder / "headgate.yaml").write_text(HEADGATE.format(port=8120, mock=9100))
    (folder / "workspace" / "bench.yaml").write_text(WORKSPACE)
    config = load_config(folder / "headgate.yaml", dict(os.environ), folder)
    config.state.mkdir()
    clock, entropy = SystemClock(), SystemEntropy()
    desk = KeyDesk(ControlStore(config.state), config.state, load_pepper(config.state, entropy), clock, entropy, None)
    secret = desk.open()
    if limits:
        secret = desk.create(NewKey("bench", rpm=900_000_000, tpm=900_000_000, budget_usd=9e8), "bench").secret
    assert secret is not None
    return config, secret


async def measure(config: Config, request: bytes, pieces: list[bytes], rounds: int) -> list[float]:
    """Thread CPU of each round, in microseconds per call or chunk."""
    snapshot = check(config).snapshot
    assert snapshot is not None
    clock = SystemClock()
    worker = Worker(config, snapshot, clock, SystemEntropy())
    asked: list[tuple[UpstreamConnection, Iterator[bytes]]] = []

    async def opened(pool: Any, request: object) -> UpstreamConnection:
        made = UpstreamConnection(pool, clock, ClientLimits())
        made.connection_made(Wire(lambda data: asked.append((made, iter(pieces)))))  # type: ignore[arg-type]
        pool.reserve()
        pool.settle(made)
        return made

    worker.transport._open = opened  # type: ignore[method-assign]
    listening = socket.create_server(("127.0.0.1", 0))
    worker.server.listen(listening)
    clients = [ServerConnection(worker.server._context) for _ in range(CLIENTS)]  # type: ignore[arg-type]
    said: list[bytes] = []
    for client in clients:
        client.connection_made(Wire(said.append))  # type: ignore[arg-type]

    async def turn() -> None:
        said.clear()
        for client in clients:
            client.data_received(request)
        while asked:
            for connection, rest in asked[:]:
                piece = next(rest, None)
                if piece is None:
                    asked.remove((connection, rest))
                else:
                    connection.data_received(piece)
            await asyncio.sleep(0)

    await turn()
    assert len([data for data in said if data.startswith(b"HTTP/1.1 200")]) == CLIENTS, said[:1]
    gc.collect()
    gc.set_threshold(*GC_THRESHOLD)
    gc.freeze()
    times: list[float] = []
    for _ in range(rounds):
        before = time.thread_time()
        await turn()
        times.append((time.thread_time() - before) / CLIENTS / len(pieces) * 1e6)
    for client in clients:
        client.connection_lost(None)
    await worker.close()
    return sorted(times)


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser()
    options.add_argument("--stream", action="store_true")
    options.add_argument("--bare", action="store_true", help="key and record only: no prompt, no guardrails")
    options.add_argument("--limits", action="store_true", help="the key has limits and a budget, far from reached")
    options.add_argument("--rounds", type=int, default=400)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        config, secret = configured(Path(name), chosen.limits)
        extra: dict[str, object] = {"headgate": {"variables": {"desk": "a customer support desk"}}}
        asks = Contestant("page", 0, [], Path(name), model="gpt-4o-mini" if chosen.bare else "bench")
        asks.extra = {} if chosen.bare else extra
        body = asks.body(1000, chosen.stream)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}\r\n"
        request = f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        times = uvloop.run(measure(config, request, stream() if chosen.stream else whole(), chosen.rounds))
    low, middle = times[len(times) // 20], times[len(times) // 2]
    print(
        json.dumps(
            {
                "stream": chosen.stream,
                "bare": chosen.bare,
                "limits": chosen.limits,
                "us_p5": round(low, 2),
                "us_p50": round(middle, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
