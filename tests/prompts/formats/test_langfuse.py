"""Langfuse's objects: variables, composition, versions; the same prompt back after going out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given as when
from hypothesis import settings
from hypothesis import strategies as st

from headgate.core.artifact import canonical
from headgate.core.errors import ConfigError
from headgate.core.types import JsonObject
from headgate.prompts.formats import langfuse
from tests.prompts.formats.support import given, program, prompt, read, written

CHAT: dict[str, Any] = {
    "name": "Movie Critic", "type": "chat", "version": 3, "labels": ["production", "latest"], "tags": ["film"],
    "config": {
        "model": "gpt-4o", "temperature": 0.3, "supported_languages": ["en"],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    },
    "prompt": [
        {"role": "system", "content": "You are a {{ criticlevel }} critic. {% {# { }"},
        {"role": "user", "content": "Do you like {{movie}}?"},
        {"type": "placeholder", "name": "history"},
    ],
    "commitMessage": "Kinder.", "createdAt": "2026-01-01", "projectId": "p", "extra": 1,
}  # fmt: skip


def test_a_chat_prompt() -> None:
    draft = read(langfuse, json.dumps(CHAT), "critic.json")
    assert (draft.kind, draft.name, draft.version, draft.message) == ("prompt", "movie-critic", "3.0.0", "Kinder.")
    assert draft.content["settings"] == {"temperature": 0.3}
    assert draft.content["output"] == {"type": "object"}
    assert program(draft).render({"criticlevel": "kind", "movie": "Dune"}) == [
        ("system", "You are a kind critic. {% {# { }"),
        ("user", "Do you like Dune?"),
    ]
    told = "\n".join(draft.remarks)
    for said in (
        "the name `Movie Critic` is `movie-critic` here", "the placeholder `history` left out",
        "`model` left out: a route names models", "`config.supported_languages` left out", "tags left out",
        "the label `production` left out: point a channel", "`extra` left out",
    ):  # fmt: skip
        assert said in told, told
    assert "createdAt" not in told
    assert "latest" not in told


def test_a_text_prompt_and_lists() -> None:
    rows = [{"name": "a", "prompt": "Hi {{x}}"}, {"name": "b", "type": "text", "prompt": "Ho", "version": 2}]
    for text in (json.dumps(rows), json.dumps({"data": rows})):
        a, b = langfuse.read(given(text, "all.json"))
        assert a.content["messages"] == [{"role": "system", "content": "Hi {{ x }}"}]
        assert a.content["inputs"] == {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
        assert (a.version, b.version) == (None, "2.0.0")
        assert "it is the system message here" in a.remarks[0]


def test_composition_is_a_partial() -> None:
    text = '{"name": "x", "prompt": "@@@langfusePrompt:name=Legal Text|version=4@@@ and {{a}}"}'
    assert langfuse.includes(given(text)) == {"legal-text"}
    draft = read(langfuse, text, "x.json")
    assert draft.content["partials"] == {"legal-text": "legal-text@4.0.0"}
    assert draft.content["messages"] == [{"role": "system", "content": '{% include "legal-text" %} and {{ a }}'}]
    legal = '{"name": "Legal Text", "prompt": "No {{a}}.", "version": 4}'
    assert langfuse.offers(given(legal)) == {"legal-text": "4.0.0"}
    (partial,) = langfuse.read(given(legal, "l.json", {}, "legal-text"))
    assert (partial.kind, partial.content["content"]) == ("partial", "No {{ a }}.")
    moving = text.replace("version=4", "label=production").replace("Legal Text", "legal")
    draft = read(langfuse, moving, "x.json")
    assert draft.content["partials"] == {"legal": "legal@1.0.0"}
    assert "included by a label, which moves: it is pinned at legal@1.0.0" in "\n".join(draft.remarks)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n "name": 1,\n "prompt"', "x.json:3: not valid JSON"),
        ('{"name": "a"}', "x.json:1: this is no prompt of Langfuse"),
        ('{\n"name": "a",\n"prompt": []}', "x.json:3: neither a text nor messages"),
        ('{\n"name": "a",\n"prompt": "x {{y"}', "x.json:3: `{{y` is not closed"),
        ('{"name": "a", "prompt": "{{user name}}"}', "`user name` is no name of a variable here"),
        ('{"name": "a", "prompt": "@@@langfusePrompt:name=zz|label=x@@@"}', "there is no partial `zz`"),
        ('{"name": "a", "prompt": [{"role": "wizard", "content": "x"}]}', "no message with a role and a text"),
        (
            '{"name": "a", "prompt": [{"type": "placeholder", "name": "h"}, {"role": "user", "content": "x"}]}',
            "the placeholder `h` stands before messages",
        ),
        ("[" * 2000, "x.json:1: not valid JSON"),
    ],
)
def test_what_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(langfuse, text, "x.json")
    assert said in str(caught.value)


INPUTS: JsonObject = {
    "type": "object",
    "properties": {"a": {"type": "string", "maxLength": 3}, "b": {"type": ["string", "null"]}},
    "required": ["a"],
}
words = st.lists(
    st.one_of(st.sampled_from(["{{ a }}", "{{ b }}", '{% include "legal" %}']), st.text(st.sampled_from("xé \n}%#@|"))),
    max_size=5,
).map("".join)


@settings(max_examples=100, deadline=None)
@when(
    st.lists(st.fixed_dictionaries({"role": st.sampled_from(["system", "user"]), "content": words}), min_size=1),
    st.sampled_from([None, {"type": "object", "properties": {}}]),
)
def test_what_goes_out_comes_back(rows: list[dict[str, str]], output: JsonObject | None) -> None:
    before: JsonObject = {"messages": list(rows), "inputs": INPUTS, "settings": {"seed": 4, "stop": ["x"]}}
    if output is not None:
        before["output"] = output
    if any("include" in row["content"] for row in rows):
        before["partials"] = {"legal": "legal@1.0.0"}
    legal = prompt({"content": "No {{ a }}.", "inputs": INPUTS}, "legal", "partial")
    out = written(langfuse, before, {"legal@1.0.0": legal})
    back = read(langfuse, out.files["support.json"], "support.json")
    assert canonical(back.content) == canonical(before)
    if "partials" in before:
        (again,) = langfuse.read(given(out.files["legal.json"], "legal.json", {}, "legal"))
        assert canonical(again.content) == canonical(legal.content)


@pytest.mark.parametrize(
    "text", ["{{ a|upper }}", "{% if a %}x{% endif %}", "{% raw %}{{ a }}{% endraw %}", "{{ a.b }}"]
)
def test_what_langfuse_has_no_words_for(text: str) -> None:
    with pytest.raises(ConfigError, match=r"support.yaml:1: Langfuse (has variables only|cannot say)"):
        written(langfuse, {"messages": [{"role": "user", "content": text}], "inputs": INPUTS})


def test_what_is_lost_is_told() -> None:
    content: JsonObject = {
        "messages": [{"role": "user", "content": "x{# note #}"}],
        "examples": [{"user": "q", "assistant": "a"}],
    }
    out = written(langfuse, content)
    assert [remark.partition(": ")[2] for remark in out.remarks] == [
        "a comment left out", "examples are messages like any other there",
    ]  # fmt: skip
    assert [row["role"] for row in json.loads(out.files["support.json"])["prompt"]] == ["user", "assistant", "user"]
