"""A prompt's declared output as the answer format that targets are held to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from headgate.core.artifact import Artifact
from headgate.core.types import Json, JsonObject, as_list, as_object, as_text
from headgate.prompts.inputs import check_schema

NAME_CHARS_MAX = 64  # of a format's name, for the strictest vendor
# what every vendor's strict mode takes; a schema with more is sent without asking for that mode
_STRICT = frozenset({
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$ref", "$defs",
    "title", "description",
})  # fmt: skip
_STRICT_DEPTH_MAX = 5
_STRICT_PROPERTIES_MAX = 100
_NAME_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def answer_format(artifact: Artifact, schema: Mapping[str, Json] | None) -> JsonObject:
    """The setting `json_format` of a prompt with that declared output; empty where it declares none.

    Raises ConfigError where it is no schema of an object: no vendor takes another at the top.
    """
    if schema is None:
        return {}
    if schema.get("type") != "object":
        right = "type: object, with the value as one of its properties"
        raise artifact.fault("output", "the declared output is not an object", right)
    check_schema(artifact, "output", schema)
    name = as_text(schema.get("title")) or artifact.ref.name
    legal = "".join(sign if sign in _NAME_SIGNS else "_" for sign in name)[:NAME_CHARS_MAX]
    made: JsonObject = {"name": legal, "schema": dict(schema)}
    if is_strict(schema):
        made["strict"] = True
    return {"json_format": made}


def is_strict(schema: Mapping[str, Json]) -> bool:
    """True where a vendor's strict mode can hold an answer to it: every object closed, every property required."""
    counted: list[str] = []
    return _strict(cast("Json", schema), 0, counted) and len(counted) <= _STRICT_PROPERTIES_MAX


def _strict(node: Json, depth: int, counted: list[str]) -> bool:
    schema = as_object(node)
    if schema is None or depth > _STRICT_DEPTH_MAX or not _STRICT.issuperset(schema):
        return False
    properties = as_object(schema.get("properties")) or {}
    if schema.get("type") == "object":
        required = as_list(schema.get("required")) or []
        closed = schema.get("additionalProperties") is False
        if not closed or not all(name in required for name in properties):
            return False
    counted += properties
    below = [
        *properties.values(),
        *(as_object(schema.get("$defs")) or {}).values(),
        *(as_list(schema.get("anyOf")) or []),
    ]
    if "items" in schema:
        below.append(schema["items"])
    return all(_strict(one, depth + 1, counted) for one in below)
