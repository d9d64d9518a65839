"""LiteLLM's `.prompt` files, and promptfoo's configuration."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given as when
from hypothesis import settings
from hypothesis import strategies as st

from headgate.core.artifact import canonical
from headgate.core.errors import ConfigError
from headgate.core.types import JsonObject
from headgate.prompts.formats import litellm_prompt, promptfoo
from headgate.prompts.translate.loading import find, names
from tests.prompts.formats.support import program, prompt, read, written

WHOLE = """\
---
model: gpt-4
temperature: 0.7
max_tokens: 150
drop_params: true
input:
  schema: {user_message: string, age: int, context?: str, tags?: list}
output:
  format: json
  schema: {answer: string, sure?: bool}
---
System: You help.
{% if context %}Context: {{context}}{% endif %}
  {% for tag in tags %}#{{ tag }} {% endfor %}
User: {{user_message}} {{ context }}
Assistant: Age {{ age }}?
"""


def test_a_whole_file() -> None:
    draft = read(litellm_prompt, WHOLE, "chat.v2.prompt")
    assert (draft.name, draft.version) == ("chat", "2.0.0")
    assert draft.content["settings"] == {"temperature": 0.7, "max_tokens": 150}
    assert draft.content["output"] == {
        "type": "object",
        "properties": {"answer": {"type": "string"}, "sure": {"type": "boolean"}},
        "required": ["answer"],
    }
    made = program(draft)
    assert made.render({"user_message": "Hi", "age": 7}) == [
        ("system", "You help.\n\n"),
        ("user", "Hi "),
        ("assistant", "Age 7?"),
    ]
    full = made.render({"user_message": "Hi", "age": 7, "context": "c", "tags": ["a", "b"]})
    assert full[:2] == [("system", "You help.\nContext: c\n#a #b "), ("user", "Hi c")]
    assert [remark.partition(": ")[2] for remark in draft.remarks] == [
        "`model` left out: a route names models", "`drop_params` left out: it has no place here",
    ]  # fmt: skip


def test_without_roles_and_schema() -> None:
    draft = read(litellm_prompt, "Tell me about {{topic}}.\n", "a.prompt")
    assert draft.content["messages"] == [{"role": "user", "content": "Tell me about {{topic}}."}]
    assert "no `input.schema`: inputs taken from the template: topic" in draft.remarks[0]
    assert program(draft).render({"topic": "AI"}) == [("user", "Tell me about AI.")]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% if a %}System: x{% endif %}User: y", "a.prompt:6: `System:` inside a block"),
        ("User: {{ a|upper }}", "a.prompt:6: `a` is optional, and part of more"),
        ("User: x\n{{ b | format('x') }}", "line 2 of the template: no filter `format`"),
        ("User: {{ c }}", "the template uses `c`, which is not declared"),
        ("", "the template says nothing"),
    ],
)
def test_what_cannot_be_read(template: str, said: str) -> None:
    text = f"---\ninput:\n  schema: {{a?: string, b: string}}\ntop_p: 1\n---\n{template}"
    with pytest.raises(ConfigError) as caught:
        program(read(litellm_prompt, text, "a.prompt"))
    assert said in str(caught.value)


def test_what_is_guarded_stays() -> None:
    text = "---\ninput: {schema: {a?: string}}\n---\n{% if a is defined %}{{ a|upper }}{% endif %}{{ a|default('x') }}"
    made = program(read(litellm_prompt, text, "a.prompt"))
    assert made.render({}) == [("user", "x")]
    assert made.render({"a": "q"}) == [("user", "Qq")]


INPUTS: JsonObject = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "n": {"type": "integer"}, "b": {"type": "array"}},
    "required": ["a", "n"],
}
words = st.one_of(
    st.lists(st.sampled_from(["{{ a }}", "{{ n }}", "x y", "é\nz", "{# c #}", "\n\nq"]), min_size=1, max_size=5).map(
        "".join
    ),
    st.sampled_from(["{% for r in b|default([]) %}{{ r }}{% endfor %}.", "{% if a %}x{% else %}\ny{% endif %}"]),
).map(str.strip)
rows = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": words}),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@when(rows)
def test_what_goes_out_comes_back(messages: list[dict[str, str]]) -> None:
    output: JsonObject = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    before: JsonObject = {"messages": list(messages), "inputs": INPUTS, "settings": {"top_p": 1}, "output": output}
    back = read(litellm_prompt, written(litellm_prompt, before).files["support.prompt"])
    assert canonical(back.content) == canonical(before)


def test_what_is_lost_is_told() -> None:
    content: JsonObject = {
        "messages": [{"role": "user", "content": '  {% include "legal" %}\n'}],
        "inputs": {"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}, "b": {}}},
        "partials": {"legal": "legal@1.0.0"},
        "examples": [{"user": "q", "assistant": "a"}],
        "description": "D",
    }
    out = written(litellm_prompt, content, {"legal@1.0.0": prompt({"content": "No."}, "legal", "partial")})
    assert out.files["support.prompt"].endswith("---\nUser: q\n\nAssistant: a\n\nUser: No.\n")
    told = "\n".join(out.remarks)
    for said in (
        "partials are written out: legal@1.0.0",
        "white space",
        "examples are",
        "description left out",
        "a, b",
    ):
        assert said in told


def test_text_that_would_begin_a_message_is_refused() -> None:
    with pytest.raises(ConfigError, match="line 2 of the template would begin a message there"):
        written(litellm_prompt, {"messages": [{"role": "user", "content": "a\n User: b"}]})


def test_promptfoo() -> None:
    content: JsonObject = {
        "messages": [{"role": "system", "content": "{{ a|tojson }} {{ a|upper }}"}],
        "inputs": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        "settings": {"temperature": 0.2},
        "output": {"type": "object"},
    }
    out = written(promptfoo, content)
    config = yaml.safe_load(out.files["promptfooconfig.yaml"])
    assert config["prompts"] == ["file://support.json"]
    assert config["providers"][0]["config"]["temperature"] == 0.2
    assert config["tests"] == [{"vars": {"a": "<a>"}}]
    assert json.loads(out.files["support.json"]) == [{"role": "system", "content": "{{ a|dump }} {{ a|upper }}"}]
    with pytest.raises(ConfigError, match="Nunjucks has no filter `unique`"):
        written(promptfoo, {**content, "messages": [{"role": "user", "content": "{{ a|unique }}"}]})
    with pytest.raises(ConfigError, match="written, not read"):
        read(promptfoo, "x")


def test_formats_are_found_by_name() -> None:
    assert names() == ["dotprompt", "langfuse", "litellm-prompt", "promptfoo"]
    assert all(find(name) is not None for name in names())
    assert find("no-such") is None
    assert find("../x") is None
