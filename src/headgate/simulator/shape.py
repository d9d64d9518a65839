"""A small language for request shapes: a vendor's published parameters as data, and one walker that finds the
first thing in a body which the vendor would refuse. Each vendor words the `Problem` in its own error body."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from headgate.simulator.trees import Tree, is_array, is_tree, items, tree

Reason = Literal["type", "missing", "unknown", "value", "range"]
Path: TypeAlias = "tuple[str | int, ...]"


@dataclass(frozen=True, slots=True)
class Problem:
    """The first offence: where, what kind, what was expected and what stood there instead."""

    path: Path
    reason: Reason
    expected: str = ""
    got: object = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, integer, number, boolean, free object, or anything; numbers with inclusive bounds."""

    kind: Literal["string", "integer", "number", "boolean", "object", "any"]
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Enum:
    """One of a closed list of strings."""

    options: tuple[str, ...]
    fold: bool = False


@dataclass(frozen=True, slots=True)
class Array:
    """A list of one kind of element."""

    of: Spec
    least: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Map:
    """An object with free keys and one kind of value."""

    of: Spec


@dataclass(frozen=True, slots=True)
class Object:
    """An object with known keys only."""

    required: Mapping[str, Spec] = field(default_factory=dict[str, "Spec"])
    optional: Mapping[str, Spec] = field(default_factory=dict[str, "Spec"])
    label: str = ""


@dataclass(frozen=True, slots=True)
class Tagged:
    """An object whose shape depends on one of its keys."""

    tag: str
    cases: Mapping[str, Spec]
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Either:
    """The first of several shapes whose JSON type fits."""

    choices: tuple[Spec, ...]


@dataclass(frozen=True, slots=True)
class Null:
    """Null, or the shape."""

    of: Spec


@dataclass(frozen=True, slots=True)
class Later:
    """A shape that refers to itself; looked up in a table when it is walked."""

    table: Mapping[str, Spec]
    name: str


Spec: TypeAlias = "Scalar | Enum | Array | Map | Object | Tagged | Either | Null | Later"

STRING = Scalar("string")
INTEGER = Scalar("integer")
NUMBER = Scalar("number")
BOOLEAN = Scalar("boolean")
FREE = Scalar("object")
ANY = Scalar("any")


def kind_of(value: object) -> str:
    """The JSON type's name: string, integer, number, boolean, object, array or null."""
    if value is None:
        return "null"
    names: tuple[tuple[type, str], ...] = (
        (bool, "boolean"),
        (str, "string"),
        (int, "integer"),
        (float, "number"),
        (dict, "object"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "array")


def word_for(spec: Spec) -> str:
    """The JSON type that a shape wants, in a word."""
    if isinstance(spec, Scalar):
        return spec.kind
    if isinstance(spec, Enum):
        return "string"
    if isinstance(spec, Array):
        return "array"
    if isinstance(spec, Either):
        return " or ".join(word_for(choice) for choice in spec.choices)
    if isinstance(spec, Null):
        return word_for(spec.of)
    return "object"


def fits(spec: Spec, value: object) -> bool:
    """Whether the value's JSON type suits the shape; contents are not looked at."""
    kind = kind_of(value)
    if isinstance(spec, Null):
        return kind == "null" or fits(spec.of, value)
    if isinstance(spec, Either):
        return any(fits(choice, value) for choice in spec.choices)
    if isinstance(spec, Scalar) and spec.kind == "any":
        return True
    wanted = word_for(spec)
    return kind == wanted or (wanted == "number" and kind == "integer")


def check(spec: Spec, value: object, path: Path = ()) -> Problem | None:
    """The first problem of the value against the shape, depth first in the body's own order; None where it fits."""
    if not fits(spec, value):
        return Problem(path, "type", word_for(spec), value)
    if isinstance(spec, Later):
        return check(spec.table[spec.name], value, path)
    if isinstance(spec, Null):
        return None if value is None else check(spec.of, value, path)
    if isinstance(spec, Either):
        return check(next(choice for choice in spec.choices if fits(choice, value)), value, path)
    if isinstance(spec, Array):
        return _check_array(spec, items(value), path)
    if isinstance(spec, Tagged):
        return _check_tagged(spec, tree(value), path)
    if isinstance(spec, Object):
        return _check_object(spec, tree(value), path)
    if isinstance(spec, Map):
        return _first(check(spec.of, inner, (*path, name)) for name, inner in tree(value).items())
    return _check_leaf(spec, value, path)


def _first(found: Iterable[Problem | None]) -> Problem | None:
    return next((one for one in found if one is not None), None)


def _check_leaf(spec: Scalar | Enum, value: object, path: Path) -> Problem | None:
    if isinstance(spec, Enum):
        known = {option.lower() for option in spec.options} if spec.fold else spec.options
        given = str(value).lower() if spec.fold else value
        return None if given in known else Problem(path, "value", "", value, spec.options)
    if isinstance(value, int | float) and spec.low is not None and value < spec.low:
        return Problem(path, "range", f">={spec.low:g}", value)
    if isinstance(value, int | float) and spec.high is not None and value > spec.high:
        return Problem(path, "range", f"<={spec.high:g}", value)
    return None


def _check_array(spec: Array, value: list[object], path: Path) -> Problem | None:
    if len(value) < spec.least:
        return Problem(path, "range", f"items>={spec.least}", len(value))
    if spec.most is not None and len(value) > spec.most:
        return Problem(path, "range", f"items<={spec.most}", len(value))
    return _first(check(spec.of, one, (*path, index)) for index, one in enumerate(value))


def _check_object(spec: Object, value: Tree, path: Path) -> Problem | None:
    for name, inner in value.items():
        wanted = spec.required.get(name) or spec.optional.get(name)
        if wanted is None:
            return Problem((*path, name), "unknown", spec.label, inner)
        if (problem := check(wanted, inner, (*path, name))) is not None:
            return problem
    missing = next((name for name in spec.required if name not in value), None)
    return None if missing is None else Problem((*path, missing), "missing")


def _check_tagged(spec: Tagged, value: Tree, path: Path) -> Problem | None:
    given = value.get(spec.tag)
    tag = spec.default if given is None else given
    where = (*path, spec.tag)
    if tag is None:
        return Problem(where, "missing")
    if not isinstance(tag, str):
        return Problem(where, "type", "string", tag)
    case = spec.cases.get(tag)
    if case is None:
        return Problem(where, "value", "", tag, tuple(spec.cases))
    return check(case, value, path)


def camel(name: str) -> str:
    """snake_case as lowerCamelCase."""
    return re.sub(r"_([a-z0-9])", lambda found: found.group(1).upper(), name)


def snake(name: str) -> str:
    """lowerCamelCase as snake_case."""
    return re.sub(r"[A-Z]", lambda found: "_" + found.group(0).lower(), name)


def renamed(spec: Spec, value: object) -> object:
    """The value as protobuf's JSON mapping reads it: snake_case keys as lowerCamelCase wherever the shape knows such a
    key, null as absent, one element where a list is meant. Free objects and unknown keys stay as they are."""
    if isinstance(spec, Later):
        return renamed(spec.table[spec.name], value)
    if isinstance(spec, Null):
        return value if value is None else renamed(spec.of, value)
    if isinstance(spec, Either):
        chosen = next((choice for choice in spec.choices if fits(choice, value)), None)
        return value if chosen is None else renamed(chosen, value)
    if isinstance(spec, Array) and is_tree(value):
        return [renamed(spec.of, value)]
    if isinstance(spec, Array) and is_array(value):
        return [renamed(spec.of, one) for one in value]
    if isinstance(spec, Map) and is_tree(value):
        return {name: renamed(spec.of, inner) for name, inner in value.items()}
    if not isinstance(spec, Object) or not is_tree(value):
        return value
    known: dict[str, Spec] = {**spec.required, **spec.optional}
    out: Tree = {}
    for name, inner in value.items():
        if inner is None:
            continue
        proper = name if name in known else camel(name)
        out[proper if proper in known else name] = renamed(known[proper], inner) if proper in known else inner
    return out
