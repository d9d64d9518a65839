"""The journal's format: how records lie in a segment file, and how to read one that may be torn or damaged.

Segment: a 64 byte header, then frames, then zeros. Frame: `u32 length | u32 crc | u32 tag | payload | padding to 8`.
The tag is a 24 bit mark and the kind. The length is stored last: it is the commit word, so a frame cut short by a
kill reads as the end. The checksum starts from the segment's nonce, the frame's offset and its kind, so neither a
frame in another place nor bytes a client sent can pass for a record. Appending never changes what an older version
reads: records grow at the end, and unknown kinds are passed over.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

import msgspec

from headgate.core.errors import ConfigError

FORMAT_VERSION = 1
MAGIC = b"HEADGJNL"
HEADER_SIZE = 64
FRAME_HEAD = 12
TRAILER = 16  # room kept for the frame that closes a segment
MAX_PAYLOAD = 1 << 20
TAG = 0xA7C35E00
MARK = struct.pack("<I", TAG)[1:]

KIND_MAX = 7
OPENED, SEALED, GAP, FORGOTTEN, CLOSED, EVENT, NOTE = 1, 2, 3, 4, 5, 6, 7
# NOTE is the last kind there is room for: it begins with a word that says what it is, and unknown ones are passed over
DAMAGED = 0  # never written: what a reader puts in place of bytes it had to skip

_HEADER = struct.Struct("<8sIIqQ")
_HEAD = struct.Struct("<III")


class Header(NamedTuple):
    """What a segment says of itself: its size in bytes, when it was created (wall ns), its checksum nonce."""

    size: int
    created_ns: int
    nonce: int


class Frame(msgspec.Struct, gc=False):
    """One frame: its kind, its payload, and the offset right behind it. `skipped` counts bytes for DAMAGED."""

    kind: int
    payload: bytes
    end: int
    skipped: int = 0


def pack_header(header: Header) -> bytes:
    """The first 64 bytes of a segment."""
    body = _HEADER.pack(MAGIC, FORMAT_VERSION, header.size, header.created_ns, header.nonce)
    padded = body.ljust(HEADER_SIZE - 4, b"\0")
    return padded + struct.pack("<I", zlib.crc32(padded))


def unpack_header(data: bytes, where: str) -> Header | None:
    """The header, or None where it is damaged. Raises ConfigError for a format newer than this program's."""
    if len(data) < HEADER_SIZE or data[:8] != MAGIC:
        return None
    _, version, size, created_ns, nonce = _HEADER.unpack_from(data)
    if zlib.crc32(data[: HEADER_SIZE - 4]) != struct.unpack_from("<I", data, HEADER_SIZE - 4)[0]:
        return None
    if version > FORMAT_VERSION:
        raise ConfigError(
            where,
            f"journal format {version} was written by a newer Headgate; this one reads up to {FORMAT_VERSION}",
            "start the newer version until the journal is drained, then go back",
        )
    return Header(size, created_ns, nonce)


def seed(nonce: int, offset: int, kind: int) -> int:
    """Where the checksum of a frame starts. Offsets are multiples of 8, so the kind fits beside them."""
    return (nonce ^ (offset | kind)) & 0xFFFFFFFF


def parse(data: bytes, at: int, base: int, nonce: int) -> Frame | None:
    """The frame at `data[at]`, which is `base + at` in the file; None where no whole, sound frame starts there."""
    found = parse_run(data, at, base, nonce, 1)
    return found[0] if found else None


def parse_run(data: bytes, at: int, base: int, nonce: int, limit: int) -> list[Frame]:
    """Up to `limit` whole, sound frames that follow each other from `data[at]` on; `data[0]` is `base` in the file.

    Ends with the frame that closes the segment, where that comes first.
    """
    unpack, crc32, size = _HEAD.unpack_from, zlib.crc32, len(data)
    frames: list[Frame] = []
    while at + FRAME_HEAD <= size and len(frames) < limit:
        length, crc, tag = unpack(data, at)
        start = at + FRAME_HEAD
        end = start + length
        kind = tag ^ TAG
        if not 0 <= kind <= KIND_MAX or not 0 < length <= MAX_PAYLOAD or end > size:
            break
        payload = data[start:end]
        if crc32(payload, (nonce ^ (base + at | kind)) & 0xFFFFFFFF) != crc:  # `seed`, without the call
            break
        at = end + 7 & -8
        frames.append(Frame(kind, payload, base + at))
        if kind == CLOSED:
            break
    return frames


def pack_frame(kind: int, payload: bytes, offset: int, nonce: int) -> bytes:
    """A frame as bytes for `offset`, padding included. The journal writes the same layout in place."""
    head = _HEAD.pack(len(payload), zlib.crc32(payload, seed(nonce, offset, kind)), TAG | kind)
    return (head + payload).ljust(FRAME_HEAD + len(payload) + 7 & -8, b"\0")


def length_at(data: bytes, at: int) -> int:
    """The commit word at `data[at]`; 0 where nothing was committed or the data ends."""
    return int.from_bytes(data[at : at + 4], "little") if at + 4 <= len(data) else 0


def next_sound(data: bytes, at: int, base: int, nonce: int) -> int | None:
    """The first place from `at` on (an index into `data`) where a sound frame starts; None where there is none."""
    while True:
        found = data.find(MARK, at + FRAME_HEAD - 3)
        if found < 0:
            return None
        start = found - (FRAME_HEAD - 3)
        if (base + start) % 8 == 0 and parse(data, start, base, nonce) is not None:
            return start
        at = start + 1
