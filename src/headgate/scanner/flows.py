"""The names under which values meet their uses, across functions and files."""

from __future__ import annotations

import ast

from headgate.scanner.names import dotted, last, origin
from headgate.scanner.site import Site

# attributes and functions of these names are too common to tell anything
GENERIC = frozenset({
    "content", "text", "value", "name", "get", "format", "join", "str", "read", "strip", "self", "data", "run", "_run",
    "call", "main", "execute", "process", "result", "output", "append", "items", "values", "keys", "open", "message",
    "__call__", "__init__", "__str__", "__repr__", "reset", "list", "dict", "len", "type", "description", "model", "id",
})  # fmt: skip


def keys_within(node: ast.expr, site: Site) -> set[str]:
    """Keys of every name, attribute and called function in an expression."""
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            found.add(site.key(inner.id))
        elif isinstance(inner, ast.Attribute) and inner.attr not in GENERIC:
            found.add(f".{inner.attr}")
            whole = origin(site.module, dotted(inner))
            if "?" not in whole and "(" not in whole:
                found.add(whole)
        elif isinstance(inner, ast.Call):
            word = last(dotted(inner.func))
            if word not in GENERIC:
                found.add(f"(){word}")
    return found


def target_keys(target: ast.expr, site: Site) -> list[str]:
    """Keys under which the value of an assignment's target is used; none for what is unpacked."""
    if isinstance(target, ast.Name):
        keys = [f".{target.id}"] if site.klass and not site.function else []
        return [*keys, site.key(target.id)]
    if isinstance(target, ast.Attribute):
        return [f".{target.attr}"] if target.attr not in GENERIC else []
    if isinstance(target, ast.Subscript | ast.Starred):
        return target_keys(target.value, site)
    return []
