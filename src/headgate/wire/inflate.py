"""Undoing a content coding nobody asked for, with a bound on what comes out."""

from __future__ import annotations

import zlib

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_STEP = 64 * 1024
CODINGS = frozenset((b"gzip", b"x-gzip", b"deflate"))


class Inflater:
    """Decodes gzip or zlib data piece by piece. Raises ValueError over the limit, zlib.error where it is corrupt."""

    __slots__ = ("_left", "_zlib")

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._zlib = zlib.decompressobj(_GZIP_OR_ZLIB)

    def feed(self, data: bytes) -> bytes:
        """What `data` decodes to."""
        parts: list[bytes] = []
        while data:
            part = self._zlib.decompress(data, _STEP)
            self._left -= len(part)
            if self._left < 0:
                raise ValueError("the decoded answer is over its limit")
            parts.append(part)
            data = self._zlib.unconsumed_tail
            if not part:
                break
        return b"".join(parts)

    @property
    def complete(self) -> bool:
        """The coding's own end mark was seen."""
        return self._zlib.eof
