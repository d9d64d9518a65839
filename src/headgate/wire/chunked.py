"""The chunked transfer coding of request bodies, strictly (RFC 9112, section 7.1)."""

from __future__ import annotations

from headgate.wire.request import Refusal

_HEX = b"0123456789abcdefABCDEF"
_SIZE_LINE_MAX = 256
_SIZE_DIGITS_MAX = 8
_TRAILER_BYTES_MAX = 8 * 1024


class ChunkedBody:
    """Takes a chunked body apart. `rest` is what follows its end; trailers are read and thrown away.

    One-byte chunks cost no more than their bytes: the buffer is walked by an offset and cut once per feed.
    """

    __slots__ = ("_at", "_body", "_buffer", "_limit", "_missing", "_state", "received", "rest")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = b""
        self._at = 0
        self._body = bytearray()
        self._missing = 0
        self._state = self._size_line
        self.rest = b""
        self.received = 0

    def feed(self, data: bytes) -> bytes | None:
        """The whole body once `data` completes it, else None. Raises Refusal."""
        self.received += len(data)
        self._buffer = self._buffer + data if self._buffer else data
        self._at = 0
        while self._state():
            if self._state == self._done:
                self.rest = self._buffer[self._at :]
                return bytes(self._body)
        self._buffer = self._buffer[self._at :]
        return None

    def _line(self, limit: int) -> bytes | None:
        end = self._buffer.find(b"\r\n", self._at, self._at + limit + 2)
        if end < 0:
            rest = self._buffer[self._at : self._at + limit + 1]
            if len(rest) > limit or b"\n" in rest or b"\r" in rest[:-1]:
                raise _malformed()
            return None
        line = self._buffer[self._at : end]
        if b"\n" in line or b"\r" in line:
            raise _malformed()
        self._at = end + 2
        return line

    def _size_line(self) -> bool:
        line = self._line(_SIZE_LINE_MAX)
        if line is None:
            return False
        digits = line.partition(b";")[0]
        if not digits or len(digits) > _SIZE_DIGITS_MAX or digits.translate(None, _HEX):
            raise _malformed()
        self._missing = int(digits, 16)
        if len(self._body) + self._missing > self._limit:
            raise Refusal(413, "request_too_large", f"the body is larger than {self._limit} bytes")
        if self._missing:
            self._state = self._data
        else:
            self._missing = _TRAILER_BYTES_MAX
            self._state = self._trailer
        return True

    def _data(self) -> bool:
        piece = self._buffer[self._at : self._at + self._missing]
        self._body += piece
        self._at += len(piece)
        self._missing -= len(piece)
        if self._missing:
            return False
        self._state = self._data_end
        return True

    def _data_end(self) -> bool:
        end = self._buffer[self._at : self._at + 2]
        if not b"\r\n".startswith(end):
            raise _malformed()
        if len(end) < 2:
            return False
        self._at += 2
        self._state = self._size_line
        return True

    def _trailer(self) -> bool:
        line = self._line(self._missing)
        if line is None:
            return False
        self._missing -= len(line)
        if not line:
            self._state = self._done
        elif b":" not in line or line.startswith((b" ", b"\t")):
            raise _malformed()
        return True

    def _done(self) -> bool:
        return False


def _malformed() -> Refusal:
    return Refusal(400, "invalid_request", "the chunked body is malformed")
