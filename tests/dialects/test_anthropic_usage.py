"""Counts nobody told: Anthropic's types demand two totals, which are then estimated by characters, never 0."""

from __future__ import annotations

import json
from typing import Any

from headgate.core.chat import Begin, Delta, Finish, ReasoningDelta, TextDelta, ToolArgs, ToolStart, UsageDelta
from headgate.core.types import Usage
from headgate.dialects.anthropic_messages import ANTHROPIC
from headgate.dialects.base import AnswerMeta

META = AnswerMeta("call_1", "m", 0, origin="openai", input_tokens=40)
SAID: list[Delta] = [
    Begin("a", "m"),
    ReasoningDelta("think"),
    TextDelta("four"),
    ToolStart(0, "t", "f"),
    ToolArgs(0, "{}"),
    Finish("tool_calls", "tool_calls"),
]


def whole(*more: Delta) -> dict[str, Any]:
    writer = ANTHROPIC.writer(False, META)
    return json.loads(writer.write([*SAID, *more]) + writer.end())["usage"]


def test_a_whole_answer_without_usage() -> None:
    usage = whole()
    assert (usage["input_tokens"], usage["output_tokens"]) == (40, 3)


def test_what_was_told_is_not_estimated() -> None:
    usage = whole(UsageDelta(Usage(input=7, output=9)))
    assert (usage["input_tokens"], usage["output_tokens"]) == (7, 9)
    usage = whole(UsageDelta(Usage(output=9)))
    assert (usage["input_tokens"], usage["output_tokens"]) == (40, 9)


def test_a_stream_begins_with_the_estimate_and_ends_with_what_was_told() -> None:
    writer = ANTHROPIC.writer(True, META)
    wire = writer.write([*SAID, UsageDelta(Usage(input=7, output=9))]) + writer.end()
    events = [json.loads(block.split(b"data: ")[1]) for block in wire.split(b"\n\n") if block]
    assert events[0]["message"]["usage"]["input_tokens"] == 40
    assert events[0]["message"]["usage"]["output_tokens"] == 0
    assert events[-2]["usage"]["input_tokens"] == 7
    assert events[-2]["usage"]["output_tokens"] == 9
