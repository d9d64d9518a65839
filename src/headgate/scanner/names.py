"""Names in a module: what an import means, what a dotted expression says."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath

import msgspec

DEPTH_MAX = 32


class Module(msgspec.Struct):
    """What is known of one file before it is read. `imports` maps a local name to the dotted name it stands for."""

    path: str
    name: str
    package: str
    lines: list[str]
    imports: dict[str, str] = {}
    roots: frozenset[str] = frozenset()


def module_of(path: str, source: str, tree: ast.Module) -> Module:
    """The module of a parsed file. `path` is relative, with `/`."""
    parts = list(PurePosixPath(path).with_suffix("").parts)
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    package = name if is_package else ".".join(parts[:-1])
    imports: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                imports[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            for alias in node.names:
                imports[alias.asname or alias.name] = f"{base}.{alias.name}" if base else alias.name
    roots = frozenset(origin.partition(".")[0] for origin in imports.values())
    return Module(path, name, package, source.split("\n"), imports, roots)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def dotted(node: ast.AST, depth: int = 0) -> str:
    """`self.client.chat` of an expression; `OpenAI().chat` where something is called on the way, `?` for the rest."""
    if isinstance(node, ast.Name):
        return node.id
    if depth > DEPTH_MAX:
        return "?"
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, depth + 1)}.{node.attr}"
    if isinstance(node, ast.Call):
        return f"{dotted(node.func, depth + 1)}()"
    if isinstance(node, ast.Subscript):
        return f"{dotted(node.value, depth + 1)}[]"
    if isinstance(node, ast.Await):
        return dotted(node.value, depth + 1)
    return "?"


def origin(module: Module, name: str) -> str:
    """A dotted name with its first word replaced by what the import says it is."""
    first, dot, rest = name.partition(".")
    called = first.endswith("()")
    meant = module.imports.get(first.removesuffix("()"))
    if meant is None:
        return name
    return f"{meant}{'()' if called else ''}{dot}{rest}"


def column_of(line: str, offset: int) -> int:
    """The column, in characters from 1, of a byte offset in a line's UTF-8, as parsers count."""
    return offset + 1 if line.isascii() else len(line.encode(errors="replace")[:offset].decode(errors="replace")) + 1


def last(name: str) -> str:
    """The last word of a dotted name, without a call."""
    return name.rpartition(".")[2].removesuffix("()")
