"""Server-sent events, sans-IO and byte-exact: every byte fed in comes out in exactly one event's `wire`.

Newlines are LF, CRLF or CR, also mixed; events may be cut anywhere (WHATWG HTML, section 9.2).
"""

from __future__ import annotations

from typing import NamedTuple

EVENT_BYTES_MAX = 16 * 1024 * 1024
_BLANK = (b"\n\n", b"\n\r", b"\r\r")
_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event. `data` is empty for comments and keep-alives; `name` is its `event:` field or empty."""

    wire: bytes
    data: bytes
    name: bytes


def _event(wire: bytes, data: bytes, name: bytes) -> Event:
    """An Event at a third of the cost of calling the class."""
    return tuple.__new__(Event, (wire, data, name))  # pyright: ignore[reportUnknownMemberType] - open in typeshed


class SseParser:
    """Cuts a byte stream into events."""

    __slots__ = ("_limit", "_more", "_seen", "_size", "rest")

    def __init__(self, limit: int = EVENT_BYTES_MAX) -> None:
        self.rest = b""  # what has come of an event that is not complete
        self._more: list[bytes] = []  # what follows the rest and ends no event: joined once, when one may end
        self._size = 0  # bytes in it
        self._seen = 0  # bytes of the rest that hold no event's end: long events are scanned once
        self._limit = limit

    def feed(self, data: bytes) -> list[Event]:
        """The events completed by `data`. Raises ValueError for an event over the limit."""
        if (
            not self.rest
            and data.startswith(b"data: ")
            and data.find(b"\n") == len(data) - 2
            and data.endswith(b"\n\n")
            and b"\r" not in data
        ):  # one read, one event of one line, as most are: 1 us saved
            return [_event(data, data[6:-2], b"")]
        buffer = data
        if self.rest:
            if not self._may_end(data):
                self._more.append(data)
                self._size += len(data)
                self._check(len(self.rest) + self._size)
                return []
            buffer = self._joined() + data
        events: list[Event] = []
        if b"\r" in buffer or buffer.startswith((b"\n", _BOM)):
            at = self._slow(buffer, events)
        else:
            at = self._fast(buffer, events)
        self.rest = buffer[at:] if at else buffer
        self._check(len(self.rest))
        return events

    def _may_end(self, data: bytes) -> bool:
        """Whether a blank line may be in `data` or where it joins what came before: without one no event ends, and
        to put together and scan all lines of a long event at every read would be quadratic work."""
        if b"\n\n" in data or b"\n\r" in data or b"\r\r" in data:
            return True
        last = self._more[-1] if self._more else self.rest
        return last[-1:] + data[:1] in _BLANK

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise ValueError(f"an event is longer than {self._limit} bytes")

    def _joined(self) -> bytes:
        """All that is left so far."""
        if self._more:
            self.rest = b"".join((self.rest, *self._more))
            self._more.clear()
            self._size = 0
        return self.rest

    def end(self) -> bytes:
        """What is left when the stream ends: an unfinished event or stray newlines."""
        rest, self.rest, self._seen = self._joined(), b"", 0
        return rest

    def _fast(self, buffer: bytes, events: list[Event]) -> int:
        """LF only, no blank lines in front: each event ends at the first double newline."""
        at, scan, size = 0, max(self._seen - 1, 0), len(buffer)
        while at < size:
            if scan <= at and buffer.startswith(b"data: ", at):  # one line, as OpenAI sends them
                end = buffer.find(b"\n", at)
                if end > 0 and buffer.startswith(b"\n", end + 1):
                    events.append(_event(buffer[at : end + 2], buffer[at + 6 : end], b""))
                    at = end + 2
                    continue
            if buffer.startswith(b"\n", at):
                return self._slow(buffer, events, at)
            stop = buffer.find(b"\n\n", max(scan, at))
            if stop < 0:
                break
            events.append(parse(buffer[at : stop + 2]))
            at = stop + 2
        self._seen = size - at
        return at

    def _slow(self, buffer: bytes, events: list[Event], at: int = 0) -> int:
        self._seen = 0
        while True:
            if buffer.startswith(b"data: ", at):  # one line ended by CRLF CRLF, the usual form at Google
                stop = buffer.find(b"\r\n\r\n", at)
                if stop > 0 and buffer.find(b"\r", at) == stop and buffer.find(b"\n", at) == stop + 1:
                    events.append(Event(buffer[at : stop + 4], buffer[at + 6 : stop], b""))
                    at = stop + 4
                    continue
            stop = _event_end(buffer, at)
            if not stop:
                return at
            events.append(parse(buffer[at:stop]))
            at = stop


def _event_end(buffer: bytes, at: int) -> int:
    """Where the event that starts at `at` ends; 0 where it is not complete. Blank lines in front belong to it."""
    content = False
    while True:
        lf = buffer.find(b"\n", at)
        cr = buffer.find(b"\r", at, None if lf < 0 else lf)
        stop = lf if cr < 0 else cr
        if stop < 0:
            return 0
        after = stop + 1
        if cr >= 0 and buffer.startswith(b"\n", after):
            after += 1
        if stop > at:
            content = True
        elif content:
            return after
        at = after


def parse(wire: bytes) -> Event:
    """The event in one block of lines, complete or not."""
    if b"\r" not in wire:
        if wire.startswith(b"data: ") and wire.find(b"\n") == len(wire) - 2:
            return Event(wire, wire[6:-2], b"")
        if wire.startswith(b"event: "):  # a name and one line, as Anthropic sends them
            end = wire.find(b"\n")
            if wire.startswith(b"data: ", end + 1) and wire.find(b"\n", end + 1) == len(wire) - 2:
                return _event(wire, wire[end + 7 : -2], wire[7:end])
    name = b""
    data: list[bytes] = []
    text = wire.removeprefix(_BOM)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in text.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return Event(wire, b"\n".join(data), name)
