"""Small answers of the three vendors, as bytes."""

from __future__ import annotations

import json
from typing import Any


def _sse(*events: Any, names: bool = False, end: str = "\n\n") -> bytes:
    out = ""
    for event in events:
        if names:
            out += f"event: {event['type']}\n"
        out += f"data: {event if isinstance(event, str) else json.dumps(event)}{end}"
    return out.encode()


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": [choice]}


def _candidate(text: str, finish: str | None = None) -> dict[str, Any]:
    one: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    if finish:
        one["finishReason"] = finish
    return {"candidates": [one], "modelVersion": "m-1", "responseId": "r1"}


_MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": [], "stop_reason": None,
    "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 1},
}  # fmt: skip

# per dialect: bytes before any content, two pieces of content, the end
STREAMS: dict[str, tuple[bytes, bytes, bytes, bytes]] = {
    "openai": (
        _sse(_chunk({"role": "assistant"})),
        _sse(_chunk({"content": "one "})),
        _sse(_chunk({"content": "two"})),
        _sse(_chunk({}, "stop"), "[DONE]"),
    ),
    "anthropic": (
        _sse(
            {"type": "message_start", "message": _MESSAGE},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            names=True,
        ),
        _sse({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "one "}}, names=True),
        _sse({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "two"}}, names=True),
        _sse(
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 2},
            },
            {"type": "message_stop"},
            names=True,
        ),
    ),
    "google": (
        b"",
        _sse(_candidate("one "), end="\r\n\r\n"),
        _sse(_candidate("two"), end="\r\n\r\n"),
        _sse(_candidate("", "STOP"), end="\r\n\r\n"),
    ),
}
WHOLE: dict[str, bytes] = {
    "openai": json.dumps(
        {
            "id": "c1", "object": "chat.completion", "created": 1, "model": "m-1", "vendor_extra": {"kept": [1, 2]},
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        },
        indent=1,
    ).encode(),
    "anthropic": json.dumps(
        {**_MESSAGE, "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "vendor_extra": 1},
        indent=1,
    ).encode(),
    "google": json.dumps({**_candidate("hi", "STOP"), "vendorExtra": 1}, indent=1).encode(),
}  # fmt: skip
PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "google": "/v1beta/models/m:streamGenerateContent?alt=sse",
}
WHOLE_PATHS = {**PATHS, "google": "/v1beta/models/m:generateContent"}


def request(dialect: str, stream: bool) -> bytes:
    """A minimal request."""
    if dialect == "google":
        return json.dumps({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}).encode()
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "stream": stream}
    if dialect == "anthropic":
        body["max_tokens"] = 10
    return json.dumps(body).encode()
