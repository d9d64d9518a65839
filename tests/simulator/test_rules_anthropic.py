"""Anthropic's rules: for each one a request that is accepted and one that is refused, in the vendor's words."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.simulator.signing import Signer
from tests.simulator.client import NEWEST, PDF, PNG, WEATHER, Client, Got, simulate

OLD = "2023-06-01"
USER = {"role": "user", "content": "hi"}
TOOL = {"name": "get_weather", "input_schema": WEATHER}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
DOCUMENT = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}
THINKING = {"type": "enabled", "budget_tokens": 1024}
SIGNER = Signer(1)


def body(**fields: Any) -> dict[str, Any]:
    made = {"model": "claude-sonnet-4-5", "max_tokens": 2000, "messages": [USER], **fields}
    return {name: value for name, value in made.items() if value != "-"}


def uses(*ids: str, first: tuple[Any, ...] = ()) -> dict[str, Any]:
    blocks = [{"type": "tool_use", "id": one, "name": "get_weather", "input": {"city": "Oslo"}} for one in ids]
    return {"role": "assistant", "content": [*first, *blocks]}


def results(*ids: str, first: tuple[Any, ...] = (), **more: Any) -> dict[str, Any]:
    blocks = [{"type": "tool_result", "tool_use_id": one, "content": "sunny", **more} for one in ids]
    return {"role": "user", "content": [*first, *blocks]}


def thought(said: str = "hm", signature: str | None = None) -> dict[str, Any]:
    return {"type": "thinking", "thinking": said, "signature": signature or SIGNER.sign("anthropic", "d", said)}


TEXT = {"type": "text", "text": "one"}
ACCEPTED = {
    "both content forms": (body(messages=[{"role": "user", "content": [TEXT, IMAGE, DOCUMENT]}]), NEWEST),
    "old sampling": (body(temperature=0.5, top_p=0.9, top_k=5), OLD),
    "old document from the assistant": (
        body(messages=[USER, {"role": "assistant", "content": [DOCUMENT, TEXT]}, USER]),
        OLD,
    ),
    "system as blocks": (body(system=[{**TEXT, "cache_control": {"type": "ephemeral"}}]), NEWEST),
    "system mid-conversation on a new model": (
        body(model="claude-opus-5", messages=[USER, {"role": "system", "content": "be brief"}, USER]),
        NEWEST,
    ),
    "same role twice": (body(messages=[USER, USER]), NEWEST),
    "prefill on an old model": (body(messages=[USER, {"role": "assistant", "content": "It is"}]), NEWEST),
    "tools": (body(tools=[TOOL], tool_choice={"type": "any", "disable_parallel_tool_use": True}), NEWEST),
    "results": (body(messages=[USER, uses("a", "b"), results("b", "a")], tools=[TOOL]), NEWEST),
    "error result with image": (
        body(
            messages=[
                USER,
                uses("a"),
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "a", "is_error": True, "content": [IMAGE]},
                        TEXT,
                    ],
                },
            ],
            tools=[TOOL],
        ),
        NEWEST,
    ),
    "thinking": (body(thinking=THINKING), NEWEST),
    "adaptive": (body(thinking={"type": "adaptive", "display": "omitted"}, output_config={"effort": "max"}), NEWEST),
    "between tools": (body(thinking={"type": "between_tools"}), NEWEST),
    "replayed thinking": (
        body(messages=[USER, uses("a", first=(thought(),)), results("a")], tools=[TOOL], thinking=THINKING),
        NEWEST,
    ),
    "replayed redacted thinking": (
        body(
            messages=[
                USER,
                uses(
                    "a",
                    first=({"type": "redacted_thinking", "data": SIGNER.sign("anthropic", "d", "redacted")},),
                ),
                results("a"),
            ],
            tools=[TOOL],
            thinking=THINKING,
        ),
        NEWEST,
    ),
    "thinking dropped with thinking off": (body(messages=[USER, uses("a"), results("a")], tools=[TOOL]), NEWEST),
    "structured": (body(output_config={"format": {"type": "json_schema", "schema": WEATHER}}), NEWEST),
    "empty citations": (body(messages=[{"role": "user", "content": [{**TEXT, "citations": []}]}]), NEWEST),
}
REFUSED = {
    "unknown field": (body(seed=1), NEWEST, "seed: Extra inputs are not permitted"),
    "OpenAI's n": (body(n=1), NEWEST, "n: Extra inputs are not permitted"),
    "no max_tokens": (body(max_tokens="-"), NEWEST, "max_tokens: Field required"),
    "zero max_tokens": (body(max_tokens=0), NEWEST, "max_tokens: Input should be greater than or equal to 1"),
    "temperature": (body(temperature=1), NEWEST, "Sampling parameters"),
    "top_p": (body(top_p=1), NEWEST, "Sampling parameters"),
    "top_k": (body(top_k=0), NEWEST, "Sampling parameters"),
    "hot": (body(temperature=1.5), OLD, "temperature: Input should be less than or equal to 1"),
    "document from the assistant": (
        body(messages=[USER, {"role": "assistant", "content": [DOCUMENT, TEXT]}, USER]),
        NEWEST,
        "`document` blocks are not permitted",
    ),
    "user citations": (
        body(messages=[{"role": "user", "content": [{**TEXT, "citations": [{"type": "char_location"}]}]}]),
        NEWEST,
        "`citations` are not permitted",
    ),
    "assistant first": (
        body(messages=[{"role": "assistant", "content": "hi"}, USER]),
        NEWEST,
        "first message must use",
    ),
    "system role": (
        body(messages=[USER, {"role": "system", "content": "x"}, USER]),
        NEWEST,
        'Unexpected role "system"',
    ),
    "tool role": (body(messages=[{"role": "tool", "content": "x"}]), NEWEST, "messages.0.role: Input should be"),
    "prefill on a new model": (
        body(model="claude-opus-5", messages=[USER, {"role": "assistant", "content": "It"}]),
        NEWEST,
        "does not support assistant message prefill",
    ),
    "empty content": (body(messages=[{"role": "user", "content": ""}]), NEWEST, "non-empty content"),
    "empty text block": (
        body(messages=[{"role": "user", "content": [{"type": "text", "text": ""}]}]),
        NEWEST,
        "text content blocks must be non-empty",
    ),
    "wrong block": (
        body(messages=[{"role": "user", "content": [{"type": "image_url"}]}]),
        NEWEST,
        "Input tag 'image_url' found using 'type'",
    ),
    "bmp": (
        body(
            messages=[
                {"role": "user", "content": [{**IMAGE, "source": {**IMAGE["source"], "media_type": "image/bmp"}}]}
            ]
        ),
        NEWEST,
        "media_type: Input should be 'image/jpeg'",
    ),
    "tool without type object": (
        body(tools=[{"name": "f", "input_schema": {}}]),
        NEWEST,
        "input_schema.type: Field required",
    ),
    "same tool twice": (body(tools=[TOOL, TOOL]), NEWEST, "Tool names must be unique"),
    "choice without tools": (body(tool_choice={"type": "auto"}), NEWEST, "while providing tools"),
    "choice as string": (
        body(tools=[TOOL], tool_choice="auto"),
        NEWEST,
        "tool_choice: Input should be a valid dictionary",
    ),
    "choice of no tool": (
        body(tools=[TOOL], tool_choice={"type": "tool", "name": "x"}),
        NEWEST,
        "not found in provided",
    ),
    "tool_use without tools": (body(messages=[USER, uses("a"), results("a")]), NEWEST, "must define tools"),
    "missing result": (
        body(messages=[USER, uses("a", "b"), results("a")], tools=[TOOL]),
        NEWEST,
        "`tool_use` ids were found without `tool_result` blocks immediately after: b",
    ),
    "results in two messages": (
        body(messages=[USER, uses("a", "b"), results("a"), results("b")], tools=[TOOL]),
        NEWEST,
        "`tool_use` ids were found without `tool_result`",
    ),
    "text before the result": (
        body(messages=[USER, uses("a"), results("a", first=(TEXT,))], tools=[TOOL]),
        NEWEST,
        "`tool_use` ids were found without `tool_result`",
    ),
    "orphan result": (body(messages=[results("a")], tools=[TOOL]), NEWEST, "unexpected `tool_use_id`"),
    "input as string": (
        body(
            messages=[
                USER,
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": "{}"}]},
                results("a"),
            ],
            tools=[TOOL],
        ),
        NEWEST,
        "input: Input should be a valid dictionary",
    ),
    "small budget": (body(thinking={"type": "enabled", "budget_tokens": 100}), NEWEST, "greater than or equal to 1024"),
    "budget above max_tokens": (
        body(thinking={"type": "enabled", "budget_tokens": 2000}),
        NEWEST,
        "`max_tokens` must be greater than `thinking.budget_tokens`",
    ),
    "thinking and forced tool": (
        body(thinking=THINKING, tools=[TOOL], tool_choice={"type": "any"}),
        NEWEST,
        "Thinking may not be enabled when tool_choice forces tool use",
    ),
    "thinking and temperature": (body(thinking=THINKING, temperature=0.5), OLD, "may only be set to 1"),
    "thinking not replayed": (
        body(messages=[USER, uses("a"), results("a")], tools=[TOOL], thinking=THINKING),
        NEWEST,
        "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
    ),
    "no signature": (
        body(messages=[USER, uses("a", first=({"type": "thinking", "thinking": "hm"},)), results("a")], tools=[TOOL]),
        NEWEST,
        "signature: Field required",
    ),
    "foreign signature": (
        body(
            messages=[
                USER,
                uses("a", first=(thought(signature=Signer(2).sign("anthropic", "d", "hm")),)),
                results("a"),
            ],
            tools=[TOOL],
        ),
        NEWEST,
        "Invalid `signature` in `thinking` block",
    ),
    "signature of other words": (
        body(
            messages=[USER, uses("a", first=(thought("ha", SIGNER.sign("anthropic", "d", "hm")),)), results("a")],
            tools=[TOOL],
        ),
        NEWEST,
        "Invalid `signature` in `thinking` block",
    ),
    "five breakpoints": (
        body(messages=[{"role": "user", "content": [{**TEXT, "cache_control": {"type": "ephemeral"}}] * 5}]),
        NEWEST,
        "A maximum of 4 blocks",
    ),
    "unknown version": (body(), "2024-01-01", "is not a valid version"),
}


def ask(sent: Any, version: str = NEWEST, stream: bool = False) -> Got:
    async def work(client: Client) -> Got:
        return await client.ask("anthropic", sent, headers={"anthropic-version": version}, stream=stream)

    got = simulate(work)
    assert isinstance(got, Got)
    return got


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    sent, version = ACCEPTED[name]
    got = ask(sent, version)
    assert got.status == 200, got.body


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    sent, version, words = REFUSED[name]
    got = ask(sent, version)
    assert got.status == 400, got.body
    assert got.json()["error"]["type"] == "invalid_request_error"
    assert words in got.json()["error"]["message"], got.json()


def test_keys_and_versions() -> None:
    async def work(client: Client) -> None:
        version = {"anthropic-version": NEWEST}
        for key in ({"x-api-key": "sim-a"}, {"authorization": "Bearer sim-a"}):
            assert (await client.send("POST", "/v1/messages", body(), {**version, **key})).status == 200
        assert (await client.send("POST", "/v1/messages", body(), version)).status == 401
        assert (await client.send("POST", "/v1/messages", body(), {"x-api-key": "sim-a"})).status == 400

    simulate(work)


def test_the_order_of_events() -> None:
    sent = body(
        messages=[{"role": "user", "content": "[[talk]] weather"}], tools=[TOOL], thinking=THINKING, stream=True
    )
    got = ask(sent, stream=True)
    names = got.names()
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names[-2:] == ["message_delta", "message_stop"]
    kinds = [e["content_block"]["type"] for e in got.events() if e["type"] == "content_block_start"]
    assert kinds == ["thinking", "text", "tool_use"]
    deltas = [e["delta"]["type"] for e in got.events() if e["type"] == "content_block_delta"]
    assert list(dict.fromkeys(deltas)) == ["thinking_delta", "signature_delta", "text_delta", "input_json_delta"]
    open_block: int | None = None
    for event in got.events():
        if event["type"] == "content_block_start":
            assert open_block is None
            open_block = event["index"]
        elif event["type"] == "content_block_delta":
            assert event["index"] == open_block
        elif event["type"] == "content_block_stop":
            assert event["index"] == open_block
            open_block = None
    blocks = got.body.split(b"\n\n")
    assert all(b.startswith(b"event: ") and b"\ndata: {" in b for b in blocks if b)


def test_usage_leaves_out_the_cache() -> None:
    marked = [{"type": "text", "text": "word " * 2000, "cache_control": {"type": "ephemeral"}}]
    written = ask(body(system=marked)).json()["usage"]
    assert written["cache_creation_input_tokens"] > 1024
    assert written["cache_creation"]["ephemeral_5m_input_tokens"] == written["cache_creation_input_tokens"]
    assert written["input_tokens"] < 100
    read = ask(body(messages=[{"role": "user", "content": "[[cached]] " + "word " * 100}])).json()["usage"]
    assert read["cache_read_input_tokens"] > 0
    assert read["cache_creation_input_tokens"] == 0


def test_finishes() -> None:
    assert ask(body(stop_sequences=["said"])).json()["stop_sequence"] == "said"
    assert ask(body(max_tokens=2)).json()["stop_reason"] == "max_tokens"
    refused = ask(body(messages=[{"role": "user", "content": "[[refuse]]"}])).json()
    assert (refused["stop_reason"], refused["stop_details"]["type"]) == ("refusal", "refusal")
    pause = {"role": "user", "content": "[[pause]]"}
    paused = ask(body(model="claude-opus-5", messages=[pause])).json()
    assert paused["stop_reason"] == "pause_turn"
    again = {"role": "assistant", "content": paused["content"]}
    assert ask(body(model="claude-opus-5", messages=[pause, again])).json()["stop_reason"] == "end_turn"
