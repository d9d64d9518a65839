"""Writing canonical requests as Anthropic's, and there and back."""

from __future__ import annotations

import base64
from dataclasses import replace
from itertools import pairwise
from typing import Any

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
from headgate.core.errors import CannotCarry
from headgate.dialects.anthropic_messages import ANTHROPIC
from headgate.dialects.anthropic_models import (
    API_VERSION_DEFAULT,
    API_VERSION_NEWEST,
    generation,
    max_tokens_default,
    takes_sampling,
)
from headgate.dialects.anthropic_turns import wire_id
from headgate.simulator.anthropic_rules import validate
from headgate.simulator.signing import Signer
from tests.dialects import anthropic_sdk as sdk
from tests.dialects.anthropic_bodies import NEW, OLD, assistant, chat, user
from tests.support.chat_strategies import EVERYTHING, PDF, PNG, Says, chat_requests, same_turns


def written(request: ChatRequest, model: str = NEW, abilities: frozenset[str] | None = None) -> tuple[Any, list[str]]:
    carried = ANTHROPIC.write_request(request, model, abilities)
    return sdk.request(carried.body), carried.dropped


def refused(request: ChatRequest, model: str = NEW, abilities: frozenset[str] | None = None) -> str | None:
    with pytest.raises(CannotCarry) as caught:
        ANTHROPIC.write_request(request, model, abilities)
    return caught.value.param


# -- writing -----------------------------------------------------------------------------------------------


def test_max_tokens_is_always_there() -> None:
    assert written(chat())[0]["max_tokens"] == max_tokens_default(NEW) == 32_000
    assert written(chat(), "claude-3-haiku-20240307")[0]["max_tokens"] == 4096
    assert written(chat(max_tokens=7))[0]["max_tokens"] == 7


def test_only_streams_say_stream() -> None:
    assert written(chat(stream=True))[0]["stream"] is True
    assert "stream" not in written(chat())[0]


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("claude-3-5-haiku-latest", (3, 5)),
        ("claude-sonnet-4-20250514", (4, 0)),
        ("claude-opus-4-1@20250805", (4, 1)),
        ("eu.anthropic.claude-sonnet-4-6-v1:0", (4, 6)),
        ("claude-opus-5", (5, 0)),
        ("claude-4.6-opus", (4, 6)),
        ("claude-2.1", (2, 1)),
        ("claude-v1", (1, 0)),
        ("claude-mythos-preview", None),
        ("my-alias", None),
    ],
)
def test_what_a_models_name_tells(model: str, known: tuple[int, int] | None) -> None:
    assert generation(model) == known


def test_sampling_goes_to_old_models_only() -> None:
    both = chat(temperature=0.5, top_k=4)
    assert written(both, OLD)[0].items() >= {"temperature": 0.5, "top_k": 4}.items()
    body, dropped = written(both, NEW)
    assert "temperature" not in body
    assert dropped == ["temperature", "top_k"]
    assert written(both, "my-alias")[1] == ["temperature", "top_k"]
    assert written(both, OLD, frozenset({"tools"}))[1] == ["temperature", "top_k"]
    body, dropped = written(chat(temperature=1.7), OLD)
    assert (body["temperature"], dropped) == (1.0, ["temperature"])
    body, dropped = written(chat(temperature=0.5, top_p=0.5), OLD)
    assert ("top_p" in body, dropped) == (False, ["top_p"])
    assert written(chat(temperature=0.5, top_p=0.5), "claude-3-haiku")[1] == []
    thinking = chat(temperature=0.5, reasoning=ReasoningRequest(budget=2000))
    assert written(thinking, OLD)[1] == ["temperature"]


def test_what_has_no_place_is_named() -> None:
    said = chat(seed=1, presence_penalty=0.5, frequency_penalty=0, logprobs=0, user="u" * 300, stop=[" ", "END"])
    body, dropped = written(said)
    assert dropped == ["stop", "user", "seed", "presence_penalty", "frequency_penalty", "logprobs"]
    assert body["stop_sequences"] == ["END"]
    assert refused(chat(n=2)) == "n"
    assert written(chat(n=1))[1] == []


def test_system_texts_and_late_system_turns() -> None:
    body, dropped = written(chat(user("Hi"), Message("system", [Text("late")]), system=[Text("a"), Text("")]))
    assert [block["text"] for block in body["system"]] == ["a", "late"]
    assert dropped == ["messages.system_position"]
    assert "system" not in written(chat())[0]


def test_adjacent_turns_merge_and_results_come_first() -> None:
    body, dropped = written(
        chat(
            Message("user", [Text("a")], name="ann"),
            user("b"),
            assistant("c", ToolCall("t1", "f", '{"x":1}')),
            assistant(ToolCall("t2", "g", "")),
            user("by the way", ToolResult("t2", [Text("2")], is_error=True)),
            user(ToolResult("t1", [Text(""), Media("image/png", PNG)])),
        )
    )
    assert dropped == ["messages.name"]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][1]["content"]] == ["text", "tool_use", "tool_use"]
    assert body["messages"][1]["content"][2]["input"] == {}
    last = body["messages"][2]["content"]
    assert [block["type"] for block in last] == ["tool_result", "tool_result", "text"]
    assert last[0]["is_error"] is True
    assert [block["type"] for block in last[1]["content"]] == ["image"]


CALL = assistant(ToolCall("t1", "f", "{}"))
RESULT = ToolResult("t1", [Text("ok")])


@pytest.mark.parametrize(
    "turns",
    [
        [user("a"), CALL],
        [user("a"), CALL, user("no result")],
        [user("a"), CALL, user(RESULT, RESULT)],
        [user("a"), CALL, user(ToolResult("t2", []))],
        [user(RESULT)],
        [user("a"), CALL, user(RESULT), assistant("b"), user(RESULT)],
        [user("a"), assistant(Media("image/png", PNG)), user("b")],
        [assistant("a"), user("b")],
        [user("")],
        [],
    ],
)
def test_conversations_that_would_be_refused(turns: list[Message]) -> None:
    assert refused(ChatRequest(turns), OLD) == "messages"


def test_tool_ids_fit_the_alphabet_and_stay_apart() -> None:
    ids = ["call_1", "call.1", "call 1", "", "é", "hg64_", wire_id("call.1")]
    body, _ = written(
        chat(user("a"), assistant(*(ToolCall(i, "f", "{}") for i in ids)), user(*(ToolResult(i, []) for i in ids)))
    )
    used = [block["id"] for block in body["messages"][1]["content"]]
    assert len(set(used)) == len(ids)
    assert used[0] == "call_1"
    assert all(set(i) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") and i for i in used)
    assert [block["tool_use_id"] for block in body["messages"][2]["content"]] == used


def test_ids_that_repeat_in_later_turns_stay_apart() -> None:
    body, _ = written(chat(user("a"), CALL, user(RESULT), CALL, user(RESULT)))
    calls = [turn["content"][0]["id"] for turn in body["messages"][1::2]]
    results = [turn["content"][0]["tool_use_id"] for turn in body["messages"][2::2]]
    assert calls == results
    assert len(set(calls)) == 2


def test_arguments_that_are_no_object_are_wrapped_as_documented() -> None:
    body, _ = written(chat(user("a"), assistant(ToolCall("t1", "f", '{"x"')), user(RESULT)))
    assert body["messages"][1]["content"][0]["input"] == {"INVALID_JSON": '{"x"'}
    exact = ANTHROPIC.write_request(
        chat(user("a"), assistant(ToolCall("t1", "f", '{"n":1e400}')), user(RESULT)), NEW, None
    )
    assert b'{"n":1e400}' in exact.body


TOOLS = [Tool("f", "d", {"properties": {}}), Tool("g")]


@pytest.mark.parametrize(
    ("choice", "parallel", "wire", "names"),
    [
        (None, None, None, ["f", "g"]),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}, ["f", "g"]),
        (None, True, {"type": "auto", "disable_parallel_tool_use": False}, ["f", "g"]),
        (ToolChoice("auto"), None, {"type": "auto"}, ["f", "g"]),
        (ToolChoice("none"), False, {"type": "none"}, ["f", "g"]),
        (ToolChoice("any"), False, {"type": "any", "disable_parallel_tool_use": True}, ["f", "g"]),
        (ToolChoice("any", ["g"]), None, {"type": "tool", "name": "g"}, ["f", "g"]),
    ],
)
def test_tools_and_choice(choice: ToolChoice | None, parallel: bool | None, wire: Any, names: list[str]) -> None:
    body, _ = written(chat(tools=TOOLS, tool_choice=choice, parallel_tools=parallel))
    assert body.get("tool_choice") == wire
    assert [tool["name"] for tool in body["tools"]] == names
    assert all(tool["input_schema"]["type"] == "object" for tool in body["tools"])
    assert "description" not in body["tools"][1]


def test_one_of_several_tools_is_any_of_only_those() -> None:
    body, _ = written(chat(tools=[*TOOLS, Tool("h")], tool_choice=ToolChoice("any", ["f", "h"])))
    assert body["tool_choice"] == {"type": "any"}
    assert [tool["name"] for tool in body["tools"]] == ["f", "h"]


def test_tools_that_were_used_are_defined_even_where_none_is_offered_any_more() -> None:
    body, _ = written(chat(user("a"), CALL, user(RESULT)))
    assert body["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "none"}


def test_tools_that_cannot_be_said() -> None:
    assert refused(chat(user("a"), assistant(ToolCall("t1", "a.b", "{}")), user(RESULT))) == "tools"
    assert refused(chat(tools=[Tool("a.b")])) == "tools"
    assert refused(chat(tools=[Tool("x" * 129)])) == "tools"
    assert refused(chat(tools=[Tool("f", schema={"type": "array"})])) == "tools"
    assert refused(chat(tool_choice=ToolChoice("any"))) == "tool_choice"
    assert refused(chat(tools=TOOLS), NEW, frozenset({"images"})) == "tools"
    assert "tools" in written(chat(tools=TOOLS), NEW, frozenset({"tools"}))[0]
    assert "tool_choice" not in written(chat(tool_choice=ToolChoice("none")))[0]


def media_block(media: Media, abilities: frozenset[str] | None = None) -> tuple[Any, list[str]]:
    body, dropped = written(chat(user(media)), NEW, abilities)
    return body["messages"][0]["content"][0], dropped


def test_media_that_can_be_said() -> None:
    source = {"type": "base64", "media_type": "image/jpeg", "data": PNG}
    assert media_block(Media("image/jpg", PNG, detail="low")) == ({"type": "image", "source": source}, ["media.detail"])
    assert media_block(Media(None, url="https://x/a"))[0]["source"] == {"type": "url", "url": "https://x/a"}
    block, _ = media_block(Media("application/pdf", PDF, kind="document", name="a.pdf"))
    assert block == {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
        "title": "a.pdf",
    }
    assert media_block(Media(None, url="https://x/a", kind="document"))[0]["source"]["type"] == "url"
    text = Media("text/markdown", base64.b64encode("né".encode()).decode(), kind="document")
    assert media_block(text)[0]["source"] == {"type": "text", "media_type": "text/plain", "data": "né"}
    assert media_block(Media("image/png", PNG), frozenset({"images"}))[0]["type"] == "image"


@pytest.mark.parametrize(
    ("media", "abilities"),
    [
        (Media("image/bmp", "Qk0="), None),
        (Media(None, "Qk0="), None),
        (Media(None, file_id="file-1"), None),
        (Media("audio/wav", "UklG", kind="audio"), None),
        (Media("application/zip", "UEs=", kind="document"), None),
        (Media("text/html", url="https://x", kind="document"), None),
        (Media("text/plain", "!!!", kind="document"), None),
        (Media("text/plain", "/w==", kind="document"), None),
        (Media("image/png", PNG), frozenset({"documents"})),
        (Media("application/pdf", PDF, kind="document"), frozenset({"images"})),
    ],
)
def test_media_that_cannot_be_said(media: Media, abilities: frozenset[str] | None) -> None:
    assert refused(chat(user(media)), NEW, abilities) == "messages"


def test_a_prefilled_answer_goes_where_it_is_continued() -> None:
    body, dropped = written(chat(user("a"), assistant("The answer is ")), OLD)
    assert body["messages"][-1]["content"][0]["text"] == "The answer is"
    assert dropped == ["messages.trailing_space"]
    assert refused(chat(user("a"), assistant("The answer is")), "claude-opus-4-6") == "messages"


def test_own_thinking_stays_and_foreign_thinking_goes() -> None:
    own = Reasoning("hm", "c2ln", origin="anthropic")
    hidden = Reasoning(redacted="cmVk", origin="anthropic")
    foreign = Reasoning("hm", "enc", origin="openai")
    bare = Reasoning(signature="enc", origin="google")
    signed = ToolCall("t1", "f", "{}", "S", "google")
    turns = [user("a"), assistant(foreign, bare, own, hidden, signed), user(RESULT)]
    body, dropped = written(chat(*turns))
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "cmVk"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
    ]
    assert dropped == ["reasoning", "reasoning.signature"]
    assert b"enc" not in ANTHROPIC.write_request(chat(*turns), NEW, None).body


ON = ReasoningRequest(budget=2000)


def test_thinking_is_off_in_a_tool_loop_that_others_began() -> None:
    foreign = assistant(Reasoning("hm", "enc", origin="openai"), ToolCall("t1", "f", "{}"))
    body, dropped = written(chat(user("a"), foreign, user(RESULT), reasoning=ON), OLD)
    assert "thinking" not in body
    assert dropped == ["reasoning"]
    own = assistant(Reasoning("hm", "c2ln", origin="anthropic"), ToolCall("t1", "f", "{}"))
    assert "thinking" in written(chat(user("a"), own, user(RESULT), reasoning=ON), OLD)[0]
    assert (
        "thinking" in written(chat(user("a"), foreign, user(RESULT), assistant("b"), user("c"), reasoning=ON), OLD)[0]
    )
    forced = chat(tools=TOOLS, tool_choice=ToolChoice("any"), reasoning=ReasoningRequest(adaptive=True))
    assert "thinking" not in written(forced)[0]


@pytest.mark.parametrize(
    ("asked", "model", "max_tokens", "thinking", "output", "names"),
    [
        (ReasoningRequest("none"), NEW, None, {"type": "disabled"}, None, []),
        (ReasoningRequest("high"), NEW, None, {"type": "adaptive"}, {"effort": "high"}, []),
        (ReasoningRequest("minimal"), NEW, None, {"type": "adaptive"}, {"effort": "low"}, ["reasoning.effort"]),
        (ReasoningRequest("xhigh"), NEW, None, {"type": "adaptive"}, {"effort": "xhigh"}, []),
        (
            ReasoningRequest("xhigh"),
            "claude-opus-4-6",
            None,
            {"type": "adaptive"},
            {"effort": "max"},
            ["reasoning.effort"],
        ),
        (
            ReasoningRequest("max"),
            "claude-opus-4-5",
            None,
            {"type": "enabled", "budget_tokens": 24576},
            {"effort": "high"},
            ["reasoning.effort"],
        ),
        (ReasoningRequest("low"), OLD, None, {"type": "enabled", "budget_tokens": 1024}, None, []),
        (ReasoningRequest("high"), OLD, 2000, {"type": "enabled", "budget_tokens": 1999}, None, []),
        (ReasoningRequest(budget=5000), OLD, None, {"type": "enabled", "budget_tokens": 5000}, None, []),
        (ReasoningRequest(budget=5000), "claude-opus-4-6", None, {"type": "enabled", "budget_tokens": 5000}, None, []),
        (ReasoningRequest(budget=5000), NEW, None, {"type": "adaptive"}, None, ["reasoning.budget"]),
        (ReasoningRequest(budget=5), OLD, None, {"type": "enabled", "budget_tokens": 1024}, None, ["reasoning.budget"]),
        (
            ReasoningRequest(budget=5000),
            OLD,
            3000,
            {"type": "enabled", "budget_tokens": 2999},
            None,
            ["reasoning.budget"],
        ),
        (ReasoningRequest(budget=5000), OLD, 1024, None, None, ["reasoning"]),
        (ReasoningRequest("high"), "claude-3-haiku", None, None, None, ["reasoning"]),
        (
            ReasoningRequest(adaptive=True, show=True),
            NEW,
            None,
            {"type": "adaptive", "display": "summarized"},
            None,
            [],
        ),
        (ReasoningRequest(show=True), NEW, None, {"type": "adaptive", "display": "summarized"}, None, []),
        (ReasoningRequest(show=True), OLD, None, None, None, ["reasoning.show"]),
        (ReasoningRequest(show=False), NEW, None, None, None, ["reasoning.show"]),
    ],
)
def test_thinking(
    asked: ReasoningRequest, model: str, max_tokens: int | None, thinking: Any, output: Any, names: list[str]
) -> None:
    body, dropped = written(chat(reasoning=asked, max_tokens=max_tokens), model)
    assert body.get("thinking") == thinking
    assert body.get("output_config") == output
    assert dropped == names
    if thinking and "budget_tokens" in thinking:
        assert 1024 <= thinking["budget_tokens"] < body["max_tokens"]


def test_a_model_without_reasoning() -> None:
    body, dropped = written(chat(reasoning=ReasoningRequest("high")), NEW, frozenset({"tools"}))
    assert "thinking" not in body
    assert dropped == ["reasoning"]


def test_structured_output() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    body, dropped = written(chat(json_format=JsonFormat(schema, "n", True, "d")))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    assert dropped == ["json_format.description"]
    assert refused(chat(json_format=JsonFormat())) == "json_format"
    assert refused(chat(json_format=JsonFormat(schema)), "claude-3-5-sonnet") == "json_format"
    assert refused(chat(json_format=JsonFormat(schema)), NEW, frozenset({"tools"})) == "json_format"


# -- there and back ----------------------------------------------------------------------------------------

OURS = Says(
    media=(
        Media("image/png", PNG),
        Media(None, url="https://example.com/a.png"),
        Media("application/pdf", PDF, kind="document", name="a.pdf"),
    ),
    result_media=(Media("image/png", PNG), Media("application/pdf", PDF, kind="document")),
    result_errors=True,
    signed_by="anthropic",
    user=True,
    parallel_switch=True,
    strict_tools=True,
    top_k=True,
)


@settings(max_examples=150, deadline=None)
@given(request=chat_requests(OURS), model=st.sampled_from([OLD, "claude-opus-4-6", "claude-haiku-4-5"]))
def test_nothing_is_lost_there_and_back(request: ChatRequest, model: str) -> None:
    carried = ANTHROPIC.write_request(request, model, None)
    sdk.request(carried.body)
    assert set(carried.dropped) <= {"json_format.name"}
    asked = ANTHROPIC.ask(carried.body, None, False)
    assert (asked.model, asked.stream, asked.max_tokens) == (model, request.stream, request.max_tokens)
    found = ANTHROPIC.read_request(carried.body, asked.stream)
    assert found.dropped == []
    if request.json_format is not None:
        request.json_format.name = None
    if request.parallel_tools is not None:  # the switch lives inside tool_choice
        request.tool_choice = request.tool_choice or ToolChoice("auto")
        request.parallel_tools = None if request.tool_choice.mode == "none" else request.parallel_tools
    assert same_turns(found.chat) == same_turns(request)


FOREIGN = replace(EVERYTHING, signed_by=None, call_signatures=False, top_k=True, result_errors=True)


@settings(max_examples=100, deadline=None)
@given(request=chat_requests(FOREIGN))
def test_whatever_is_asked_is_valid_or_refused(request: ChatRequest) -> None:
    for model in (OLD, NEW, "claude-3-haiku", "claude-opus-4-6", "my-alias"):
        try:
            carried = ANTHROPIC.write_request(request, model, None)
        except CannotCarry:
            continue
        body = sdk.request(carried.body)
        validate(body, API_VERSION_DEFAULT, Signer(1))
        if not takes_sampling(model):
            validate(body, API_VERSION_NEWEST, Signer(1))
        roles = [turn["role"] for turn in body["messages"]]
        assert all(one != other for one, other in pairwise(roles))
