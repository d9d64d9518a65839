"""The guardrail artifact: every mistake is named with file and line, and what would be right."""

from __future__ import annotations

from typing import Any, cast

import pytest

from headgate.core.errors import ConfigError
from headgate.guardrails import compile_guardrail, loading
from headgate.guardrails.check import Check
from headgate.registry import read_yaml
from tests.guardrails.build import artifact, chat, grounded, policy, record
from tests.support.world import run

EMAIL = {"check": "email", "action": "redact"}
PATTERN = {"name": "p", "check": "pattern", "action": "block"}

MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    "no rules": ({}, "rules", "without rules"),
    "empty rules": ({"rules": []}, "rules", "without rules"),
    "rules are text": ({"rules": "email"}, "rules", "without rules"),
    "unknown top field": ({"rules": [EMAIL], "mode": "x"}, "mode", "unknown field 'mode'"),
    "on_error": ({"rules": [EMAIL], "on_error": "ignore"}, "on_error", "neither block nor allow"),
    "rule is text": ({"rules": ["email"]}, "rules.0", "not a mapping"),
    "no check": ({"rules": [{"action": "flag"}]}, "rules.0", "no check"),
    "unknown check": ({"rules": [{"check": "phone", "action": "flag"}]}, "rules.0.check", "no check 'phone'"),
    "check is a path": ({"rules": [{"check": "../x", "action": "flag"}]}, "rules.0.check", "no check"),
    "no action": ({"rules": [{"check": "email"}]}, "rules.0.action", "without a known action"),
    "unknown action": ({"rules": [EMAIL | {"action": "mask"}]}, "rules.0.action", "without a known action"),
    "unknown field": ({"rules": [EMAIL | {"colour": "red"}]}, "rules.0.colour", "unknown field 'colour'"),
    "another check's field": ({"rules": [EMAIL | {"pattern": "a"}]}, "rules.0.pattern", "unknown field 'pattern'"),
    "bad name": ({"rules": [EMAIL | {"name": "a b"}]}, "rules.0.name", "no name"),
    "twins": ({"rules": [EMAIL, EMAIL]}, "rules.1", "two rules are named email"),
    "replace without redact": (
        {"rules": [EMAIL | {"action": "block", "replace": "x"}]},
        "rules.0.replace",
        "not redact",
    ),
    "long replace": ({"rules": [EMAIL | {"replace": "x" * 201}]}, "rules.0.replace", "no short text"),
    "on is text": ({"rules": [EMAIL | {"on": "input"}]}, "rules.0.on", "something else"),
    "on elsewhere": ({"rules": [EMAIL | {"on": ["tool"]}]}, "rules.0.on", "something else"),
    "only without allow": ({"rules": [EMAIL | {"only": ["x"]}]}, "rules.0.only", "not allow"),
    "only strays": (
        {"rules": [EMAIL, PATTERN | {"pattern": "a", "action": "allow", "only": ["mail"]}]},
        "rules.1.only",
        "no rule 'mail'",
    ),
    "only of nothing": (
        {"rules": [EMAIL, PATTERN | {"pattern": "a", "action": "allow", "only": []}]},
        "rules.1.only",
        "names no rules",
    ),
    "no expression": ({"rules": [PATTERN]}, "rules.0.pattern", "without an expression"),
    "bad expression": ({"rules": [PATTERN | {"pattern": "("}]}, "rules.0.pattern", "not an RE2 expression"),
    "look-ahead": ({"rules": [PATTERN | {"pattern": "a(?=b)"}]}, "rules.0.pattern", "not an RE2 expression"),
    "unbounded": ({"rules": [PATTERN | {"pattern": "a.*b"}]}, "rules.0.pattern", "no longest match"),
    "too long": ({"rules": [PATTERN | {"pattern": "(?:a{100}b{0,1000}){2}"}]}, "rules.0.pattern", "RE2"),
    "over the bound": ({"rules": [PATTERN | {"pattern": "a{1,1000}b{30}"}]}, "rules.0.pattern", "1030 characters"),
    "max_length under": (
        {"rules": [PATTERN | {"pattern": "abc*", "max_length": 1}]},
        "rules.0.max_length",
        "out of range",
    ),
    "max_length over": (
        {"rules": [PATTERN | {"pattern": "a*b", "max_length": 5000}]},
        "rules.0.max_length",
        "out of range",
    ),
    "max_length text": (
        {"rules": [PATTERN | {"pattern": "a*b", "max_length": "9"}]},
        "rules.0.max_length",
        "out of range",
    ),
    "too many": ({"rules": [EMAIL | {"name": f"r{n}"} for n in range(101)]}, "rules", "more than 100"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_line(mistake: str) -> None:
    content, path, wrong = MISTAKES[mistake]
    lines = {path: 7, "": 1}
    with pytest.raises(ConfigError) as caught:
        compile_guardrail(artifact(content, file="guardrails/pii.yaml", lines=lines))
    assert caught.value.where == "guardrails/pii.yaml:7"
    assert wrong in caught.value.wrong
    assert caught.value.right


def test_each_check_of_the_folder_can_be_a_rule() -> None:
    for name in loading.names():
        extra = {"pattern": "abc"} if name == "pattern" else {}
        made = policy({"check": name, "action": "flag", **extra})
        assert made.ref is not None


def test_an_entry_point_is_a_check_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    class Foreign:
        SETTINGS = ("word",)

        def make(self, settings: dict[str, Any], fault: Any) -> Check:
            if not settings.get("word"):
                raise fault("word", "no word", "word: x")
            return Check(pattern=str(settings["word"]), longest=10, replace="-")

    class Point:
        name = "foreign"

        def load(self) -> Foreign:
            return Foreign()

    def points(group: str, name: str = "foreign") -> list[Point]:
        return [Point()] if (group, name) == (loading.ENTRY_POINTS, "foreign") else []

    monkeypatch.setattr(loading.metadata, "entry_points", points)
    assert "foreign" in loading.names()
    under = policy({"check": "foreign", "word": "secret", "action": "redact"})
    assert b"a - b" in run(under.screen_input(grounded(chat("a secret b")))).body
    with pytest.raises(ConfigError):
        policy({"check": "foreign", "action": "redact"})


class Breaking:
    """A check whose verifying function breaks down."""

    SETTINGS = ()

    def make(self, settings: dict[str, Any], fault: Any) -> Check:
        def verify(text: str, start: int, end: int) -> int | None:
            raise IndexError(text)

        return Check(pattern="boom", longest=4, replace="-", verify=verify)


@pytest.mark.parametrize(("on_error", "blocks"), [("block", True), ("allow", False)])
def test_a_check_that_breaks_down_is_on_record(monkeypatch: pytest.MonkeyPatch, on_error: str, blocks: bool) -> None:
    monkeypatch.setattr(loading, "find", lambda name: Breaking())
    under = policy({"check": "breaking", "action": "flag"}, on_error=on_error)
    at = grounded(chat("a boom b"))
    if blocks:
        with pytest.raises(Exception, match=r"breaking\.error"):
            run(under.screen_input(at))
    else:
        assert run(under.screen_input(at)).body == at.body
    assert [(v.rule, v.action) for v in record(at).verdicts] == [("breaking.error", on_error)]


YAML = """\
on_error: allow
rules:
  - check: email
    on: [input]
    action: redact
  - name: project
    check: pattern
    pattern: 'project x\\d{1,4}'
    action: flag
    max_length: 4
"""


def test_a_file_as_people_write_it_names_the_line_of_its_mistake() -> None:
    tree = next(read_yaml(YAML, "guardrails/pii.yaml"))
    content = tree.value
    assert isinstance(content, dict)
    made = artifact(content, file="guardrails/pii.yaml", lines=tree.lines)
    with pytest.raises(ConfigError, match=r"^guardrails/pii\.yaml:10: max_length is out of range"):
        compile_guardrail(made)
    tree = next(read_yaml(YAML.replace("max_length: 4", "max_length: 20"), "guardrails/pii.yaml"))
    under = compile_guardrail(artifact(cast("dict[str, Any]", tree.value)))
    assert b"[email]" in run(under.screen_input(grounded(chat("a@b.io")))).body
