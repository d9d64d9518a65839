"""The declared output reaches each vendor as its answer format; where it cannot, that is on record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.core.artifact import Artifact
from headgate.core.errors import CannotCarry, ConfigError
from headgate.core.snapshot import Target
from headgate.core.stages import Asked
from headgate.core.types import ArtifactRef, JsonObject
from headgate.dialects import DIALECTS
from headgate.dialects.base import OUTPUT
from headgate.prompts import compile_prompt
from headgate.prompts.output import is_strict
from headgate.registry.yaml_tree import read_yaml
from headgate.routing.output import spliced, translated
from tests.dialects.wires import NAMES, ask, plain_body

CLOSED: JsonObject = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
ABLE = {"openai": "gpt-6-luna", "anthropic": "claude-haiku-5-5", "google": "gemini-3.8-flash"}
UNABLE = {"openai": "gpt-4-turbo", "anthropic": "claude-3-haiku-20240307"}
OWN = {  # a format that the client asks for itself
    "openai": {"response_format": {"type": "json_object"}},
    "anthropic": {"output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}}},
    "google": {"generationConfig": {"responseMimeType": "text/plain"}},
}
each = pytest.mark.parametrize("name", NAMES)


def settings(output: object, name: str = "weather") -> JsonObject:
    content: Any = {"messages": [{"role": "system", "content": "Hi"}], "output": output}
    return dict(compile_prompt(Artifact(ArtifactRef("prompt", name, "1.0.0", ""), content)).settings)


def filled(name: str, body: bytes) -> tuple[bytes, Asked]:
    asked = ask(name, body)
    return DIALECTS[name].add_prompt(asked, [("system", "Hi")], settings(CLOSED)).body, asked


def target(name: str, model: str, abilities: frozenset[str] | None = None) -> Target:
    return Target(name, model, None, abilities=abilities)  # type: ignore[arg-type]


def asked_format(name: str, body: bytes) -> object:
    found = DIALECTS[name].read_request(body, False).chat.json_format
    return None if found is None else found.schema


@each
def test_every_dialect_has_a_place_for_it(name: str) -> None:
    body, asked = filled(name, plain_body(name))
    assert asked_format(name, body) == CLOSED
    carried = spliced(DIALECTS[name], body, asked, target(name, ABLE[name]))
    assert asked_format(name, carried.body) == CLOSED
    assert carried.dropped == []


@each
def test_what_the_client_asks_for_itself_wins(name: str) -> None:
    tree = json.loads(plain_body(name))
    tree.update({key: {**tree.get(key, {}), **value} for key, value in OWN[name].items()})
    body, asked = filled(name, json.dumps(tree).encode())
    assert OUTPUT not in asked.filled
    for key, value in OWN[name].items():
        assert {**json.loads(body)[key], **value} == json.loads(body)[key]
    assert "city" not in body.decode()
    assert DIALECTS[name].without_output(body, asked) is body


@each
def test_a_model_known_not_to_take_it_is_asked_without_and_that_is_named(name: str) -> None:
    body, asked = filled(name, plain_body(name))
    carried = spliced(DIALECTS[name], body, asked, target(name, ABLE[name], frozenset({"tools"})))
    assert asked_format(name, carried.body) is None
    assert carried.dropped == [OUTPUT]
    if name in UNABLE:
        by_name = spliced(DIALECTS[name], body, asked, target(name, UNABLE[name]))
        assert asked_format(name, by_name.body) is None
        assert by_name.dropped == [OUTPUT]


def test_what_else_the_client_configures_stays() -> None:
    body, asked = filled("anthropic", plain_body("anthropic", output_config={"effort": "low"}))
    assert json.loads(DIALECTS["anthropic"].without_output(body, asked))["output_config"] == {"effort": "low"}
    body, asked = filled("google", plain_body("google", generationConfig={"seed": 7}))
    assert json.loads(DIALECTS["google"].without_output(body, asked))["generationConfig"] == {"seed": 7}


def test_old_gemini_calls_tools_or_answers_in_json() -> None:
    tools = [{"functionDeclarations": [{"name": "f"}]}]
    body, asked = filled("google", plain_body("google", tools=tools))
    carried = spliced(DIALECTS["google"], body, asked, target("google", "gemini-2.5-flash"))
    assert (asked_format("google", carried.body), carried.dropped) == (None, [OUTPUT])
    kept = spliced(DIALECTS["google"], body, asked, target("google", "gemini-3.8-flash"))
    assert (asked_format("google", kept.body), kept.dropped) == (CLOSED, [])


@each
def test_in_another_dialect_too(name: str) -> None:
    body, asked = filled("openai", plain_body("openai"))
    chat = DIALECTS["openai"].read_request(body, False).chat
    carried = translated(DIALECTS[name], chat, asked, target(name, ABLE[name]))
    assert asked_format(name, carried.body) == CLOSED
    assert OUTPUT not in carried.dropped
    without = translated(DIALECTS[name], chat, asked, target(name, ABLE[name], frozenset({"sampling"})))
    assert asked_format(name, without.body) is None
    assert OUTPUT in without.dropped
    asked.filled = ()
    with pytest.raises(CannotCarry):
        translated(DIALECTS[name], chat, asked, target(name, ABLE[name], frozenset({"sampling"})))


def test_closed_schemas_are_held_to_strictly() -> None:
    assert settings(CLOSED)["json_format"] == {"name": "weather", "schema": CLOSED, "strict": True}
    titled = settings({**CLOSED, "title": "Météo today"})["json_format"]
    assert isinstance(titled, dict)
    assert titled["name"] == "M_t_o_today"


@pytest.mark.parametrize(
    "change",
    [
        {"additionalProperties": True}, {"required": []}, {"minProperties": 1},
        {"properties": {"city": {"type": "string", "maxLength": 3}}},
        {"properties": {"city": {"type": "array", "items": {"type": "object"}}}},
        {"properties": {"city": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"a": {}}}]}}},
        {"$defs": {"a": {"type": "object"}}},
    ],
)  # fmt: skip
def test_open_schemas_are_not(change: JsonObject) -> None:
    assert is_strict(CLOSED)
    assert not is_strict({**CLOSED, **change})
    assert "strict" not in settings({**CLOSED, **change})["json_format"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("{type: array}", "x.yaml:2: the declared output is not an object"),
        ("{type: object, properties: {a: {type: strong}}}", "x.yaml:2: not a valid JSON Schema"),
        ("{type: object, properties: {a: {$ref: 'http://x/y'}}}", "x.yaml:2: `$ref` names another document"),
        ("7", "x.yaml:2: `output`: expected `object | null`"),
    ],
)
def test_mistakes(output: str, said: str) -> None:
    tree = next(read_yaml(f"messages: [{{role: user, content: a}}]\noutput: {output}\n", "x.yaml"))
    assert isinstance(tree.value, dict)
    with pytest.raises(ConfigError) as caught:
        compile_prompt(Artifact(ArtifactRef("prompt", "x", "1.0.0", ""), tree.value, file="x.yaml", lines=tree.lines))
    assert said in str(caught.value)
