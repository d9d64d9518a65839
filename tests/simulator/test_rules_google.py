"""Google's rules: for each one a request that is accepted and one that is refused, in the vendor's words."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from headgate.simulator.signing import Signer
from tests.simulator.client import PNG, WEATHER, Client, Got, headers_of, simulate

NEW, OLD = "gemini-3.8-flash", "gemini-2.5-flash"
SIGNER = Signer(1)
SIGNED = SIGNER.sign("google", "d", "get_weather")
BYPASS = "skip_thought_signature_validator"
JSON = "application/json"


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": "hi"}, *parts]}


def calls(count: int = 1, signature: str | None = SIGNED, **more: Any) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"functionCall": {"name": "get_weather", "args": {"city": "Oslo"}, **more}} for _ in range(count)
    ]
    if signature is not None:
        parts[0]["thoughtSignature"] = signature
    return {"role": "model", "parts": parts}


def answers(count: int = 1, name: str = "get_weather", **more: Any) -> dict[str, Any]:
    part = {"functionResponse": {"name": name, "response": {"output": "sunny"}, **more}}
    return {"role": "user", "parts": [part] * count}


def tools(**declared: Any) -> list[dict[str, Any]]:
    return [{"functionDeclarations": [{"name": "get_weather", "parametersJsonSchema": WEATHER, **declared}]}]


def body(*contents: Any, **fields: Any) -> dict[str, Any]:
    return {"contents": list(contents) or [user()], **fields}


def config(**fields: Any) -> dict[str, Any]:
    return body(generationConfig=fields)


ACCEPTED = {
    "no role": (body({"parts": [{"text": "hi"}]}), NEW),
    "snake case": (body(generation_config={"max_output_tokens": 50}, system_instruction={"parts": {"text": "x"}}), NEW),
    "nulls": (body(tools=None, generationConfig=None), NEW),
    "dialogue": (body(user(), {"role": "model", "parts": [{"text": "hello"}]}, user()), NEW),
    "image": (body(user({"inlineData": {"mimeType": "image/png", "data": PNG}})), NEW),
    "file": (body(user({"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}})), NEW),
    "signed call": (body(user(), calls(), answers(), tools=tools()), NEW),
    "signature in the other alphabet": (
        body(user(), calls(signature=SIGNED.replace("+", "-").replace("/", "_")), answers(), tools=tools()),
        NEW,
    ),
    "bare bypass": (body(user(), calls(signature=BYPASS), answers(), tools=tools()), NEW),
    "encoded bypass": (
        body(user(), calls(signature=base64.b64encode(BYPASS.encode()).decode()), answers(), tools=tools()),
        NEW,
    ),
    "only the first call is signed": (body(user(), calls(2), answers(2), tools=tools()), NEW),
    "unsigned call before the last user text": (
        body(user(), calls(signature=None), answers(), {"role": "model", "parts": [{"text": "sunny"}]}, user()),
        NEW,
    ),
    "unsigned call on an old model": (body(user(), calls(signature=None), answers(), tools=tools()), OLD),
    "ids": (body(user(), calls(id="a"), answers(id="a"), tools=tools()), NEW),
    "any of": (
        body(
            tools=tools(),
            toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}},
        ),
        NEW,
    ),
    "schema in capitals": (
        config(responseMimeType=JSON, responseSchema={"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}),
        NEW,
    ),
    "JSON schema": (config(responseMimeType=JSON, responseJsonSchema={**WEATHER, "additionalProperties": False}), NEW),
    "tools and JSON on a new model": (body(tools=tools(), generationConfig={"responseMimeType": JSON}), NEW),
    "thinking level": (config(thinkingConfig={"thinkingLevel": "LOW", "includeThoughts": True}), NEW),
    "thinking budget": (config(thinkingConfig={"thinkingBudget": 0}), OLD),
    "sampling": (config(temperature=2, topP=0.5, topK=40, seed=1, stopSequences=["x"], candidateCount=2), NEW),
    "safety": (
        body(safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]),
        NEW,
    ),
}
REFUSED = {
    "unknown field": (body(messages=[]), NEW, 'Unknown name "messages"'),
    "unknown config": (
        config(max_tokens=3),
        NEW,
        "Unknown name \"max_tokens\" at 'generation_config': Cannot find field",
    ),
    "no contents": ({"contents": []}, NEW, "contents is not specified"),
    "no parts": (body({"role": "user", "parts": []}), NEW, "must not be empty"),
    "assistant role": (body({"role": "assistant", "parts": [{"text": "x"}]}), NEW, "valid role: user, model"),
    "empty part": (body({"role": "user", "parts": [{}]}), NEW, "must have one initialized field"),
    "two data": (
        body({"role": "user", "parts": [{"text": "x", "fileData": {}}]}),
        NEW,
        "oneof field 'data' is already set",
    ),
    "bad base64": (body(user({"inlineData": {"mimeType": "image/png", "data": "*"}})), NEW, "Base64 decoding failed"),
    "type": (config(temperature="hot"), NEW, "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"hot\""),
    "hot": (config(temperature=3), NEW, "generation_config.temperature: must be at most 2"),
    "model speaks last": (body(user(), {"role": "model", "parts": [{"text": "x"}]}), NEW, "ending with a model turn"),
    "call after model": (
        body(user(), {"role": "model", "parts": [{"text": "x"}]}, calls(), answers(), tools=tools()),
        NEW,
        "function call turn comes immediately after a user turn",
    ),
    "call first": (body(calls(), answers(), tools=tools()), NEW, "immediately after a user turn"),
    "too few responses": (body(user(), calls(2), answers(1), tools=tools()), NEW, "number of function response parts"),
    "no response": (body(user(), calls(), user(), tools=tools()), NEW, "number of function response parts"),
    "orphan response": (body(answers(), tools=tools()), NEW, "number of function response parts"),
    "response of another name": (body(user(), calls(), answers(name="x"), tools=tools()), NEW, "names match"),
    "response of another id": (body(user(), calls(id="a"), answers(id="b"), tools=tools()), NEW, "does not match any"),
    "call by the user": (
        body(user(), {**calls(), "role": "user"}, answers(), tools=tools()),
        NEW,
        "come from the model role",
    ),
    "response as string": (
        body(
            user(), calls(), {"role": "user", "parts": [{"functionResponse": {"name": "get_weather", "response": "x"}}]}
        ),
        NEW,
        "Invalid value at 'contents[2].parts[0].function_response.response'",
    ),
    "missing signature": (
        body(user(), calls(signature=None), answers(), tools=tools()),
        NEW,
        "missing a `thought_signature`",
    ),
    "foreign signature": (
        body(user(), calls(signature=Signer(2).sign("google", "d", "get_weather")), answers(), tools=tools()),
        NEW,
        "Thought signature is not valid",
    ),
    "another vendor's signature": (
        body(user(), calls(signature=SIGNER.sign("anthropic", "d", "get_weather")), answers(), tools=tools()),
        NEW,
        "Thought signature is not valid",
    ),
    "bad name": (body(tools=[{"functionDeclarations": [{"name": "1x"}]}]), NEW, "Invalid function name"),
    "both schemas": (body(tools=tools(parameters={"type": "STRING"})), NEW, "mutually exclusive"),
    "JSON Schema words in parameters": (
        body(tools=[{"functionDeclarations": [{"name": "f", "parameters": {"type": "object", "$defs": {}}}]}]),
        NEW,
        'Unknown name "$defs"',
    ),
    "empty object": (
        body(tools=[{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}]),
        NEW,
        "should be non-empty for OBJECT type",
    ),
    "names without ANY": (
        body(
            tools=tools(),
            toolConfig={"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["get_weather"]}},
        ),
        NEW,
        "only when function calling mode is ANY",
    ),
    "unknown allowed name": (
        body(tools=tools(), toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["x"]}}),
        NEW,
        "is not among the function declarations",
    ),
    "wrong mode": (
        body(tools=tools(), toolConfig={"functionCallingConfig": {"mode": "required"}}),
        NEW,
        "Invalid value at 'tool_config.function_calling_config.mode'",
    ),
    "schema without mime type": (config(responseJsonSchema=WEATHER), NEW, "only allowed when response_mime_type"),
    "two response schemas": (
        config(
            responseMimeType=JSON,
            responseJsonSchema=WEATHER,
            responseSchema={"type": "STRING"},
        ),
        NEW,
        "mutually exclusive",
    ),
    "tools and JSON on an old model": (
        body(tools=tools(), generationConfig={"responseMimeType": JSON}),
        OLD,
        "Function calling with a response mime type",
    ),
    "level and budget": (
        config(thinkingConfig={"thinkingLevel": "LOW", "thinkingBudget": 5}),
        NEW,
        "only set only one",
    ),
    "level on an old model": (config(thinkingConfig={"thinkingLevel": "LOW"}), OLD, "not supported for this model"),
    "no thinking on pro": (config(thinkingConfig={"thinkingBudget": 0}), "gemini-2.5-pro", "Budget 0 is invalid"),
    "logprobs alone": (config(logprobs=2), NEW, "response_logprobs"),
}


def ask(sent: Any, model: str = NEW, stream: bool = False) -> Got:
    async def work(client: Client) -> Got:
        return await client.ask("google", sent, model=model, stream=stream)

    got = simulate(work)
    assert isinstance(got, Got)
    return got


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    sent, model = ACCEPTED[name]
    got = ask(sent, model)
    assert got.status == 200, got.body


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    sent, model, words = REFUSED[name]
    got = ask(sent, model)
    assert got.status == 400, got.body
    error = got.json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert words in error["message"], error


def test_framing_as_events_and_as_an_array() -> None:
    async def work(client: Client) -> None:
        path = f"/v1beta/models/{NEW}:streamGenerateContent"
        sse = await client.send("POST", path + "?alt=sse", body(), headers_of("google"))
        assert sse.headers["content-type"].startswith("text/event-stream")
        assert sse.body.count(b"\r\n\r\n") == len(sse.events()) == sse.body.count(b"data: ")
        assert b"\n" not in sse.body.replace(b"\r\n", b"")
        array = await client.send("POST", path, body(), headers_of("google"))
        assert json.loads(array.body) == sse.events()
        refused = await client.send("POST", path, {"contents": []}, headers_of("google"))
        assert refused.json()[0]["error"]["code"] == 400
        refused = await client.send("POST", path + "?alt=sse", {"contents": []}, headers_of("google"))
        assert refused.json()["error"]["code"] == 400
        keyed = await client.send("POST", f"/v1beta/models/{NEW}:generateContent?key=sim-a", body())
        assert keyed.status == 200
        assert (await client.send("POST", f"/v1beta/models/{NEW}:generateContent", body())).status == 403

    simulate(work)


def test_calls_are_whole_and_the_first_is_signed() -> None:
    said = {"role": "user", "parts": [{"text": "[[parallel]] weather"}]}
    events = ask(body(said, tools=tools()), stream=True).events()
    parts = [part for event in events for part in event["candidates"][0]["content"]["parts"]]
    assert [sorted(part) for part in parts] == [["functionCall", "thoughtSignature"], ["functionCall"]]
    assert events[-1]["candidates"][0]["finishReason"] == "STOP"
    assert parts[0]["functionCall"]["id"]
    old = ask(body(said, tools=tools()), OLD).json()["candidates"][0]["content"]["parts"]
    assert [sorted(part) for part in old] == [["functionCall"], ["functionCall"]]
    assert "id" not in old[0]["functionCall"]


def test_usage_counts_thoughts_apart() -> None:
    usage = ask(body()).json()["usageMetadata"]
    assert usage["thoughtsTokenCount"] > 0
    total = usage["promptTokenCount"] + usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
    assert usage["totalTokenCount"] == total
    assert "thoughtsTokenCount" not in ask(config(thinkingConfig={"thinkingBudget": 0}), OLD).json()["usageMetadata"]
    shown = ask(config(thinkingConfig={"includeThoughts": True})).json()["candidates"][0]["content"]["parts"]
    assert shown[0]["thought"] is True
    hidden = ask(body()).json()["candidates"][0]["content"]["parts"]
    assert all("thought" not in part for part in hidden)


def test_finishes() -> None:
    assert ask(config(maxOutputTokens=2)).json()["candidates"][0]["finishReason"] == "MAX_TOKENS"
    refused = ask(body({"role": "user", "parts": [{"text": "[[refuse]]"}]})).json()["candidates"][0]
    assert refused["finishReason"] == "SAFETY"
    assert "content" not in refused
    blocked = ask(body({"role": "user", "parts": [{"text": "[[blocked]]"}]})).json()
    assert blocked["promptFeedback"]["blockReason"]
