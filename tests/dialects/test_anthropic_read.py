"""Reading Anthropic's requests in full."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from headgate.core.chat import (
    ChatRequest,
    JsonFormat,
    Media,
    Message,
    Reasoning,
    ReasoningRequest,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.core.errors import CannotCarry, InvalidRequest
from headgate.dialects.anthropic_messages import ANTHROPIC
from headgate.dialects.foreign import Foreign, wrap_foreign
from tests.dialects.anthropic_bodies import HI, assistant, chat, raw, user
from tests.support.chat_strategies import PDF, PNG


def got(**fields: Any) -> tuple[ChatRequest, list[str]]:
    found = ANTHROPIC.read_request(raw(**fields), False)
    return found.chat, found.dropped


# -- reading in full ---------------------------------------------------------------------------------------


def test_read_settings() -> None:
    found, dropped = got(
        system=[{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        stop_sequences=["END"],
        metadata={"user_id": "u"},
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        tools=[{"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True}],
        thinking={"type": "enabled", "budget_tokens": 2048, "display": "omitted"},
        output_config={"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    )
    assert dropped == ["cache_control"]
    assert found == chat(
        system=[Text("a")],
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        max_tokens=100,
        stop=["END"],
        user="u",
        tool_choice=ToolChoice("any"),
        parallel_tools=False,
        tools=[Tool("f", "d", {"type": "object"}, True)],
        reasoning=ReasoningRequest("high", 2048, show=False),
        json_format=JsonFormat({"type": "object"}, strict=True),
    )


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"service_tier": "auto"}, ["service_tier"]),
        (
            {"mcp_servers": [], "speed": "fast", "inference_geo": "eu", "diagnostics": None},
            ["mcp_servers", "speed", "inference_geo"],
        ),
        (
            {"tools": [{"name": "f", "input_schema": {"type": "object"}, "input_examples": [{}]}]},
            ["tools.input_examples"],
        ),
        ({"thinking": {"type": "between_tools"}}, ["thinking.between_tools"]),
        ({"tools": [{"name": "f", "input_schema": {"type": "object"}, "x": 1, "y": None}]}, ["tools.x"]),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "x": 1}] * 2, "y": {}}]},
            ["messages.y", "messages.content.x"],
        ),
        ({"headgate": {"channel": "x"}}, []),
    ],
)
def test_what_has_no_canonical_place_is_named(fields: dict[str, Any], names: list[str]) -> None:
    assert got(**fields)[1] == names


@pytest.mark.parametrize(
    ("thinking", "output", "asked"),
    [
        ({"type": "adaptive"}, None, ReasoningRequest(adaptive=True)),
        (
            {"type": "adaptive", "display": "summarized"},
            {"effort": "max"},
            ReasoningRequest("max", adaptive=True, show=True),
        ),
        ({"type": "disabled"}, None, ReasoningRequest("none")),
        (None, {"effort": "low"}, ReasoningRequest("low")),
        (None, {}, None),
    ],
)
def test_read_thinking(thinking: Any, output: Any, asked: ReasoningRequest | None) -> None:
    fields = {name: value for name, value in (("thinking", thinking), ("output_config", output)) if value is not None}
    assert got(**fields)[0].reasoning == asked


def read_blocks(*content: dict[str, Any], role: str = "user") -> tuple[list[Any], list[str]]:
    found, dropped = got(messages=[{"role": role, "content": list(content)}])
    return list(found.messages[0].parts), dropped


def test_read_media_of_every_source() -> None:
    parts, dropped = read_blocks(
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "f1"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}, "title": "t"},
        {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "né"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "in"}]}},
        {
            "type": "document",
            "source": {"type": "content", "content": "plain"},
            "context": "c",
            "citations": {"enabled": True},
        },
    )
    assert parts == [
        Media("image/png", PNG),
        Media(None, url="https://x/a.png"),
        Media(None, file_id="f1"),
        Media("application/pdf", PDF, kind="document", name="t"),
        Media("application/pdf", url="https://x/a.pdf", kind="document"),
        Media("text/plain", base64.b64encode("né".encode()).decode(), kind="document"),
        Text("in"),
        Text("plain"),
    ]
    assert dropped == ["citations", "document.context"]


def test_read_system_turns_tool_loops_and_names_of_results() -> None:
    found, _ = got(
        messages=[
            HI,
            {"role": "system", "content": "from now on"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                    {"type": "redacted_thinking", "data": "cmVk"},
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}},
                    {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "ok"},
                    {"type": "tool_result", "tool_use_id": "t2", "is_error": True},
                ],
            },
        ]
    )
    assert found.messages[1:] == [
        Message("system", [Text("from now on")]),
        assistant(
            Reasoning("hm", "c2ln", origin="anthropic"),
            Reasoning(redacted="cmVk", origin="anthropic"),
            ToolCall("t1", "f", '{"x": 1}'),
            ToolCall("t2", "g", "{}"),
        ),
        user(ToolResult("t1", [Text("ok")], "f"), ToolResult("t2", [], "g", True)),
    ]


def test_foreign_signatures_come_back_to_where_they_belong() -> None:
    parts, _ = read_blocks(
        {"type": "thinking", "thinking": "hm", "signature": wrap_foreign(Foreign("openai", signature="enc"))},
        {"type": "redacted_thinking", "data": wrap_foreign(Foreign("openai", redacted="blob"))},
        {"type": "thinking", "thinking": "", "signature": wrap_foreign(Foreign("google", signature="S", call="t1"))},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
        {"type": "tool_use", "id": "t2", "name": "f", "input": {}},
        {"type": "thinking", "thinking": "x", "signature": "aGVhZGdhdGUu!!!"},
        role="assistant",
    )
    assert parts == [
        Reasoning("hm", "enc", origin="openai"),
        Reasoning("", redacted="blob", origin="openai"),
        ToolCall("t1", "f", "{}", "S", "google"),
        ToolCall("t2", "f", "{}"),
        Reasoning("x", "aGVhZGdhdGUu!!!", origin="unknown"),
    ]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "search_result"}]}]}, "messages[0].content[0]"),
        ({"output_config": {"format": {"type": "grammar"}}}, "output_config.format"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_what_only_this_vendor_has_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(CannotCarry) as caught:
        got(**fields)
    assert caught.value.param == param


def content(block: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [block]}]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        (content({"type": "text"}), "messages[0].content[0].text"),
        (content({"type": "text", "text": 5}), "messages[0].content[0].text"),
        (content({"type": "image"}), "messages[0].content[0].source"),
        (content({"type": "image", "source": {"type": "text", "data": "x"}}), "messages[0].content[0].source"),
        (content({"type": "document", "source": {"type": "base64", "data": "x"}}), "messages[0].content[0].source"),
        (content({"type": "tool_use", "name": "f", "input": {}}), "messages[0].content[0]"),
        (content({"type": "tool_use", "id": "t", "name": "f", "input": []}), "messages[0].content[0].input"),
        (content({"type": "tool_result"}), "messages[0].content[0].tool_use_id"),
        (content({"type": "tool_result", "tool_use_id": "t", "content": {}}), "messages[0].content[0].content"),
        (content({"type": "thinking", "signature": "x"}), "messages[0].content[0].thinking"),
        (content({"type": "redacted_thinking"}), "messages[0].content[0].data"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice"),
        ({"tool_choice": {"type": "often"}}, "tool_choice"),
        ({"thinking": {"type": "hard"}}, "thinking.type"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"stop_sequences": "x"}, "stop_sequences"),
    ],
)
def test_read_refuses_what_is_wrong(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        got(**fields)
    assert caught.value.param == param
