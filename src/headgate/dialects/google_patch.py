"""Putting a guardrail's text in the place of the original in Gemini's own bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from headgate.core.chat import Frame, ReasoningDelta, TextDelta, ToolArgs
from headgate.core.types import Json, JsonObject, as_list, as_object
from headgate.wire.sse import parse

# fields of a candidate that repeat or quote what the model said
_LEAKS: Final = (
    "avgLogprobs",
    "citationMetadata",
    "finishMessage",
    "groundingAttributions",
    "groundingMetadata",
    "logprobsResult",
    "urlContextMetadata",
)


def patch(frame: Frame) -> bytes:
    """See `Dialect.patch`. Arguments that a redaction left without JSON's form become an empty object."""
    wire = frame.wire
    whole = wire.lstrip()[:1] == b"{"
    tree = as_object(msgspec.json.decode(wire if whole else parse(wire).data))
    if tree is None:
        return wire
    texts = _texts(frame)
    for item in as_list(tree.get("candidates")) or ():
        candidate = as_object(item)
        if candidate is None:
            continue
        for name in _LEAKS:
            candidate.pop(name, None)
        content = as_object(candidate.get("content")) or {}
        for part in as_list(content.get("parts")) or ():
            _patch_part(as_object(part) or {}, texts)
    body = msgspec.json.encode(tree)
    if whole:
        return body
    newline = b"\r\n" if b"\r\n" in wire else b"\n" if b"\n" in wire else b"\r"
    return b"data: " + body + newline + newline


def _texts(frame: Frame) -> Iterator[str]:
    """The texts of the frame's deltas in the order of the parts they were read from."""
    for delta in frame.deltas:
        if isinstance(delta, TextDelta | ReasoningDelta | ToolArgs):
            yield delta.text


def _patch_part(part: JsonObject, texts: Iterator[str]) -> None:
    """Takes as many texts as the reader made deltas of this part."""
    call = as_object(part.get("functionCall"))
    if call is not None:
        call["args"] = _arguments(next(texts))
        return
    signed = part.get("thoughtSignature") is not None
    if part.get("thought"):
        if part.get("text") or signed:
            part["text"] = next(texts)
    else:
        if signed:
            next(texts)  # the signature alone: it has no text
        if part.get("text"):
            part["text"] = next(texts)
    for name, field in (("executableCode", "code"), ("codeExecutionResult", "output")):
        told = as_object(part.get(name))
        if told is not None and told.get(field):
            told[field] = next(texts)


def _arguments(said: str) -> Json:
    try:
        return as_object(msgspec.json.decode(said)) or {}
    except (msgspec.DecodeError, RecursionError):
        return {}
