"""The official SDKs, unmodified, against the edge: answers, streams, errors, identifiers."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as google_errors

from headgate.core.errors import UpstreamError
from headgate.core.stages import Passed
from tests.edge.gates import KEY, Gateway, Script, gateway, passed
from tests.edge.test_reply import feeds
from tests.edge.wires import WHOLE
from tests.support.world import run

ASK: list[Any] = [{"role": "user", "content": "hello"}]


def script(dialect: str, *steps: Passed | UpstreamError) -> Script:
    made = Script(list(steps), Passed([], dialect, 1))
    made.dialect = dialect
    return made


def base(here: Gateway, path: str = "") -> str:
    return f"http://127.0.0.1:{here.port}{path}"


def test_openai() -> None:
    async def talk() -> None:
        async with (
            gateway(script("openai", passed("openai", WHOLE["openai"], stream=False))) as here,
            openai.AsyncOpenAI(api_key=KEY, base_url=base(here, "/v1")) as sdk,
        ):
            answer = await sdk.chat.completions.create(model="m", messages=ASK)
            assert answer.choices[0].message.content == "hi"
            assert answer._request_id == here.script.calls[0].id
            here.script.feeds = list(feeds("openai"))
            stream = await sdk.chat.completions.create(model="m", messages=ASK, stream=True)
            said = [chunk.choices[0].delta.content async for chunk in stream]
            assert "".join(part or "" for part in said) == "one two"
            assert [model.id async for model in sdk.models.list()] == ["support", "claude", "gpt-5"]

    run(talk())


def test_anthropic() -> None:
    async def talk() -> None:
        async with (
            gateway(script("anthropic", passed("anthropic", WHOLE["anthropic"], stream=False))) as here,
            anthropic.AsyncAnthropic(api_key=KEY, base_url=base(here)) as sdk,
        ):
            answer = await sdk.messages.create(model="m", max_tokens=9, messages=ASK)
            assert answer.content[0].text == "hi"  # type: ignore[union-attr]
            assert answer._request_id == here.script.calls[0].id
            here.script.feeds = list(feeds("anthropic"))
            async with sdk.messages.stream(model="m", max_tokens=9, messages=ASK) as stream:
                assert "".join([text async for text in stream.text_stream]) == "one two"
            assert [model.id async for model in sdk.models.list()] == ["support", "claude", "gpt-5"]

    run(talk())


def test_google() -> None:
    async def talk() -> None:
        async with gateway(script("google", passed("google", WHOLE["google"], stream=False))) as here:
            sdk = genai.Client(api_key=KEY, http_options={"base_url": base(here)})
            answer = await sdk.aio.models.generate_content(model="m", contents="hello")
            assert answer.text == "hi"
            here.script.feeds = list(feeds("google"))
            stream = await sdk.aio.models.generate_content_stream(model="m", contents="hello")
            assert "".join([chunk.text or "" async for chunk in stream]) == "one two"
            models = await sdk.aio.models.list()
            assert [model.name async for model in models] == ["models/support", "models/claude", "models/gpt-5"]
            await sdk.aio.aclose()

    run(talk())


def test_an_exhausted_chain_is_asked_once_and_a_cut_stream_raises() -> None:
    async def talk() -> None:
        down = UpstreamError("server_error", "every provider failed")
        cut = UpstreamError("truncated", "the answer ended before its end")
        async with (
            gateway(script("openai", down)) as here,
            openai.AsyncOpenAI(api_key=KEY, base_url=base(here, "/v1")) as sdk,
        ):
            with pytest.raises(openai.InternalServerError):
                await sdk.chat.completions.create(model="m", messages=ASK)
            assert len(here.script.calls) == 1
            here.script.feeds = [*feeds("openai", 2), cut]
            stream = await sdk.chat.completions.create(model="m", messages=ASK, stream=True)
            with pytest.raises(openai.APIError, match="ended before"):
                [chunk async for chunk in stream]
        async with (
            gateway(script("anthropic", down)) as here,
            anthropic.AsyncAnthropic(api_key=KEY, base_url=base(here)) as sdk,
        ):
            with pytest.raises(anthropic.InternalServerError):
                await sdk.messages.create(model="m", max_tokens=9, messages=ASK)
            assert len(here.script.calls) == 1
            here.script.feeds = [*feeds("anthropic", 2), cut]
            with pytest.raises(anthropic.APIStatusError, match="ended before"):
                async with sdk.messages.stream(model="m", max_tokens=9, messages=ASK) as events:
                    [event async for event in events]
        async with gateway(script("google", down)) as here:
            google = genai.Client(api_key=KEY, http_options={"base_url": base(here)})
            with pytest.raises(google_errors.ServerError):
                await google.aio.models.generate_content(model="m", contents="hello")
            here.script.feeds = [*feeds("google", 2), cut]
            chunks = await google.aio.models.generate_content_stream(model="m", contents="hello")
            with pytest.raises(google_errors.APIError, match="ended before"):
                [chunk async for chunk in chunks]
            await google.aio.aclose()

    run(talk())
