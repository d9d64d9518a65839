"""One segment file as its writer sees it: preallocated, mapped, synced behind the request path."""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

from headgate.telemetry.frames import FRAME_HEAD, HEADER_SIZE, TAG, TRAILER, Header, pack_header

_crc32 = zlib.crc32
_pack_check = struct.Struct("<II").pack_into


class Disk(NamedTuple):
    """The two calls that fail when a disk does; replaced in tests to make it fail."""

    allocate: Callable[[int, int, int], None] = os.posix_fallocate
    sync: Callable[[int], None] = os.fdatasync


class Segment:
    """A mapped segment. `at` is where the next frame goes, `end` the last place a frame may reach."""

    __slots__ = ("_fd", "_map", "_named", "_words", "at", "end", "nonce", "path")

    def __init__(self, path: str, fd: int, size: int, nonce: int) -> None:
        self.path = path
        self._fd = fd
        self._named = False
        self._map = mmap.mmap(fd, size)
        self._words = memoryview(self._map).cast("I")
        self.nonce = nonce
        self.at = HEADER_SIZE
        self.end = size - TRAILER

    @classmethod
    def create(cls, path: str, header: Header, disk: Disk) -> Segment:
        """A new segment with all its blocks on disk, not yet under a name that readers look for.

        Raises OSError (ENOSPC, EIO).
        """
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # blocks are taken now, so that a full disk is an error here and never a SIGBUS in the mapping
            disk.allocate(fd, 0, header.size)
            os.pwrite(fd, pack_header(header), 0)
            disk.sync(fd)
            return cls(path, fd, header.size, header.nonce)
        except BaseException:
            os.close(fd)
            os.unlink(path)
            raise

    def publish(self, path: str) -> None:
        """Give it the name readers look for, right before the first frame. The next `sync` makes the name durable.

        Raises OSError.
        """
        os.rename(self.path, path)
        self.path = path
        self._named = True

    def append(self, kind: int, payload: bytes | bytearray) -> bool:
        """Write a frame; False where it does not fit. On return it survives kill -9 of this process.

        The checksum starts from `frames.seed`, written out here: this runs twice a call.
        """
        at = self.at
        size = len(payload)
        stop = at + FRAME_HEAD + size
        if stop > self.end:
            return False
        self._map[at + FRAME_HEAD : stop] = payload
        _pack_check(self._map, at + 4, _crc32(payload, (self.nonce ^ (at | kind)) & 0xFFFFFFFF), TAG | kind)
        self._words[at >> 2] = size  # one aligned store: the commit word
        self.at = stop + 7 & -8
        return True

    def close(self, kind: int) -> None:
        """Mark the segment as ended: nothing follows. The mapping stays until `release`."""
        self.end += TRAILER
        self.append(kind, b"\0")
        self.end = 0

    def sync(self, disk: Disk) -> None:
        """Put what was written on the disk. Raises OSError."""
        disk.sync(self._fd)
        if self._named:
            _sync_directory(os.path.dirname(self.path))
            self._named = False

    def release(self) -> None:
        """Unmap and close. The segment may not be used afterwards."""
        self._words.release()
        self._map.close()
        os.close(self._fd)


class NoSegment:
    """Stands where a disk that is full at the start gave no segment: takes nothing."""

    __slots__ = ("at", "end", "path")

    def __init__(self) -> None:
        self.at = self.end = 0
        self.path = ""

    def append(self, kind: int, payload: bytes | bytearray) -> bool:
        """Nothing fits."""
        return False

    def close(self, kind: int) -> None:
        """There is nothing to end."""

    def sync(self, disk: Disk) -> None:
        """There is nothing to sync."""

    def release(self) -> None:
        """There is nothing to let go of."""


def _sync_directory(path: str) -> None:
    fd = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
