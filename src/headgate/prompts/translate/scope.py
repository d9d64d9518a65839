"""What a name means at a place in a Handlebars template, as an expression of ours that a missing value does not break.

Handlebars prints nothing for what is missing; our templates refuse it. So an optional value is said with a default.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headgate.core.types import Json, JsonObject, as_list, as_object
from headgate.prompts.translate.draft import Given, is_variable
from headgate.prompts.translate.text import literal


class Ref(msgspec.Struct, frozen=True):
    """A value: how it is said, its JSON Schema, and whether it may be missing or null."""

    said: str
    schema: JsonObject
    maybe: bool = False

    @property
    def kinds(self) -> set[str]:
        """The types that it may have, null left out; empty where that is not known."""
        told = self.schema.get("type")
        kinds = [told] if isinstance(told, str) else as_list(told) or []
        return {kind for kind in kinds if isinstance(kind, str) and kind != "null"}

    def shown(self) -> str:
        """As it is printed."""
        if self.kinds == {"boolean"}:
            return (
                f"{self.said}|tojson" if not self.maybe else f'"" if {self._or_none()} is none else {self.said}|tojson'
            )
        if not self.maybe:
            return self.said
        if self.kinds == {"string"}:
            return f'{self.said}|default("", true)'
        return f'"" if {self._or_none()} is none else {self.said}'

    def tested(self) -> str:
        """As a condition, or a side of a comparison."""
        return self._or_none() if self.maybe else self.said

    def looped(self) -> str:
        """As what a loop goes through."""
        return f"{self.said}|default([], true)" if self.maybe else self.said

    def inner(self, step: str) -> Ref:
        """A field, or an item, of it."""
        owner = f"({self.said}|default({{}}, true))" if self.maybe else self.said
        if step.isdigit():
            return Ref(f"{owner}[{step}]", as_object(self.schema.get("items")) or {}, self.maybe)
        properties = as_object(self.schema.get("properties"))
        schema = as_object((properties or {}).get(step)) or {}
        required = properties is None or step in (as_list(self.schema.get("required")) or [])
        said = f"{owner}.{step}" if is_variable(step) else f"{owner}[{literal(step)}]"
        return Ref(said, schema, self.maybe or not required or nullable(schema))

    def _or_none(self) -> str:
        return f"{self.said}|default(none)"


class Scope(msgspec.Struct, frozen=True):
    """A context: the variables at the top, or the item of an `each`. `given` names what blocks around it gave."""

    this: Ref | None
    variables: JsonObject
    above: Scope | None = None
    key: Ref | None = None
    given: Mapping[str, Ref] = {}


def nullable(schema: JsonObject) -> bool:
    """Whether null is among the values."""
    told = schema.get("type")
    return told == "null" or "null" in (as_list(told) or []) or None in (as_list(schema.get("enum")) or [])


def resolve(given: Given, path: str, scope: Scope, line: int) -> Ref:
    """What a path means. Raises ConfigError for what has no counterpart."""
    if path.startswith("@"):
        return _data(given, path, scope, line)
    outer = scope
    while path.startswith(".."):
        if outer.above is None:
            raise given.fault(line, f"`{path}` goes above the variables", "a path that begins at a variable")
        outer, path = outer.above, path[2:].removeprefix("/")
    steps = [step for step in path.replace("/", ".").split(".") if step and step != "this"]
    return _walk(given, outer, steps, line)


def _walk(given: Given, scope: Scope, steps: list[str], line: int) -> Ref:
    if not steps:
        if scope.this is None:
            raise given.fault(line, "`this` are all variables at once", "name those that are meant")
        return scope.this
    if scope.this is not None and steps[0] not in scope.given:
        found = scope.this
    elif steps[0] in scope.given:
        found, steps = scope.given[steps[0]], steps[1:]
    else:
        found, steps = _variable(given, scope.variables, steps[0], line), steps[1:]
    for step in steps:
        found = found.inner(step)
    return found


def _variable(given: Given, inputs: JsonObject, name: str, line: int) -> Ref:
    if not is_variable(name):
        raise given.fault(line, f"`{name}` is no name of a variable here", "letters, digits and `_`")
    schema = as_object((as_object(inputs.get("properties")) or {}).get(name)) or {}
    if "default" in schema:
        return Ref(f"({name}|default({literal(schema['default'])}))", schema, nullable(schema))
    required = name in (as_list(inputs.get("required")) or [])
    return Ref(name, schema, not required or nullable(schema))


def _data(given: Given, path: str, scope: Scope, line: int) -> Ref:
    name, _, rest = path[1:].partition(".")
    if name == "root":
        top = scope
        while top.above is not None:
            top = top.above
        return _walk(given, Scope(None, top.variables), [step for step in rest.split(".") if step], line)
    loops: dict[str, tuple[str, Json]] = {
        "index": ("loop.index0", "integer"), "first": ("loop.first", "boolean"), "last": ("loop.last", "boolean")
    }  # fmt: skip
    if scope.this is not None and name == "key" and scope.key is not None:
        return scope.key
    if scope.this is not None and name in loops and not rest:
        said, kind = loops[name]
        return Ref(said, {"type": kind})
    right = "declare a variable in `input.schema` and let the application give it"
    raise given.fault(line, f"`{path}` is not known here", right)
