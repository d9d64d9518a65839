"""dotprompt files: front matter and Picoschema in, and the same prompt back after going out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.artifact import canonical
from headgate.core.errors import ConfigError
from headgate.core.types import JsonObject
from headgate.prompts.formats import dotprompt
from headgate.prompts.translate.frontmatter import split
from headgate.prompts.translate.picoschema import to_json_schema
from tests.prompts.formats.support import given as file
from tests.prompts.formats.support import program, prompt, read, written

WHOLE = """\
---
name: greetingPrompt
description: Greets.
model: googleai/gemini-flash
tools: [timeOfDay]
config: {temperature: 0.7, topK: 20, maxOutputTokens: 90, stopSequences: [STOP], version: v2}
input:
  default: {name: Guest}
  schema:
    name: string
    language?: string
    items(array, what is there): {title: string, price?: number}
output:
  format: json
  schema:
    greeting: string, what to say
    level(enum): [LOW, HIGH]
metadata: {a: 1}
mycorp.owner: 12
---
{{role "system"}}Greet {{name}}{{#if language}} in {{language}}{{/if}}.
{{role "user"}}
{{#each items}}
- {{title}}{{#if price}}: {{price}}{{/if}}
{{/each}}
"""


def test_a_whole_file() -> None:
    draft = read(dotprompt, WHOLE)
    assert (draft.kind, draft.name, draft.version) == ("prompt", "greeting-prompt", None)
    assert draft.content["settings"] == {"temperature": 0.7, "top_k": 20, "max_tokens": 90, "stop": ["STOP"]}
    assert draft.content["description"] == "Greets."
    assert draft.content["output"] == {
        "type": "object",
        "properties": {
            "greeting": {"type": "string", "description": "what to say"},
            "level": {"enum": ["LOW", "HIGH"]},
        },
        "required": ["greeting", "level"],
        "additionalProperties": False,
    }
    made = program(draft)
    items: Any = [{"title": "tea", "price": 2}, {"title": "water"}]
    assert made.render({"items": items}) == [
        ("system", "Greet Guest.\n"),
        ("user", "\n- tea: 2\n- water\n"),
    ]
    assert made.render({"items": [], "name": "Ann", "language": "Dutch"})[0] == ("system", "Greet Ann in Dutch.\n")
    told = "\n".join(draft.remarks)
    for said in (
        "support.prompt:2: the name `greetingPrompt` is `greeting-prompt` here",
        "support.prompt:4: `model` left out: a route names models",
        "support.prompt:5: `tools` left out",
        "support.prompt:6: the setting `version` has no place",
        "support.prompt:18: `metadata` left out",
        "support.prompt:19: `mycorp.owner` left out",
    ):
        assert said in told, told


@pytest.mark.parametrize(
    ("told", "schema"),
    [
        ("a: string", {"a": {"type": "string"}}),
        ("a: number, how many, or so", {"a": {"type": "number", "description": "how many, or so"}}),
        ("a: any", {"a": {}}),
        ("tags(array, all): string, one", {
            "tags": {"type": "array", "items": {"type": "string", "description": "one"}, "description": "all"}}),
        ("o(object): {b: any}", {"o": {
            "type": "object", "properties": {"b": {}}, "required": ["b"], "additionalProperties": False}}),
    ],
)  # fmt: skip
def test_picoschema(told: str, schema: JsonObject) -> None:
    front = split(file(f"---\ns:\n  {told}\n---\n"))
    assert to_json_schema(file(""), front.fields["s"], "s", front.lines) == {
        "type": "object", "properties": schema, "required": list(schema), "additionalProperties": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("told", "schema"),
    [
        ("a?: string", {"properties": {"a": {"type": ["string", "null"]}}, "additionalProperties": False}),
        ("a?(enum): [x]", {"properties": {"a": {"enum": ["x", None]}}, "additionalProperties": False}),
        ("(*): number, any", {"properties": {}, "additionalProperties": {"type": "number", "description": "any"}}),
    ],
)
def test_picoschema_of_what_may_be_missing(told: str, schema: JsonObject) -> None:
    front = split(file(f"---\ns:\n  {told}\n---\n"))
    assert to_json_schema(file(""), front.fields["s"], "s", front.lines) == {"type": "object", **schema}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("---\nname: a\n", "support.prompt:1: the front matter does not end"),
        ("---\n- a\n---\nx", "support.prompt:2: the front matter is not a mapping"),
        ("---\na: [\n---\nx", "support.prompt:3: not valid YAML"),
        (
            "---\ninput:\n  schema:\n    a: strong\n---\nx",
            "support.prompt:4: `input.schema.a`: there is no type",
        ),
        (
            "---\ninput:\n  schema:\n    a(bag): string\n---\nx",
            "support.prompt:4: `input.schema.a(bag)`: there is no `(bag)`",
        ),
        ("---\ninput: {schema: string}\n---\nx", "support.prompt:2: the input is no object"),
        ("---\nname: a\n---\n\n\n{{#if a}}", "support.prompt:6: `{{#if a}}` is not closed"),
        ("---\nname: a\n---\n", "the template says nothing"),
        ("{{> other}}", "support.prompt:1: there is no partial `other` (read `_other.prompt` with it"),
        ("---\nconfig: 7\n---\nx", "support.prompt:2: `config` is not a mapping"),
        ("---\nheadgate.examples: 9\n---\nx", "support.prompt:2: more examples than messages"),
        ("---\n---\n{{|a=1}}", "`{{|a=1}}` names nothing"),
        ("x" * 1_100_000, "support.prompt:1: longer than"),
    ],
)
def test_what_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(dotprompt, text)
    assert said in str(caught.value)


def test_a_template_without_a_schema_tells_its_variables() -> None:
    draft = read(dotprompt, "{{#each rows}}{{name}}{{/each}}{{title}}{{#if note}}{{note}}{{/if}}{{at.city}}")
    assert draft.content["inputs"] == {
        "type": "object",
        "properties": {"rows": {"type": "array"}, "title": {}, "note": {}, "at": {}},
        "required": ["rows", "title", "at"],
    }
    assert "no `input.schema`: inputs taken from the template: rows, title, note, at" in draft.remarks[0]
    assert program(draft).render({"rows": [{"name": "a"}], "title": "t", "at": {"city": "Rome"}}) == [
        ("user", "atRome"),
    ]  # fmt: skip


def test_a_partial_is_a_file_of_its_own() -> None:
    legal = read(dotprompt, "---\ninput: {schema: {name: string}}\n---\n{{name}} says no.", "_legal.prompt")
    assert (legal.kind, legal.name) == ("partial", "legal")
    draft = read(dotprompt, "---\ninput: {schema: {name: string}}\n---\nA {{> legal}} B")
    assert draft.content["partials"] == {"legal": "legal@1.0.0"}
    assert program(draft, legal=legal).render({"name": "Ann"}) == [("user", "A Ann says no. B")]


# -- there and back --------------------------------------------------------------------------------------------------

INPUTS: JsonObject = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 9},
        "nick": {"type": ["string", "null"]},
        "tone": {"type": "string", "default": "kind"},
        "rows": {
            "type": "array",
            "items": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        },
    },
    "required": ["name", "rows"],
}
plain = st.text(st.sampled_from("ab }#%\n ~"), max_size=8)
shown = st.sampled_from([
    "{{ name }}", '{{ nick|default("", true) }}', '{{ (tone|default("kind")) }}', "{{ rows|tojson }}", "{# note #}",
    '{% include "legal" %}',
])  # fmt: skip
simple = st.lists(st.one_of(plain, shown), max_size=4).map("".join)
blocks = st.one_of(
    simple,
    simple.map(lambda text: "{% if name %}" + text + "{% endif %}"),
    simple.map(lambda text: "{% if not (nick|default(none)) %}" + text + "{% else %}no{% endif %}"),
    simple.map(lambda text: '{% if name == "x" %}' + text + "{% elif rows %}\n{% endif %}"),
    simple.map(lambda text: "{% for row in rows %}" + text + "{{ row.a }}{{ loop.index0 }}\n{% else %}{% endfor %}"),
)
content = st.lists(blocks, min_size=1, max_size=4).map("".join)
messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": content}),
    min_size=1, max_size=3,
).filter(lambda rows: all(row["content"].replace("{# note #}", "").strip() for row in rows))  # fmt: skip
extras = st.fixed_dictionaries(
    {},
    optional={
        "settings": st.fixed_dictionaries(
            {},
            optional={
                "temperature": st.just(0.5),
                "max_tokens": st.just(5),
                "seed": st.just(1),
                "stop": st.just(["x"]),
            },
        ).filter(bool),
        "output": st.just({"type": "object", "properties": {"a": {"type": "string"}}}),
        "description": st.just("What it is."),
        "examples": st.just([{"user": "Q {{ name }}", "assistant": "A"}]),
    },
)


@settings(max_examples=150, deadline=None)
@given(messages, extras)
def test_what_goes_out_comes_back(rows: list[dict[str, str]], more: JsonObject) -> None:
    before: JsonObject = {"messages": list(rows), "inputs": INPUTS, **more}
    legal: JsonObject = {
        "content": "No advice to {{ name }}.",
        "inputs": {"properties": {"name": {}}, "required": ["name"]},
    }
    if any('"legal"' in row["content"] for row in rows):
        before["partials"] = {"legal": "legal@1.0.0"}
    out = written(dotprompt, before, {"legal@1.0.0": prompt(legal, "legal", "partial")})
    back = read(dotprompt, out.files["support.prompt"])
    assert canonical(back.content) == canonical(before), out.files["support.prompt"]
    assert back.version == "1.0.0"
    if "partials" in before:
        again = read(dotprompt, out.files["_legal.prompt"], "_legal.prompt")
        assert again.content["content"] == legal["content"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ name|upper }}", "Handlebars cannot say this expression"),
        ("{{ rows[0].a }}", "Handlebars cannot say an item by its number"),
        ("{% if name and nick %}{% endif %}", "line 1 of the template: `name and nick` is said by our templates only"),
        ("a\n{{ name ~ nick }}", "line 2 of the template: `name ~ nick`"),
        ("{% for row in rows %}{{ loop.length }}{% endfor %}", "Handlebars cannot say `loop.length`"),
        ("{% for row in rows if row %}{% endfor %}", "a loop with a condition"),
    ],
)
def test_what_handlebars_has_no_words_for(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        written(dotprompt, {"messages": [{"role": "user", "content": text}], "inputs": INPUTS})
    assert said in str(caught.value)


def test_a_test_of_being_there_is_told() -> None:
    text = "{% if nick is defined %}{{ nick }}{% endif %}"
    out = written(dotprompt, {"messages": [{"role": "user", "content": text}], "inputs": INPUTS})
    assert "{{#if nick}}{{nick}}{{/if}}" in out.files["support.prompt"]
    assert "`is defined` becomes a test of truth" in out.remarks[0]
