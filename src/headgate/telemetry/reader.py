"""Reads segments that another process may be writing, from any offset, whatever state they are in."""

from __future__ import annotations

import os

from headgate.telemetry.frames import (
    CLOSED,
    DAMAGED,
    FRAME_HEAD,
    HEADER_SIZE,
    MAX_PAYLOAD,
    Frame,
    Header,
    length_at,
    next_sound,
    parse_run,
    unpack_header,
)

PATIENCE = 3  # looks at a frame that does not add up before it counts as damage: the writer may be half way
_PROBE = 4096
_CHUNK = 256 << 10


class SegmentReader:
    """A position in one segment. Closes its file at every look: thousands of idle segments cost no descriptors.

    Raises ConfigError for a newer format. A segment whose header is damaged reads as one DAMAGED frame.
    """

    __slots__ = ("_doubts", "at", "ended", "header", "path", "size")

    def __init__(self, path: str) -> None:
        self.path = path
        self.at = HEADER_SIZE
        self.ended = False
        self._doubts = 0
        data = self._read(0, HEADER_SIZE)
        self.size = os.stat(path).st_size
        self.header: Header | None = unpack_header(data, path)

    def read(self, limit: int, final: bool) -> list[Frame]:
        """Up to `limit` frames from here on, moving behind them.

        `final`: nobody writes here any more, so what does not add up is damage. Raises OSError where the disk fails.
        """
        if self.ended:
            return []
        if self.header is None:
            self.ended = True
            return [Frame(DAMAGED, b"", self.size, self.size)]
        frames: list[Frame] = []
        while len(frames) < limit and not self.ended:
            if not self._look(self.header, frames, limit, final):
                break
        return frames

    def begun(self) -> bool:
        """Whether anything was ever written to the segment. Raises OSError."""
        return self.header is not None and length_at(self._read(HEADER_SIZE, 4), 0) != 0

    def _look(self, header: Header, frames: list[Frame], limit: int, final: bool) -> bool:
        """Parse one chunk; True where reading on may bring more."""
        data = self._read(self.at, _PROBE)
        length = length_at(data, 0)
        if length:
            data = self._read(self.at, _CHUNK if length < _CHUNK - 64 else min(length, MAX_PAYLOAD) + 64)
        found = parse_run(data, 0, self.at, header.nonce, limit - len(frames))
        if found:
            self._doubts = 0
            self.at = found[-1].end
            self.ended = found[-1].kind == CLOSED
            if self.ended:
                found.pop()
            frames += found
            return not self.ended
        return self._doubt(header, frames, final)

    def _doubt(self, header: Header, frames: list[Frame], final: bool) -> bool:
        """No sound frame lies here: the end so far, the end for good, or damage to step over."""
        rest = self._read(self.at, max(self.size - self.at, 0)) if final else b""
        committed = length_at(rest if final else self._read(self.at, 4), 0)
        if not final:
            if not committed:
                return False
            self._doubts += 1
            if self._doubts < PATIENCE:
                return False
            rest = self._read(self.at, max(self.size - self.at, 0))
        found = next_sound(rest, 0, self.at, header.nonce)
        if found is None and not final:
            return False  # still being written: better wait than skip what is on its way
        if found is None and (not committed or len(rest) < FRAME_HEAD):
            self.ended = True  # zeros, or a frame whose writer died before its commit word
            return False
        skipped = len(rest) if found is None else found
        self.ended = found is None
        self.at += skipped
        self._doubts = 0
        frames.append(Frame(DAMAGED, b"", self.at, skipped))
        return found is not None

    def _read(self, at: int, count: int) -> bytes:
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(fd, count, at)
        finally:
            os.close(fd)
