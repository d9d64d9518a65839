"""Which step of a version a change needs."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.registry.contracts import BUMPS, Bump, least_step, next_version, step_between
from headgate.registry.diff import difference
from headgate.registry.versions import parse_version, split_name
from tests.registry.world import inputs, made, prompt, route

TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("before", "after", "bump", "said"),
    [
        ({}, {"settings": {"temperature": 0.2}}, "patch", "stays as it is"),
        (inputs(a=TEXT), inputs(a=TEXT, b=TEXT), "minor", "`b` is new and optional"),
        (inputs(a=TEXT), inputs(["b"], a=TEXT, b=TEXT), "major", "`b` is new and required"),
        (inputs(a=TEXT), inputs(["a"], a=TEXT), "major", "`a` is required now"),
        (inputs(["a"], a=TEXT), inputs(a=TEXT), "minor", "`a` is optional now"),
        (inputs(a=TEXT, b=TEXT), inputs(a=TEXT), "major", "`b` is gone"),
        (inputs(a=TEXT), inputs(a={"type": "integer"}), "major", "`a` may refuse"),
        (inputs(a={**TEXT, "maxLength": 9}), inputs(a=TEXT), "minor", "`a` takes more"),
        (inputs(a={**TEXT, "maxLength": 9}), inputs(a={**TEXT, "maxLength": 10}), "minor", "`a` takes more"),
        (inputs(a={**TEXT, "maxLength": 9}), inputs(a={**TEXT, "maxLength": 8}), "major", "`a` may refuse"),
        (inputs(a=TEXT), inputs(a={**TEXT, "enum": ["x"]}), "major", "`a` may refuse"),
        (inputs(a={"enum": ["x"]}), inputs(a={"enum": ["x", "y"]}), "minor", "`a` takes more"),
        (inputs(a={"enum": ["x", "y"]}), inputs(a={"enum": ["x"]}), "major", "`a` may refuse"),
        (inputs(a={"type": "string"}), inputs(a={"type": ["string", "null"]}), "minor", "`a` takes more"),
        (inputs(a={"type": "object", "properties": {"x": TEXT}}), inputs(a={"type": "object"}), "major", "may refuse"),
        (inputs(a=TEXT), inputs(a={**TEXT, "description": "what"}), "patch", "stays as it is"),
        ({}, {"output": {"type": "object"}}, "major", "now declares its output"),
        ({"output": {"type": "object"}}, {}, "major", "no longer declares"),
        ({"output": {"type": "object"}}, {"output": {"type": "array"}}, "major", "output schema is another"),
        ({"inputs": {"$defs": {"x": TEXT}}}, {"inputs": {"$defs": {"x": {}}}}, "major", "`$defs`"),
    ],
)
def test_the_step_that_a_change_needs(before: dict[str, Any], after: dict[str, Any], bump: Bump, said: str) -> None:
    step = least_step(prompt("1.0.0", "a", **before), prompt("1.0.1", "b", **after))
    assert step.bump == bump
    assert said in "; ".join(step.reasons)


def test_the_same_content_needs_none_and_other_kinds_promise_nothing() -> None:
    assert least_step(prompt("1.0.0"), prompt("1.0.1")).bump == "none"
    other = made("route", "default", "1.0.1", {"targets": []}, "team")
    assert least_step(route(), other).bump == "patch"


VERSIONS = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)).map(lambda v: ".".join(map(str, v)))


@given(VERSIONS, st.sampled_from(BUMPS))
def test_the_next_version_makes_just_that_step(version: str, bump: Bump) -> None:
    after = next_version(version, bump)
    assert step_between(version, after) == bump
    assert (parse_version(after) or ()) >= (parse_version(version) or ())


SCHEMAS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer"]),
        "maxLength": st.integers(1, 3),
        "enum": st.lists(st.sampled_from(["a", "b", "c"]), unique=True, min_size=1),
        "description": st.sampled_from(["x", "y"]),
    },
)
CONTRACTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), SCHEMAS, max_size=3)


@given(CONTRACTS, CONTRACTS, st.data())
def test_what_a_smaller_step_allows_breaks_no_caller(
    old: dict[str, Any], new: dict[str, Any], data: st.DataObject
) -> None:
    """Any variables that the version before took are taken by one that claims less than a MAJOR step."""
    needs = [data.draw(st.lists(st.sampled_from(sorted(names)), unique=True)) if names else [] for names in (old, new)]
    before, after = prompt("1.0.0", "a", **inputs(needs[0], **old)), prompt("1.0.1", "b", **inputs(needs[1], **new))
    if least_step(before, after).bump == "major":
        return
    values = st.one_of(st.text("ab", max_size=4), st.integers(0, 3), st.sampled_from(["a", "b", "c"]))
    given_ = data.draw(st.fixed_dictionaries({}, optional={name: values for name in old}))
    schemas = [{**one.content["inputs"], "additionalProperties": False} for one in (before, after)]  # type: ignore[dict-item]
    if jsonschema_rs.is_valid(schemas[0], given_):
        assert jsonschema_rs.is_valid(schemas[1], given_)


def test_a_difference_shows_wording_settings_and_contract() -> None:
    a = prompt("1.0.0", "Be kind.\nBe brief.", settings={"max_tokens": 5}, **inputs(a=TEXT))
    b = prompt("1.1.0", "Be kind.\nBe short.", settings={"max_tokens": 6}, **inputs(a=TEXT, b=TEXT))
    found = difference(a, b)
    assert [line for line in found.text if line[0] in "+-"][2:] == ["-Be brief.", "+Be short."]
    assert found.settings == ["settings.max_tokens: 5 -> 6"]
    assert found.contract == ["the input `b` is new and optional"]
    assert (found.needs, found.same) == ("minor", False)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("support@1.4", ("support", "1.4")),
        ("support", ("support", None)),
        ("customer-support-v2.3.1", ("customer-support", "2.3.1")),
        ("tv-v2", ("tv-v2", None)),
        ("-v1.0.0", ("-v1.0.0", None)),
    ],
)
def test_names_and_versions(text: str, found: tuple[str, str | None]) -> None:
    assert split_name(text) == found
