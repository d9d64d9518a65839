"""Anthropic events and bodies for the tests of its answers, and reading them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from headgate.core.chat import (
    Delta,
    Frame,
)
from headgate.dialects.anthropic_messages import ANTHROPIC


def ev(type_: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (type_.encode(), json.dumps({"type": type_, **fields}).encode())


def start(**usage: int | None) -> bytes:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 1, **usage},
    }
    return ev("message_start", message=message)


def block(index: int, **fields: Any) -> bytes:
    return ev("content_block_start", index=index, content_block=fields)


def more(index: int, type_: str, **fields: Any) -> bytes:
    return ev("content_block_delta", index=index, delta={"type": type_, **fields})


def stop(index: int) -> bytes:
    return ev("content_block_stop", index=index)


def done(reason: str | None = "end_turn", sequence: str | None = None, **usage: Any) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": sequence}
    return ev("message_delta", delta=delta, usage={"output_tokens": 7, **usage})


END = ev("message_stop")
PING = ev("ping")

FULL = (
    start(cache_read_input_tokens=4, cache_creation_input_tokens=6)
    + PING
    + block(0, type="thinking", thinking="", signature="")
    + more(0, "thinking_delta", thinking="let me ")
    + more(0, "thinking_delta", thinking="see")
    + more(0, "signature_delta", signature="c2ln")
    + stop(0)
    + block(1, type="redacted_thinking", data="b3BhcXVl")
    + stop(1)
    + block(2, type="text", text="")
    + more(2, "text_delta", text="Héllo ")
    + more(2, "text_delta", text="世界")
    + stop(2)
    + block(3, type="tool_use", id="toolu_1", name="weather", input={})
    + more(3, "input_json_delta", partial_json="")
    + more(3, "input_json_delta", partial_json='{"city":')
    + more(3, "input_json_delta", partial_json='"Bern"}')
    + stop(3)
    + block(4, type="tool_use", id="toolu_2", name="now", input={})
    + stop(4)
    + done("tool_use", output_tokens_details={"thinking_tokens": 3})
    + END
)


def read(data: bytes, size: int = 0, stream: bool = True) -> list[Frame]:
    reader = ANTHROPIC.reader(stream, True)
    frames: list[Frame] = []
    size = size or len(data) or 1
    for at in range(0, len(data), size):
        frames += reader.feed(data[at : at + size])
    return frames + reader.end()


def deltas(frames: Sequence[Frame]) -> list[Delta]:
    return [delta for frame in frames for delta in frame.deltas]


def whole(content: list[dict[str, Any]], reason: str | None = "end_turn", **fields: Any) -> bytes:
    tree: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 7, "cache_read_input_tokens": 4},
    }
    return json.dumps(tree | fields).encode()
