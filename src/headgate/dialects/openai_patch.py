"""Rewriting OpenAI answers that a guardrail changed, and ending streams early.

A rewritten unit is built anew from the fields that are known to be safe: token probabilities, citations, audio and
whatever a vendor adds next could repeat the text that was taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from headgate.core.chat import Frame, ReasoningDelta, RefusalDelta, TextDelta, ToolArgs
from headgate.core.errors import GatewayError, HeadgateError
from headgate.core.types import Json, JsonObject, as_list, as_object
from headgate.dialects.base import AnswerMeta, Sent
from headgate.dialects.openai_reader import DONE
from headgate.dialects.openai_write import POLICY_FINISH, ChunkHead, error_event
from headgate.wire.sse import parse

_TOP: Final = ("id", "object", "created", "model", "choices", "system_fingerprint", "service_tier", "usage")
_CALL: Final = ("index", "id", "type", "extra_content")
_SPOKEN: Final = (TextDelta, RefusalDelta, ReasoningDelta, ToolArgs)

_tree: Final = msgspec.json.Decoder()


def patch(frame: Frame) -> bytes:
    """See `base.Dialect.patch`. Raises GatewayError where the deltas are not those of the wire bytes."""
    wire = frame.wire
    streamed = not wire.lstrip().startswith(b"{")
    tree = as_object(_tree.decode(parse(wire).data if streamed else wire))
    if tree is None:
        raise GatewayError("only a JSON object can be rewritten")
    texts = iter([delta.text for delta in frame.deltas if isinstance(delta, _SPOKEN)])
    kept = {name: tree[name] for name in _TOP if name in tree}
    kept["choices"] = [_choice(as_object(choice) or {}, texts) for choice in as_list(tree.get("choices")) or []]
    if next(texts, None) is not None:
        raise GatewayError("the deltas do not belong to this unit of the answer")
    body = msgspec.json.encode(kept)
    return b"data: " + body + b"\n\n" if streamed else body


def _next(texts: Iterator[str]) -> str:
    text = next(texts, None)
    if text is None:
        raise GatewayError("the deltas do not belong to this unit of the answer")
    return text


def _choice(choice: JsonObject, texts: Iterator[str]) -> JsonObject:
    kept: JsonObject = {}
    for name in ("index", "finish_reason"):
        if name in choice:
            kept[name] = choice[name]
    kept["logprobs"] = None
    # the reader looks at the first of these that holds anything, and so must we
    for name in ("delta", "message"):
        if name in choice:
            said = as_object(choice[name])
            kept[name] = None if said is None else _message(said, texts)
    return kept


def _message(said: JsonObject, texts: Iterator[str]) -> JsonObject:
    """The message with the next texts in place, in the order in which the reader takes them."""
    kept: JsonObject = {"role": said["role"]} if "role" in said else {}
    _reasoning(said, kept, texts)
    for name in ("content", "refusal"):
        if name in said:
            kept[name] = _next(texts) if said[name] else said[name]
    function = as_object(said.get("function_call"))
    if function is not None:
        kept["function_call"] = _function(function, "arguments", texts)
    calls = as_list(said.get("tool_calls"))
    if calls is not None:
        kept["tool_calls"] = [_call(as_object(call) or {}, texts) for call in calls]
    return kept


def _reasoning(said: JsonObject, kept: JsonObject, texts: Iterator[str]) -> None:
    blocks = as_list(said.get("headgate_reasoning"))
    names = [name for name in ("reasoning_content", "reasoning") if said.get(name)]
    if blocks:
        new: list[Json] = []
        spoken = ""
        for block in blocks:
            text = _next(texts)
            spoken += text
            new.append({**(as_object(block) or {}), "text": text})
        kept["headgate_reasoning"] = new
    elif names:
        spoken = _next(texts)
    else:
        return
    for name in names:
        kept[name] = spoken


def _call(call: JsonObject, texts: Iterator[str]) -> JsonObject:
    kept: JsonObject = {name: call[name] for name in _CALL if name in call}
    custom, function = as_object(call.get("custom")), as_object(call.get("function"))
    if custom is not None:
        kept["custom"] = _function(custom, "input", texts)
    elif function is not None:
        kept["function"] = _function(function, "arguments", texts)
    return kept


def _function(function: JsonObject, field: str, texts: Iterator[str]) -> JsonObject:
    kept: JsonObject = {"name": function["name"]} if "name" in function else {}
    if field in function:
        kept[field] = _next(texts) if function[field] else function[field]
    return kept


def cut(sent: Sent, meta: AnswerMeta, error: HeadgateError | None) -> bytes:
    """See `base.Dialect.cut`. An in-band error is followed by nothing: `[DONE]` would call the answer complete.

    A choice that has told why it ended is not ended again."""
    if error is not None:
        return error_event(error)
    head = ChunkHead(sent.begin, meta)
    unfinished = [choice for choice in range(max(sent.choices, 1)) if choice not in sent.finished]
    return b"".join([head.chunk(choice, b"{}", POLICY_FINISH) for choice in unfinished]) + DONE
