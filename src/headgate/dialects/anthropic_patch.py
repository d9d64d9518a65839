"""Changing a same-dialect answer: text that a guardrail rewrote, and an answer that ends early."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from headgate.core.chat import Delta, Frame, ReasoningDelta, TextDelta, ToolArgs
from headgate.core.errors import HeadgateError
from headgate.core.types import Json, JsonObject, Usage, as_list, as_object, as_text
from headgate.dialects.anthropic_answer import BlockCount, whole_block
from headgate.dialects.anthropic_types import GotBlock
from headgate.dialects.anthropic_walk import is_object
from headgate.dialects.anthropic_write import error_event, event, policy_events, start_event
from headgate.dialects.base import AnswerMeta, Sent
from headgate.wire.sse import parse

_tree_decoder: Final = msgspec.json.Decoder(dict[str, Json])
_block_decoder: Final = msgspec.json.Decoder(GotBlock)


def patch(frame: Frame) -> bytes:
    """See `Dialect.patch`. An event keeps its name, a whole body all fields but the texts and their citations."""
    if frame.wire.lstrip()[:1] == b"{":
        return _patch_whole(frame)
    happening = parse(frame.wire)
    tree = _tree_decoder.decode(happening.data) if happening.data else {}
    changed = {name: tree.get(name) for name in ("delta", "content_block") if as_object(tree.get(name))}
    for name, value in changed.items():
        part = as_object(value) or {}
        for delta in frame.deltas:
            _retell(part, delta)
        tree[name] = part
    if not changed:
        return frame.wire
    return event(str(tree.pop("type", happening.name.decode())), dict(tree))


def _retell(part: JsonObject, delta: Delta) -> None:
    """Puts a delta's text where the event or block had its own."""
    match delta:
        case TextDelta(text) if "text" in part:
            part["text"] = text
            part.pop("citations", None)
        case ToolArgs(_, text) if "partial_json" in part:
            part["partial_json"] = text
        case ToolArgs(_, text) if "input" in part:
            part["input"] = msgspec.json.decode(text) if is_object(text) else {}
        case ReasoningDelta(text=text) if "thinking" in part:
            part["thinking"] = text
        case _:
            pass


def _patch_whole(frame: Frame) -> bytes:
    tree = _tree_decoder.decode(frame.wire)
    deltas: Iterator[Delta] = iter(frame.deltas[1:])  # after Begin
    blocks = BlockCount()
    for index, item in enumerate(as_list(tree.get("content")) or []):
        block = as_object(item)
        if block is None:
            continue
        before = len(whole_block(blocks, index, _block_decoder.decode(msgspec.json.encode(block))))
        for _ in range(before):
            _retell(block, next(deltas))
        if "citations" in block and as_text(block.get("type")) == "text":
            block["citations"] = None
    return msgspec.json.encode(tree)


def cut(sent: Sent, meta: AnswerMeta, error: HeadgateError | None) -> bytes:
    """See `Dialect.cut`."""
    if error is not None:
        return error_event(error, meta.call_id)
    if sent.finished:  # the reason went out: only the envelope is left to close
        return event("message_stop", {})
    data = b""
    if sent.begin is None:
        data = start_event(meta.call_id, meta.model, Usage())
    elif sent.open_block is not None:
        data = event("content_block_stop", {"index": sent.open_block})
    return data + policy_events(Usage())
