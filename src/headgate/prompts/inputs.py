"""The variables of prompts and partials: JSON Schemas of an object, and what a partial asks of those who include it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import jsonschema_rs
import msgspec

from headgate.core.artifact import Artifact
from headgate.core.schemas import refuse_to_fetch
from headgate.core.types import Json, JsonObject, as_list, as_object

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_OF_A_PARTIAL = ("type", "properties", "required", "$defs", "additionalProperties", "title", "description")


class Check(msgspec.Struct, frozen=True):
    """What the partial `whose` asks of variables: a JSON Schema for each, `definitions` that these refer to."""

    whose: str
    properties: Mapping[str, Json]
    required: tuple[str, ...] = ()
    definitions: Mapping[str, Json] = {}

    def within(self, free: frozenset[str]) -> Check:
        """What is asked of the variables in `free`: others are given by loops around the tag, or not used."""
        properties = {name: schema for name, schema in self.properties.items() if name in free}
        required = tuple(name for name in self.required if name in free)
        return msgspec.structs.replace(self, properties=properties, required=required)

    def asks_more(self, properties: Mapping[str, Json]) -> bool:
        """Whether it asks for anything that the including file's own variables do not promise word for word."""
        return bool(self.definitions) or any(properties.get(name) != one for name, one in self.properties.items())

    def schema(self) -> JsonObject:
        """As the schema of the variables' object."""
        made: JsonObject = {"type": "object", "properties": {**self.properties}, "required": [*self.required]}
        return {**made, "$defs": {**self.definitions}} if self.definitions else made


def properties_of(artifact: Artifact, inputs: Mapping[str, Json]) -> JsonObject:
    """The variables that an `inputs` schema declares. Raises ConfigError where it is not the schema of an object."""
    properties = as_object(inputs.get("properties", {}))
    if properties is None or inputs.get("type", "object") != "object":
        right = "type: object, properties: {product: {type: string}}, required: [product]"
        raise artifact.fault("inputs", "`inputs` is not the JSON Schema of an object", right)
    for name in required_of(inputs):
        if name not in properties:
            wrong = f"`{name}` is required and not declared: no call could ever give it"
            raise artifact.fault("inputs.required", wrong, f"add `{name}` to inputs.properties")
    return properties


def required_of(inputs: Mapping[str, Json]) -> tuple[str, ...]:
    """The variables that an `inputs` schema requires."""
    return tuple(name for name in as_list(inputs.get("required")) or [] if isinstance(name, str))


def partial_inputs(artifact: Artifact, inputs: Mapping[str, Json]) -> JsonObject:
    """The variables that a partial declares. Raises ConfigError.

    Only what can be asked of each variable by itself: those who include it have other variables beside.
    """
    for name in inputs:
        if name not in _OF_A_PARTIAL:
            right = "say it in the schema of a variable, or in the prompt"
            raise artifact.fault(f"inputs.{name}", f"the inputs of a partial have no `{name}`", right)
    properties = properties_of(artifact, inputs)
    check_schema(artifact, "inputs", inputs)
    return properties


def undeclared(free: Iterable[str], properties: Mapping[str, Json]) -> tuple[str, str] | None:
    """What is wrong, and what would be right, where a template uses a variable that is not declared."""
    names = sorted(set(free) - set(properties))
    if not names:
        return None
    return f"the template uses `{names[0]}`, which is not declared", f"add `{names[0]}` to inputs.properties"


def asked_by(artifact: Artifact, inputs: Mapping[str, Json], free: frozenset[str]) -> Check:
    """What a partial asks of the variables that its template uses."""
    definitions = as_object(inputs.get("$defs")) or {}
    whole = Check(str(artifact.ref), properties_of(artifact, inputs), required_of(inputs), definitions)
    return whole.within(free)


def check_needs(artifact: Artifact, inputs: Mapping[str, Json], checks: Iterable[Check]) -> None:
    """Raises ConfigError where a file's `inputs` cannot give what its partials ask for.

    So a prompt's own `inputs` name every variable that it takes, and which of them it cannot do without.
    """
    properties, required = properties_of(artifact, inputs), required_of(inputs)
    for check in checks:
        for name, schema in check.properties.items():
            if name not in properties:
                wrong = f"{check.whose} uses `{name}`, which is not declared"
                raise artifact.fault("inputs", wrong, f"add `{name}` to inputs.properties")
            if name in check.required and name not in required:
                wrong = f"{check.whose} needs `{name}`, which is optional here"
                raise artifact.fault("inputs", wrong, f"add `{name}` to inputs.required")
            if _apart(properties[name], schema):
                wrong = f"`{name}` can never be what {check.whose} asks for: the types differ"
                raise artifact.fault(f"inputs.properties.{name}", wrong, f"type: {', '.join(_types(schema))}")


def check_schema(artifact: Artifact, path: str, schema: Mapping[str, Json]) -> None:
    """Raises ConfigError where `schema`, at a dotted path of the file, is no valid JSON Schema or refers elsewhere."""
    try:
        jsonschema_rs.validator_for(dict(schema), retriever=refuse_to_fetch)
    except ValueError as error:
        abroad = _abroad(dict(schema), path)
        if abroad is not None:
            wrong = "`$ref` names another document, and none is ever fetched"
            right = "put the schema under `$defs` and say `$ref: '#/$defs/NAME'`"
            raise artifact.fault(abroad, wrong, right) from error
        raise artifact.fault(path, f"not a valid JSON Schema: {error}", "see json-schema.org") from error


def _abroad(schema: Json, path: str) -> str | None:
    """The dotted path of the first reference out of a schema; None where there is none."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            at = f"{path}.{key}"
            if key in _REFERENCES and isinstance(value, str) and not value.startswith("#"):
                return at
            if (found := _abroad(value, at)) is not None:
                return found
    elif isinstance(schema, list):
        for index, item in enumerate(schema):
            if (found := _abroad(item, f"{path}.{index}")) is not None:
                return found
    return None


def _apart(mine: Json, theirs: Json) -> bool:
    """True where both name types and have none in common."""
    ours, asked = ({"number" if one == "integer" else one for one in _types(schema)} for schema in (mine, theirs))
    return bool(ours and asked) and ours.isdisjoint(asked)


def _types(schema: Json) -> list[str]:
    told = (as_object(schema) or {}).get("type")
    return [told] if isinstance(told, str) else [one for one in as_list(told) or [] if isinstance(one, str)]
