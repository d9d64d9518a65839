"""Every official SDK reaches every provider: what an application sees, and what the record says.

A matrix made of data: SDK x provider x streamed or not x what is asked.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import anthropic
import jsonschema_rs
import openai
import pydantic
import pytest
from google import genai
from google.genai import types as gt

from tests.e2e.clients import TALKS, Asks, Got, anthropic_sdk, google_sdk, openai_sdk
from tests.e2e.gateway import Gateway
from tests.e2e.workspace import MODELS, SYSTEM, VENDORS
from tests.simulator.client import WEATHER
from tests.support.world import run

HI: Any = [{"role": "user", "content": "hi"}]

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
STOP = {"openai": "stop", "anthropic": "end_turn", "google": "STOP"}
LENGTH = {"openai": "length", "anthropic": "max_tokens", "google": "MAX_TOKENS"}
SEQUENCE = {"openai": "stop", "anthropic": "stop_sequence", "google": "STOP"}
TOOLS = {"openai": "tool_calls", "anthropic": "tool_use", "google": "STOP"}

OWN = "You tell what kettles are for, and nothing else."  # no prompt of the workspace

ASKS = {
    "plain": Asks("[[say]] The kettle switches itself off."),
    "system": Asks("[[system]]", system=OWN),
    "image": Asks("look at this", image=True),
    "schema": Asks("Ada Lovelace was 36", schema=PERSON),
    "reasoning": Asks("[[think]] why do kettles whistle", effort="high"),
    "sequence": Asks("[[say]] one two STOP three", stop="STOP"),
    "length": Asks("[[long 500]]", max_tokens=40),
}
# what the target's format cannot say, by name; everything else is carried
DROPPED = {("google", "openai", "reasoning"): {"reasoning.show"}}
CELLS = [*itertools.product(VENDORS, VENDORS, (False, True))]
NAMES = [f"{sdk}-to-{provider}-{'stream' if stream else 'whole'}" for sdk, provider, stream in CELLS]
each_cell = pytest.mark.parametrize(("sdk", "provider", "stream"), CELLS, ids=NAMES)


def check_record(gateway: Gateway, got: Got, sdk: str, provider: str, stream: bool) -> dict[str, Any]:
    """What holds for every call that went well: usage adds up, and the record says what the client saw."""
    assert got.input is not None
    assert got.output is not None
    assert got.input > 0
    assert got.output > 0
    assert got.total == got.input + got.output
    record = gateway.record(got.call_id)
    call = record["call"]
    assert (call["outcome"], call["status"], call["error"]) == ("ok", 200, None)
    assert (record["dialect"], record["target_dialect"], record["stream"]) == (sdk, provider, stream)
    assert (call["provider"], call["model"]) == (provider, MODELS[provider])
    assert (call["input_tokens"], call["output_tokens"]) == (got.input, got.output)
    assert call["cost_usd"] > 0
    assert call["attempts"] == 1
    (attempt,) = record["attempts"]
    assert (attempt["outcome"], attempt["status"], attempt["error"]) == ("ok", 200, None)
    assert attempt["cost_usd"] == call["cost_usd"]
    assert set(record["dropped"]) == got.dropped
    assert got.headers["x-headgate-provider"] == provider
    return record


@each_cell
@pytest.mark.parametrize("what", ASKS)
def test_asked_and_answered(gateway: Gateway, sdk: str, provider: str, stream: bool, what: str) -> None:
    asks = ASKS[what]
    got: Got = TALKS[sdk](gateway, f"to-{provider}", asks).ask(stream)
    record = check_record(gateway, got, sdk, provider, stream)
    assert got.dropped == DROPPED.get((sdk, provider, what), set())
    assert record["call"]["app"] == f"to-{provider}"
    assert record["call"]["release"] == f"to-{provider}#1"
    assert record["finish"] == ("length" if what == "length" else "stop")
    finish = LENGTH if what == "length" else STOP
    if what == "sequence" and provider == "anthropic":
        finish = SEQUENCE  # no other vendor says that it was a stop sequence: what is not known is not invented
    assert got.finish == finish[sdk]
    assert not got.calls
    if what == "plain":
        assert got.text == "The kettle switches itself off."
    elif what == "system":
        assert got.text == OWN
        assert record["fingerprint"]
    elif what == "image":
        assert "I received 1 image: image/png" in got.text
    elif what == "schema":
        jsonschema_rs.validate(PERSON, json.loads(got.text))
    elif what == "sequence":
        assert got.text.rstrip() == "one two"
    elif what == "length":
        assert len(got.text) > 40
    elif what == "reasoning":
        assert record["reasoning_tokens"] > 0
        # OpenAI shows no thoughts over chat completions, Google where it is asked to; Anthropic's are shown and signed
        assert bool(got.thought) == (provider == "anthropic" or sdk == provider == "google")
        assert got.signed == (provider != "openai")


@each_cell
@pytest.mark.parametrize(
    "said",
    ["[[steps 2]] weather in Oslo", "[[steps 2]] [[parallel]] weather in Oslo and Rome"],
    ids=["single", "parallel"],
)
@pytest.mark.parametrize("effort", [None, "high"], ids=["quick", "thinking"])
def test_a_whole_tool_loop(
    gateway: Gateway, sdk: str, provider: str, stream: bool, said: str, effort: str | None
) -> None:
    talk = TALKS[sdk](gateway, f"to-{provider}", Asks(said, tools=("get_weather", "get_forecast"), effort=effort))
    dropped = DROPPED.get((sdk, provider, "reasoning"), set()) if effort is not None else set()
    seen: list[str | None] = []
    for _ in range(2):
        got: Got = talk.ask(stream)
        assert got.finish == TOOLS[sdk]
        assert len(got.calls) == (2 if "parallel" in said else 1)
        for call in got.calls:
            assert call.id
            assert call.name in ("get_weather", "get_forecast")
            jsonschema_rs.validate(WEATHER, call.arguments)
        seen += [call.id for call in got.calls]
        assert got.dropped == dropped
        talk.answer_tools(got, "sunny")
    assert len(set(seen)) == len(seen)
    last: Got = talk.ask(stream)
    assert last.finish == STOP[sdk]
    assert "sunny" in last.text
    assert not last.calls
    record = check_record(gateway, last, sdk, provider, stream)
    assert record["finish"] == "stop"


@each_cell
def test_a_refusal_says_so_in_the_clients_words(gateway: Gateway, sdk: str, provider: str, stream: bool) -> None:
    got: Got = TALKS[sdk](gateway, f"to-{provider}", Asks("[[refuse]] how to boil without water")).ask(stream)
    record = gateway.record(got.call_id)
    assert (record["call"]["outcome"], record["call"]["attempts"]) == ("ok", 1)
    if sdk == "openai":
        assert got.refusal or got.finish == "content_filter"
    elif (sdk, provider) == ("google", "openai"):
        # OpenAI's models decline in words of their own and finish as usual: so do Google's
        assert (got.text, got.finish) == ("I cannot help with that request.", "STOP")
    else:
        assert got.finish in ("refusal", "SAFETY", "PROHIBITED_CONTENT")


@each_cell
def test_a_registered_prompt_is_rendered_and_on_record(gateway: Gateway, sdk: str, provider: str, stream: bool) -> None:
    asks = Asks("[[system]]", variables={"product": "the Aurora kettle"})
    got: Got = TALKS[sdk](gateway, f"kettle-{provider}", asks).ask(stream)
    assert got.text == SYSTEM
    record = check_record(gateway, got, sdk, provider, stream)
    assert record["call"]["app"] == f"kettle-{provider}"
    assert record["call"]["release"] == got.headers["x-headgate-release"] == f"kettle-{provider}#1"
    assert record["call"]["prompt"] == got.headers["x-headgate-prompt"] == "prompt/kettle@1.2.0"
    assert len(record["prompt_digest"]) == 64
    assert record["fingerprint"] is None
    assert record["channel"] == "production"
    assert record["route"] == f"route/to-{provider}@1.0.0"


def test_what_no_target_can_say_is_refused_not_bent(gateway: Gateway) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        openai_sdk(gateway.url, gateway.key).chat.completions.create(model="to-anthropic", messages=HI, n=2)
    assert caught.value.code == "cannot_carry"
    record = gateway.record(caught.value.response.headers["x-headgate-call-id"])
    assert (record["call"]["outcome"], record["call"]["error"]) == ("refused", "cannot_carry")
    assert record["call"]["attempts"] == 0
    assert [skip["provider"] for skip in record["skipped"]] == ["anthropic"]


def test_what_is_dropped_is_named(gateway: Gateway) -> None:
    sdk = openai_sdk(gateway.url, gateway.key)
    raw = sdk.chat.completions.with_raw_response.create(
        model="to-anthropic", messages=HI, logprobs=True, top_logprobs=2, seed=7, user="ada"
    )
    dropped = set(raw.headers["x-headgate-dropped"].split(", "))
    assert {"logprobs", "seed"} <= dropped
    assert set(gateway.record(raw.headers["x-headgate-call-id"])["dropped"]) == dropped


def test_models_are_listed_in_each_dialect(gateway: Gateway) -> None:
    known = {"to-openai", "kettle-google", MODELS["anthropic"]}
    assert known <= {model.id for model in openai_sdk(gateway.url, gateway.key).models.list()}
    assert known <= {model.id for model in anthropic_sdk(gateway.url, gateway.key).models.list(limit=1000)}
    listed = google_sdk(gateway.url, gateway.key).models.list()
    assert known <= {(model.name or "").removeprefix("models/") for model in listed}


def test_async_clients_share_the_gateway(gateway: Gateway) -> None:
    async def talk() -> None:
        async with (
            openai.AsyncOpenAI(base_url=gateway.url + "/v1", api_key=gateway.key) as one,
            anthropic.AsyncAnthropic(base_url=gateway.url, api_key=gateway.key) as two,
        ):
            three = genai.Client(api_key=gateway.key, http_options={"base_url": gateway.url})
            said = "[[say]] All at once."

            async def ask_openai() -> str:
                stream = await one.chat.completions.create(
                    model="to-google", messages=[{"role": "user", "content": said}], stream=True
                )
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

            async def ask_anthropic() -> str:
                async with two.messages.stream(
                    model="to-openai", max_tokens=50, messages=[{"role": "user", "content": said}]
                ) as stream:
                    return "".join([text async for text in stream.text_stream])

            async def ask_google() -> str:
                chunks = await three.aio.models.generate_content_stream(model="to-anthropic", contents=said)
                return "".join([chunk.text or "" async for chunk in chunks])

            work = [ask() for ask in (ask_openai, ask_anthropic, ask_google) * 5]
            assert set(await asyncio.gather(*work)) == {"All at once."}
            await three.aio.aclose()

    run(talk())


class Person(pydantic.BaseModel):
    name: str
    age: int


@pytest.mark.parametrize("provider", VENDORS)
def test_typed_answers_as_each_sdk_offers_them(gateway: Gateway, provider: str) -> None:
    model, said = f"to-{provider}", "Ada Lovelace was 36"
    one = openai_sdk(gateway.url, gateway.key).chat.completions.parse(
        model=model, messages=[{"role": "user", "content": said}], response_format=Person
    )
    assert isinstance(one.choices[0].message.parsed, Person)
    two = anthropic_sdk(gateway.url, gateway.key).messages.parse(
        model=model, max_tokens=300, messages=[{"role": "user", "content": said}], output_format=Person
    )
    assert isinstance(two.parsed_output, Person)
    config = gt.GenerateContentConfig(response_mime_type="application/json", response_schema=Person)
    three = google_sdk(gateway.url, gateway.key).models.generate_content(model=model, contents=said, config=config)
    assert isinstance(three.parsed, Person)


@pytest.mark.parametrize("provider", VENDORS)
def test_functions_that_the_google_sdk_calls_by_itself(gateway: Gateway, provider: str) -> None:
    asked: list[str] = []

    def get_weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "sunny"

    got = google_sdk(gateway.url, gateway.key).models.generate_content(
        model=f"to-{provider}", contents="weather in Oslo", config=gt.GenerateContentConfig(tools=[get_weather])
    )
    assert "sunny" in (got.text or "")
    assert len(asked) == 1


@pytest.mark.parametrize("provider", ["openai", "google"])
def test_functions_that_the_anthropic_sdk_calls_by_itself(gateway: Gateway, provider: str) -> None:
    asked: list[str] = []

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "sunny"

    # this SDK would have the history held by Anthropic's servers; told that nobody can, it sends it whole
    runner = anthropic_sdk(gateway.url, gateway.key).beta.messages.tool_runner(
        model=f"to-{provider}", max_tokens=300, tools=[get_weather],
        messages=[{"role": "user", "content": "weather in Oslo"}],
    )  # fmt: skip
    final: Any = runner.until_done()
    assert "sunny" in final.content[-1].text
    assert len(asked) == 1
