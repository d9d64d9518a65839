"""Google's OpenAPI-flavoured `Schema` objects to JSON Schema."""

from __future__ import annotations

from typing import Final

from headgate.core.errors import InvalidRequest
from headgate.core.types import Json, JsonObject, as_list, as_object, as_text

_RENAMED: Final[dict[str, str]] = {
    "anyOf": "anyOf",
    "any_of": "anyOf",
    "maxItems": "maxItems",
    "max_items": "maxItems",
    "minItems": "minItems",
    "min_items": "minItems",
    "maxLength": "maxLength",
    "max_length": "maxLength",
    "minLength": "minLength",
    "min_length": "minLength",
    "maxProperties": "maxProperties",
    "max_properties": "maxProperties",
    "minProperties": "minProperties",
    "min_properties": "minProperties",
    "additionalProperties": "additionalProperties",
    "additional_properties": "additionalProperties",
    "defs": "$defs",
    "$defs": "$defs",
    "ref": "$ref",
    "$ref": "$ref",
}
_COUNTS: Final = frozenset({"maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties"})
_SPECIAL: Final = frozenset({"type", "nullable", "example", "propertyOrdering", "property_ordering", "enum"})


def to_json_schema(schema: Json, where: str) -> JsonObject:
    """JSON Schema that says the same as Google's `schema`. Raises InvalidRequest where it is no object."""
    given = as_object(schema)
    if given is None:
        raise InvalidRequest(f"'{where}' must be a schema object", param=where)
    source = dict(given)
    out: JsonObject = {}
    _put_type(source, out)
    for key, value in source.items():
        if key in _SPECIAL or value is None:
            continue
        name = _RENAMED.get(key, key)
        out[name] = _value(name, value, f"{where}.{key}")
    example = source.get("example")
    if example is not None:
        out["examples"] = [example]
    _reorder(source, out)
    return out


def _put_type(source: JsonObject, out: JsonObject) -> None:
    """Type, nullable and enum: OpenAPI keeps null apart, JSON Schema has it as a type."""
    nullable = source.get("nullable") is True
    kind = as_text(source.get("type"))
    name = None if kind is None or kind == "TYPE_UNSPECIFIED" else kind.lower()
    if name is not None:
        out["type"] = [name, "null"] if nullable and name != "null" else name
    values = as_list(source.get("enum"))
    if values is not None:
        out["enum"] = [*values, None] if nullable and None not in values else values
    if nullable and name is None:
        choices = as_list(source.get("anyOf", source.get("any_of")))
        if choices is None:
            return
        source["anyOf"] = [*choices, {"type": "NULL"}]
        source.pop("any_of", None)


def _value(name: str, value: Json, where: str) -> Json:
    """One keyword's value, schemas below it converted."""
    if name in ("properties", "$defs"):
        fields = as_object(value) or {}
        return {key: to_json_schema(child, f"{where}.{key}") for key, child in fields.items()}
    if name == "items" or (name == "additionalProperties" and isinstance(value, dict)):
        return to_json_schema(value, where)
    if name == "anyOf":
        return [to_json_schema(child, f"{where}[{i}]") for i, child in enumerate(as_list(value) or [])]
    if name in _COUNTS and isinstance(value, str) and value.isdigit():
        return int(value)  # proto JSON writes 64-bit integers as strings
    if name == "$ref" and isinstance(value, str):
        return value.replace("#/defs/", "#/$defs/", 1)
    return value


def _reorder(source: JsonObject, out: JsonObject) -> None:
    """propertyOrdering has no keyword in JSON Schema: the properties themselves are put in that order."""
    order = as_list(source.get("propertyOrdering", source.get("property_ordering")))
    fields = as_object(out.get("properties"))
    if not order or not fields:
        return
    first = {key: fields[key] for key in order if isinstance(key, str) and key in fields}
    out["properties"] = first | fields
