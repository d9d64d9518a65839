"""Requests between generateContent and the canonical types: each rule kept and each rule broken."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from google.genai import types
from hypothesis import given, settings

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
from headgate.dialects.foreign import Foreign, wrap_foreign
from headgate.dialects.google_generate import GOOGLE
from headgate.dialects.google_types import BYPASS
from tests.dialects.google_sdk import Recorder, check_request
from tests.support.chat_strategies import PDF, PNG, WAV, Says, chat_requests, same_turns

MODEL = "gemini-3-flash-preview"
GEMINI = Says(
    media=(
        Media(mime="image/png", data=PNG),
        Media(mime="image/png", url="https://example.com/a.png"),
        Media(mime="application/pdf", data=PDF, kind="document"),
        Media(mime="audio/wav", data=WAV, kind="audio"),
    ),
    result_media=(Media(mime="image/png", data=PNG),),
    result_errors=True,
    signed_by="google",
    call_signatures=True,
    sampling=True,
    top_k=True,
    many=True,
    seed=True,
    penalties=True,
    several_forced=True,
    json_object=True,
    efforts=("minimal", "low", "medium", "high"),
)


def read(tree: Any) -> ChatRequest:
    return GOOGLE.read_request(json.dumps(tree).encode(), False).chat


def dropped(tree: Any) -> list[str]:
    return GOOGLE.read_request(json.dumps(tree).encode(), False).dropped


def parts_of(*parts: Any, role: str = "user") -> dict[str, Any]:
    return {"contents": [{"role": role, "parts": list(parts)}]}


HELLO = parts_of({"text": "Hello"})


def write(chat: ChatRequest, model: str = MODEL, abilities: frozenset[str] | None = None) -> dict[str, Any]:
    return check_request(GOOGLE.write_request(chat, model, abilities).body)


def said(*parts: Any, role: str = "user", **more: Any) -> ChatRequest:
    return ChatRequest(messages=[Message(role, list(parts))], **more)


# -- round trips ----------------------------------------------------------------------------------------------------


def _what_google_can_say(chat: ChatRequest) -> ChatRequest:
    """Names and strictness of JSON formats are not said there; calls that Gemini did not sign get the bypass."""
    chat = same_turns(chat)
    if chat.json_format is not None:
        chat.json_format = JsonFormat(schema=chat.json_format.schema)
    for turn in chat.messages:
        calls = [part for part in turn.parts if isinstance(part, ToolCall)]
        if calls and calls[0].signature is None:
            calls[0].signature, calls[0].origin = BYPASS, "google"
    return chat


def _signed_in_base64(chat: ChatRequest) -> ChatRequest:
    """The strategy's signatures are words; Gemini's are bytes."""
    for turn in chat.messages:
        for part in turn.parts:
            if isinstance(part, Reasoning) and part.signature is not None:
                part.signature = base64.b64encode(part.signature.encode()).decode()
    return chat


gemini_requests = chat_requests(GEMINI).map(_signed_in_base64)


@settings(max_examples=150, deadline=None)
@given(gemini_requests)
def test_a_request_comes_back_as_it_was(chat: ChatRequest) -> None:
    carried = GOOGLE.write_request(chat, MODEL, None)
    check_request(carried.body)
    assert carried.dropped == []
    back = GOOGLE.read_request(carried.body, chat.stream)
    assert back.dropped == []
    assert same_turns(back.chat) == _what_google_can_say(chat)


@settings(max_examples=60, deadline=None)
@given(gemini_requests)
def test_written_twice_is_written_the_same(chat: ChatRequest) -> None:
    once = GOOGLE.write_request(chat, MODEL, None).body
    again = GOOGLE.write_request(GOOGLE.read_request(once, False).chat, MODEL, None).body
    assert again == once


_NAMES = (
    "systemInstruction", "functionDeclarations", "parametersJsonSchema", "toolConfig", "functionCallingConfig",
    "allowedFunctionNames", "generationConfig", "inlineData", "mimeType", "fileData", "fileUri", "functionCall",
    "functionResponse", "thoughtSignature", "maxOutputTokens", "topP", "topK", "candidateCount", "stopSequences",
    "presencePenalty", "frequencyPenalty", "responseMimeType", "responseJsonSchema", "thinkingConfig", "thinkingLevel",
)  # fmt: skip


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


@settings(max_examples=60, deadline=None)
@given(gemini_requests)
def test_both_spellings_read_the_same(chat: ChatRequest) -> None:
    camel = GOOGLE.write_request(chat, MODEL, None).body
    snake = camel
    for name in _NAMES:
        snake = snake.replace(b'"%b":' % name.encode(), b'"%b":' % _snake(name).encode())
    assert not any(b'"%b":' % name.encode() in snake for name in _NAMES)
    assert GOOGLE.read_request(snake, False) == GOOGLE.read_request(camel, False)
    one, other = GOOGLE.ask(camel, MODEL, False), GOOGLE.ask(snake, MODEL, False)
    assert (one.max_tokens, one.choices, one.input_chars > 0) == (other.max_tokens, other.choices, True)
    assert GOOGLE.system_text(one) == GOOGLE.system_text(other)


# -- what the SDK sends ---------------------------------------------------------------------------------------------


def test_the_sdks_body_is_read_whole() -> None:
    sdk = Recorder()
    png = base64.b64decode(PNG) + b"\xff\xfe\xfd"
    call = types.Part(function_call=types.FunctionCall(name="look", args={"a": 1}), thought_signature=b"\xfb\xff!")
    image = types.Part.from_bytes(data=png, mime_type="image/png")
    result = types.Part.from_function_response(name="look", response={"result": "ok"})
    declared = types.FunctionDeclaration(name="look", parameters_json_schema={"type": "object"})
    calling = types.FunctionCallingConfig(mode="ANY", allowed_function_names=["look"])
    sdk.ask(
        [
            types.Content(role="user", parts=[types.Part(text="x"), image]),
            types.Content(role="model", parts=[types.Part(text="hm", thought=True), call]),
            types.Content(role="user", parts=[result]),
        ],
        temperature=0.5,
        top_k=7,
        stop_sequences=["END"],
        response_mime_type="application/json",
        response_json_schema={"type": "object"},
        thinking_config=types.ThinkingConfig(thinking_level="low", include_thoughts=True),
        tools=[types.Tool(function_declarations=[declared])],
        tool_config=types.ToolConfig(function_calling_config=calling),
        safety_settings=[types.SafetySetting(category="HARM_CATEGORY_HATE_SPEECH", threshold="BLOCK_NONE")],
    )
    read_ = GOOGLE.read_request(sdk.body, False)
    assert read_.dropped == ["safetySettings"]
    chat = read_.chat
    assert chat.messages == [
        Message("user", [Text("x"), Media("image/png", data=base64.b64encode(png).decode())]),
        Message(
            "assistant",
            [Reasoning("hm", origin="google"), ToolCall("call_1_1", "look", '{"a":1}', "-_8h", "google")],
        ),
        Message("user", [ToolResult("call_1_1", [Text("ok")], "look")]),
    ]
    assert chat.reasoning == ReasoningRequest(effort="low", show=True)
    assert chat.json_format == JsonFormat(schema={"type": "object"})
    assert chat.tools == [Tool("look", schema={"type": "object"})]
    assert chat.tool_choice == ToolChoice("any", ["look"])
    assert (chat.temperature, chat.top_k, chat.stop) == (0.5, 7, ["END"])


def test_a_python_function_as_a_tool_is_read() -> None:
    def weather(city: str, days: int = 1) -> str:
        """Tells the weather."""
        return city * days

    sdk = Recorder()
    sdk.ask("Hi", tools=[weather], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True))
    [tool] = GOOGLE.read_request(sdk.body, False).chat.tools
    assert (tool.name, tool.description) == ("weather", "Tells the weather.")
    assert tool.schema is not None
    assert tool.schema["type"] == "object"
    assert tool.schema["properties"]["city"]["type"] == "string"  # type: ignore[index, call-overload]


# -- reading: turns -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "canonical"), [("user", "user"), ("model", "assistant"), (None, "user")])
def test_roles(role: str | None, canonical: str) -> None:
    assert read(parts_of({"text": "x"}, role=role)).messages[0].role == canonical  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["system", "assistant", "User"])
def test_other_roles_are_refused(role: str) -> None:
    with pytest.raises(InvalidRequest, match="valid role: user, model"):
        read(parts_of({"text": "x"}, role=role))


@pytest.mark.parametrize("contents", [[], [{"role": "user", "parts": []}], None])
def test_empty_contents_are_refused(contents: Any) -> None:
    with pytest.raises(InvalidRequest, match="contents"):
        read({"contents": contents})


def test_the_system_instruction_is_text() -> None:
    assert read(HELLO | {"systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}]}}).system == [
        Text("a"),
        Text("b"),
    ]
    with pytest.raises(CannotCarry):
        read(HELLO | {"systemInstruction": {"parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}]}})
    with pytest.raises(InvalidRequest):
        read(HELLO | {"systemInstruction": "text"})


def test_streamed_thinking_comes_back_as_one_block() -> None:
    signed = wrap_foreign(Foreign("anthropic", "sig"))
    pieces = [
        {"text": "a", "thought": True},
        {"text": "b", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": signed},
    ]
    [message] = read(parts_of(*pieces, {"text": "done"}, role="model")).messages
    assert message.parts == [Reasoning("ab", "sig", origin="anthropic"), Text("done")]


def test_a_streamed_answer_comes_back_as_one_turn() -> None:
    contents = [
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        {"role": "model", "parts": [{"text": "Hel"}]},
        {"role": "model", "parts": [{"text": "lo"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
        {"role": "model", "parts": [{"text": ""}]},
    ]
    assert read({"contents": contents}).messages == [
        Message("user", [Text("a"), Text("b")]),
        Message("assistant", [Text("Hello"), ToolCall("call_3_0", "f", "{}")]),
    ]


def test_redacted_thinking_comes_back() -> None:
    part = {"text": "", "thought": True, "thoughtSignature": wrap_foreign(Foreign("anthropic", redacted="blob"))}
    [message] = read(parts_of(part, {"text": "x"}, role="model")).messages
    assert message.parts == [Reasoning(redacted="blob", origin="anthropic"), Text("x")]


def test_a_mark_of_a_foreign_call_is_no_signature() -> None:
    part = {"functionCall": {"name": "f"}, "thoughtSignature": wrap_foreign(Foreign("openai"))}
    assert read(parts_of(part, role="model")).messages[0].parts == [ToolCall("call_0_0", "f", "{}")]


# -- reading: tools -------------------------------------------------------------------------------------------------


def _calls(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "model", "parts": [{"functionCall": call} for call in calls]}


def _results(*results: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": [{"functionResponse": result} for result in results]}


def test_calls_without_ids_get_them_by_place_and_results_follow_name_and_order() -> None:
    contents = [
        _calls({"name": "f", "args": {"n": 1}}, {"name": "g"}, {"name": "f", "args": {"n": 2}}),
        _results(
            {"name": "g", "response": {"output": "G"}},
            {"name": "f", "response": {"output": "F1"}},
            {"name": "f", "response": {"output": "F2"}},
        ),
    ]
    chat = read({"contents": contents})
    assert [part.id for part in chat.messages[0].parts] == ["call_0_0", "call_0_1", "call_0_2"]  # type: ignore[union-attr]
    results = [(part.call_id, part.parts[0].text) for part in chat.messages[1].parts]  # type: ignore[union-attr]
    assert results == [("call_0_1", "G"), ("call_0_0", "F1"), ("call_0_2", "F2")]
    assert read({"contents": contents}) == chat


def test_ids_are_kept_and_matched_before_names() -> None:
    contents = [
        _calls({"name": "f", "id": "a"}, {"name": "f", "id": "b"}),
        _results({"name": "f", "id": "b", "response": {}}, {"name": "f", "id": "a", "response": {}}),
    ]
    assert [part.call_id for part in read({"contents": contents}).messages[1].parts] == ["b", "a"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "contents",
    [
        [_results({"name": "f", "response": {}})],
        [_calls({"name": "f"}), _results({"name": "g", "response": {}})],
        [_calls({"name": "f"}), _results({"name": "f", "response": {}}, {"name": "f", "response": {}})],
    ],
)
def test_a_result_nobody_waits_for_is_refused(contents: list[Any]) -> None:
    with pytest.raises(InvalidRequest, match="waits for this functionResponse"):
        read({"contents": contents})


@pytest.mark.parametrize(
    ("response", "texts", "is_error"),
    [
        ({"output": "x"}, ["x"], False),
        ({"result": "x"}, ["x"], False),
        ({"error": "x"}, ["x"], True),
        ({"output": {"a": 1}}, ['{"a":1}'], False),
        ({"a": 1, "output": "x"}, ['{"a":1,"output":"x"}'], False),
        ({"result": ["a", "b"]}, ['["a","b"]'], False),
        ({"result": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, ["a", "b"], False),
        ({}, ["{}"], False),
    ],
)
def test_results_are_unwrapped(response: Any, texts: list[str], is_error: bool) -> None:
    chat = read({"contents": [_calls({"name": "f"}), _results({"name": "f", "response": response})]})
    [result] = chat.messages[1].parts
    assert result == ToolResult("call_0_0", [Text(text) for text in texts], "f", is_error)


@pytest.mark.parametrize(
    "part",
    [
        {"functionCall": {"args": {}}},
        {"functionCall": {"name": "f", "args": "text"}},
        {"functionCall": "f"},
        {"text": 5},
        {"text": "x", "thought": "yes"},
        {"text": "x", "thoughtSignature": 5},
        {"inlineData": {"data": PNG}},
        {"inlineData": {"mimeType": "image/png"}},
    ],
)
def test_parts_of_the_wrong_shape_are_refused(part: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(parts_of(part))
    assert (caught.value.param or "").startswith("contents[0].parts[0]")


def test_declarations_in_either_schema_form() -> None:
    openapi = {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}, "required": ["a"]}
    plain = {"type": "object", "properties": {"a_b": {"type": "string"}}}
    declared = [
        {"name": "f", "description": "d", "parameters": openapi},
        {"name": "g", "parametersJsonSchema": plain},
        {"name": "h", "response": {"type": "STRING"}},
    ]
    tree = HELLO | {"tools": [{"functionDeclarations": declared}]}
    assert read(tree).tools == [
        Tool("f", "d", {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]}),
        Tool("g", schema=plain),  # type: ignore[arg-type]
        Tool("h"),
    ]
    assert dropped(tree) == ["tools.functionDeclarations.response"]
    with pytest.raises(InvalidRequest):
        read(HELLO | {"tools": [{"functionDeclarations": [{"description": "no name"}]}]})


@pytest.mark.parametrize("tool", ["googleSearch", "google_search", "codeExecution", "urlContext", "mcpServers"])
def test_tools_that_run_at_google_cannot_be_carried(tool: str) -> None:
    with pytest.raises(CannotCarry, match="runs at Google only"):
        read(HELLO | {"tools": [{tool: {}}]})


@pytest.mark.parametrize("field", ["cachedContent", "cached_content", "continuationToken"])
def test_what_google_keeps_cannot_be_carried(field: str) -> None:
    with pytest.raises(CannotCarry):
        read(HELLO | {field: "x"})


def test_what_only_tunes_google_is_dropped_loudly() -> None:
    tree = parts_of({"text": "x", "partMetadata": {}}) | {
        "safetySettings": [{}], "labels": {"a": "b"}, "generationConfig": {"mediaResolution": "LOW"},
        "toolConfig": {"retrievalConfig": {}},
    }  # fmt: skip
    assert dropped(tree) == [
        "contents.parts.partMetadata", "toolConfig.retrievalConfig", "generationConfig.mediaResolution",
        "safetySettings", "labels",
    ]  # fmt: skip


_TWO = [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}]


@pytest.mark.parametrize(
    ("config", "choice", "tools"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto"), "fg"),
        ({"mode": "none"}, ToolChoice("none"), "fg"),
        ({"mode": "ANY"}, ToolChoice("any"), "fg"),
        ({"mode": "ANY", "allowedFunctionNames": ["g"]}, ToolChoice("any", ["g"]), "fg"),
        ({"mode": "VALIDATED", "allowed_function_names": ["g"]}, ToolChoice("auto"), "g"),
        ({"mode": "MODE_UNSPECIFIED"}, None, "fg"),
        ({}, None, "fg"),
    ],
)
def test_tool_modes(config: Any, choice: ToolChoice | None, tools: str) -> None:
    chat = read(HELLO | {"tools": _TWO, "toolConfig": {"functionCallingConfig": config}})
    assert chat.tool_choice == choice
    assert "".join(tool.name for tool in chat.tools) == tools


def test_an_unknown_tool_mode_is_refused_and_validated_is_named() -> None:
    with pytest.raises(InvalidRequest, match="AUTO, ANY, NONE or VALIDATED"):
        read(HELLO | {"toolConfig": {"functionCallingConfig": {"mode": "MUST"}}})
    validated = {"toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}}}
    assert dropped(HELLO | validated) == ["toolConfig.functionCallingConfig.mode"]


# -- reading: media and configuration -------------------------------------------------------------------------------


def test_media_are_read_with_their_kind() -> None:
    parts = [
        {"inlineData": {"mimeType": "application/pdf", "data": PDF, "displayName": "a.pdf"}},
        {"inline_data": {"mime_type": "image/png", "data": "-_-_"}},
        {"fileData": {"fileUri": "https://example.com/v.mp4", "mimeType": "video/mp4"}},
    ]
    assert read(parts_of(*parts)).messages[0].parts == [
        Media("application/pdf", data=PDF, kind="document", name="a.pdf"),
        Media("image/png", data="+/+/"),
        Media("video/mp4", url="https://example.com/v.mp4", kind="video"),
    ]


@pytest.mark.parametrize(
    "uri", ["gs://bucket/a.png", "https://generativelanguage.googleapis.com/v1beta/files/x", "files/x"]
)
def test_files_kept_at_google_cannot_be_carried(uri: str) -> None:
    with pytest.raises(CannotCarry, match="kept at Google"):
        read(parts_of({"fileData": {"fileUri": uri}}))


@pytest.mark.parametrize(
    ("config", "field", "value"),
    [
        ({"maxOutputTokens": "12"}, "max_tokens", 12),
        ({"max_output_tokens": 12}, "max_tokens", 12),
        ({"topK": 40.0}, "top_k", 40),
        ({"candidateCount": 2}, "n", 2),
        ({"stopSequences": ["a", "b"]}, "stop", ["a", "b"]),
        ({"responseLogprobs": True, "logprobs": 3}, "logprobs", 3),
        ({"responseMimeType": "application/json"}, "json_format", JsonFormat()),
        ({"responseMimeType": "text/plain", "responseSchema": {"type": "STRING"}}, "json_format", None),
        ({"thinkingConfig": {"thinkingBudget": 0}}, "reasoning", ReasoningRequest(effort="none")),
        ({"thinkingConfig": {"thinkingBudget": -1}}, "reasoning", ReasoningRequest(adaptive=True)),
        ({"thinking_config": {"thinking_budget": 2048}}, "reasoning", ReasoningRequest(budget=2048)),
    ],
)
def test_configuration_is_read(config: Any, field: str, value: Any) -> None:
    assert getattr(read(HELLO | {"generationConfig": config}), field) == value


@pytest.mark.parametrize(
    "config",
    [{"maxOutputTokens": 1.5}, {"temperature": "hot"}, {"topP": True}, {"stopSequences": [1]}, {"responseLogprobs": 1}],
)
def test_configuration_of_the_wrong_type_is_refused(config: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(HELLO | {"generationConfig": config})
    assert (caught.value.param or "").startswith("generationConfig.")


@pytest.mark.parametrize(
    "config",
    [{"responseModalities": ["IMAGE"]}, {"responseMimeType": "text/x.enum"}, {"responseFormat": [{"audio": {}}]}],
)
def test_answers_of_another_kind_cannot_be_asked_elsewhere(config: Any) -> None:
    with pytest.raises(CannotCarry):
        read(HELLO | {"generationConfig": config})


def test_malformed_bodies_are_refused() -> None:
    for body in (b"{", b"[]", b'{"contents": ' + b"[" * 70 + b"]" * 70 + b"}", b'{"contents": [{"parts": ["x"]}]}'):
        with pytest.raises(InvalidRequest):
            GOOGLE.read_request(body, False)


# -- writing --------------------------------------------------------------------------------------------------------


def test_adjacent_turns_of_one_role_are_merged_and_empty_ones_left_out() -> None:
    chat = ChatRequest(messages=[
        Message("user", [Text("a")]), Message("user", [Text("b")]), Message("assistant", [Text("")]),
        Message("user", [Text("c")]), Message("assistant", [Text("d")]),
    ])  # fmt: skip
    assert write(chat)["contents"] == [
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}, {"text": "c"}]},
        {"role": "model", "parts": [{"text": "d"}]},
    ]


def test_system_texts_share_one_place_and_late_ones_are_named() -> None:
    turns = [Message("system", [Text("b")]), Message("user", [Text("x")]), Message("system", [Text("c")])]
    carried = GOOGLE.write_request(ChatRequest(messages=turns, system=[Text("a")]), MODEL, None)
    tree = check_request(carried.body)
    assert [part["text"] for part in tree["systemInstruction"]["parts"]] == ["a", "b", "c"]
    assert carried.dropped == ["messages.system_position"]


def _history(*calls: ToolCall) -> ChatRequest:
    results = [ToolResult(call.id, [Text("ok")]) for call in calls]
    return ChatRequest(
        messages=[Message("user", [Text("x")]), Message("assistant", list(calls)), Message("user", list(results))]
    )


def test_the_first_call_of_a_step_is_signed_and_only_it() -> None:
    foreign = ToolCall("a", "f", "{}", "sig", "anthropic")
    carried = GOOGLE.write_request(_history(foreign, ToolCall("b", "g", "")), MODEL, None)
    first, second = check_request(carried.body)["contents"][1]["parts"]
    assert first == {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": BYPASS}
    assert second == {"functionCall": {"id": "b", "name": "g", "args": {}}}
    assert carried.dropped == ["reasoning.signature"]
    own = ToolCall("a", "f", "{}", "c2ln", "google")
    assert write(_history(own))["contents"][1]["parts"][0]["thoughtSignature"] == "c2ln"


def test_older_models_need_no_signature_and_take_results_flat() -> None:
    chat = _history(ToolCall("a", "f", "{}"))
    chat.messages[2].parts = [ToolResult("a", [Text("ok"), Media("image/png", data=PNG)])]
    tree = write(chat, "gemini-2.5-flash")
    assert "thoughtSignature" not in tree["contents"][1]["parts"][0]
    assert tree["contents"][2]["parts"] == [
        {"functionResponse": {"id": "a", "name": "f", "response": {"output": "ok"}}},
        {"inlineData": {"mimeType": "image/png", "data": PNG}},
    ]
    assert "parts" in write(chat)["contents"][2]["parts"][0]["functionResponse"]


def test_foreign_thinking_is_dropped_loudly() -> None:
    parts = [Reasoning("hm", "sig", origin="anthropic"), Reasoning(redacted="x", origin="anthropic"), Text("hi")]
    carried = GOOGLE.write_request(said(*parts, role="assistant"), MODEL, None)
    assert check_request(carried.body)["contents"][0]["parts"] == [{"text": "hi"}]
    assert carried.dropped == ["reasoning", "reasoning.signature"]


def test_a_signature_on_text_stays_on_text() -> None:
    body = json.dumps(parts_of({"text": "hi", "thoughtSignature": "c2ln"}, role="model")).encode()
    tree = write(GOOGLE.read_request(body, False).chat)
    assert tree["contents"][0]["parts"] == [{"text": "hi", "thoughtSignature": "c2ln"}]


@pytest.mark.parametrize("arguments", ["{", "[]", '"x"'])
def test_arguments_that_are_no_object_cannot_be_carried(arguments: str) -> None:
    with pytest.raises(CannotCarry, match="no JSON object"):
        write(_history(ToolCall("a", "f", arguments)))


def test_a_result_without_a_known_name_cannot_be_carried() -> None:
    with pytest.raises(CannotCarry, match="name of the tool"):
        write(said(ToolResult("a", [Text("x")])))


@pytest.mark.parametrize("name", ["1f", "-f", "f g", "é", "x" * 129, ""])
def test_tool_names_google_refuses_cannot_be_carried(name: str) -> None:
    with pytest.raises(CannotCarry, match="tool name"):
        write(said(Text("x"), tools=[Tool(name)]))


def test_media_that_cannot_be_read_are_refused() -> None:
    for media, model in [
        (Media("image/png", file_id="file-1"), MODEL),
        (Media(None, data="AAAA"), MODEL),
        (Media("image/png", url="https://example.com/a.png"), "gemini-2.0-flash"),
    ]:
        with pytest.raises(CannotCarry):
            write(said(media), model)
    with pytest.raises(CannotCarry, match="takes no image"):
        write(said(Media("image/png", data=PNG)), abilities=frozenset({"tools"}))
    write(said(Media("image/png", data=PNG)), abilities=frozenset({"images"}))
    write(said(Media("video/mp4", data=PNG, kind="video")), abilities=frozenset({"tools"}))


def test_what_the_model_is_known_not_to_do_is_refused_or_dropped() -> None:
    with pytest.raises(CannotCarry, match="call tools"):
        write(said(Text("x"), tools=[Tool("f")]), abilities=frozenset({"json_schema"}))
    with pytest.raises(CannotCarry, match="JSON schema"):
        write(said(Text("x"), json_format=JsonFormat(schema={})), abilities=frozenset({"tools"}))
    chat = said(Text("x"), temperature=0.5, top_p=None, reasoning=ReasoningRequest(effort="low"), max_tokens=5)
    carried = GOOGLE.write_request(chat, MODEL, frozenset({"tools"}))
    assert check_request(carried.body)["generationConfig"] == {"maxOutputTokens": 5}
    assert carried.dropped == ["reasoning", "temperature"]
    assert chat.temperature == 0.5  # the caller's request is not touched: another target may be asked next


def test_media_types_nobody_told_are_guessed() -> None:
    tree = write(said(Media(None, data=PNG), Media(None, url="https://example.com/a.JPG?x=.png")))
    assert tree["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": PNG}},
        {"fileData": {"fileUri": "https://example.com/a.JPG?x=.png", "mimeType": "image/jpeg"}},
    ]


def test_json_answers_beside_tools_need_a_newer_model() -> None:
    chat = said(Text("x"), tools=[Tool("f")], json_format=JsonFormat(schema={"type": "object"}))
    assert write(chat)["generationConfig"]["responseJsonSchema"] == {"type": "object"}
    with pytest.raises(CannotCarry, match="JSON"):
        write(chat, "gemini-2.5-pro")


def test_what_has_no_place_is_named() -> None:
    chat = said(
        Media("image/png", data=PNG, name="a.png", detail="low"), Text("x"),
        tools=[Tool("f", strict=True)], parallel_tools=False, user="u", logprobs=2, seed=2**40,
    )  # fmt: skip
    chat.messages[0].name = "ada"
    assert sorted(GOOGLE.write_request(chat, MODEL, None).dropped) == [
        "logprobs", "media.detail", "media.name", "messages.name", "parallel_tools", "seed", "tools.strict", "user",
    ]  # fmt: skip


def test_stop_sequences_over_the_limit_cannot_be_carried() -> None:
    assert len(write(said(Text("x"), stop=list("abcde")))["generationConfig"]["stopSequences"]) == 5
    with pytest.raises(CannotCarry, match="stop sequences"):
        write(said(Text("x"), stop=list("abcdef")))


@pytest.mark.parametrize(
    ("model", "asked", "thinking", "lost"),
    [
        ("gemini-3-flash", ReasoningRequest(effort="minimal"), {"thinkingLevel": "MINIMAL"}, []),
        ("gemini-3-pro", ReasoningRequest(effort="minimal"), {"thinkingLevel": "LOW"}, ["reasoning.effort"]),
        ("gemini-3-pro", ReasoningRequest(effort="max"), {"thinkingLevel": "HIGH"}, ["reasoning.effort"]),
        ("gemini-2.5-flash", ReasoningRequest(effort="none"), {"thinkingBudget": 0}, []),
        ("gemini-2.5-pro", ReasoningRequest(effort="none"), {"thinkingBudget": 128}, ["reasoning.effort"]),
        (
            "gemini-2.5-pro",
            ReasoningRequest(budget=2048, show=True),
            {"includeThoughts": True, "thinkingBudget": 2048},
            [],
        ),
        ("gemini-2.5-pro", ReasoningRequest(adaptive=True), {"thinkingBudget": -1}, []),
        ("gemini-2.0-flash", ReasoningRequest(effort="high"), None, ["reasoning"]),
    ],
)
def test_thinking_is_asked_in_the_models_own_terms(
    model: str, asked: ReasoningRequest, thinking: dict[str, Any] | None, lost: list[str]
) -> None:
    carried = GOOGLE.write_request(said(Text("x"), reasoning=asked), model, None)
    assert check_request(carried.body).get("generationConfig", {}).get("thinkingConfig") == thinking
    assert carried.dropped == lost


def test_an_unknown_effort_cannot_be_carried() -> None:
    for model in ("gemini-3-pro", "gemini-2.5-pro"):
        with pytest.raises(CannotCarry, match="effort"):
            write(said(Text("x"), reasoning=ReasoningRequest(effort="heroic")), model)


def test_nothing_said_is_nothing_written() -> None:
    assert msgspec.json.decode(GOOGLE.write_request(said(Text("x")), MODEL, None).body) == {
        "contents": [{"role": "user", "parts": [{"text": "x"}]}]
    }
