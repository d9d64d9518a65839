"""A raw HTTP client over real sockets, and requests that each vendor accepts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from headgate.simulator import Simulator, SimulatorSettings, serve
from tests.support.world import run

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJUVPRgo="
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
    "required": ["city"],
}
MODELS = {"openai": "gpt-4o", "anthropic": "claude-sonnet-5-5", "google": "gemini-3.8-flash"}
NEWEST = "2026-10-21"


@dataclass
class Got:
    """What came back: `complete` where the body ended as HTTP says it must; `error` where the connection broke."""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool
    error: str = ""

    def json(self) -> Any:
        return json.loads(self.body)

    def datas(self) -> list[bytes]:
        """The data of each server-sent event, lines joined."""
        lines = self.body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        found = []
        for block in lines.split(b"\n\n"):
            data = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]
            if data:
                found.append(b"\n".join(data))
        return found

    def events(self) -> list[Any]:
        """The JSON of each event but `[DONE]`."""
        return [json.loads(data) for data in self.datas() if data != b"[DONE]"]

    def names(self) -> list[str]:
        """The event names of an Anthropic stream."""
        return [one["type"] for one in self.events()]


def path_of(vendor: str, model: str, stream: bool) -> str:
    if vendor == "openai":
        return "/v1/chat/completions"
    if vendor == "anthropic":
        return "/v1/messages"
    return f"/v1beta/models/{model}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")


def headers_of(vendor: str) -> dict[str, str]:
    if vendor == "openai":
        return {"authorization": "Bearer sim-key"}
    if vendor == "anthropic":
        return {"x-api-key": "sim-key", "anthropic-version": NEWEST}
    return {"x-goog-api-key": "sim-key"}


def body_of(vendor: str, said: str, model: str = "", stream: bool = False) -> dict[str, Any]:
    """A plain request that the vendor accepts."""
    if vendor == "google":
        return {"contents": [{"role": "user", "parts": [{"text": said}]}]}
    body: dict[str, Any] = {"model": model or MODELS[vendor], "messages": [{"role": "user", "content": said}]}
    if vendor == "anthropic":
        body["max_tokens"] = 2000
    if stream:
        body["stream"] = True
    return body


def with_tool(vendor: str, body: dict[str, Any]) -> dict[str, Any]:
    """The request with a weather tool."""
    if vendor == "openai":
        function = {"name": "get_weather", "description": "Weather", "parameters": WEATHER}
        return {**body, "tools": [{"type": "function", "function": function}]}
    if vendor == "anthropic":
        return {**body, "tools": [{"name": "get_weather", "input_schema": WEATHER}]}
    declared = {"name": "get_weather", "parametersJsonSchema": WEATHER}
    return {**body, "tools": [{"functionDeclarations": [declared]}]}


class Client:
    """One simulator in the running loop, and requests to it, each on a connection of its own."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        address = urlsplit(simulator.url)
        self.host, self.port = str(address.hostname), int(address.port or 0)

    async def ask(
        self,
        vendor: str,
        body: Any = None,
        *,
        said: str = "hello there",
        stream: bool = False,
        model: str = "",
        headers: dict[str, str] | None = None,
        most_s: float = 20.0,
    ) -> Got:
        """Sends a chat request; `body` in place of the plain one."""
        sent = body_of(vendor, said, model, stream) if body is None else body
        path = path_of(vendor, model or MODELS[vendor], stream)
        return await self.send("POST", path, sent, {**headers_of(vendor), **(headers or {})}, most_s)

    async def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, most_s: float = 20.0
    ) -> Got:
        """Sends any request."""
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=1 << 26)
        try:
            writer.write(request_bytes(method, path, body, headers or {}))
            return await read_answer(reader, most_s)
        finally:
            writer.close()


def request_bytes(method: str, path: str, body: Any, headers: dict[str, str]) -> bytes:
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: x", f"content-length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + data


async def read_answer(reader: asyncio.StreamReader, most_s: float = 20.0) -> Got:
    """Reads one answer; silence for `most_s` seconds and broken connections end it early."""
    got = Got(0, {}, b"", False)
    try:
        await asyncio.wait_for(_read(reader, got), most_s)
    except TimeoutError:
        got.error = "silence"
    except asyncio.IncompleteReadError as error:
        got.body += error.partial
        got.error = "eof"
    except ConnectionError:
        got.error = "reset"
    return got


async def _read(reader: asyncio.StreamReader, got: Got) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 1"):
        head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    got.status = int(lines[0].split(" ")[1])
    for line in lines[1:-2]:
        name, _, value = line.partition(":")
        got.headers[name.lower()] = value.strip()
    if got.headers.get("transfer-encoding") == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
            while size:
                part = await reader.read(size)
                if not part:
                    raise asyncio.IncompleteReadError(b"", size)
                got.body += part
                size -= len(part)
            await reader.readexactly(2)
        await reader.readexactly(2)
    else:
        size = int(got.headers.get("content-length", "0"))
        while len(got.body) < size:
            part = await reader.read(size - len(got.body))
            if not part:
                raise asyncio.IncompleteReadError(b"", size)
            got.body += part
    got.complete = True


def simulate(work: Any, settings: SimulatorSettings | None = None) -> Any:
    """Runs `work(client)` against a fresh simulator."""

    async def bounded() -> Any:
        simulator = await serve(settings or SimulatorSettings())
        try:
            return await work(Client(simulator))
        finally:
            await simulator.close()

    return run(bounded())
