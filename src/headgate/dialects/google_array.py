"""`:streamGenerateContent` without `alt=sse` is one JSON array, an element for each response object."""

from __future__ import annotations

from typing import Final

import msgspec

from headgate.wire.sse import EVENT_BYTES_MAX, SseParser

_OPEN: Final = b"{"
_CLOSE: Final = b"}"
_LOOK_BACK: Final = 256
_QUOTE: Final = b'"'
_BACKSLASH: Final = ord("\\")


class ArraySplitter:
    """Cuts a JSON array of objects, or one object alone, into its elements as bytes arrive. Bounded by `limit` bytes
    for one element; what stands between elements is not checked, each element is by whoever decodes it."""

    __slots__ = ("_buffer", "_depth", "_in_text", "_limit", "_scan", "_start")

    def __init__(self, limit: int = EVENT_BYTES_MAX) -> None:
        self._buffer = bytearray()
        self._scan = 0
        self._start = 0
        self._depth = 0
        self._in_text = False
        self._limit = limit

    def feed(self, data: bytes) -> list[bytes]:
        """Elements completed by `data`. Raises ValueError for an element over the limit."""
        self._buffer += data
        elements: list[bytes] = []
        while self._scan < len(self._buffer):
            stop = self._buffer.find(_QUOTE, self._scan)
            if not self._in_text:
                self._outside(len(self._buffer) if stop < 0 else stop, elements)
            elif stop >= 0 and self._escaped(stop):
                self._scan = stop + 1
                continue
            if stop < 0:
                self._scan = len(self._buffer)
                break
            self._scan = stop + 1
            self._in_text = not self._in_text
        self._forget()
        return elements

    def end(self) -> bytes:
        """An unfinished element; empty where there is none."""
        return bytes(self._buffer[self._start :]) if self._depth else b""

    def _outside(self, stop: int, elements: list[bytes]) -> None:
        """Looks at structure between two strings."""
        buffer = self._buffer
        # each sign is sought on from where it was last: a loop over every byte takes 9 s for 64 MB of blanks
        opens, closes = buffer.find(_OPEN, self._scan, stop), buffer.find(_CLOSE, self._scan, stop)
        while opens >= 0 or closes >= 0:
            if opens >= 0 and not 0 <= closes < opens:
                if self._depth == 0:
                    self._start = opens
                self._depth += 1
                opens = buffer.find(_OPEN, opens + 1, stop)
                continue
            if self._depth:
                self._depth -= 1
                if self._depth == 0:
                    elements.append(bytes(buffer[self._start : closes + 1]))
            closes = buffer.find(_CLOSE, closes + 1, stop)

    def _escaped(self, quote: int) -> bool:
        """True where an odd number of backslashes stands before the quote."""
        at = quote
        if at <= self._start or self._buffer[at - 1] != _BACKSLASH:
            return False
        while at > self._start:
            piece = self._buffer[max(self._start, at - _LOOK_BACK) : at]
            others = len(piece.rstrip(b"\\"))
            at -= len(piece) - others
            if others:
                break
        return (quote - at) % 2 == 1

    def _forget(self) -> None:
        """Drops what is done with."""
        done = self._start if self._depth else self._scan
        del self._buffer[:done]
        self._scan -= done
        self._start = 0
        if len(self._buffer) > self._limit:
            raise ValueError(f"an element is longer than {self._limit} bytes")


class ArrayFramer:
    """Turns the SSE form of a streamed answer into the array form, for a client that did not say `alt=sse`.

    It stands behind everything else: what it is fed is exactly what an SSE client would have been sent.
    """

    __slots__ = ("_begun", "_parser")

    content_type: Final = b"application/json; charset=UTF-8"

    def __init__(self) -> None:
        self._parser = SseParser(EVENT_BYTES_MAX)
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """The array's bytes for the events completed by `data`. Raises ValueError for an event over the limit."""
        pieces: list[bytes] = []
        for event in self._parser.feed(data):
            if event.data:
                pieces.append(b",\r\n" if self._begun else b"[")
                pieces.append(event.data)
                self._begun = True
        return b"".join(pieces)

    def end(self) -> bytes:
        """The closing bracket. An answer that broke off before any event is an empty array."""
        return b"\r\n]\r\n" if self._begun else b"[]\r\n"


def as_event(element: bytes) -> bytes:
    """An array's element as the SSE event that would have carried it. Raises msgspec.DecodeError."""
    return b"data: " + msgspec.json.format(element, indent=-1) + b"\r\n\r\n"
