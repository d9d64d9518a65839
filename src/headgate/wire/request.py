"""Reading an HTTP/1.1 request head, strictly: what two parsers could read in two ways is refused (RFC 9112).

The whole head is looked at as bytes, once, so that bare line feeds, folded lines, spaces before a colon and doubled
framing headers cannot slip by. Tests hold every accepted head against two independent parsers.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.core.types import Header
from headgate.wire.limits import ServerLimits

METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))
_TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CONTROLS = bytes(code for code in range(32) if code != 9) + b"\x7f"
_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"connection", b"host", b"expect"))
_SECRET = frozenset((b"authorization", b"proxy-authorization", b"x-api-key", b"x-goog-api-key", b"cookie"))
_MEMO_ENTRIES = 2048
_MEMO_LINE_BYTES = 128
_LENGTH_DIGITS_MAX = 18


class Refusal(Exception):
    """A request that is refused by the server itself. `reason` is a stable code; `target` the path, where known;
    `request` what was asked, without its body, where the head could be read.

    `message` never repeats what the client sent.
    """

    def __init__(self, status: int, reason: str, message: str, target: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.target = target
        self.request: Request | None = None


class Head(msgspec.Struct, gc=False):
    """A request's head. `length` is None where the body is chunked."""

    method: str
    path: str
    query: str
    headers: Sequence[Header]
    length: int | None = 0
    close: bool = False
    expects: bool = False
    chunkable: bool = True


class Request:
    """One complete request. `path` and `query` are undecoded; header names are in lower case; `peer` is an address."""

    __slots__ = ("body", "headers", "method", "path", "peer", "query")

    def __init__(self, head: Head, body: bytes, peer: str) -> None:
        self.method = head.method
        self.path = head.path
        self.query = head.query
        self.headers = head.headers
        self.body = body
        self.peer = peer


class HeadReader:
    """Reads request heads within the limits. Remembers lines: clients send the same ones with every request."""

    __slots__ = ("_limits", "_lines", "_starts")

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._lines: dict[bytes, Header] = {}
        self._starts: dict[bytes, tuple[str, str, str, bool]] = {}

    def read(self, raw: bytes) -> Head:
        """The head in `raw`, which is everything before the empty line. Raises Refusal."""
        lines = raw.split(b"\r\n")
        count = len(lines) - 1
        start = lines[0]
        first = self._starts.get(start) or self._start(start)
        method, path, query, modern = first
        try:
            if count > self._limits.headers:
                raise Refusal(431, "header_too_large", f"more than {self._limits.headers} header fields")
            if raw.count(b"\n") != count or raw.count(b"\r") != count:
                raise Refusal(400, "invalid_request", "a line of the request head does not end in CRLF")
            headers: list[Header] = []
            framing: list[Header] = []
            known = self._lines.get
            del lines[0]
            for line in lines:
                header = known(line) or self._line(line)
                headers.append(header)
                if header[0] in _FRAMING:
                    framing.append(header)
            head = Head(method, path, query, headers, 0, not modern, False, modern)
            _frame(head, framing)
        except Refusal as refusal:
            refusal.target = path
            raise
        return head

    def _line(self, line: bytes) -> Header:
        name, colon, value = line.partition(b":")
        if not colon or not name or name.translate(None, _TOKEN):
            raise Refusal(400, "invalid_request", "a header line is malformed")
        if value.translate(None, _CONTROLS) != value:
            raise Refusal(400, "invalid_request", "a header value holds control characters")
        header = (name.lower(), value.strip(b" \t"))
        if len(line) <= _MEMO_LINE_BYTES and header[0] not in _SECRET:
            if len(self._lines) >= _MEMO_ENTRIES:
                self._lines.clear()
            self._lines[line] = header
        return header

    def _start(self, line: bytes) -> tuple[str, str, str, bool]:
        parts = line.split(b" ")
        if len(parts) != 3 or not parts[0] or parts[0].translate(None, _TOKEN):
            raise Refusal(400, "invalid_request", "the request line is malformed")
        method, target, version = parts
        if len(version) != 8 or not version.startswith(b"HTTP/") or version[6:7] != b".":
            raise Refusal(400, "invalid_request", "the request line is malformed")
        path, _, query = _target(target, method).partition("?")
        if version not in (b"HTTP/1.1", b"HTTP/1.0"):
            raise Refusal(505, "http_version", "only HTTP/1.1 and HTTP/1.0 are spoken here", path)
        if method not in METHODS:
            raise Refusal(501, "method_unknown", "this method is not implemented", path)
        read = (method.decode(), path, query, version == b"HTTP/1.1")
        if len(line) <= _MEMO_LINE_BYTES and not query:  # a query may hold a key
            if len(self._starts) >= _MEMO_ENTRIES:
                self._starts.clear()
            self._starts[line] = read
        return read


def path_told(raw: bytes) -> str:
    """The path in the first line of an unread head; empty where there is none. Good for the form of a refusal only."""
    words = raw.partition(b"\r\n")[0].split(b" ", 2)
    return words[1].partition(b"?")[0].decode("latin-1") if len(words) == 3 else ""


def _target(target: bytes, method: bytes) -> str:
    """The request target in origin form. An authority in it is dropped: nothing here is decided by a host name."""
    text = target.decode("latin-1")
    if not target.isascii() or not text.isprintable() or "#" in text:
        raise Refusal(400, "invalid_request", "the request target is malformed")
    if text.startswith("/") or (text == "*" and method == b"OPTIONS"):
        return text
    scheme, mark, rest = text.partition("://")
    if mark and scheme.lower() in ("http", "https"):
        authority = rest.partition("/")[0].partition("?")[0]
        below = rest[len(authority) :]
        return below if below.startswith("/") else "/" + below
    if text == "*":
        return text
    raise Refusal(400, "invalid_request", "the request target is malformed")


def _frame(head: Head, framing: list[Header]) -> None:
    """Decides where the body ends; every doubt is a refusal (RFC 9112, section 6.3)."""
    length: bytes | None = None
    coding: bytes | None = None
    hosts = 0
    for name, value in framing:
        if name == b"content-length":
            if length is not None:
                raise Refusal(400, "invalid_request", "more than one Content-Length")
            length = value
        elif name == b"transfer-encoding":
            if coding is not None:
                raise Refusal(400, "invalid_request", "more than one Transfer-Encoding")
            coding = value.lower()
        elif name == b"host":
            hosts += 1
        else:
            _manage(head, name, value.lower())
    if hosts > 1 or (hosts == 0 and head.chunkable):
        raise Refusal(400, "invalid_request", "exactly one Host header is required")
    if coding is not None:
        _coded(head, coding, length)
    elif length is not None:
        if not length.isdigit() or len(length) > _LENGTH_DIGITS_MAX:
            raise Refusal(400, "invalid_request", "Content-Length is not a number")
        head.length = int(length)


def _manage(head: Head, name: bytes, value: bytes) -> None:
    if name == b"connection":
        if value == b"close" or (b"," in value and b"close" in [token.strip() for token in value.split(b",")]):
            head.close = True
    elif value == b"100-continue":
        head.expects = head.chunkable
    else:
        raise Refusal(417, "expectation_failed", "only Expect: 100-continue is understood")


def _coded(head: Head, coding: bytes, length: bytes | None) -> None:
    if length is not None:
        raise Refusal(400, "invalid_request", "both Content-Length and Transfer-Encoding")
    if not head.chunkable:
        raise Refusal(400, "invalid_request", "Transfer-Encoding does not exist in HTTP/1.0")
    if coding != b"chunked":
        if coding.rpartition(b",")[2].strip(b" \t") == b"chunked" and coding.count(b"chunked") == 1:
            raise Refusal(501, "coding_unknown", "only the chunked transfer coding is implemented")
        raise Refusal(400, "invalid_request", "Transfer-Encoding is malformed")
    head.length = None
