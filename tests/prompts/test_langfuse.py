"""Prompts as Langfuse's SDKs fetch them: numbers, labels, templates; what cannot be said there is refused with why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langfuse.model import TemplateParser

from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError, InvalidRequest, NotFound
from headgate.core.handlers import Ask
from headgate.prompts import compile_prompt
from headgate.prompts.langfuse.desk import LangfuseDesk, ListQuery, PromptList, PromptObject, PromptQuery
from headgate.prompts.langfuse.form import form_of
from headgate.prompts.langfuse.numbers import number_of, version_of
from headgate.prompts.literal import literals
from headgate.prompts.template import LanguageError, Template
from headgate.registry import exact
from tests.registry.world import ADMIN, Place, app, inputs, made, prompt, route

PARTS = st.integers(0, 999)
PIECES = st.lists(
    st.sampled_from([
        "kettle", " ", "\n", "{{ name }}", "{{name}}", "{{- place }}", "{{ place -}}", "{# note {{ #}", "{#- note -#}",
        "{% raw %} {{ name }} {% endraw %}", "{%- raw -%} x {%- endraw -%}", "{", "}", "{{ 'said' }}", "{{+ name }}",
    ]),
    min_size=1, max_size=8,
)  # fmt: skip


class Served:
    """A desk over a registry in a folder."""

    def __init__(self, folder: Path) -> None:
        self.place = Place(folder)
        self.fetched: list[str] = []
        self.desk = LangfuseDesk(self.place.store.registry(), exact, lambda one: self.fetched.append(str(one.ref)))

    def apply(self, *documents: Artifact) -> None:
        outcome = self.place.registry.apply(documents, ADMIN)
        assert not outcome.faults
        assert not outcome.held
        self.place.clock.advance(1.0)

    def get(self, name: str, **query: Any) -> PromptObject:
        return self.desk.get(Ask(ADMIN, {"name": name}, PromptQuery(**query)))

    def list(self, **query: Any) -> PromptList:
        return self.desk.list(Ask(ADMIN, {}, ListQuery(**query)))


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


def two(**more: Any) -> list[Artifact]:
    """Version 1.0.0 live on production, 1.1.0 on staging; both take `product`."""
    given = inputs(["product"], product={"type": "string"})
    return [
        prompt("1.0.0", "Sell {{ product }}.", **given, settings={"temperature": 0.2}),
        prompt("1.1.0", "Sell {{ product }} kindly.", **given),
        route(),
        app({1: "support@1.0.0", 2: "support@1.1.0"}, {"production": 1, "staging": 2}, **more),
    ]


@given(PARTS, PARTS, PARTS)
def test_a_number_means_one_version(major: int, minor: int, patch: int) -> None:
    version = f"{major}.{minor}.{patch}"
    assert version_of(number_of(version)) == version


@given(st.integers(-5, 2_100_000_000))
def test_a_version_has_one_number(number: int) -> None:
    version = version_of(number)
    assert version is None or number_of(version) == number


def test_numbers_read_as_told() -> None:
    assert [number_of(one) for one in ("3.0.0", "1.4.2", "0.1.0")] == [3, 1001004002, 1000001000]
    with pytest.raises(InvalidRequest, match="name a label"):
        number_of("1.1000.0")


def test_labels_are_channels_latest_and_the_version(served: Served) -> None:
    served.apply(*two())
    live = served.get("support")
    assert (live.version, live.type, live.prompt) == (1, "text", "Sell {{product}}.")
    assert live.labels == ["production", "support:production", "1.0.0"]
    assert live.config["temperature"] == 0.2
    assert live.config["headgate"]["version"] == "1.0.0"
    staging = served.get("support", label="staging")
    assert (staging.version, staging.labels) == (1001001000, ["staging", "support:staging", "latest", "1.1.0"])
    for asked in ({"label": "latest"}, {"label": "1.1.0"}, {"label": "1.1"}, {"version": 1001001000}):
        assert served.get("support", **asked) == staging
    served.place.registry.promote("support", "production", 2, ADMIN, "")
    assert served.get("support").version == 1001001000
    assert served.fetched[:2] == ["prompt/support@1.0.0", "prompt/support@1.1.0"]


def test_a_split_is_served_by_its_control_and_another_default_channel_is_the_default(served: Served) -> None:
    split = {
        "experiment": "kind", "salt": "s", "unit": "user",
        "arms": [{"release": 2, "share": 5000}, {"release": 1, "share": 5000}],
    }  # fmt: skip
    documents = two(default_channel="live")
    documents[-1] = app({1: "support@1.0.0", 2: "support@1.1.0"}, {"live": split}, default_channel="live")
    served.apply(*documents)
    assert served.get("support").labels == ["live", "support:live", "latest", "1.1.0"]


def test_of_several_apps_the_one_of_the_prompts_name_has_the_plain_labels(served: Served) -> None:
    served.apply(*two(), app({1: "support@1.1.0"}, {"production": 1}, name="sales"))
    assert served.get("support").labels == ["production", "support:production", "1.0.0"]
    assert served.get("support", label="sales:production").version == 1001001000


def test_of_several_apps_of_other_names_none_is_guessed(served: Served) -> None:
    apps = [app({1: "support@1.0.0"}, {"production": 1}, name=name) for name in ("ask", "sales")]
    served.apply(prompt("1.0.0"), route(), *apps)
    with pytest.raises(NotFound, match=r"2 apps use .*: ask:production, sales:production"):
        served.get("support")
    assert served.get("support", label="ask:production").labels == [
        "ask:production",
        "sales:production",
        "latest",
        "1.0.0",
    ]


def test_a_prompt_is_found_by_what_its_app_calls_it(served: Served) -> None:
    source = made("app", "desk", "", {
        "owners": ["team"], "channels": {"production": 1},
        "releases": [{"number": 1, "prompts": {"sum": "support@1.0.0"}, "route": "default@1.0.0"}],
    }, "")  # fmt: skip
    served.apply(prompt("1.0.0"), prompt("2.0.0"), route(), source)
    found = served.get("desk/sum")
    assert (found.name, found.version) == ("desk/sum", 1)
    assert served.get("desk/sum", version=2).version == 2
    for name, label in (("desk/other", None), ("none/sum", None), ("desk/sum", "staging")):
        with pytest.raises(NotFound):
            served.get(name, label=label)


def test_what_is_not_there_is_told_by_what_there_is(served: Served) -> None:
    served.apply(prompt("1.0.0"))
    with pytest.raises(NotFound, match="there is no prompt `other`; there is support"):
        served.get("other")
    with pytest.raises(NotFound, match="no channel serves the prompt `support`: ask for the label `latest`"):
        served.get("support")
    with pytest.raises(NotFound, match=r"there is 1\.0\.0"):
        served.get("support", version=7)
    with pytest.raises(NotFound, match="is no version"):
        served.get("support", version=0)
    with pytest.raises(InvalidRequest, match="not both"):
        served.get("support", version=1, label="latest")


def test_a_revoked_version_is_not_served_a_retired_one_only_by_name(served: Served) -> None:
    served.apply(prompt("1.0.0"), prompt("2.0.0", "Be kinder."))
    served.place.registry.set_fate(("prompt", "support", "2.0.0"), "retired", ADMIN, "old")
    assert served.get("support", label="latest").version == 1
    assert served.get("support", version=2).version == 2
    served.place.registry.set_fate(("prompt", "support", "2.0.0"), "revoked", ADMIN, "leaks")
    with pytest.raises(NotFound, match="was revoked: leaks"):
        served.get("support", version=2)
    assert served.list().data[0].versions == [1]


def test_messages_examples_partials_and_output_are_carried(served: Served) -> None:
    content = {
        "messages": [{"role": "system", "content": 'A. {% include "legal" %}'}, {"role": "user", "content": "{{ q }}"}],
        "examples": [{"user": "hi", "assistant": "ho"}],
        "partials": {"legal": "legal@1.0.0"},
        "output": {"type": "object", "properties": {"a": {"type": "string"}}},
        **inputs(["q"], q={"type": "string"}),
    }
    served.apply(
        made("partial", "legal", "1.0.0", {"content": "No advice.\n"}, "team"),
        made("prompt", "x", "1.0.0", content, "t"),
    )
    found = served.get("x", label="latest")
    assert found.type == "chat"
    assert [(one.role, one.content) for one in found.prompt if not isinstance(one, str)] == [
        ("system", "A. No advice."), ("user", "hi"), ("assistant", "ho"), ("user", "{{q}}"),
    ]  # fmt: skip
    assert found.config["response_format"]["json_schema"]["schema"] == content["output"]
    assert found.config["headgate"]["inputs"] == content["inputs"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{% if x %}a{% endif %}", "conditions or loops"),
        ("{{ x | upper }}", "filters, paths or expressions"),
        ("{{ x.y }}", "filters, paths or expressions"),
        ("{% raw %}{{ a }}{% endraw %}{{ x }}", "as text"),
        ("{{ '{' }}{{ x }}", "as text"),
    ],
)
def test_what_langfuse_cannot_say_is_refused_with_the_reason(served: Served, text: str, why: str) -> None:
    served.apply(prompt("1.0.0", text, **inputs(x={})))
    with pytest.raises(InvalidRequest, match=why):
        served.get("support", label="latest")


def test_logic_that_depends_on_nothing_is_served_as_it_comes_out(served: Served) -> None:
    served.apply(prompt("1.0.0", "{% if 1 < 2 %}Be kind.{% else %}Be rude.{% endif %}"))
    assert served.get("support", label="latest").prompt == "Be kind."


def test_the_list_has_pages_and_filters(served: Served) -> None:
    served.apply(*two())
    served.apply(prompt("1.0.0", name="alone"))
    first = served.list(limit=1)
    assert [(one.name, one.versions, one.labels) for one in first.data] == [("alone", [1], ["latest"])]
    assert (first.meta.total_items, first.meta.total_pages) == (2, 2)
    (second,) = served.list(limit=1, page=2).data
    assert (second.name, second.versions, second.type) == ("support", [1, 1001001000], "text")
    assert second.labels == ["production", "support:production", "staging", "support:staging", "latest"]
    assert [one.name for one in served.list(label="staging").data] == ["support"]
    assert [one.name for one in served.list(name="alone").data] == ["alone"]
    assert served.list(tag="any").data == []
    for wrong in ({"page": 0}, {"limit": 101}, {"filter": "[]"}):
        with pytest.raises(InvalidRequest):
            served.list(**wrong)


@given(PIECES, st.text(max_size=5), st.text(max_size=5))
def test_literals_and_gaps_make_the_rendered_text(pieces: list[str], name: str, place: str) -> None:
    try:
        template = Template("".join(pieces))
    except LanguageError:
        return
    found = literals(template)
    assert found is not None
    values = {"name": name, "place": place}
    text = found.texts[0] + "".join(values[gap or ""] + t for gap, t in zip(found.gaps, found.texts[1:], strict=True))
    assert text == template.render(values, 20)


@given(PIECES, st.text(max_size=5), st.text(max_size=5))
def test_compiled_by_the_sdk_it_is_what_we_render(pieces: list[str], name: str, place: str) -> None:
    artifact = prompt("1.0.0", "".join(pieces), **inputs(name={}, place={}))
    try:
        program = compile_prompt(artifact)
        form = form_of(artifact, lambda _: None)
    except (ConfigError, InvalidRequest):
        return  # refused: two braces as text
    values = {"name": name, "place": place}
    assert TemplateParser.compile_template(str(form.prompt), values) == program.render(values)[0][1]
