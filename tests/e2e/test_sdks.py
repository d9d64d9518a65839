"""Every official SDK reaches every provider: what an application sees, and what the record says.

A matrix made of data: SDK x provider x streamed or not x what is asked.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import jsonschema_rs
import pytest

from tests.e2e.clients import TALKS, Asks, Got
from tests.e2e.gateway import Gateway
from tests.e2e.workspace import MODELS, SYSTEM, VENDORS
from tests.simulator.client import WEATHER

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

ASKS = {
    "plain": Asks("[[say]] The kettle switches itself off."),
    "system": Asks("[[system]]", system=SYSTEM),
    "image": Asks("look at this", image=True),
    "schema": Asks("Ada Lovelace was 36", schema=PERSON),
    "reasoning": Asks("[[think]] why do kettles whistle", effort="high"),
    "sequence": Asks("[[say]] one two STOP three", stop="STOP"),
    "length": Asks("[[long 500]]", max_tokens=40),
}
# what the target's format cannot say, by name; everything else is carried
DROPPED = {
    ("google", "openai", "reasoning"): {"reasoning.show"},
    ("openai", "anthropic", "schema"): {"json_format.name"},
}
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
    print("SEEN", sdk, provider, stream, what, repr(got.thought)[:60], got.signed, record["reasoning_tokens"])
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
        assert got.text == SYSTEM
        assert record["fingerprint"]
    elif what == "image":
        assert "I received 1 image: image/png" in got.text
    elif what == "schema":
        jsonschema_rs.validate(PERSON, json.loads(got.text))
    elif what == "sequence":
        assert got.text.rstrip() == "one two"
    elif what == "length":
        assert len(got.text) > 40


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
