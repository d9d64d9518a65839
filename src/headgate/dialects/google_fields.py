"""Reading proto JSON leniently: both spellings of a name, null as absent, numbers in strings, one object for a list."""

from __future__ import annotations

from functools import lru_cache

from headgate.core.errors import InvalidRequest
from headgate.core.types import Json, JsonObject, as_list, as_object


@lru_cache(maxsize=512)
def camel(name: str) -> str:
    """`max_output_tokens` -> `maxOutputTokens`; names without underscores stay."""
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


def fault(where: str, expected: str) -> InvalidRequest:
    """The error for a value of the wrong type at `where`."""
    return InvalidRequest(f"Invalid value at '{where}': expected {expected}", param=where)


def fields(value: Json, where: str) -> JsonObject:
    """The object's fields under camelCase names, nulls left out. Raises InvalidRequest where it is no object."""
    tree = as_object(value)
    if tree is None:
        raise fault(where, "an object")
    return {camel(key) if "_" in key else key: item for key, item in tree.items() if item is not None}


def items(value: Json, where: str) -> list[Json]:
    """A repeated field: a list, or one object where a list is meant. Raises InvalidRequest."""
    if value is None:
        return []
    found = as_list(value)
    if found is not None:
        return found
    if isinstance(value, dict):
        return [value]
    raise fault(where, "a list")


def text(value: Json, where: str) -> str:
    """Raises InvalidRequest where the value is no string."""
    if isinstance(value, str):
        return value
    raise fault(where, "a string")


def texts(value: Json, where: str) -> list[str]:
    """A list of strings; one string counts as a list of one. Raises InvalidRequest."""
    if isinstance(value, str):
        return [value]
    return [text(item, f"{where}[{i}]") for i, item in enumerate(items(value, where))]


def number(value: Json, where: str) -> float:
    """A number, or a string holding one. Raises InvalidRequest."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError as error:
            raise fault(where, "a number") from error
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise fault(where, "a number")


def integer(value: Json, where: str) -> int:
    """A whole number, or a string holding one. Raises InvalidRequest."""
    found = number(value, where)
    if found != found or found in (float("inf"), float("-inf")) or int(found) != found:
        raise fault(where, "a whole number")
    return int(found)


def flag(value: Json, where: str) -> bool:
    """Raises InvalidRequest where the value is no boolean."""
    if isinstance(value, bool):
        return value
    raise fault(where, "true or false")
