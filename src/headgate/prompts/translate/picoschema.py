"""Picoschema, dotprompt's short way to write a JSON Schema, and the other types' names that LiteLLM has.

    name: string, what they are called        nickname?: string
    tags(array, all of them): string          kind(enum): [a, b]
    address(object): {street: string}         (*): any

After https://google.github.io/dotprompt/reference/picoschema: an optional field may also be null, an object is closed.
"""

from __future__ import annotations

from headgate.core.types import Json, JsonObject, as_list, as_object
from headgate.prompts.translate.draft import Given, Lines

_SCALARS = ("string", "boolean", "null", "number", "integer", "any")
_KINDS = (*_SCALARS, "object", "array")
_WILDCARD = "(*)"
_DEPTH_MAX = 16


def to_json_schema(given: Given, value: Json, path: str, lines: Lines) -> JsonObject:
    """The JSON Schema of what stands at a dotted path of the front matter. A JSON Schema passes as it is.

    Raises ConfigError.
    """
    return _Reader(given, lines).schema(value, path, 0)


class _Reader:
    def __init__(self, given: Given, lines: Lines) -> None:
        self._given = given
        self._lines = lines

    def schema(self, value: Json, path: str, depth: int) -> JsonObject:
        if depth > _DEPTH_MAX:
            raise self._fault(path, f"nested deeper than {_DEPTH_MAX} levels", "make it flatter")
        if isinstance(value, str):
            return self._scalar(value, path)
        fields = as_object(value)
        if fields is None:
            raise self._fault(path, "neither a type nor a mapping of fields", "name: string")
        if depth == 0 and fields.get("type") in _KINDS:
            return fields
        if depth == 0 and as_object(fields.get("properties")) is not None:
            return {"type": "object", **fields}
        return self._object(fields, path, depth)

    def _scalar(self, text: str, path: str) -> JsonObject:
        kind, _, description = (part.strip() for part in text.partition(","))
        if kind not in _SCALARS:
            right = f"one of: {', '.join(_SCALARS)}; `name(array)`, `name(object)`, `name(enum)` for others"
            raise self._fault(path, f"there is no type `{kind}`", right)
        told: JsonObject = {} if kind == "any" else {"type": kind}
        return {**told, "description": description} if description else told

    def _object(self, fields: JsonObject, path: str, depth: int) -> JsonObject:
        properties: JsonObject = {}
        required: list[Json] = []
        more: Json = False
        for key, value in fields.items():
            at = f"{path}.{key}"
            if key == _WILDCARD:
                more = self.schema(value, at, depth + 1)
                continue
            name, kind, description = self._key(key, at)
            optional = name.endswith("?")
            name = name.removesuffix("?")
            if not optional:
                required.append(name)
            made = self._field(kind, value, at, depth)
            if description:
                made["description"] = description
            properties[name] = _nullable(made) if optional else made
        out: JsonObject = {"type": "object", "properties": properties}
        if required:
            out["required"] = required
        return {**out, "additionalProperties": more}

    def _field(self, kind: str, value: Json, path: str, depth: int) -> JsonObject:
        if kind == "":
            return dict(self.schema(value, path, depth + 1))
        if kind == "array":
            return {"type": "array", "items": self.schema(value, path, depth + 1)}
        if kind == "object":
            inner = as_object(value)
            if inner is None:
                raise self._fault(path, "an object has fields", "street: string")
            return self._object(inner, path, depth + 1)
        if kind == "enum":
            values = as_list(value)
            if not values:
                raise self._fault(path, "an enum has values", "[red, green]")
            return {"enum": values}
        raise self._fault(path, f"there is no `({kind})`", "one of: array, object, enum")

    def _key(self, key: str, path: str) -> tuple[str, str, str]:
        """Name, kind and description of `tags(array, all of them)`."""
        name, found, rest = key.partition("(")
        if not found:
            return key, "", ""
        if not rest.endswith(")"):
            raise self._fault(path, f"`{key}` has no closing bracket", f"{key})")
        kind, _, description = (part.strip() for part in rest[:-1].partition(","))
        return name, kind, description

    def _fault(self, path: str, wrong: str, right: str) -> Exception:
        known = path
        while known and known not in self._lines:
            known = known.rpartition(".")[0]
        return self._given.fault(self._lines.get(known, 1), f"`{path}`: {wrong}", right)


def _nullable(schema: JsonObject) -> JsonObject:
    kind, values = schema.get("type"), as_list(schema.get("enum"))
    if values is not None:
        return {**schema, "enum": [*values, None] if None not in values else values}
    return {**schema, "type": [kind, "null"]} if isinstance(kind, str) and kind != "null" else schema
