"""Bodies and conversations for the tests of Anthropic's requests."""

from __future__ import annotations

import json
from typing import Any

from headgate.core.chat import ChatRequest, Message, Text

OLD, NEW = "claude-sonnet-4-5", "claude-opus-5-5"
HI = {"role": "user", "content": "Hi"}


def raw(**fields: Any) -> bytes:
    return json.dumps({"model": NEW, "max_tokens": 100, "messages": [HI]} | fields, ensure_ascii=False).encode()


def user(*parts: Any) -> Message:
    return Message("user", [Text(part) if isinstance(part, str) else part for part in parts])


def assistant(*parts: Any) -> Message:
    return Message("assistant", [Text(part) if isinstance(part, str) else part for part in parts])


def chat(*turns: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(list(turns) or [user("Hi")], **fields)
