"""What callers rely on, and how large a step in the version a change of it demands.

A prompt's contract is its typed inputs and its declared output; a partial's, its inputs. What else a version holds is
wording and settings, which a PATCH may change. Other kinds promise callers nothing by their content.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from headgate.core.artifact import Artifact, canonical
from headgate.core.types import Json, JsonObject, as_list, as_object
from headgate.registry.versions import parse_version

Bump = Literal["none", "patch", "minor", "major"]
BUMPS: tuple[Bump, ...] = ("none", "patch", "minor", "major")
_CONTRACTED = frozenset({"prompt", "partial"})
# what a schema says to people only
_REMARKS = frozenset({"title", "description", "examples", "default", "$comment"})


class Step(msgspec.Struct, frozen=True):
    """The least step that a change demands, and why: one sentence for each reason of that size."""

    bump: Bump
    reasons: list[str]


def least_step(before: Artifact, after: Artifact) -> Step:
    """The step from one version's content to another's."""
    if before.ref.digest == after.ref.digest:
        return Step("none", [])
    found = _of_contract(before.content, after.content) if after.ref.kind in _CONTRACTED else []
    sizes: list[Bump] = ["patch", *(size for size, _ in found)]
    bump = max(sizes, key=BUMPS.index)
    if bump == "patch":
        return Step("patch", ["what callers rely on stays as it is"] if after.ref.kind in _CONTRACTED else [])
    return Step(bump, [reason for size, reason in found if size == bump])


def step_between(before: str, after: str) -> Bump:
    """How large the step from version `before` to the later `after` is."""
    old, new = parse_version(before) or (0, 0, 0), parse_version(after) or (0, 0, 0)
    if new[0] != old[0]:
        return "major"
    return "minor" if new[1] != old[1] else "patch" if new != old else "none"


def next_version(version: str, bump: Bump) -> str:
    """The version one step on."""
    major, minor, patch = parse_version(version) or (0, 0, 0)
    steps = {"major": (major + 1, 0, 0), "minor": (major, minor + 1, 0), "patch": (major, minor, patch + 1)}
    return ".".join(map(str, steps.get(bump, (major, minor, patch))))


def _of_contract(before: JsonObject, after: JsonObject) -> list[tuple[Bump, str]]:
    found = _of_inputs(as_object(before.get("inputs")) or {}, as_object(after.get("inputs")) or {})
    old, new = before.get("output"), after.get("output")
    if canonical(old) != canonical(new):
        what = "now declares its output" if old is None else "no longer declares its output" if new is None else None
        found.append(("major", what or "its output schema is another"))
    return found


def _of_inputs(before: JsonObject, after: JsonObject) -> list[tuple[Bump, str]]:
    old, new = as_object(before.get("properties")) or {}, as_object(after.get("properties")) or {}
    needed_before, needed = _required(before), _required(after)
    found: list[tuple[Bump, str]] = []
    for name in sorted({*old, *new}):
        if name not in new:
            found.append(("major", f"the input `{name}` is gone"))
        elif name not in old:
            required = name in needed
            what = f"the input `{name}` is new and " + ("required" if required else "optional")
            found.append(("major" if required else "minor", what))
        else:
            if name in needed and name not in needed_before:
                found.append(("major", f"the input `{name}` is required now"))
            elif name in needed_before and name not in needed:
                found.append(("minor", f"the input `{name}` is optional now"))
            found += _of_schema(name, old[name], new[name])
    rest = {key for key in {*before, *after} - {"properties", "required", "type"} - _REMARKS}
    changed = sorted(key for key in rest if canonical(before.get(key)) != canonical(after.get(key)))
    return found + [("major", f"`{key}` of the inputs' schema is another") for key in changed]


def _of_schema(name: str, before: Json, after: Json) -> list[tuple[Bump, str]]:
    """A constraint that went away takes more than before; any other change may refuse what was taken."""
    old, new = as_object(before), as_object(after)
    if old is None or new is None:
        return [] if canonical(before) == canonical(after) else [("major", f"the input `{name}` has another schema")]
    keys = {*old, *new} - _REMARKS
    changed = [key for key in keys if canonical(old.get(key)) != canonical(new.get(key))]
    if not changed:
        return []
    if all(_wider(key, old.get(key), new.get(key)) for key in changed):
        return [("minor", f"the input `{name}` takes more than before ({', '.join(sorted(changed))})")]
    return [("major", f"the input `{name}` may refuse what it took ({', '.join(sorted(changed))})")]


def _wider(key: str, old: Json, new: Json) -> bool:
    """Whether a keyword's change only lets more through."""
    if new is None:
        return key not in ("properties", "items", "$ref")
    if key in ("maxLength", "maxItems", "maximum", "exclusiveMaximum"):
        return _number(old) is not None and (_number(new) or 0.0) >= (_number(old) or 0.0)
    if key in ("minLength", "minItems", "minimum", "exclusiveMinimum"):
        return _number(old) is not None and (_number(new) or 0.0) <= (_number(old) or 0.0)
    rows, more = as_list(old), as_list(new)
    if key in ("enum", "type") and more is not None:
        had = rows if rows is not None else [] if old is None else [old]
        return bool(had) and {canonical(one) for one in had} <= {canonical(one) for one in more}
    return False


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _required(schema: JsonObject) -> set[str]:
    return {name for name in as_list(schema.get("required")) or [] if isinstance(name, str)}
