"""OpenAI requests to canonical ones and back, judged by the SDK's own parameter types."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from headgate.dialects import DIALECTS
from headgate.dialects.openai_chat import OPENAI
from headgate.simulator.openai_rules import validate
from tests.dialects.openai_sdk import check_request
from tests.support.chat_strategies import EVERYTHING, PDF, PNG, WAV, chat_requests, same_turns

some = settings(max_examples=60, derandomize=True, deadline=None)
# token probabilities have no way back through another vendor's answer: they are named, not carried
SAYS = replace(EVERYTHING, logprobs=False)
REAL = replace(SAYS, signed_by=None, call_signatures=False)
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
USER: dict[str, Any] = {"role": "user", "content": "hi"}


def read(**fields: Any) -> ChatRequest:
    """A request read; nothing of it may have been dropped."""
    got = OPENAI.read_request(json.dumps({"model": "m", "messages": [USER], **fields}).encode(), False)
    assert got.dropped == []
    return got.chat


def write(chat: ChatRequest, abilities: frozenset[str] | None = None) -> tuple[dict[str, Any], list[str]]:
    """The body and what was dropped; the SDK's types must know every field."""
    carried = OPENAI.write_request(chat, "m", abilities)
    return check_request(carried.body), carried.dropped


def plain(*parts: Any, **fields: Any) -> ChatRequest:
    """A request of one user turn."""
    return ChatRequest(messages=[Message("user", list(parts) or [Text("hi")])], **fields)


# -- round trips --------------------------------------------------------------------------------------------------


@some
@given(chat_requests(SAYS))
def test_round_trip_loses_nothing(chat: ChatRequest) -> None:
    carried = OPENAI.write_request(chat, "m", None)
    assert carried.dropped == []
    back = OPENAI.read_request(carried.body, chat.stream)
    assert back.dropped == []
    assert same_turns(back.chat) == same_turns(chat)


@some
@given(chat_requests(REAL))
def test_written_bodies_are_valid_by_the_sdk(chat: ChatRequest) -> None:
    body, dropped = write(chat)
    assert dropped == []
    assert body["model"] == "m"
    assert body.get("stream", False) == chat.stream
    assert ("stream_options" in body) == chat.stream


@some
@given(chat_requests(REAL))
def test_written_bodies_are_ones_we_accept(chat: ChatRequest) -> None:
    asked = OPENAI.ask(OPENAI.write_request(chat, "m", None).body, None, False)
    assert (asked.model, asked.stream, asked.max_tokens, asked.choices) == (
        "m", chat.stream, chat.max_tokens, chat.n or 1,
    )  # fmt: skip


@some
@given(chat_requests(REAL), st.sampled_from(["gpt-4o", "gpt-4.1-mini", "gpt-5", "gpt-5.5", "gpt-6-luna", "o3"]))
def test_written_bodies_hold_before_the_strict_simulator(chat: ChatRequest, model: str) -> None:
    validate(json.loads(OPENAI.write_request(chat, model, None).body))


@some
@given(chat_requests(replace(REAL, many=False)), st.sampled_from(["anthropic", "google"]), st.booleans())
def test_so_do_bodies_of_other_clients(chat: ChatRequest, client: str, thinking: bool) -> None:
    model = {"anthropic": "claude-sonnet-4-5", "google": "gemini-3-pro-preview"}[client]
    with contextlib.suppress(CannotCarry):
        body = DIALECTS[client].write_request(chat, model, None).body
        told = DIALECTS[client].read_request(body, chat.stream).chat
        validate(json.loads(OPENAI.write_request(told, "o4-mini" if thinking else "gpt-4o", None).body))


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        ("gpt-4o", {"reasoning_effort"}),
        ("ft:gpt-4o:acme", {"reasoning_effort"}),
        ("gpt-5", {"temperature", "presence_penalty"}),
        ("openai/gpt-5-mini", {"temperature", "presence_penalty"}),
        ("gpt-5-chat-latest", {"reasoning_effort"}),
        ("gpt-5.1", set()),
        ("o3", {"temperature", "presence_penalty", "stop"}),
        ("llama-4", set()),
        ("gpt-oss-120b", set()),
    ],
)
def test_what_a_model_is_known_to_refuse_is_left_out_aloud(model: str, missing: set[str]) -> None:
    chat = plain(temperature=0.5, top_p=1.0, presence_penalty=0.5, stop=["x"], reasoning=ReasoningRequest("low"))
    carried = OPENAI.write_request(chat, model, None)
    said = {"temperature", "presence_penalty", "stop", "reasoning_effort"}
    assert said - check_request(carried.body).keys() == missing
    assert {name.replace("reasoning.effort", "reasoning_effort") for name in carried.dropped} == missing


def test_json_mode_needs_the_word() -> None:
    loose = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}
    assert write(plain(json_format=JsonFormat()))[0]["response_format"] == loose
    assert write(plain(Text("as JSON"), json_format=JsonFormat()))[0]["response_format"] == {"type": "json_object"}
    assert read(response_format=loose).json_format == JsonFormat()


# -- messages -----------------------------------------------------------------------------------------------------


def test_leading_system_and_developer_messages_are_the_system_prompt() -> None:
    chat = read(
        messages=[
            {"role": "system", "content": "a"},
            {"role": "developer", "content": [{"type": "text", "text": "b"}]},
            USER,
            {"role": "developer", "content": "late"},
        ]
    )
    assert chat.system == [Text("a"), Text("b")]
    assert [turn.role for turn in chat.messages] == ["user", "system"]


def test_parallel_results_become_one_turn_named_after_their_calls() -> None:
    calls = [{"id": f"c{n}", "type": "function", "function": {"name": f"f{n}", "arguments": "{}"}} for n in (1, 2)]
    results = [{"role": "tool", "tool_call_id": f"c{n}", "content": str(n)} for n in (2, 1)]
    chat = read(messages=[USER, {"role": "assistant", "content": None, "tool_calls": calls}, *results])
    assert chat.messages[-1] == Message(
        "user", [ToolResult("c2", [Text("2")], "f2"), ToolResult("c1", [Text("1")], "f1")]
    )
    body, _ = write(chat)
    assert body["messages"][-2:] == results


def test_deprecated_functions_read_as_tools() -> None:
    chat = read(
        functions=[{"name": "f", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
        messages=[
            USER,
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
            {"role": "function", "name": "f", "content": "done"},
        ],
    )
    call = chat.messages[1].parts[0]
    assert isinstance(call, ToolCall)
    assert chat.messages[2].parts == [ToolResult(call.id, [Text("done")], "f")]
    assert chat.tools == [Tool("f", schema={"type": "object"})]
    assert chat.tool_choice == ToolChoice("any", ["f"])


def test_no_arguments_are_an_empty_object() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    chat = read(messages=[USER, {"role": "assistant", "content": None, "tool_calls": [call]}])
    assert chat.messages[1].parts == [ToolCall("c", "f", "{}")]


def test_an_assistants_refusal_is_said_as_text() -> None:
    chat = read(messages=[USER, {"role": "assistant", "content": None, "refusal": "no"}, USER])
    assert chat.messages[1].parts == [Text("no")]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "tool", "tool_call_id": "nobody", "content": "x"}, "messages[0].tool_call_id"),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
        ({"role": "narrator", "content": "x"}, "messages[0].role"),
        ({"role": "user", "content": 5}, "messages[0].content"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}, "messages[0].content[0].image_url"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,raw"}}]},
            "messages[0].content[0].image_url.url",
        ),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": WAV, "format": "ogg"}}]},
            "messages[0].content[0].input_audio.format",
        ),
        (
            {"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
            "messages[0].content[0]",
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "[1]"}}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}, "messages[0].tool_calls[0].id"),
    ],
)
def test_wrong_messages_are_named(message: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(messages=[message])
    assert caught.value.param == param


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "hologram", "hologram": {}}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
        {"role": "assistant", "audio": {"id": "audio_1"}},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}]},
    ],
)
def test_what_only_openai_understands_goes_nowhere_else(message: dict[str, Any]) -> None:
    with pytest.raises(CannotCarry):
        read(messages=[USER, message])


# -- media --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "media"),
    [
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "high"}},
            Media("image/png", PNG, detail="high"),
        ),
        ({"type": "image_url", "image_url": {"url": "https://x/y.png"}}, Media(None, url="https://x/y.png")),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
            Media("application/pdf", PDF, kind="document", name="a.pdf"),
        ),
        ({"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}, Media("audio/wav", WAV, kind="audio")),
    ],
)
def test_media_both_ways(part: dict[str, Any], media: Media) -> None:
    chat = read(messages=[{"role": "user", "content": [part]}])
    assert chat.messages[0].parts == [media]
    assert write(chat)[0]["messages"][0]["content"] == [part]


@pytest.mark.parametrize(
    "media",
    [
        Media("application/pdf", url="https://x/y.pdf", kind="document"),
        Media("audio/ogg", WAV, kind="audio"),
        Media("video/mp4", "AAAA", kind="video"),
        Media(None, url="gs://bucket/y.png"),
        Media(None, file_id="file-1"),
    ],
)
def test_media_without_a_place_are_refused(media: Media) -> None:
    with pytest.raises(CannotCarry):
        write(plain(media))


@pytest.mark.parametrize(
    ("chat", "ability"),
    [
        (plain(Media("image/png", PNG)), "images"),
        (plain(Media("application/pdf", PDF, kind="document")), "documents"),
        (plain(Media("audio/wav", WAV, kind="audio")), "audio"),
        (plain(tools=[Tool("f")]), "tools"),
        (plain(json_format=JsonFormat({"type": "object"})), "json_schema"),
    ],
)
def test_a_model_that_cannot_is_not_asked(chat: ChatRequest, ability: str) -> None:
    write(chat, frozenset({ability}))
    with pytest.raises(CannotCarry):
        write(chat, frozenset())


def test_a_model_without_sampling_or_reasoning_is_spared_them_aloud() -> None:
    chat = plain(temperature=0.5, top_p=0.5, reasoning=ReasoningRequest("low"), seed=1)
    body, dropped = write(chat, frozenset())
    assert dropped == ["temperature", "top_p", "reasoning.effort"]
    assert body["seed"] == 1
    assert not {"temperature", "top_p", "reasoning_effort"} & body.keys()


def test_pictures_in_tool_results_are_shown_after_them() -> None:
    chat = ChatRequest(
        messages=[
            Message("user", [Text("hi")]),
            Message("assistant", [ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}")]),
            Message(
                "user",
                [
                    ToolResult("c1", [Text("a"), Media("image/png", PNG)], "f", is_error=True),
                    ToolResult("c2", [], "f"),
                    Text("go on"),
                ],
            ),
        ]
    )
    body, dropped = write(chat)
    assert dropped == ["tool_result.media", "tool_result.is_error"]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "tool", "tool", "user"]
    assert [part["type"] for part in body["messages"][-1]["content"]] == ["image_url", "text"]


# -- tools --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "choice"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("any")),
        ({"type": "function", "function": {"name": "look"}}, ToolChoice("any", ["look"])),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TOOL, TOOL]}},
            ToolChoice("any", ["look", "look"]),
        ),
    ],
)
def test_tool_choice(told: Any, choice: ToolChoice) -> None:
    chat = read(tools=[TOOL], tool_choice=told, parallel_tool_calls=False)
    assert (chat.tool_choice, chat.parallel_tools) == (choice, False)
    body, _ = write(chat)
    assert body["parallel_tool_calls"] is False
    again = OPENAI.read_request(json.dumps(body).encode(), False).chat
    assert again.tool_choice == choice


def test_allowed_tools_that_need_not_be_called_are_the_only_ones_offered() -> None:
    other = {"type": "function", "function": {"name": "other"}}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}}
    chat = read(tools=[TOOL, other], tool_choice=allowed)
    assert [tool.name for tool in chat.tools] == ["look"]
    assert chat.tool_choice == ToolChoice("auto")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [TOOL], "tool_choice": "sometimes"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {}}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "who"}}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {}}}, "tool_choice"),
        ({"functions": [{"name": "f"}], "function_call": "maybe"}, "function_call"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        ({"reasoning_effort": "frantic"}, "reasoning_effort"),
        ({"n": 0}, "n"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop": 5}, "stop"),
    ],
)
def test_wrong_settings_are_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "custom", "custom": {"name": "f"}}]},
        {"tools": [TOOL], "tool_choice": {"type": "custom", "custom": {"name": "f"}}},
        {"modalities": ["text", "audio"], "audio": {"voice": "ash", "format": "wav"}},
        {"web_search_options": {}},
        {"response_format": {"type": "grammar"}},
    ],
)
def test_settings_that_change_the_answers_kind_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(CannotCarry):
        read(**fields)


# -- settings -----------------------------------------------------------------------------------------------------


def test_settings_without_a_place_are_named() -> None:
    fields = {
        "logit_bias": {"1": 2}, "metadata": {"a": "b"}, "store": True, "service_tier": "flex", "verbosity": "low",
        "prompt_cache_key": "k", "seed": 3, "logprobs": True, "top_logprobs": 2, "audio": None, "user": "u",
        "safety_identifier": "s", "modalities": ["text"],
    }  # fmt: skip
    part = {"type": "text", "text": "hi", "prompt_cache_breakpoint": {"mode": "explicit"}}
    body = {"model": "m", "messages": [{"role": "user", "content": [part]}], **fields}
    got = OPENAI.read_request(json.dumps(body).encode(), False)
    assert set(got.dropped) == {
        "logit_bias", "metadata", "store", "service_tier", "verbosity", "prompt_cache_key", "logprobs",
        "safety_identifier", "messages.content.prompt_cache_breakpoint",
    }  # fmt: skip
    assert (got.chat.seed, got.chat.user) == (3, "u")


def test_the_newer_name_of_a_setting_wins() -> None:
    assert read(max_tokens=5).max_tokens == 5
    assert read(max_tokens=5, max_completion_tokens=6).max_tokens == 6
    assert read(safety_identifier="s").user == "s"
    assert read(stop="x").stop == ["x"]
    assert read(stop=["x", "y"]).stop == ["x", "y"]
    assert read(response_format={"type": "text"}).json_format is None
    assert read(response_format={"type": "json_object"}).json_format == JsonFormat()


def test_what_openai_has_no_place_for_is_named() -> None:
    chat = plain(top_k=3, logprobs=2, reasoning=ReasoningRequest(budget=4000, show=True))
    body, dropped = write(chat)
    assert set(dropped) == {"top_k", "logprobs", "reasoning.show", "reasoning.budget"}
    assert body["reasoning_effort"] == "medium"


def test_thinking_without_a_size_is_left_to_the_model() -> None:
    body, dropped = write(plain(reasoning=ReasoningRequest(adaptive=True)))
    assert dropped == []
    assert "reasoning_effort" not in body


def test_too_many_stop_sequences_are_refused() -> None:
    write(plain(stop=["a", "b", "c", "d"]))
    with pytest.raises(CannotCarry):
        write(plain(stop=["a", "b", "c", "d", "e"]))


def test_a_tool_switch_without_tools_is_not_said() -> None:
    body, _ = write(plain(tool_choice=ToolChoice("none"), parallel_tools=False))
    assert not {"tool_choice", "parallel_tool_calls", "tools"} & body.keys()


# -- signatures ---------------------------------------------------------------------------------------------------


def test_signatures_of_other_vendors_are_dropped_and_named() -> None:
    parts: list[Any] = [
        Reasoning("hm", "sig", origin="anthropic"),
        Text("ok"),
        ToolCall("c", "f", "{}", "sig", "google"),
    ]
    chat = ChatRequest(messages=[Message("user", [Text("hi")]), Message("assistant", parts)])
    body, dropped = write(chat)
    assert dropped == ["reasoning", "reasoning.signature"]
    assert body["messages"][1].keys() == {"role", "content", "tool_calls"}


def test_a_turn_of_nothing_but_foreign_thinking_disappears() -> None:
    chat = plain()
    chat.messages.append(Message("assistant", [Reasoning("hm", origin="google")]))
    body, dropped = write(chat)
    assert len(body["messages"]) == 1
    assert dropped == ["reasoning"]


def test_carriers_are_read_back_with_their_origin() -> None:
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"headgate": {"signature": "g", "origin": "google"}},
    }
    blocks = [
        {"index": 0, "type": "thinking", "text": "hm", "signature": "s", "origin": "anthropic"},
        {"index": 1, "type": "thinking", "redacted": "xx", "origin": "anthropic"},
    ]
    message = {
        "role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "hm",
        "headgate_reasoning": blocks,
    }  # fmt: skip
    assert read(messages=[USER, message]).messages[1].parts == [
        Reasoning("hm", "s", origin="anthropic"),
        Reasoning("", None, "xx", "anthropic"),
        ToolCall("c", "f", "{}", "g", "google"),
    ]


def test_what_a_compatible_server_signed_is_its_own() -> None:
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "g"}},
    }
    message = {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "hm"}
    chat = read(messages=[USER, message])
    assert chat.messages[1].parts == [Reasoning("hm", origin="openai"), ToolCall("c", "f", "{}", "g", "openai")]
    carried = OPENAI.write_request(chat, "m", None)
    assert carried.dropped == []
    assert msgspec.json.decode(carried.body)["messages"][1] == message
