"""Handlebars templates say here what they say to dotprompt's own engine."""

from __future__ import annotations

from typing import Any

import pytest
from dotpromptz_handlebars import Handlebars
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError
from headgate.core.types import ArtifactRef
from headgate.prompts import compile_prompt
from headgate.prompts.translate.from_handlebars import translate
from headgate.prompts.translate.handlebars import NESTED_MAX, parse
from tests.prompts.formats.support import given as file

INPUTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "nick": {"type": ["string", "null"]},
        "count": {"type": ["integer", "null"]},
        "flag": {"type": "boolean"},
        "rows": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": ["number", "null"]}},
                "required": ["a"],
            },
        },
        "words": {"type": ["array", "null"], "items": {"type": "string"}},
        "at": {
            "type": ["object", "null"],
            "properties": {"city": {"type": "string"}, "zip": {"type": ["string", "null"]}},
            "required": ["city"],
        },
        "fields": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["name", "flag", "rows", "fields"],
}


def ours(source: str, variables: dict[str, Any]) -> str:
    """The whole text, roles aside."""
    made = translate(file(""), parse(file(""), source), INPUTS)
    content: Any = {"inputs": INPUTS, "messages": [{"role": m.role, "content": m.text} for m in made.messages]}
    if not made.messages:
        return ""
    program = compile_prompt(Artifact(ArtifactRef("prompt", "x", "1.0.0", ""), content))
    return "".join(text for _, text in program.render(variables))


def theirs(source: str, variables: dict[str, Any]) -> str:
    """Said by dotprompt's own engine; its `ifEquals` is a helper, and not the engine's."""
    return Handlebars(escape_html=False).compile(source)(variables)


PATHS = ["name", "nick", "count", "flag", "at.city", "at.zip", "@root.name"]
INSIDE = ["this.a", "a", "b", "../name", "../nick", "@index", "@first", "@last", "@root.at.city", "this.b"]
SPACE = st.sampled_from(["", " ", "\n", "\n\n", "  \n", "\n  ", "x", "x\n", "{ ", "%}", "é"])


def tags(inner: str) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(["{{", "{{~"]), st.sampled_from(["}}", "~}}"])).map(lambda e: e[0] + inner + e[1])


def shown(paths: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(paths).flatmap(tags)


def joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map("".join)


def block(name: str, paths: list[str], inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    opening = st.sampled_from(paths).flatmap(lambda path: tags(f"#{name} {path}"))
    if name == "each":
        return joined(opening, inner, st.sampled_from(["", "{{else}}none", "{{~else}}no {{name}}"]), tags("/each"))
    other = st.one_of(st.just(""), joined(tags("else"), inner))
    if name == "if":
        other = st.one_of(other, joined(st.sampled_from(paths).flatmap(lambda p: tags(f"else if {p}")), inner))
    return joined(opening, inner, other, tags(f"/{name}"))


def pieces(paths: list[str]) -> st.SearchStrategy[str]:
    comment = st.sampled_from(["{{! note }}", "{{!-- a note --}}", "{{!}}"])
    return st.one_of(SPACE, SPACE, shown(paths), comment)


def texts(paths: list[str]) -> st.SearchStrategy[str]:
    simple = st.lists(pieces(paths), max_size=4).map("".join)
    blocks = [joined(SPACE, block(name, paths, simple), SPACE) for name in ("if", "unless")]
    nested = st.one_of(simple, *blocks)
    return st.lists(nested, max_size=3).map("".join)


templates = st.lists(
    st.one_of(
        texts(PATHS),
        joined(SPACE, block("each", ["rows"], texts(INSIDE)), SPACE),
        joined(SPACE, block("each", ["words"], texts(["this", "@index", "../name"])), SPACE),
        joined(SPACE, block("each", ["fields"], texts(["this", "@key", "../nick"])), SPACE),
        joined(st.just("{{#each rows as |row|}}"), texts(["row.a", "row.b", "@root.name"]), st.just("{{/each}}")),
    ),
    max_size=3,
).map("".join)
values = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["", "Ann", "<b>"]), "flag": st.booleans(),
        "rows": st.lists(
            st.fixed_dictionaries(
                {"a": st.sampled_from(["", "p"])}, optional={"b": st.sampled_from([None, 0, 2, 2.5])}
            ),
            max_size=3,
        ),
        "fields": st.dictionaries(st.sampled_from(["k", "l"]), st.sampled_from(["1", ""]), max_size=2),
    },
    optional={
        "nick": st.sampled_from([None, "", "N"]), "count": st.sampled_from([None, 0, 7]),
        "words": st.sampled_from([None, [], ["u", "v"]]),
        "at": st.sampled_from([None, {"city": "Rome"}, {"city": "", "zip": None}, {"city": "Oslo", "zip": "1"}]),
    },
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(templates, values)
def test_it_says_what_dotprompts_own_engine_says(source: str, variables: dict[str, Any]) -> None:
    """White space aside, of which that engine and handlebars.js think differently at tags beside tags: see below."""
    assert "".join(ours(source, variables).split()) == "".join(theirs(source, variables).split())


ROWS = {"rows": [{"a": "p"}, {"a": "q"}]}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a\n{{#if name}}\nb\n{{/if}}\nc\n", "a\nb\nc\n"),
        ("a\n  {{#if name}}  \n  b\n  {{else}}\n  d\n  {{/if}}\nc", "a\n  b\nc"),
        ("a {{#if name}}\nb\n{{/if}} c", "a \nb\n c"),
        ("{{#each rows}}\n- {{a}}\n{{/each}}\n", "- p\n- q\n"),
        ("{{#each rows}}\n{{#if @first}}\n{{a}}\n{{/if}}\n{{/each}}\nz", "p\nz"),
        ("a\n\n{{! note }}\n\nb", "a\n\n\nb"),
        ("a\n{{name}}\nb", "a\nN\nb"),
        ("a   {{~name~}}   b", "aNb"),
        ("a\n   {{~name}}\nb", "aN\nb"),
        ("rows:{{#each rows~}}\n- {{a}}\n{{~/each}} end", "rows:- p- q end"),
        ("a\n{{~#if name~}}\nb\n{{~/if~}}\nc", "abc"),
        ("a\n\n{{#if name}}{{!}}\nb{{/if}}", "a\n\n\nb"),
    ],
)
def test_lines_and_white_space(source: str, text: str) -> None:
    variables = {"name": "N", "flag": True, "fields": {}, **ROWS}
    assert ours(source, variables) == text
    assert theirs(source, variables) == text


@pytest.mark.parametrize(
    ("source", "variables", "text"),
    [
        ('{{#ifEquals name "Ann"}}a{{else}}b{{/ifEquals}}', {"name": "Ann"}, "a"),
        ("{{#ifEquals nick name}}a{{else}}b{{/ifEquals}}", {"name": "Ann"}, "b"),
        ("{{#unlessEquals count 7}}a{{else}}b{{/unlessEquals}}", {"name": "", "count": 7}, "b"),
        ("{{#ifEquals flag true}}a{{/ifEquals}}", {"name": ""}, "a"),
        ("{{json at}}", {"name": "", "at": {"city": "Rome"}}, '{"city": "Rome"}'),
        (r"\{{name}} {{{name}}} {{&name}} \\{{name}}", {"name": "<n>"}, "{{name}} <n> <n> \\<n>"),
        ("{% {# {{name}} #} %}", {"name": "n"}, "{% {# n #} %}"),
        ("a {{^flag}}b{{/flag}}{{#if flag}}c{{/if}}", {"name": ""}, "a c"),
    ],
)
def test_what_else_it_says(source: str, variables: dict[str, Any], text: str) -> None:
    rendered = ours(source, {"flag": True, "rows": [], "fields": {}, **variables})
    assert rendered.replace('":"', '": "') == text


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("a\n{{#if name}}", "support.prompt:2: `{{#if name}}` is not closed ({{/if}})"),
        ("a\n{{/if}}", "support.prompt:2: `{{/if}}` ends nothing"),
        ("{{#if a}}{{#each b}}{{/if}}", "support.prompt:1: `{{/if}}` closes `{{#each b}}` ({{/each}})"),
        ("{{#if a}}{{else}}{{else}}{{/if}}", "a second `else`"),
        ("{{name", "`{{n` is not closed"),
        ('{{json "x}}', "is not closed"),
        ("{{}}", "an empty tag"),
        ("{{a (b c)}}", "is not translated"),
        ("{{#with at}}{{city}}{{/with}}", "blocks of `with` are not translated"),
        ("{{lookup rows 0}}", "no helper `lookup` (one of: json, role,"),
        ("{{media url=name}}", "prompts hold text, and `media` none"),
        ("{{#if name}}{{role 'user'}}{{/if}}", "`role` inside a block"),
        ("{{role 'wizard'}}a", "no message has the role `wizard` (system, user or model)"),
        ("{{history}}\n{{role 'user'}}a", "support.prompt:1: messages after `{{history}}`"),
        ("{{> legal name=nick}}", "`legal` is given `name`"),
        ("{{@state.count}}", "`@state.count` is not known here"),
        ("{{json rows indent=2}}", "`json` takes one value"),
        ("{{../name}}", "`../name` goes above the variables"),
        ("{{#> layout}}x{{/layout}}", "partial blocks are not translated"),
        ("{{{{raw}}}}x{{{{/raw}}}}", "raw blocks are not translated"),
        ("{{*dec}}", "decorators are not translated"),
        ("{{#if name nick}}{{/if}}", "`if` takes 1 values ({{#if a}})"),
        ("{{first-name}}", "`first-name` is no name of a variable here"),
        ("{{#if a}}" * (NESTED_MAX + 2), f"nested deeper than {NESTED_MAX} levels"),
    ],
)
def test_what_is_refused_is_told_with_its_line(source: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        translate(file(""), parse(file(""), source), INPUTS)
    assert said in str(caught.value)


@given(st.text(st.sampled_from("{}#/!>&^~ \n\\\"'abif=@.|()"), max_size=30))
def test_any_text_is_read_or_refused(source: str) -> None:
    try:
        translate(file(""), parse(file(""), source), INPUTS)
    except ConfigError:
        return
