"""Google's OpenAPI-flavoured schemas as JSON Schema: what one accepts and refuses, so does the other."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from headgate.core.errors import InvalidRequest
from headgate.dialects.google_schema import to_json_schema


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "STRING"}, ["x"], [1, None]),
        ({"type": "string", "nullable": True}, ["x", None], [1]),
        ({"type": "INTEGER", "minimum": 1, "maximum": 3}, [1, 3], [0, 4, 1.5]),
        ({"type": "STRING", "enum": ["a", "b"]}, ["a"], ["c"]),
        ({"type": "STRING", "enum": ["a"], "nullable": True}, ["a", None], ["c"]),
        ({"type": "ARRAY", "items": {"type": "NUMBER"}, "minItems": "1", "max_items": 2},
         [[1], [1.5, 2]], [[], [1, 2, 3], ["x"]]),
        ({"anyOf": [{"type": "STRING"}, {"type": "BOOLEAN"}]}, ["x", True], [1]),
        ({"any_of": [{"type": "STRING"}], "nullable": True}, ["x", None], [1]),
        ({"type": "OBJECT", "properties": {"type": {"type": "STRING"}, "max_items": {"type": "INTEGER"}},
          "required": ["type"], "additional_properties": False},
         [{"type": "x"}, {"type": "x", "max_items": 1}], [{}, {"type": 1}, {"type": "x", "maxItems": 1}]),
        ({"type": "OBJECT", "additionalProperties": {"type": "STRING"}}, [{"a": "x"}], [{"a": 1}]),
        ({"type": "OBJECT", "defs": {"pet": {"type": "STRING"}}, "properties": {"p": {"ref": "#/defs/pet"}}},
         [{"p": "x"}], [{"p": 1}]),
        ({"type": "TYPE_UNSPECIFIED"}, ["x", 1], []),
    ],
)  # fmt: skip
def test_the_same_values_pass(schema: Any, good: list[Any], bad: list[Any]) -> None:
    validator = jsonschema_rs.validator_for(to_json_schema(schema, "parameters"))
    assert [value for value in good if not validator.is_valid(value)] == []
    assert [value for value in bad if validator.is_valid(value)] == []


def test_order_and_example_are_kept_in_json_schemas_words() -> None:
    schema: Any = {
        "type": "OBJECT",
        "properties": {"a": {"type": "STRING", "example": "x"}, "b": {"type": "STRING"}},
        "propertyOrdering": ["b"],
    }
    out: Any = to_json_schema(schema, "parameters")
    assert list(out["properties"]) == ["b", "a"]
    assert out["properties"]["a"] == {"type": "string", "examples": ["x"]}
    assert "propertyOrdering" not in out
    assert schema["properties"]["a"]["example"] == "x"  # what came in is not touched


@pytest.mark.parametrize(
    "schema", ["STRING", {"type": "ARRAY", "items": "STRING"}, {"type": "OBJECT", "properties": {"a": 5}}]
)
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        to_json_schema(schema, "parameters")
    assert (caught.value.param or "").startswith("parameters")
