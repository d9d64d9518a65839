"""Variables as people type them, `n=3`: text turned into what the prompt's schema says the variable is."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headgate.core.errors import InvalidRequest
from headgate.core.types import Json, JsonObject, as_list, as_object

_WORDS: dict[str, bool] = {"true": True, "yes": True, "false": False, "no": False}


def typed(inputs: Mapping[str, Json], texts: Mapping[str, str]) -> JsonObject:
    """Each text as the first type of its variable's schema that it can be; as text where none is stated.

    A variable that the schema does not have stays text: rendering names it. Raises InvalidRequest naming the variable.
    """
    properties = as_object(inputs.get("properties")) or {}
    return {name: _value(name, text, as_object(properties.get(name)) or {}) for name, text in texts.items()}


def _value(name: str, text: str, schema: JsonObject) -> Json:
    types = _types(schema)
    if not types or types == ["string"]:
        return text
    for kind in sorted(types, key=_text_last):
        found, value = _as(kind, text)
        if found:
            return value
    raise InvalidRequest(f"the variable `{name}` is to be {' or '.join(types)}", param=f"variables.{name}")


def _as(kind: str, text: str) -> tuple[bool, Json]:
    """Whether the text can be of a type, and its value."""
    if kind == "string":
        return True, text
    if kind == "boolean":
        return text.lower() in _WORDS, _WORDS.get(text.lower())
    try:
        value: Json = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False, None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "integer": number and value == int(value),  # pyright: ignore[reportArgumentType] - a number
        "number": number,
        "array": as_list(value) is not None,
        "object": as_object(value) is not None,
        "null": value is None,
    }
    return fits.get(kind, False), value


def _types(schema: JsonObject) -> list[str]:
    """The types that a variable's schema names; those of its listed values where it names none."""
    told = schema.get("type")
    if isinstance(told, str):
        return [told]
    return [one for one in as_list(told) or [] if isinstance(one, str)]


def _text_last(kind: str) -> bool:
    """Every text is a string: tried only where it can be nothing else."""
    return kind == "string"
