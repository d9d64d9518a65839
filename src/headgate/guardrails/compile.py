"""Reads a `guardrail` artifact into a policy. Every mistake is refused with file, line, and what would be right.

    on_error: block            # or allow: what is done where a check itself breaks down
    rules:
      - name: own-address      # an exception: exempts matches of other rules that lie within its own match
        check: pattern
        pattern: "support@example\\\\.com"
        action: allow
        only: [email]          # the rules it exempts; all where it is left out
      - check: email           # the name of the check is the rule's name where none is given
        on: [input, output]    # both where it is left out
        action: redact         # flag, redact or block
        replace: "[email]"     # the check's own word where it is left out
      - {check: card, action: block}
      - {name: project, check: pattern, pattern: "(?i)project x\\\\d{1,4}", action: flag}

Order matters in one place: where two redactions overlap, the one that begins first says the word, at a tie the first
rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError
from headgate.core.types import Json, JsonObject, as_list, as_object, as_text
from headgate.guardrails import loading
from headgate.guardrails.engine import BadPattern
from headgate.guardrails.expression import BadExpression
from headgate.guardrails.patterns import Ingredients, RuleSet, combine, prepare
from headgate.guardrails.policy import RulePolicy

ACTIONS = ("allow", "flag", "redact", "block")
DIRECTIONS = ("input", "output")
ERROR_ACTIONS = ("block", "allow")
RULES_MAX = 100
REPLACE_CHARS_MAX = 200
NAME_CHARS_MAX = 64

_FIELDS = ("name", "check", "on", "action", "replace", "only")


class _Read(NamedTuple):
    at: str
    parts: Ingredients
    on: frozenset[str]


def compile_guardrail(artifact: Artifact) -> RulePolicy:
    """The policy an artifact describes. Raises ConfigError."""
    content = artifact.content
    for field in content:
        if field not in ("rules", "on_error"):
            raise artifact.fault(field, f"unknown field {field!r}", "a guardrail has rules and on_error")
    error_action = content.get("on_error", "block")
    if error_action not in ERROR_ACTIONS:
        raise artifact.fault("on_error", "on_error is neither block nor allow", "on_error: block")
    items = as_list(content.get("rules"))
    if not items:
        raise artifact.fault("rules", "a guardrail without rules", "rules: [{check: email, action: redact}]")
    if len(items) > RULES_MAX:
        raise artifact.fault("rules", f"more than {RULES_MAX} rules", "split them between guardrails of several apps")
    rules: list[_Read] = []
    for index, item in enumerate(items):
        rules.append(_read(artifact, f"rules.{index}", item))
    _refuse_twins(artifact, rules)
    _refuse_strays(artifact, rules)
    inputs, outputs = (_combined(artifact, rules, direction, str(error_action)) for direction in DIRECTIONS)
    return RulePolicy(artifact.ref, inputs, outputs)


def _read(artifact: Artifact, at: str, item: Json) -> _Read:
    fields = as_object(item)
    if fields is None:
        raise artifact.fault(at, "a rule is not a mapping", "{check: email, action: redact}")
    check = as_text(fields.get("check"))
    if check is None:
        raise artifact.fault(at, "a rule names no check", f"check: one of {', '.join(loading.names())}")
    module = loading.find(check)
    if module is None:
        raise artifact.fault(f"{at}.check", f"there is no check {check!r}", f"one of {', '.join(loading.names())}")
    for field in fields:
        if field not in _FIELDS and field not in module.SETTINGS:
            known = ", ".join((*_FIELDS, *module.SETTINGS))
            raise artifact.fault(f"{at}.{field}", f"unknown field {field!r}", f"a {check} rule has {known}")

    def fault(setting: str, wrong: str, right: str) -> ConfigError:
        return artifact.fault(f"{at}.{setting}", wrong, right)

    action = _action(artifact, at, fields)
    name = _name(artifact, at, fields, check)
    made = module.make({field: fields[field] for field in module.SETTINGS if field in fields}, fault)
    replace = _replace(artifact, at, fields, action)
    spares = _only(artifact, at, fields, action)
    try:
        parts = prepare(name, action, made, made.replace if replace is None else replace, spares)
    except BadExpression as error:
        raise fault("check", error.wrong, error.right) from error
    return _Read(at, parts, _on(artifact, at, fields))


def _action(artifact: Artifact, at: str, fields: JsonObject) -> str:
    action = as_text(fields.get("action"))
    if action not in ACTIONS:
        raise artifact.fault(f"{at}.action", "a rule without a known action", f"action: {', '.join(ACTIONS)}")
    return action


def _name(artifact: Artifact, at: str, fields: JsonObject, check: str) -> str:
    name = as_text(fields.get("name", check))
    if not name or len(name) > NAME_CHARS_MAX or not name.replace("-", "").replace("_", "").isalnum():
        raise artifact.fault(f"{at}.name", "a rule's name is no name", "letters, digits, - and _, at most 64")
    return name


def _replace(artifact: Artifact, at: str, fields: JsonObject, action: str) -> str | None:
    if "replace" not in fields:
        return None
    replace = as_text(fields["replace"])
    if action != "redact":
        raise artifact.fault(f"{at}.replace", f"replace on a rule that does not redact but {action}", "action: redact")
    if replace is None or len(replace) > REPLACE_CHARS_MAX:
        raise artifact.fault(f"{at}.replace", "replace is no short text", f"at most {REPLACE_CHARS_MAX} characters")
    return replace


def _on(artifact: Artifact, at: str, fields: JsonObject) -> frozenset[str]:
    if "on" not in fields:
        return frozenset(DIRECTIONS)
    said = as_list(fields["on"])
    if not said or any(direction not in DIRECTIONS for direction in said):
        raise artifact.fault(f"{at}.on", "on names something else than input and output", "on: [input, output]")
    return frozenset(str(direction) for direction in said)


def _only(artifact: Artifact, at: str, fields: JsonObject, action: str) -> frozenset[str]:
    if "only" not in fields:
        return frozenset()
    names = as_list(fields["only"])
    if action != "allow":
        raise artifact.fault(f"{at}.only", f"only on a rule that does not allow but {action}", "action: allow")
    if not names or not all(isinstance(name, str) for name in names):
        raise artifact.fault(f"{at}.only", "only names no rules", "only: [email]")
    return frozenset(str(name) for name in names)


def _refuse_twins(artifact: Artifact, rules: Sequence[_Read]) -> None:
    seen: set[str] = set()
    for at, parts, _ in rules:
        if parts.rule.name in seen:
            raise artifact.fault(at, f"two rules are named {parts.rule.name}", "give each rule a name of its own")
        seen.add(parts.rule.name)


def _refuse_strays(artifact: Artifact, rules: Sequence[_Read]) -> None:
    """An exception must name rules that there are."""
    known = {parts.rule.name for _, parts, _ in rules if parts.rule.action != "allow"}
    for at, parts, _ in rules:
        strays = sorted(parts.rule.spares - known)
        if strays:
            raise artifact.fault(f"{at}.only", f"no rule {strays[0]!r} to make an exception of", "name rules that act")


def _combined(artifact: Artifact, rules: Sequence[_Read], direction: str, error_action: str) -> RuleSet | None:
    chosen = [parts for _, parts, on in rules if direction in on]
    if all(parts.rule.action == "allow" for parts in chosen):
        return None
    try:
        return combine(chosen, error_action)
    except BadPattern:
        raise artifact.fault(
            "rules", f"the {direction} rules are too large together", "fewer or shorter rules"
        ) from None
