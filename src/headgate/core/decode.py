"""Reading configuration into typed structs, with mistakes told where they are and what would be right."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import inspect

from headgate.core.artifact import Artifact
from headgate.core.types import Json, JsonObject, as_list, as_object

T = TypeVar("T")


def read(artifact: Artifact, into: type[T]) -> T:
    """The artifact's content as `into` (a msgspec struct with forbid_unknown_fields).

    Raises ConfigError naming file, line, the field and what would be right.
    """
    try:
        return msgspec.convert(artifact.content, into)
    except msgspec.ValidationError as error:
        what, path = _told(error)
        path = _entered(artifact.content, into, path)
        name = what.partition("`")[2].partition("`")[0]
        if what.startswith("Object contains unknown field"):
            at = f"{path}.{name}".strip(".")
            known = ", ".join(_known(inspect.type_info(into), path.split(".") if path else []))
            raise artifact.fault(at, f"unknown field `{name}`", f"one of: {known}") from error
        if what.startswith("Object missing required field"):
            raise artifact.fault(path, f"`{name}` is missing", f"add `{name}: ...`") from error
        said = what[:1].lower() + what[1:]
        raise artifact.fault(path, f"`{path}`: {said}" if path else said, "change it to the expected type") from error


def _told(error: msgspec.ValidationError) -> tuple[str, str]:
    """What is wrong, and the dotted path; `*` stands for a key of a map, which msgspec does not name."""
    what, _, where = str(error).partition(" - at `$")
    return what, where.rstrip("`").replace("[...]", ".*").replace("[", ".").replace("]", "").strip(".")


def _entered(content: JsonObject, into: type, path: str) -> str:
    """The path with map keys in place of `*`: the keys whose values fail when they stand alone."""
    told = path
    while "*" in path.split("."):
        before, _, after = path.partition("*")
        steps = before.strip(".").split(".")
        for key in _at(content, steps):
            try:
                msgspec.convert(_only(content, steps, key), into)
            except msgspec.ValidationError as error:
                if _told(error)[1] == told:
                    path = f"{before}{key}{after}"
                    break
        else:
            return before.strip(".")
    return path


def _at(content: JsonObject, steps: list[str]) -> list[str]:
    node: Json = content
    for step in steps:
        rows = as_list(node)
        node = (as_object(node) or {}).get(step) if rows is None else rows[int(step)]
    return list(as_object(node) or {})


def _only(content: JsonObject, steps: list[str], key: str) -> JsonObject:
    """The content with one key left in the map at `steps`."""
    first, *rest = steps
    inner = content.get(first)
    if not rest:
        return {**content, first: {key: (as_object(inner) or {}).get(key)}}
    rows = as_list(inner)
    if rows is not None:
        index = int(rest[0])
        changed = list(rows)
        below = as_object(rows[index]) or {}
        changed[index] = _only(below, rest[1:], key) if rest[1:] else {key: below.get(key)}
        return {**content, first: changed}
    return {**content, first: _only(as_object(inner) or {}, rest, key)}


def _known(node: inspect.Type, path: list[str]) -> list[str]:
    """Field names of the struct at a dotted path; steps through lists and maps."""
    if isinstance(node, inspect.UnionType):
        return sorted({name for one in node.types for name in _known(one, path)})
    if isinstance(node, inspect.StructType):
        if not path:
            return [field.encode_name for field in node.fields]
        return [name for field in node.fields if field.encode_name == path[0] for name in _known(field.type, path[1:])]
    if isinstance(node, inspect.ListType | inspect.VarTupleType):
        return _known(node.item_type, path[1:]) if path else []
    if isinstance(node, inspect.DictType):
        return _known(node.value_type, path[1:]) if path else []
    return []
