"""The real, unmodified SDKs against the simulator over real sockets: plain, streamed, tool loops, structured output."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import anthropic
import jsonschema_rs
import openai
import pydantic
import pytest
from google import genai
from google.genai import errors as google_errors
from google.genai import types as gt

from headgate.simulator import Simulator, SimulatorSettings, serve
from tests.simulator.client import PNG, WEATHER
from tests.support.world import run


class Person(pydantic.BaseModel):
    name: str
    age: int
    tags: list[str]


def with_simulator(
    work: Callable[[Simulator], Coroutine[Any, Any, None]], settings: SimulatorSettings | None = None
) -> None:
    async def bounded() -> None:
        simulator = await serve(settings or SimulatorSettings())
        try:
            await work(simulator)
        finally:
            await simulator.close()

    run(bounded())


def openai_client(simulator: Simulator) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=simulator.url + "/v1", api_key="sim-key", max_retries=0)


def anthropic_client(simulator: Simulator) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=simulator.url, api_key="sim-key", max_retries=0)


def google_client(simulator: Simulator) -> genai.Client:
    return genai.Client(api_key="sim-key", http_options=gt.HttpOptions(base_url=simulator.url))


OPENAI_TOOLS: list[Any] = [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}]
ANTHROPIC_TOOLS: list[Any] = [{"name": "get_weather", "input_schema": WEATHER}]
GOOGLE_TOOLS: list[Any] = [
    gt.Tool(function_declarations=[gt.FunctionDeclaration(name="get_weather", parameters_json_schema=WEATHER)])
]
BY_HAND = gt.AutomaticFunctionCallingConfig(disable=True)


def test_openai_plain_and_streamed_agree() -> None:
    async def work(simulator: Simulator) -> None:
        async with openai_client(simulator) as client:
            ask: dict[str, Any] = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hello there"}]}
            whole = await client.chat.completions.create(**ask)
            said, usage = "", None
            options: Any = {"include_usage": True}
            async for chunk in await client.chat.completions.create(**ask, stream=True, stream_options=options):
                said += chunk.choices[0].delta.content or "" if chunk.choices else ""
                usage = chunk.usage or usage
            assert said == whole.choices[0].message.content
            assert usage == whole.usage
            assert [one.id async for one in client.models.list()]

    with_simulator(work)


def test_openai_tool_loop_parallel_and_streamed() -> None:
    async def work(simulator: Simulator) -> None:
        async with openai_client(simulator) as client:
            messages: list[Any] = [{"role": "user", "content": "[[parallel]] [[steps 2]] weather in Oslo and Rome"}]
            for step in range(3):
                async with client.chat.completions.stream(
                    model="gpt-4o", messages=messages, tools=OPENAI_TOOLS
                ) as stream:
                    done = await stream.get_final_completion()
                choice = done.choices[0]
                if step == 2:
                    assert choice.finish_reason == "stop"
                    assert "sunny" in (choice.message.content or "")
                    return
                assert choice.finish_reason == "tool_calls"
                calls = choice.message.tool_calls or []
                assert len(calls) == 2
                messages.append(choice.message.model_dump(exclude_none=True, exclude={"parsed"}))
                for call in calls:
                    jsonschema_rs.validate(WEATHER, json.loads(call.function.arguments))
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})
                for sent in messages[-3]["tool_calls"]:
                    sent["function"].pop("parsed_arguments", None)
                    sent.pop("index", None)

    with_simulator(work)


def test_openai_structured_output_and_images() -> None:
    async def work(simulator: Simulator) -> None:
        async with openai_client(simulator) as client:
            parsed = await client.chat.completions.parse(
                model="gpt-4o", messages=[{"role": "user", "content": "Ada Lovelace"}], response_format=Person
            )
            assert isinstance(parsed.choices[0].message.parsed, Person)
            image: Any = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
            seen = await client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": [{"type": "text", "text": "look"}, image]}]
            )
            assert "1 image" in (seen.choices[0].message.content or "")

    with_simulator(work)


def test_anthropic_plain_streamed_and_both_keys() -> None:
    async def work(simulator: Simulator) -> None:
        async with anthropic_client(simulator) as client:
            ask: Any = {
                "model": "claude-sonnet-5-5",
                "max_tokens": 500,
                "messages": [{"role": "user", "content": "hello there"}],
            }
            whole = await client.messages.create(**ask)
            async with client.messages.stream(**ask) as stream:
                final = await stream.get_final_message()
            assert final.content[0].to_dict()["text"] == whole.content[0].to_dict()["text"]
            assert final.usage.output_tokens == whole.usage.output_tokens
            assert final.stop_reason == "end_turn"
            counted = await client.messages.count_tokens(model=ask["model"], messages=ask["messages"])
            assert counted.input_tokens == whole.usage.input_tokens
            assert [one.id async for one in client.models.list()]
            old = await client.messages.create(
                **ask, extra_headers={"anthropic-version": "2023-06-01"}, extra_body={"temperature": 0.5}
            )
            assert old.content
        used = simulator.requests[0].headers
        assert "authorization" in used or "x-api-key" in used

    with_simulator(work)


@pytest.mark.parametrize("said", ["[[steps 2]] weather", "[[steps 2]] [[redacted]] weather"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_anthropic_thinking_tool_loop(said: str, streamed: bool) -> None:
    async def work(simulator: Simulator) -> None:
        async with anthropic_client(simulator) as client:
            messages: list[Any] = [{"role": "user", "content": said}]
            for step in range(3):
                ask: Any = {
                    "model": "claude-sonnet-4-6",
                    "max_tokens": 3000,
                    "messages": messages,
                    "tools": ANTHROPIC_TOOLS,
                    "thinking": {"type": "enabled", "budget_tokens": 1024},
                }
                if streamed:
                    async with client.messages.stream(**ask) as stream:
                        got = await stream.get_final_message()
                else:
                    got = await client.messages.create(**ask)
                assert got.content[0].type == ("redacted_thinking" if "redacted" in said else "thinking")
                assert got.stop_reason == ("end_turn" if step == 2 else "tool_use")
                if step == 2:
                    return
                messages.append(
                    {"role": "assistant", "content": [one.model_dump(exclude_none=True) for one in got.content]}
                )
                results = [
                    {"type": "tool_result", "tool_use_id": one.id, "content": "sunny"}
                    for one in got.content
                    if one.type == "tool_use"
                ]
                messages.append({"role": "user", "content": results})

    with_simulator(work)


def test_anthropic_structured_output() -> None:
    async def work(simulator: Simulator) -> None:
        async with anthropic_client(simulator) as client:
            schema = {**Person.model_json_schema(), "additionalProperties": False}
            got = await client.messages.create(
                model="claude-sonnet-5-5",
                max_tokens=500,
                messages=[{"role": "user", "content": "Ada"}],
                output_config={"format": {"type": "json_schema", "schema": schema}},
            )
            assert got.content[0].type == "text"
            assert Person.model_validate_json(got.content[0].text)

    with_simulator(work)


def test_google_plain_and_streamed_agree() -> None:
    async def work(simulator: Simulator) -> None:
        client = google_client(simulator)
        whole = await client.aio.models.generate_content(model="gemini-3.8-flash", contents="hello there")
        said, usage = "", None
        async for part in await client.aio.models.generate_content_stream(
            model="gemini-3.8-flash", contents="hello there"
        ):
            said += part.text or ""
            usage = part.usage_metadata
        assert said == whole.text
        assert usage == whole.usage_metadata
        assert [one.name async for one in await client.aio.models.list()]
        await client.aio.aclose()

    with_simulator(work)


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "gemini-2.5-flash"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_google_tool_loop_with_signatures(model: str, streamed: bool) -> None:
    async def work(simulator: Simulator) -> None:
        client = google_client(simulator)
        config = gt.GenerateContentConfig(tools=GOOGLE_TOOLS, automatic_function_calling=BY_HAND)
        contents: list[Any] = [gt.UserContent("[[parallel]] [[steps 2]] weather in Oslo")]
        for step in range(3):
            if streamed:
                parts: list[gt.Part] = []
                async for one in await client.aio.models.generate_content_stream(
                    model=model, contents=contents, config=config
                ):
                    parts += (one.candidates or [])[0].content.parts or []  # type: ignore[union-attr]
            else:
                got = await client.aio.models.generate_content(model=model, contents=contents, config=config)
                parts = (got.candidates or [])[0].content.parts or []  # type: ignore[union-attr]
            called = [part for part in parts if part.function_call]
            if step == 2:
                assert called == []
                break
            assert len(called) == 2
            assert bool(called[0].thought_signature) == (model == "gemini-3.8-flash")
            assert not called[1].thought_signature
            contents.append(gt.Content(role="model", parts=parts))
            replies = [
                gt.Part(
                    function_response=gt.FunctionResponse(
                        id=part.function_call.id,  # type: ignore[union-attr]
                        name=part.function_call.name,  # type: ignore[union-attr]
                        response={"output": "sunny"},
                    )
                )
                for part in called
            ]
            contents.append(gt.Content(role="user", parts=replies))
        await client.aio.aclose()

    with_simulator(work)


def test_google_structured_output() -> None:
    async def work(simulator: Simulator) -> None:
        client = google_client(simulator)
        for config in (
            gt.GenerateContentConfig(response_mime_type="application/json", response_schema=Person),
            gt.GenerateContentConfig(
                response_mime_type="application/json", response_json_schema=Person.model_json_schema()
            ),
        ):
            got = await client.aio.models.generate_content(model="gemini-3.8-flash", contents="Ada", config=config)
            assert Person.model_validate_json(got.text or "")
        await client.aio.aclose()

    with_simulator(work)


def test_sdks_raise_their_own_errors() -> None:
    async def work(simulator: Simulator) -> None:
        hi: Any = [{"role": "user", "content": "hi"}]
        async with openai_client(simulator) as client:
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(model="gpt-nope", messages=hi)
            with pytest.raises(openai.RateLimitError):
                await client.chat.completions.create(model="gpt-4o~f3", messages=hi)
            with pytest.raises(openai.APIError):
                async for _ in await client.chat.completions.create(model="gpt-4o~f23", messages=hi, stream=True):
                    pass
        async with anthropic_client(simulator) as claude:
            with pytest.raises(anthropic.APIStatusError) as caught:
                await claude.messages.create(model="claude-sonnet-5-5~f1-529", max_tokens=9, messages=hi)
            assert caught.value.status_code == 529
            with pytest.raises(anthropic.BadRequestError, match="Sampling parameters"):
                await claude.messages.create(
                    model="claude-sonnet-5-5", max_tokens=9, messages=hi, extra_body={"temperature": 1}
                )
        google = google_client(simulator)
        with pytest.raises(google_errors.ClientError) as wrong:
            await google.aio.models.generate_content(model="gemini-3.8-flash~f4-quota", contents="hi")
        assert wrong.value.code == 429
        await google.aio.aclose()

    with_simulator(work)


def test_sync_clients_work_from_a_thread() -> None:
    async def work(simulator: Simulator) -> None:
        def ask() -> str:
            with openai.OpenAI(base_url=simulator.url + "/v1", api_key="sim-key", max_retries=0) as client:
                done = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
                return done.choices[0].message.content or ""

        assert "You said in 1 words: hi" in await asyncio.to_thread(ask)

    with_simulator(work)
