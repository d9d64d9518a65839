"""Cases: what a file may say, what holds of an answer, what a judge's words mean, how runs add up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.errors import ConfigError
from headgate.evaluation.cases import Finding, Heard, Run, Suite, compile_suite, findings, read_ruling, tally

LINES = {"": 1, "cases.0": 2, "cases.0.expect": 4, "cases.0.expect.regex": 5}


def suite(*cases: dict[str, Any], **more: Any) -> Suite:
    return compile_suite({"cases": list(cases), **more}, "file", "c.yaml", LINES)


def wrong(expect: dict[str, Any], text: str = "", **heard: Any) -> list[str]:
    (case,) = suite({"user": "?", "expect": expect}).cases
    told = {"outcome": "ok", "declined": False, "cost_usd": 0.01, "seconds": 0.5, **heard}
    return [one.assertion for one in findings(case.assertions, Heard(text, **told))]


@pytest.mark.parametrize(
    ("expect", "good", "bad"),
    [
        ({"exact": "yes"}, "yes", "yes "), ({"contains": ["a", "b"]}, "ba", "a"), ({"lacks": "x"}, "y", "xy"),
        ({"regex": r"(?i)^\d+ LITRES"}, "2 litres", "about 2 litres"), ({"json": True}, "[1]", "it is [1]"),
        ({"json": {"type": "object", "required": ["a"]}}, '{"a": 1}', '{"b": 1}'),
        ({"json": {"properties": {"a": {"pattern": "^(a+)+$"}}}}, '{"a": "aa"}', json.dumps({"a": "a" * 200 + "b"})),
        ({"regex": "é"}, "caf\u00e9", "cafe\ud800"),
    ],
)  # fmt: skip
def test_what_is_expected_of_the_text(expect: dict[str, Any], good: str, bad: str) -> None:
    assert wrong(expect, good) == []
    assert len(wrong(expect, bad)) == 1


def test_every_text_that_is_missing_is_told() -> None:
    assert wrong({"contains": ["a", "b", "c"]}, "b") == ["contains `a`", "contains `c`"]


def test_outcome_refusal_cost_and_time() -> None:
    assert wrong({"not_refused": True}, "no", declined=True) == ["not refused"]
    assert wrong({"max_cost_usd": 0.01, "max_latency_s": 0.5}) == []
    assert wrong({"max_cost_usd": 0.009, "max_latency_s": 0.4}) == ["costs at most $0.009", "takes at most 0.4 s"]
    assert wrong({"exact": ""}, outcome="failed") == ["answered"]
    assert wrong({"outcome": "blocked"}, outcome="blocked") == []
    assert wrong({"outcome": "blocked"}, "hello") == ["blocked by a guardrail"]


def test_what_is_not_known_is_undecided_and_no_pass() -> None:
    (case,) = suite({"user": "?", "expect": {"max_cost_usd": 1}}).cases
    (found,) = findings(case.assertions, Heard("", "ok", False, None, 0.1))
    assert found.undecided
    run = Run("case 1", (found,), "", "call_1", None, 0.0)
    assert (run.passed, run.undecided) == (False, True)


@pytest.mark.parametrize(
    ("content", "where", "words"),
    [
        ({"cases": []}, "c.yaml:1", "0 cases"),
        ({"cases": [{"user": "x", "expect": {}}]}, "c.yaml:4", "cannot fail"),
        ({"cases": [{"user": "x"}]}, "c.yaml:2", "`expect` is missing"),
        ({"cases": [{"user": "x", "expect": {"regex": "("}}]}, "c.yaml:5", "not a regular expression"),
        ({"cases": [{"user": "x", "expect": {"contain": "x"}}]}, "c.yaml:4", "unknown field `contain`"),
        ({"cases": [{"user": "x", "expect": {"contains": ""}}]}, "c.yaml:4", "empty"),
        ({"cases": [{"user": "x", "expect": {"json": {"type": "sting"}}}]}, "c.yaml:4", "JSON Schema"),
        ({"cases": [{"user": "x", "expect": {"json": {"$ref": "http://h/s"}}}]}, "c.yaml:4", "JSON Schema"),
        ({"cases": [{"user": "x", "expect": {"judge": ["x"] * 6}}]}, "c.yaml:4", "each is a call"),
        ({"cases": [{"user": "x", "messages": [{"role": "user", "content": "y"}], "expect": {"json": True}}]},
         "c.yaml:2", "say the same thing"),
        ({"cases": [{"user": "x", "name": "n", "expect": {"json": True}}] * 2}, "c.yaml:1", "two cases are named"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_line(content: dict[str, Any], where: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        compile_suite(content, "file", "c.yaml", LINES)
    assert caught.value.where == where
    assert caught.value.right


def test_the_digest_is_of_what_decides_and_of_nothing_else() -> None:
    case = {"user": "x", "expect": {"contains": "y"}}
    same = suite(case, name="other", description="words")
    assert suite(case).digest == same.digest
    assert (suite(case).name, same.name) == ("file", "other")
    assert suite(case).digest != suite({**case, "expect": {"contains": "z"}}).digest
    assert suite(case).digest != suite(case, judge={"model": "openai/m"}).digest


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ('{"verdict": "pass", "reason": "r"}', True), ('```json\n{"verdict": "FAIL"}\n```', False),
        ('I think {"verdict": "pass", "reason": "r"} .', True), ("pass", None), ('{"verdict": "maybe"}', None),
        ('{"verdict": true}', None), ("}{", None), ("", None), ("{\ud800}", None),
    ],
)  # fmt: skip
def test_a_judges_words(text: str, passed: bool | None) -> None:
    assert read_ruling(text).passed is passed


def made(case: str, passed: bool, undecided: bool = False, cost: float | None = 0.25) -> Run:
    found = () if passed else (Finding("contains `x`", "it does not", undecided),)
    return Run(case, found, "answer " * 100, "call_1", cost, 0.5)


def test_runs_add_up_per_case_and_overall() -> None:
    runs = [made("a", True), made("a", False), made("b", True), made("b", True, cost=None), made("c", False, True)]
    added = tally(["a", "b", "c", "d"], runs)
    assert (added.runs, added.passes, added.undecided, added.rate) == (5, 3, 1, 0.6)
    assert (added.flaky, added.unpriced) == (["a"], 1)
    assert (added.cost_usd, added.judge_usd) == (1.0, 2.5)
    assert [(one.name, one.passes, one.runs) for one in added.cases] == [
        ("a", 1, 2),
        ("b", 2, 2),
        ("c", 0, 1),
        ("d", 0, 0),
    ]
    assert added.cases[0].failures[0].why == ["contains `x`: it does not"]
    assert len(added.cases[0].failures[0].answer) <= 300


def test_nothing_ran_is_no_rate() -> None:
    assert (tally(["a"], []).rate, tally(["a"], []).low, tally(["a"], []).high) == (None, 0.0, 1.0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_cases_make_up_the_whole(results: list[tuple[str, bool]]) -> None:
    added = tally(list("abc"), [made(case, passed) for case, passed in results])
    assert added.passes == sum(one.passes for one in added.cases) == sum(passed for _, passed in results)
    assert added.runs == sum(one.runs for one in added.cases)
    assert added.flaky == [one.name for one in added.cases if 0 < one.passes < one.runs]
