"""OpenAI's rules: for each one a request that is accepted and one that is refused, with the vendor's param and code."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.client import WEATHER, Client, Got, simulate

USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}


def body(**fields: Any) -> dict[str, Any]:
    made = {"model": "gpt-4o", "messages": [USER], **fields}
    return {name: value for name, value in made.items() if value != "-"}


def called(*ids: str) -> dict[str, Any]:
    calls = [{"id": one, "type": "function", "function": {"name": "get_weather", "arguments": "{}"}} for one in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(of: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": of, "content": "sunny"}


CLOSED = {**WEATHER, "additionalProperties": False, "required": ["city", "days"]}


def schema(shape: Any, strict: bool = True) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": shape, "strict": strict}}


ACCEPTED = {
    "system and developer": body(messages=[{"role": "system", "content": "be kind"}, USER]),
    "developer": body(messages=[{"role": "developer", "content": [{"type": "text", "text": "be kind"}]}, USER]),
    "max_completion_tokens": body(model="gpt-5", max_completion_tokens=10),
    "legacy max_tokens": body(max_tokens=10),
    "tools": body(tools=[TOOL], tool_choice="auto", parallel_tool_calls=False),
    "forced tool": body(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "get_weather"}}),
    "allowed tools": body(
        tools=[TOOL],
        tool_choice={
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "get_weather"}}]},
        },
    ),
    "results in any order": body(messages=[USER, called("a", "b"), result("b"), result("a")], tools=[TOOL]),
    "strict schema": body(response_format=schema(CLOSED)),
    "loose schema": body(response_format=schema(WEATHER, strict=False)),
    "json object": body(
        messages=[{"role": "user", "content": "as JSON please"}], response_format={"type": "json_object"}
    ),
    "stream options": body(stream=True, stream_options={"include_usage": True}),
    "nulls": body(temperature=None, stop=None, n=None, stream=None),
    "stop list": body(stop=["a", "b"]),
    "log probabilities": body(logprobs=True, top_logprobs=3),
    "reasoning effort": body(model="gpt-5", reasoning_effort="none"),
    "sampling": body(temperature=0.3, top_p=0.9, seed=7, presence_penalty=1, frequency_penalty=-1, user="u"),
    "thinking model at default temperature": body(model="o3", temperature=1),
}
REFUSED = {
    "unknown field": (body(top_k=3), "top_k", "unknown_parameter"),
    "unknown message field": (
        body(messages=[{**USER, "cache_control": {}}]),
        "messages[0].cache_control",
        "unknown_parameter",
    ),
    "no messages": (body(messages="-"), "messages", "missing_required_parameter"),
    "no model": (body(model="-"), "model", "missing_required_parameter"),
    "empty messages": (body(messages=[]), "messages", "empty_array"),
    "wrong type": (body(messages="hi"), "messages", "invalid_type"),
    "wrong role": (body(messages=[{"role": "human", "content": "hi"}]), "messages[0].role", "invalid_value"),
    "wrong part": (
        body(messages=[{"role": "user", "content": [{"type": "image", "source": {}}]}]),
        "messages[0].content[0].type",
        "invalid_value",
    ),
    "image from the assistant": (
        body(messages=[USER, {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
        "messages[1].content[0].type",
        "invalid_value",
    ),
    "hot": (body(temperature=3), "temperature", "integer_above_max_value"),
    "cold": (body(temperature=-0.5), "temperature", "decimal_below_min_value"),
    "too many": (body(n=0), "n", "integer_below_min_value"),
    "five stops": (body(stop=list("abcde")), "stop", "array_above_max_length"),
    "orphan result": (body(messages=[USER, result("a")]), "messages.[1].role", None),
    "result of another call": (
        body(messages=[USER, called("a"), result("b")], tools=[TOOL]),
        "messages.[2].tool_call_id",
        None,
    ),
    "missing result": (body(messages=[USER, called("a", "b"), result("a"), USER]), "messages.[3].role", None),
    "call at the end": (body(messages=[USER, called("a")]), "messages.[2].role", None),
    "assistant says nothing": (
        body(messages=[USER, {"role": "assistant", "content": None}]),
        "messages.[1].content",
        None,
    ),
    "arguments as object": (
        body(
            messages=[
                USER,
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": {}}}],
                },
            ]
        ),
        "messages[1].tool_calls[0].function.arguments",
        "invalid_type",
    ),
    "choice without tools": (body(tool_choice="required"), "tool_choice", None),
    "choice of no tool": (
        body(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "other"}}),
        "tool_choice",
        None,
    ),
    "bad tool name": (
        body(tools=[{"type": "function", "function": {"name": "get weather"}}]),
        "tools[0].function.name",
        "invalid_value",
    ),
    "same tool twice": (body(tools=[TOOL, TOOL]), "tools[1].function.name", None),
    "broken image": (
        body(
            messages=[
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,*"}}]}
            ]
        ),
        "messages.content.image_url",
        "invalid_base64",
    ),
    "flat tool": (
        body(tools=[{"type": "function", "name": "f", "parameters": {}}]),
        "tools[0].name",
        "unknown_parameter",
    ),
    "loose strict tool": (
        body(tools=[{"type": "function", "function": {"name": "f", "parameters": WEATHER, "strict": True}}]),
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    "open strict schema": (body(response_format=schema(WEATHER)), "response_format", None),
    "optional in strict schema": (
        body(response_format=schema({**CLOSED, "required": ["city"]})),
        "response_format",
        None,
    ),
    "json without the word": (body(response_format={"type": "json_object"}), "messages", None),
    "stream options alone": (body(stream_options={"include_usage": True}), "stream_options", None),
    "top_logprobs alone": (body(top_logprobs=3), "top_logprobs", None),
    "max_tokens on a thinking model": (body(model="gpt-5", max_tokens=9), "max_tokens", "unsupported_parameter"),
    "temperature on a thinking model": (body(model="gpt-5", temperature=0.2), "temperature", "unsupported_value"),
    "effort on a plain model": (body(reasoning_effort="low"), "reasoning_effort", "unsupported_parameter"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    got = ask(ACCEPTED[name])
    assert got.status == 200, got.body


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    sent, param, code = REFUSED[name]
    got = ask(sent)
    assert got.status == 400, got.body
    error = got.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param, error
    assert code is None or error["code"] == code, error


def ask(sent: Any) -> Got:
    async def work(client: Client) -> Got:
        return await client.ask("openai", sent)

    got = simulate(work)
    assert isinstance(got, Got)
    return got


def test_no_key_and_no_json() -> None:
    async def work(client: Client) -> None:
        missing = await client.send("POST", "/v1/chat/completions", body())
        assert missing.status == 401
        assert "didn't provide an API key" in missing.json()["error"]["message"]
        for broken in (b"{", b'{"model": "\xff"}', b""):
            assert (await client.ask("openai", broken)).status == 400
        assert (await client.send("GET", "/v1/nothing", headers={"authorization": "Bearer sim-a"})).status == 404
        assert (
            await client.send("GET", "/v1/chat/completions", headers={"authorization": "Bearer sim-a"})
        ).status == 405

    simulate(work)


def test_streamed_calls_come_in_fragments_by_index() -> None:
    sent = body(messages=[{"role": "user", "content": "[[parallel]] weather"}], tools=[TOOL], stream=True)
    got = ask(sent)
    assert got.datas()[-1] == b"[DONE]"
    deltas = [event["choices"][0]["delta"] for event in got.events()]
    assert deltas[0]["role"] == "assistant"
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    opened = [call for call in calls if "id" in call]
    assert [call["index"] for call in opened] == [0, 1]
    assert all(call["function"]["arguments"] == "" for call in opened)
    assert all("name" not in call["function"] for call in calls if "id" not in call)
    assert [event["choices"][0]["finish_reason"] for event in got.events()][-1] == "tool_calls"


def test_usage_comes_last_and_only_where_asked() -> None:
    asked = ask(body(stream=True, stream_options={"include_usage": True})).events()
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"]["total_tokens"] > 0
    assert all(event["usage"] is None for event in asked[:-1])
    assert all("usage" not in event for event in ask(body(stream=True)).events())
    usage = ask(body(messages=[{"role": "user", "content": "[[cached]] " + "word " * 100}])).json()["usage"]
    assert 0 < usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"]
    thinking = ask(body(model="gpt-5")).json()["usage"]
    assert 0 < thinking["completion_tokens_details"]["reasoning_tokens"] < thinking["completion_tokens"]
