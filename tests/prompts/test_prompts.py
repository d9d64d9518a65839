"""Prompts: strict variables, a template language whose output is bounded, mistakes told by place."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from minijinja import TemplateError

from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError, InvalidRequest
from headgate.core.types import ArtifactRef
from headgate.prompts import compile_prompt
from headgate.prompts.template import LanguageError, Template
from headgate.registry.yaml_tree import read_yaml

SUPPORT = """\
messages:
  - role: system
    content: |
      You answer for {{ product }}.{% if tone %} Be {{ tone }}.{% endif %}
  - role: user
    content: Begin.
inputs:
  type: object
  properties:
    product: {type: string, maxLength: 20}
    tone: {type: [string, 'null']}
    items: {type: array}
  required: [product, tone]
settings: {temperature: 0.2, max_tokens: 100}
"""


def artifact(text: str) -> Artifact:
    tree = next(read_yaml(text, "support.yaml"))
    assert isinstance(tree.value, dict)
    return Artifact(ArtifactRef("prompt", "support", "1.0.0", "d"), tree.value, file="support.yaml", lines=tree.lines)


def test_renders_messages_in_order() -> None:
    program = compile_prompt(artifact(SUPPORT))
    assert program.render({"product": "Widget", "tone": "kind"}) == [
        ("system", "You answer for Widget. Be kind.\n"),
        ("user", "Begin."),
    ]
    assert program.settings == {"temperature": 0.2, "max_tokens": 100}


@pytest.mark.parametrize(
    ("variables", "param", "said"),
    [
        ({"tone": None}, "headgate.variables.product", "needs the variable `product`"),
        ({"product": "a", "tone": None, "colour": 1}, "headgate.variables.colour", "has no variable `colour`"),
        ({"product": 7, "tone": None}, "headgate.variables.product", "breaks the rule `type`"),
        ({"product": "secret" * 9, "tone": None}, "headgate.variables.product", "breaks the rule `maxLength`"),
    ],
)
def test_a_wrong_variable_is_named_and_never_shown(variables: dict[str, object], param: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        compile_prompt(artifact(SUPPORT)).render(variables)  # type: ignore[arg-type]
    assert caught.value.param == param
    assert said in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{{ product }}", "{{ produkt }}", "support.yaml:3: the template uses `produkt`, which is not declared"),
        ("{{ product }}", "{{ product * 9 }}", "support.yaml:3: line 1 of the template: `*` is not in"),
        ("{{ product }}", "{{ product", "support.yaml:3: line"),
        ("role: user", "role: wizard", "support.yaml:5: invalid enum value 'wizard'"),
        (
            "temperature: 0.2",
            "temprature: 0.2",
            "support.yaml:14: unknown field `temprature` (one of: temperature, top_p",
        ),
        ("type: object", "type: strong", "support.yaml:7: `inputs` is not the JSON Schema of an object"),
        ("{type: string, maxLength: 20}", "{type: strong}", "support.yaml:7: not a valid JSON Schema"),
        ("    content: Begin.", "    text: Begin.", "support.yaml:6: unknown field `text`"),
    ],
)
def test_mistakes_in_a_prompt_file(old: str, new: str, said: str) -> None:
    assert old in SUPPORT
    with pytest.raises(ConfigError) as caught:
        compile_prompt(artifact(SUPPORT.replace(old, new, 1)))
    assert said in str(caught.value) or said.replace("invalid", "`messages.1.role`: invalid") in str(caught.value)


@pytest.mark.parametrize("reference", ["$ref", "$dynamicRef"])
@pytest.mark.parametrize("scheme", ["http", "https", "file"])
def test_a_schema_never_fetches_another(reference: str, scheme: str, tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text('{"type": "string"}')
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}" if scheme != "file" else str(tmp_path)
        property_ = f"product: {{'{reference}': '{scheme}://{host}/schema.json'}}"
        text = SUPPORT.replace("product: {type: string, maxLength: 20}", property_)
        with pytest.raises(ConfigError) as caught:
            compile_prompt(artifact(text))
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert "support.yaml:10: `$ref` names another document" in str(caught.value)


def test_a_schema_may_refer_to_itself() -> None:
    text = SUPPORT.replace("{type: string, maxLength: 20}", "{$ref: '#/$defs/name'}")
    program = compile_prompt(artifact(text.replace("  required:", "  $defs: {name: {type: string}}\n  required:")))
    assert program.render({"product": "Widget", "tone": None})[0] == ("system", "You answer for Widget.\n")
    with pytest.raises(InvalidRequest):
        program.render({"product": 7, "tone": None})


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 1000000000 }}", "{{ 2 ** 99 }}",
        "{% set x = 'a' %}", "{% macro f() %}{% endmacro %}", "{{ range(9) }}",
        "{% filter upper %}{% endfilter %}", "{{ x | replace('a', 'b') }}", "{{ x | join('long') }}",
        "{{ x | center(9) }}",
        "{{ x | indent(999999999) }}", "{{ x | tojson(indent=99) }}", "{{ x.upper() }}", "{{ namespace(a=1) }}",
        "{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}", "{% for i in x recursive %}{% endfor %}",
        "{% call f() %}{% endcall %}", "{{ debug() }}", "{{ lipsum() }}", "{%- set x -%}", "{{ x |\n format('a') }}",
        "{#x#}{{ 'it\\'s' * 3 }}", "a" * 300_000,
    ],
)  # fmt: skip
def test_what_could_multiply_text_is_not_in_the_language(source: str) -> None:
    with pytest.raises(LanguageError):
        Template(source)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ a | upper }} {# {{ b * }} #}", "X "),
        ("{% raw %}{{ a * 2 }}{% endraw %}{{ a }}", "{{ a * 2 }}x"),
        ("{% for i in l if (i > 1) %}{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}", "2, 3"),
        ("{{ 'a * b' }} {{ {'k': a}['k'] }} {{ l | tojson }}", "a * b x [1, 2, 3]"),
        ("{ \"json\": {{ a }} } é\n", "{ \"json\": x } é\n"),
        ("no braces", "no braces"),
        ("{%- if a is defined -%} y {%- else -%} n {%- endif -%}", "y"),
    ],
)  # fmt: skip
def test_what_prompts_need_is_there(source: str, text: str) -> None:
    rendered = Template(source).render({"a": "x", "l": [1, 2, 3]}, 20)
    assert rendered.replace("[1,2,3]", "[1, 2, 3]") == text


def test_large_variables_get_fewer_steps() -> None:
    template = Template("{% for i in l %}{{ doc }}{% endfor %}")
    assert len(template.render({"l": list(range(50)), "doc": "y" * 1000}, 1200)) == 50_000
    with pytest.raises(TemplateError):
        template.render({"l": list(range(10_000)), "doc": "y" * 1_000_000}, 1_050_000)


def test_undefined_is_an_error() -> None:
    program = compile_prompt(artifact(SUPPORT.replace("{{ product }}", "{% for i in items %}{{ i.name }}{% endfor %}")))
    with pytest.raises(InvalidRequest) as caught:
        program.render({"product": "a", "tone": None, "items": [{"title": 1}]})
    assert "undefined" in caught.value.message
