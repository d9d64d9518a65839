"""How one dialect is spoken over HTTP: what its SDK expects around the bodies that `dialects` makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

EVENT_STREAM = b"text/event-stream; charset=utf-8"
JSON = b"application/json"


class Framer(Protocol):
    """Re-frames a rendered event stream for clients that asked for another framing."""

    def feed(self, data: bytes) -> bytes:
        """The bytes to send for `data`; may be empty."""
        ...

    def end(self) -> bytes:
        """The closing bytes."""
        ...


class Surface(msgspec.Struct, frozen=True):
    """A dialect at the edge. `request_id` is the response header in which its SDK looks for the call's id."""

    dialect: str
    request_id: str
    stream_type: bytes = EVENT_STREAM
    framer: Callable[[], Framer] | None = None


class Match(msgspec.Struct, frozen=True, gc=False):
    """A request for an answer: on which surface, and what the path says."""

    surface: Surface
    model: str | None = None
    stream: bool = False
