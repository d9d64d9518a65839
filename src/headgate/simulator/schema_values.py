"""Makes a value that satisfies a JSON Schema: the simulator's tool arguments and structured answers.

Reads JSON Schema and Google's OpenAPI flavour alike (upper-case types, `nullable`, `ref` into `defs`). A `pattern` is
met where one of a few common strings matches it.
"""

from __future__ import annotations

import random
import re

from headgate.simulator.trees import Tree, is_array, items, text, tree, trees, whole

_DEPTH_MAX = 8
_ITEMS_MAX = 3
_FORMATS = {
    "date": "2026-11-25",
    "date-time": "2026-11-25T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT5M",
    "email": "ada@example.com",
    "uri": "https://example.com/item",
    "url": "https://example.com/item",
    "hostname": "example.com",
    "ipv4": "192.0.2.7",
    "ipv6": "2001:db8::7",
    "uuid": "3f2b8c1e-5d4a-4e6f-8a9b-0c1d2e3f4a5b",
}
_CANDIDATES = ("sample", "SAMPLE", "7", "42", "123", "2026", "12345", "A1", "AB-123", "a-b", "USD", "en", "+4915112345")
_OPENINGS = ("allOf", "anyOf", "any_of", "oneOf")


class Maker:
    """Makes values for one root schema. The same schema, mark and words give the same value."""

    def __init__(self, root: Tree, mark: str, words: list[str]) -> None:
        self._root = root
        self._random = random.Random(mark)
        self._words = words or ["sample"]

    def make(self) -> object:
        """A value for the root schema."""
        return self._value(self._root, 0)

    def _value(self, schema: Tree, depth: int) -> object:
        schema = self._opened(schema, depth)
        if "const" in schema:
            return schema["const"]
        if choices := items(schema.get("enum")):
            return self._random.choice([one for one in choices if one is not None] or choices)
        kind = self._kind(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind in ("integer", "number"):
            return self._number(schema, kind)
        if kind == "boolean":
            return self._random.random() < 0.5
        return None if kind == "null" else self._string(schema)

    def _opened(self, schema: Tree, depth: int) -> Tree:
        """The schema with its reference followed and its alternatives decided; plain ones come back as they are."""
        for _ in range(_DEPTH_MAX):
            reference = text(schema.get("$ref") or schema.get("ref"))
            key = next((name for name in _OPENINGS if trees(schema.get(name))), "")
            if reference.startswith("#"):
                schema = self._followed(reference)
            elif key == "allOf":
                schema = _merged(trees(schema[key]), schema)
            elif key:
                schema = self._chosen(trees(schema[key]), depth)
            else:
                break
        return schema

    def _followed(self, reference: str) -> Tree:
        node: object = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if step:
                node = tree(node).get(step.replace("~1", "/").replace("~0", "~"))
        return tree(node)

    def _chosen(self, choices: list[Tree], depth: int) -> Tree:
        """The first alternative that is not null; where it gets deep, a null or a leaf ends the recursion."""
        real = [one for one in choices if _word(one.get("type")) != "null"]
        if depth < _DEPTH_MAX // 2 and real:
            return real[0]
        leaves = [one for one in choices if _word(one.get("type")) not in ("object", "array", "")]
        return (leaves or choices)[-1]

    def _kind(self, schema: Tree) -> str:
        given = schema.get("type")
        names = [_word(one) for one in given] if is_array(given) else [_word(given)]
        kind = next((name for name in names if name and name != "null"), names[0] if names else "")
        if kind:
            return kind
        return "object" if "properties" in schema else "array" if "items" in schema else "string"

    def _object(self, schema: Tree, depth: int) -> Tree:
        required = {text(name) for name in items(schema.get("required"))}
        made: Tree = {}
        for name, inner in tree(schema.get("properties")).items():
            if name in required or depth < _DEPTH_MAX // 2:
                made[name] = self._value(tree(inner), depth + 1) if depth < _DEPTH_MAX * 2 else None
        return made

    def _array(self, schema: Tree, depth: int) -> list[object]:
        least = whole(schema.get("minItems")) or 0
        most = whole(schema.get("maxItems"))
        count = 0 if depth >= _DEPTH_MAX // 2 else self._random.randint(1, _ITEMS_MAX)
        count = max(count if most is None else min(count, most), least)
        inner = tree(schema.get("items"))
        return [self._value(inner, depth + 1) for _ in range(count)]

    def _number(self, schema: Tree, kind: str) -> int | float:
        low, high = _figure(schema.get("minimum")), _figure(schema.get("maximum"))
        above, below = _figure(schema.get("exclusiveMinimum")), _figure(schema.get("exclusiveMaximum"))
        step = _figure(schema.get("multipleOf")) or 1
        start = low if low is not None else above + step if above is not None else None
        end = high if high is not None else below - step if below is not None else None
        if start is None:
            start = 1 if end is None or end >= 1 else end
        start = -(-start // step) * step
        room = 20 if end is None else max(int((end - start) // step), 0)
        made = start + step * self._random.randint(0, min(room, 20))
        return int(made) if kind == "integer" else float(made)

    def _string(self, schema: Tree) -> str:
        if (known := _FORMATS.get(text(schema.get("format")))) is not None:
            return known
        word = self._random.choice(self._words)
        if pattern := text(schema.get("pattern")):
            fitting = (one for one in (word, *_CANDIDATES) if _matches(pattern, one))
            return next(fitting, word)
        least, most = whole(schema.get("minLength")) or 0, whole(schema.get("maxLength"))
        word = word.ljust(least, "x")
        return word if most is None else word[:most]


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return False


def _word(value: object) -> str:
    return text(value).lower()


def _figure(value: object) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _merged(parts: list[Tree], schema: Tree) -> Tree:
    """allOf as one schema: properties and required lists are joined, other keywords taken from the last that says."""
    whole_schema: Tree = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        properties = {**tree(whole_schema.get("properties")), **tree(part.get("properties"))}
        required = [*items(whole_schema.get("required")), *items(part.get("required"))]
        whole_schema = {**whole_schema, **part}
        if properties:
            whole_schema["properties"] = properties
        if required:
            whole_schema["required"] = required
    return whole_schema
