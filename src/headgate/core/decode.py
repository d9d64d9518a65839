"""Reading configuration into typed structs, with mistakes told where they are and what would be right."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import inspect

from headgate.core.artifact import Artifact

T = TypeVar("T")


def read(artifact: Artifact, into: type[T]) -> T:
    """The artifact's content as `into` (a msgspec struct with forbid_unknown_fields).

    Raises ConfigError naming file, line, the field and what would be right.
    """
    try:
        return msgspec.convert(artifact.content, into)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        path = where.rstrip("`").replace("[", ".").replace("]", "").strip(".")
        name = what.partition("`")[2].partition("`")[0]
        if what.startswith("Object contains unknown field"):
            at = f"{path}.{name}".strip(".")
            known = ", ".join(_known(inspect.type_info(into), path.split(".") if path else []))
            raise artifact.fault(at, f"unknown field `{name}`", f"one of: {known}") from error
        if what.startswith("Object missing required field"):
            raise artifact.fault(path, f"`{name}` is missing", f"add `{name}: ...`") from error
        said = what[:1].lower() + what[1:]
        raise artifact.fault(path, f"`{path}`: {said}" if path else said, "change it to the expected type") from error


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
