"""Reading HTTP/1.1 requests off a stream: small, strict, bounded, and the simulator's own."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from headgate.simulator.messages import Request
from headgate.simulator.trees import deeper

HEAD_MAX = 64 * 1024
BODY_MAX = 64 * 1024 * 1024
DEPTH_MAX = 100
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class BadRequest(Exception):
    """The bytes are no HTTP request that the simulator reads; answered with `status`, then the connection closes."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request; None where the client is done. Raises BadRequest."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise BadRequest(400, "the request ends within its head") from error
        return None
    except asyncio.LimitOverrunError as error:
        raise BadRequest(431, "the request's head is too large") from error
    request = _parse_head(raw)
    try:
        request.body = await _read_body(reader, request.headers)
    except asyncio.IncompleteReadError as error:
        raise BadRequest(400, "the request ends within its body") from error
    except asyncio.LimitOverrunError as error:
        raise BadRequest(400, "a chunk's size line is too long") from error
    _read_json(request)
    return request


def take_request(buffer: bytes) -> tuple[Request, bytes] | None:
    """The request at the start of `buffer` and the bytes behind it; None where it is not all there yet.

    For callers without a stream; bodies are framed by their length. Raises BadRequest.
    """
    end = buffer.find(b"\r\n\r\n") + 4
    if end < 4:
        if len(buffer) > HEAD_MAX:
            raise BadRequest(431, "the request's head is too large")
        return None
    request = _parse_head(buffer[:end])
    stop = end + _length(request.headers)
    if len(buffer) < stop:
        return None
    request.body = buffer[end:stop]
    _read_json(request)
    return request, buffer[stop:]


def _read_json(request: Request) -> None:
    if not request.body:
        request.json_error = "the body is empty" if request.method == "POST" else None
        return
    try:
        found: object = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        request.json_error = str(error)
        return
    if deeper(found, DEPTH_MAX):
        request.json_error = f"the body is nested deeper than {DEPTH_MAX} levels"
    else:
        request.json = found


def _parse_head(raw: bytes) -> Request:
    lines = raw.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest(400, "malformed request line")
    headers: dict[str, str] = {}
    for line in lines[1:-2]:
        name, colon, value = line.partition(":")
        if not colon or not name or not _TOKEN.issuperset(name):
            raise BadRequest(400, "malformed header line")
        headers[name.lower()] = value.strip(" \t")
    if "content-length" in headers and "transfer-encoding" in headers:
        raise BadRequest(400, "both content-length and transfer-encoding")
    target = urlsplit(words[1])
    query = dict(parse_qsl(target.query, keep_blank_values=True))
    return Request(words[0], unquote(target.path), query, headers, b"")


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise BadRequest(501, "transfer coding not implemented")
        return await _read_chunks(reader)
    return await reader.readexactly(_length(headers))


def _length(headers: dict[str, str]) -> int:
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise BadRequest(400, "malformed content-length")
    if int(length) > BODY_MAX:
        raise BadRequest(413, "the body is too large")
    return int(length)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        line = await reader.readuntil(b"\r\n")
        digits = line.split(b";")[0].strip()
        try:
            size = int(digits, 16)
        except ValueError as error:
            raise BadRequest(400, "malformed chunk size") from error
        if len(body) + size > BODY_MAX:
            raise BadRequest(413, "the body is too large")
        if size == 0:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                continue
            return bytes(body)
        body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise BadRequest(400, "malformed chunk")
