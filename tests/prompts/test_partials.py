"""Partials: pinned, put in place before the language check, and part of the prompt's contract."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.artifact import Artifact, digest
from headgate.core.errors import ConfigError, InvalidRequest
from headgate.core.types import ArtifactRef
from headgate.prompts import Partials, TemplateProgram, compile_prompt
from headgate.prompts.partials import DEPTH_MAX
from headgate.registry.yaml_tree import read_yaml

LEGAL = """\
inputs:
  type: object
  properties: {company: {type: string, maxLength: 9}}
  required: [company]
content: |
  {{ company }} gives no legal advice.
"""
PROMPT = """\
partials: {legal: legal@1.2.0}
inputs:
  type: object
  properties: {company: {type: string}, product: {type: string}}
  required: [company, product]
messages:
  - role: system
    content: |
      About {{ product }}.
      {% include "legal" %}
  - role: user
    content: Begin.
"""


def artifact(kind: str, name: str, version: str, text: str) -> Artifact:
    file = f"{name}.yaml"
    tree = next(read_yaml(text, file))
    assert isinstance(tree.value, dict)
    ref = ArtifactRef(kind, name, version, digest(tree.value))
    return Artifact(ref, tree.value, file=file, lines=tree.lines)


def library(files: Mapping[str, str]) -> Partials:
    made = {pinned: artifact("partial", *pinned.split("@"), text) for pinned, text in files.items()}
    return Partials(made.get)


def program(prompt: str = PROMPT, **files: str) -> TemplateProgram:
    pinned = {"legal@1.2.0": LEGAL, **{name.replace("_", "@", 1).replace("_", "."): t for name, t in files.items()}}
    return compile_prompt(artifact("prompt", "support", "1.0.0", prompt), library(pinned).look)


def refused(prompt: str = PROMPT, **files: str) -> str:
    with pytest.raises(ConfigError) as caught:
        program(prompt, **files)
    return str(caught.value)


def test_a_partial_stands_in_the_tags_place() -> None:
    made = program()
    assert made.render({"company": "Acme", "product": "kettles"}) == [
        ("system", "About kettles.\nAcme gives no legal advice.\n"),
        ("user", "Begin."),
    ]
    assert [str(ref) for ref in made.uses] == ["partial/legal@1.2.0"]


def test_what_a_partial_asks_of_its_variables_holds_where_it_is_included() -> None:
    with pytest.raises(InvalidRequest) as caught:
        program().render({"company": "Acme Kettles Ltd", "product": "kettles"})
    assert caught.value.param == "headgate.variables.company"
    assert "maxLength" in caught.value.message
    assert "Kettles Ltd" not in caught.value.message
    with pytest.raises(InvalidRequest, match="needs the variable `company`"):
        program().render({"product": "kettles"})


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a\n  {%- include 'p' %} b", "aX b"),
        ("a {% include 'p' -%}\n  b", "a Xb"),
        ("a {%- include 'p' -%} {{ 1 }} c", "aX1 c"),
        ("{% for i in [1, 2] %}{% include 'p' %}{% endfor %}", "XX"),
        ("{% raw %}{% include 'p' %}{% endraw %}{# {% include 'p' %} #}{% include 'p' %}", "{% include 'p' %}X"),
        ("{% if 1 %}{% include \"p\" %}{% include 'p' %}{% endif %}", "XX"),
    ],
)
def test_white_space_and_places(source: str, text: str) -> None:
    prompt = f"partials: {{p: p@1.0.0}}\nmessages:\n  - role: system\n    content: {json.dumps(source)}\n"
    made = compile_prompt(artifact("prompt", "a", "1.0.0", prompt), library({"p@1.0.0": "content: X"}).look)
    assert made.render({}) == [("system", text)]


def test_a_loop_may_give_what_a_partial_needs() -> None:
    row = "inputs: {properties: {row: {type: integer}}, required: [row]}\ncontent: '[{{ row }}]'\n"
    prompt = """\
partials: {row: row@1.0.0}
inputs: {type: object, properties: {rows: {type: array}}, required: [rows]}
messages: [{role: user, content: "{% for row in rows %}{% include 'row' %}{% endfor %}"}]
"""
    made = program(prompt, row_1_0_0=row)
    assert made.render({"rows": [1, 2]}) == [("user", "[1][2]")]


def test_partials_within_partials() -> None:
    outer = LEGAL.replace("content: |\n", "partials: {end: end@1.0.0}\ncontent: |\n") + "  {% include 'end' %}\n"
    made = program(legal_1_2_0=outer, end_1_0_0="content: The end.")
    assert made.render({"company": "A", "product": "b"})[0][1] == (
        "About b.\nA gives no legal advice.\nThe end.\n"
    )  # fmt: skip
    assert [str(ref) for ref in made.uses] == ["partial/legal@1.2.0", "partial/end@1.0.0"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("legal@1.2.0", "legal@1", "support.yaml:1: `legal@1` does not pin a version (name@MAJOR.MINOR.PATCH"),
        ("legal@1.2.0", "legal@9.0.0", "support.yaml:1: there is no partial `legal@9.0.0`"),
        ('"legal"', '"other"', "support.yaml:8: line 2 of the template: no partial `other` is pinned"),
        ('{% include "legal" %}', "nothing", "support.yaml:1: the partial `legal` is pinned and never included"),
        ('"legal" %}', '"legal" ignore missing %}', "line 2 of the template: an include takes one name in quotes"),
        ('"legal" %}', "product %}", "line 2 of the template: an include takes one name in quotes"),
        ('"legal" %}', '"legal" %} {{ product', "support.yaml:8: line 2 of the template: syntax error"),
        ("company: {type: string}, ", "", "support.yaml:5: `company` is required and not declared"),
        ("company: {type: string}", "company: {type: [integer, 'null']}", "`company` can never be what partial/legal"),
        (
            "{company: {type: string}, product: {type: string}}\n  required: [company, product]",
            "{product: {}}",
            "support.yaml:2: partial/legal@1.2.0 uses `company`, which is not declared",
        ),
        ("[company, product]", "[product]", "support.yaml:2: partial/legal@1.2.0 needs `company`, which is optional"),
    ],
)
def test_mistakes_with_partials(old: str, new: str, said: str) -> None:
    assert old in PROMPT
    assert said in refused(PROMPT.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("content: '{{ a }}'", "legal.yaml:1: the template uses `a`, which is not declared"),
        ("content: '{% if 1 %}'", "legal.yaml:1: line 1 of the template: syntax error"),
        ("content: '{{ 1 * 2 }}'", "legal.yaml:1: line 1 of the template: `*` is not in the template language"),
        ("content: '{% raw %}'", "legal.yaml:1: line 1 of the template: syntax error"),
        ("content: '{# '", "legal.yaml:1: line 1 of the template: syntax error"),
        ("content: x\nname: y", "legal.yaml:2: unknown field `name`"),
        ("content: x\ninputs: {anyOf: []}", "legal.yaml:2: the inputs of a partial have no `anyOf`"),
        ("content: x\ninputs: {properties: {a: {type: strong}}}", "legal.yaml:2: not a valid JSON Schema"),
        ("content: x\ninputs: {properties: {a: {$ref: 'file:///x'}}}", "`$ref` names another document"),
    ],
)
def test_mistakes_in_a_partial(text: str, said: str) -> None:
    assert said in refused(legal_1_2_0=text)


def test_circles_are_refused_wherever_they_are_entered() -> None:
    a = "partials: {b: b@1.0.0}\ncontent: \"{% include 'b' %}\""
    b = "partials: {a: a@1.0.0}\ncontent: \"{% include 'a' %}\""
    said = refused(PROMPT.replace("legal@1.2.0", "a@1.0.0"), a_1_0_0=a, b_1_0_0=b)
    assert "b.yaml:1: partials in a circle: partial/a@1.0.0 includes partial/b@1.0.0 includes partial/a@1.0.0" in said
    alone = library({"a@1.0.0": a, "b@1.0.0": b})
    told: list[ConfigError] = []
    for pinned in ("b@1.0.0", "b@1.0.0", "a@1.0.0"):
        with pytest.raises(ConfigError) as caught:
            alone.look(pinned)
        told.append(caught.value)
    assert told[0] is told[1] is told[2]  # one mistake, told once
    own = "partials: {me: me@1.0.0}\ncontent: \"{% include 'me' %}\""
    assert "partials in a circle" in refused(PROMPT.replace("legal@1.2.0", "me@1.0.0"), me_1_0_0=own)


def test_depth_and_size_have_limits() -> None:
    inner = "partials: {{p: p{0}@1.0.0}}\ncontent: \"{{% include 'p' %}}\""
    files = {f"p{at}@1.0.0": inner.format(at + 1) for at in range(2000)} | {"p2000@1.0.0": "content: deep"}
    first = 2001 - DEPTH_MAX
    chain = library(files)
    for at in [0, *range(first - 12, 2001), 0]:
        if at < first:
            with pytest.raises(ConfigError, match=f"p{at}.yaml:1: partials within partials, more than {DEPTH_MAX}"):
                chain.look(f"p{at}@1.0.0")
        else:
            assert chain.look(f"p{at}@1.0.0") is not None
    tens = "{% include 'p' %}" * 30
    wide = {f"p{at}@1.0.0": f'partials: {{p: p{at + 1}@1.0.0}}\ncontent: "{tens}"' for at in range(5)}
    wide["p5@1.0.0"] = f"content: {'x' * 100}"
    with pytest.raises(ConfigError, match="longer than 262144 characters with its partials"):
        library(wide).look("p0@1.0.0")


@pytest.mark.parametrize(("before", "partial"), [("{", "{ 1 }}"), ("{", "% raw %}"), ("{", "# x")])
def test_a_partial_makes_no_block_with_its_neighbour(before: str, partial: str) -> None:
    prompt = f"partials: {{p: p@1.0.0}}\nmessages: [{{role: user, content: \"{before} {{%- include 'p' %}}\"}}]"
    with pytest.raises(ConfigError, match="would make a block together"):
        compile_prompt(artifact("prompt", "a", "1.0.0", prompt), library({"p@1.0.0": f"content: '{partial}'"}).look)


WORDS = ["a", " ", "\n", "{", "}", "{{ v }}", "{% if v %}y{% endif %}", "{# c #}"]
words = st.lists(st.sampled_from(WORDS), max_size=8)


@given(words, words, words)
def test_a_partial_says_what_it_says_alone(before: list[str], inside: list[str], after: list[str]) -> None:
    """Rendered in place it is the text it renders to by itself, between what surrounds it."""
    inputs = "inputs: {type: object, properties: {v: {type: string}}}\n"
    texts = ["".join(part) for part in (before, inside, after)]
    whole = f"{texts[0]}{{% include 'p' %}}{texts[2]}"

    def prompt(text: str) -> TemplateProgram:
        content = {"messages": [{"role": "user", "content": text}], "inputs": {"properties": {"v": {"type": "string"}}}}
        if "include" in text:
            content["partials"] = {"p": "p@1.0.0"}
        made = Artifact(ArtifactRef("prompt", "x", "1.0.0", ""), content)  # type: ignore[arg-type]
        return compile_prompt(made, Partials({"p@1.0.0": partial}.get).look)

    tree = next(read_yaml(inputs, "p.yaml")).value
    assert isinstance(tree, dict)
    partial = Artifact(ArtifactRef("partial", "p", "1.0.0", ""), {**tree, "content": texts[1]})
    try:
        apart = (texts[0], texts[1].removesuffix("\n"), texts[2])
        alone = "".join(prompt(text).render({"v": "V"})[0][1] for text in apart)
        together = prompt(whole)
    except ConfigError:
        return  # braces that do not make a template
    assert together.render({"v": "V"})[0][1] == alone
