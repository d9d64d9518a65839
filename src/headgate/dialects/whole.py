"""The bytes of an answer that comes in one piece, gathered within bounds."""

from __future__ import annotations

from typing import Final

import msgspec

from headgate.core.chat import Frame
from headgate.core.errors import UpstreamError

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024


class WholeBody:
    """The gathering half of an `AnswerReader` for whole answers; `end` is each dialect's own."""

    __slots__ = ("_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Frame]:
        """See `AnswerReader.feed`: no frame before the end."""
        self._size += len(data)
        if self._size > ANSWER_BYTES_MAX:
            raise UpstreamError("response_too_large", f"the provider's answer is over {ANSWER_BYTES_MAX} bytes")
        self._pieces.append(data)
        return []

    def gathered(self) -> bytes:
        """The whole body."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


def is_object(text: str) -> bool:
    """Whether the arguments of a tool call are a JSON object, as far as its top level."""
    try:
        _object.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return False
    return True


_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
