"""Answers against the vendors' published response types, field by field in both directions."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.shared import ErrorResponse
from google.genai.types import GenerateContentResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.simulator.client import PDF, PNG, Client, body_of, simulate, with_tool
from tests.simulator.conform import problems

WHOLE = {"openai": ChatCompletion, "anthropic": Message, "google": GenerateContentResponse}
EVENT = {"openai": ChatCompletionChunk, "anthropic": RawMessageStreamEvent, "google": GenerateContentResponse}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["name", "tags"],
    "additionalProperties": False,
}
SAID = [
    "hello",
    "weather in Paris",
    "[[parallel]] weather",
    "[[talk]] weather",
    "[[refuse]]",
    "[[filter]] more words here",
    "[[cached]] hello",
    "[[long 50]]",
    "[[redacted]] think",
    "[[pause]]",
    "[[window]]",
]


def thinking(vendor: str, body: dict[str, Any]) -> dict[str, Any]:
    if vendor == "openai":
        return {**body, "model": "gpt-5-mini", "reasoning_effort": "high"}
    if vendor == "anthropic":
        return {**body, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    return {**body, "generationConfig": {"thinkingConfig": {"includeThoughts": True}}}


def structured(vendor: str, body: dict[str, Any]) -> dict[str, Any]:
    if vendor == "openai":
        shape = {"name": "person", "schema": SCHEMA, "strict": True}
        return {**body, "response_format": {"type": "json_schema", "json_schema": shape}}
    if vendor == "anthropic":
        return {**body, "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
    return {**body, "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}}


def extras(vendor: str, body: dict[str, Any]) -> dict[str, Any]:
    """Fields that add something to the answer: log probabilities, several choices, usage on streams."""
    if vendor == "openai":
        more: dict[str, Any] = {"logprobs": True, "top_logprobs": 2, "n": 2}
        if body.get("stream"):
            more["stream_options"] = {"include_usage": True, "include_obfuscation": True}
        return {**body, **more}
    if vendor == "anthropic":
        return {**body, "stop_sequences": ["words"]}
    return {**body, "generationConfig": {"candidateCount": 2, "responseLogprobs": True}}


def plain(vendor: str, body: dict[str, Any]) -> dict[str, Any]:
    return body


@pytest.mark.parametrize("vendor", ["openai", "anthropic", "google"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_answers_are_what_the_vendor_publishes(vendor: str, stream: bool) -> None:
    async def work(client: Client) -> None:
        for change in (plain, with_tool, thinking, structured, extras):
            for said in SAID:
                got = await client.ask(vendor, change(vendor, body_of(vendor, said, stream=stream)), stream=stream)
                assert got.status == 200, (said, got.body)
                if not stream:
                    assert problems(WHOLE[vendor], got.json()) == [], said
                    continue
                assert got.complete
                for event in got.events():
                    if event.get("type") == "ping":
                        assert event == {"type": "ping"}
                        continue
                    assert problems(EVENT[vendor], event) == [], (said, event)

    simulate(work)


def test_media_are_counted_and_named() -> None:
    bodies = {
        "openai": {
            "model": "gpt-4o",
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "look"},
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                        {
                            "type": "file",
                            "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"},
                        },
                    ],
                }
            ],
        },
        "anthropic": {
            "model": "claude-sonnet-5-5",
            "max_tokens": 500,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "look"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                        {
                            "type": "document",
                            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                        },
                    ],
                }
            ],
        },
        "google": {
            "contents": [
                {
                    "role": "user",
                    "parts": [
                        {"text": "look"},
                        {"inlineData": {"mimeType": "image/png", "data": PNG}},
                        {"inlineData": {"mimeType": "application/pdf", "data": PDF}},
                    ],
                }
            ]
        },
    }

    async def work(client: Client) -> None:
        for vendor, body in bodies.items():
            got = await client.ask(vendor, body)
            assert got.status == 200, got.body
            assert b"I received 1 image: image/png 70 bytes." in got.body, got.body
            assert b"I received 1 document: application/pdf 14 bytes." in got.body

    simulate(work)


def test_errors_are_in_the_vendors_form() -> None:
    async def work(client: Client) -> None:
        got = await client.ask("openai", {"model": "gpt-4o"})
        assert got.status == 400
        assert set(got.json()["error"]) == {"message", "type", "param", "code"}
        got = await client.ask("anthropic", {"model": "claude-sonnet-5-5"})
        assert got.status == 400
        assert problems(ErrorResponse, got.json()) == []
        assert got.json()["request_id"] == got.headers["request-id"]
        got = await client.ask("google", {"contents": 1})
        assert got.status == 400
        assert set(got.json()["error"]) <= {"code", "message", "status", "details"}
        assert got.json()["error"]["status"] == "INVALID_ARGUMENT"
        for vendor, model in (("openai", "gpt-nope"), ("anthropic", "claude-nope"), ("google", "gemini-nope")):
            got = await client.ask(vendor, model=model)
            assert got.status == 404, vendor
        for vendor, status in (("openai", 401), ("anthropic", 401), ("google", 400)):
            bad = {"authorization": "Bearer nope", "x-api-key": "nope", "x-goog-api-key": "nope"}
            got = await client.ask(vendor, headers=bad)
            assert got.status == status, got.body

    simulate(work)


def test_the_checker_itself_sees_extra_missing_and_wrong_fields() -> None:
    good = {"id": "a", "choices": [], "created": 1, "model": "m", "object": "chat.completion"}
    assert problems(ChatCompletion, good) == []
    assert problems(ChatCompletion, {**good, "surprise": 1})
    assert problems(ChatCompletion, {name: value for name, value in good.items() if name != "id"})
    assert problems(ChatCompletion, {**good, "created": "soon"})
