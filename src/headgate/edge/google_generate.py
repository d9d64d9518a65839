"""Google's surface: `POST /{version}/models/{model}:generateContent` and `:streamGenerateContent`."""

from __future__ import annotations

from urllib.parse import unquote

from headgate.edge.surface import JSON, Match, Surface
from headgate.wire.sse import SseParser

PREFIXES = ("/v1beta/models/", "/v1/models/", "/v1alpha/models/")
_STREAMED = {"generateContent": False, "streamGenerateContent": True}


class ArrayFramer:
    """One JSON array in place of an event stream: what Google sends where `alt=sse` was not asked for."""

    __slots__ = ("_begun", "_parser")

    def __init__(self) -> None:
        self._parser = SseParser()
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """The array's next elements for whole events in `data`."""
        parts: list[bytes] = []
        for event in self._parser.feed(data):
            if event.data:
                parts.append(b"," if self._begun else b"[")
                parts.append(event.data)
                self._begun = True
        return b"\r\n".join(parts)

    def end(self) -> bytes:
        """The array's end."""
        return b"\r\n]" if self._begun else b"[]"


GOOGLE_SURFACE = Surface("google", "x-request-id")
GOOGLE_ARRAY_SURFACE = Surface("google", "x-request-id", JSON, ArrayFramer)


def match(path: str, query: str) -> Match | None:
    """The call a path asks for; None where it is no method of a model."""
    for prefix in PREFIXES:
        if path.startswith(prefix):
            break
    else:
        return None
    model, colon, method = path[len(prefix) :].replace("%3A", ":").replace("%3a", ":").rpartition(":")
    streamed = _STREAMED.get(method)
    if not colon or not model or streamed is None:
        return None
    array = streamed and "alt=sse" not in query.split("&")
    return Match(GOOGLE_ARRAY_SURFACE if array else GOOGLE_SURFACE, unquote(model), streamed)
