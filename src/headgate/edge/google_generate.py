"""Google's surface: `POST /{version}/models/{model}:generateContent` and `:streamGenerateContent`."""

from __future__ import annotations

from urllib.parse import unquote

from headgate.dialects.google_array import ArrayFramer
from headgate.edge.surface import JSON, Match, Surface

PREFIXES = ("/v1beta/models/", "/v1/models/", "/v1alpha/models/")
_STREAMED = {"generateContent": False, "streamGenerateContent": True}

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
