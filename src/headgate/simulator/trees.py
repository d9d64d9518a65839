"""Reading JSON trees of unknown shape without surprises."""

from __future__ import annotations

from typing import TypeAlias, TypeGuard

import orjson

Tree: TypeAlias = "dict[str, object]"


def is_tree(value: object) -> TypeGuard[Tree]:
    """Whether the value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[object]]:
    """Whether the value is an array."""
    return isinstance(value, list)


def tree(value: object) -> Tree:
    """The value as an object; an empty one where it is something else."""
    return value if is_tree(value) else {}


def items(value: object) -> list[object]:
    """The value as an array; an empty one where it is something else."""
    return value if is_array(value) else []


def trees(value: object) -> list[Tree]:
    """The objects among an array's elements."""
    return [item for item in items(value) if is_tree(item)]


def text(value: object) -> str:
    """The value as a string; empty where it is something else."""
    return value if isinstance(value, str) else ""


def whole(value: object) -> int | None:
    """The value as an integer (booleans are none); None where it is something else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def dump(value: object) -> bytes:
    """Compact JSON bytes."""
    return orjson.dumps(value)


def deeper(value: object, most: int) -> bool:
    """Whether the tree is nested deeper than so many levels."""
    level: list[object] = [value]
    for _ in range(most):
        below: list[object] = []
        for one in level:
            below.extend(one.values() if is_tree(one) else one if is_array(one) else ())
        if not below:
            return False
        level = below
    return True


def strings(value: object) -> list[str]:
    """Every string value of a tree, depth first, keys left out. The input's depth is bounded by the JSON parser."""
    found: list[str] = []
    waiting: list[object] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            found.append(one)
        elif is_tree(one):
            waiting.extend(one.values())
        elif is_array(one):
            waiting.extend(one)
    return found
