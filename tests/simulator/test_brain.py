"""The model behind the simulator: the same request gives the same answer; values fit their schemas."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.simulator import SimulatorSettings
from headgate.simulator.brain import answer, pieces, tokens
from headgate.simulator.messages import Ask, ToolDef
from headgate.simulator.schema_values import Maker
from headgate.simulator.signing import Signer
from tests.simulator.client import Client, body_of, simulate, with_tool

VENDORS = ["openai", "anthropic", "google"]


def asked(said: str, vendor: str = "openai", **fields: Any) -> Ask:
    ask = Ask(vendor, "gpt-4o", "digest", said)
    ask.input_tokens = 100
    for name, value in fields.items():
        setattr(ask, name, value)
    return ask


TOOLS = [ToolDef("get_weather", {"type": "object"}), ToolDef("get_time", {"type": "object"})]


@pytest.mark.parametrize("vendor", VENDORS)
def test_same_request_same_answer(vendor: str) -> None:
    async def work(client: Client) -> list[bytes]:
        found = []
        for stream in (False, True):
            sent = with_tool(vendor, body_of(vendor, "[[parallel]] weather in Oslo", stream=stream))
            found.append((await client.ask(vendor, sent, stream=stream)).body)
        return found

    first, again, other = simulate(work), simulate(work), simulate(work, SimulatorSettings(seed=2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("vendor", VENDORS)
def test_streamed_text_is_the_whole_text_at_any_chunk_size(vendor: str) -> None:
    said = "one  two\nthree\t four [[long 30]]"

    async def work(client: Client) -> tuple[str, str]:
        whole = (await client.ask(vendor, said=said)).json()
        events = (await client.ask(vendor, said=said, stream=True)).events()
        if vendor == "openai":
            parts = [choice["delta"].get("content") or "" for event in events for choice in event["choices"]]
            return whole["choices"][0]["message"]["content"], "".join(parts)
        if vendor == "anthropic":
            return whole["content"][0]["text"], "".join(e["delta"].get("text", "") for e in events if "delta" in e)
        told = [part["text"] for e in events for part in e["candidates"][0]["content"]["parts"]]
        return whole["candidates"][0]["content"]["parts"][0]["text"], "".join(told)

    for words in (1, 7):
        whole, streamed = simulate(work, SimulatorSettings(words_per_chunk=words))
        assert whole == streamed
        assert len(whole.split()) == 30


@given(st.text(max_size=200), st.integers(1, 5))
def test_pieces_join_to_the_text(said: str, words: int) -> None:
    assert "".join(pieces(said, words)) == said


def test_triggers() -> None:
    assert answer(asked("[[say]] exactly  this"), 1).text == "exactly  this"
    assert answer(asked("[[SYSTEM]]", system="be kind"), 1).text == "be kind"
    assert len(answer(asked("[[long 12]]"), 1).text.split()) == 12
    assert answer(asked("[[refuse]]"), 1).finish == "refusal"
    assert answer(asked("[[filter]] " + "word " * 20), 1).finish == "filter"
    assert answer(asked("[[think]]"), 1).count.thinking > 0
    assert answer(asked("[[think]]", may_think=False), 1).count.thinking == 0
    assert answer(asked("[[cached]]"), 1).count.cached == 50
    assert answer(asked("hello", input_tokens=2000), 1).count.cached == 1000
    assert answer(asked("hello", "anthropic", input_tokens=2000), 1).count.cached == 0


def test_when_tools_are_called() -> None:
    def names(said: str, **fields: Any) -> list[str]:
        return [call.name for call in answer(asked(said, tools=TOOLS, **fields), 1).calls]

    assert names("hello") == []
    assert names("how is the weather?") == ["get_weather"]
    assert names("what time is it?") == ["get_time"]
    assert names("[[call get_time]]") == ["get_time"]
    assert names("[[call get_time get_weather]]") == ["get_time", "get_weather"]
    assert names("[[parallel]]") == ["get_weather", "get_time"]
    assert names("[[parallel]]", parallel=False) == ["get_weather"]
    assert names("hello", forced="") == ["get_weather"]
    assert names("hello", forced="get_time") == ["get_time"]
    assert names("[[parallel]]", forced="get_time") == ["get_time", "get_time"]
    assert names("weather?", stage=1) == []
    assert names("[[steps 2]] weather?", stage=1) == ["get_weather"]
    ids = [call.id for call in answer(asked("[[parallel]]", tools=TOOLS), 1).calls]
    assert len(set(ids)) == 2


def test_limits_and_stops() -> None:
    cut = answer(asked("[[say]] one two three four five", max_tokens=2), 1)
    assert (cut.text, cut.finish, cut.count.output) == ("one two ", "length", 2)
    stopped = answer(asked("[[say]] one two three", stops=["three", "two"]), 1)
    assert (stopped.text, stopped.finish, stopped.sequence) == ("one ", "sequence", "two")
    thinking = answer(asked("[[say]] one", thinks=True, max_tokens=3), 1)
    assert (thinking.text, thinking.finish, thinking.count.thinking) == ("", "length", 3)
    no_room = answer(asked("[[call]]", tools=TOOLS, max_tokens=1), 1)
    assert (no_room.calls, no_room.finish) == ((), "length")
    assert tokens("") == 0
    assert tokens("abcde") == 2


SCHEMAS: list[dict[str, Any]] = [
    {"type": "string", "format": "email"},
    {"type": "string", "enum": ["a", "b"]},
    {"const": 5},
    {"type": "integer", "minimum": 3, "maximum": 3},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 2},
    {"type": "integer", "multipleOf": 5, "minimum": 7},
    {"type": "integer", "maximum": -4},
    {"type": "string", "minLength": 40},
    {"type": "string", "maxLength": 2},
    {"type": "string", "pattern": "^[A-Z]{2}-\\d+$"},
    {"type": ["null", "string"]},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 4},
    {"type": "array", "items": {"type": "string"}, "maxItems": 0},
    {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}]},
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
        ]
    },
    {
        "type": "object",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer"},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["value", "next", "children"],
                "additionalProperties": False,
            }
        },
        "properties": {"root": {"$ref": "#/$defs/node"}},
        "required": ["root"],
    },
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:60])
def test_made_values_fit_their_schema(schema: dict[str, Any]) -> None:
    for mark in ("a", "b", "c"):
        made = Maker(schema, mark, ["Oslo", "Rome"]).make()
        jsonschema_rs.validate(schema, made)
        assert made == Maker(schema, mark, ["Oslo", "Rome"]).make()


leaves = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer"},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": [1, "x"]},
        {"type": "number"},
    ]
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda one: {"type": "array", "items": one}, inner),
        st.builds(
            lambda given: {
                "type": "object",
                "properties": given,
                "required": list(given),
                "additionalProperties": False,
            },
            st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
        ),
        st.builds(lambda several: {"anyOf": several}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(schemas)
def test_made_values_fit_any_schema(schema: dict[str, Any]) -> None:
    jsonschema_rs.validate(schema, Maker(schema, "mark", []).make())


def test_google_schemas_are_understood() -> None:
    schema: dict[str, Any] = {
        "type": "OBJECT",
        "defs": {"day": {"type": "STRING", "enum": ["MON"]}},
        "properties": {"day": {"ref": "#/defs/day"}, "count": {"type": "INTEGER", "nullable": True}},
        "required": ["day", "count"],
    }
    made = Maker(schema, "mark", []).make()
    assert isinstance(made, dict)
    assert made["day"] == "MON"
    assert isinstance(made["count"], int)


def test_signatures_hold_for_one_vendor_one_seed_one_text() -> None:
    signer = Signer(1)
    made = signer.sign("anthropic", "digest", "thought")
    assert signer.verifies("anthropic", made, "thought")
    assert not signer.verifies("google", made, "thought")
    assert not signer.verifies("anthropic", made, "other")
    assert not Signer(2).verifies("anthropic", made, "thought")
    assert not signer.verifies("anthropic", "no base64!", "thought")
    assert not signer.verifies("anthropic", "", "thought")
