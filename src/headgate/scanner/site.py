"""Where an expression stands: its module, class, function, and what it is used for. And reading text there."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping

import msgspec

from headgate.scanner.names import Module, dotted, last, origin
from headgate.scanner.text import Hole, Text, changed, joined, split_format

DEPTH_MAX = 12
Function = ast.FunctionDef | ast.AsyncFunctionDef
Locals = Mapping[str, list[ast.expr]]
_KEEP: dict[str, Callable[[str], str]] = {
    "strip": str.strip, "lstrip": str.lstrip, "rstrip": str.rstrip, "dedent": textwrap.dedent,
    "cleandoc": inspect.cleandoc, "str": str,
}  # fmt: skip
_STRIPS = frozenset({"strip", "lstrip", "rstrip"})


class Site(msgspec.Struct, frozen=True):
    """The surroundings of an expression.

    `slot` is what it is assigned to, passed as or returned from; `callee` whose argument it is (dotted); `keys` the
    names under which its value is used elsewhere; `inside` the kind of place around it; `silent` whether text here is
    for people. `module_texts` are the short texts of the module's constants and attributes.
    """

    module: Module
    klass: str = ""
    function: str = ""
    local: Locals = {}
    module_texts: Mapping[str, str] = {}
    slot: str = ""
    callee: str = ""
    keys: tuple[str, ...] = ()
    inside: str = ""
    silent: bool = False

    def at(self, **changes: object) -> Site:
        """The same surroundings but for what is named."""
        return msgspec.structs.replace(self, **changes)

    def key(self, name: str) -> str:
        """The key of a plain name, under which values and uses meet."""
        if name in self.local:
            return f"{self.module.name}:{self.function}:{name}"
        return self.module.imports.get(name) or f"{self.module.name}.{name}"

    def ref(self, name: str) -> str:
        """The dotted name of the module constant that a name means; empty for a local variable."""
        return (
            "" if name in self.local else origin(self.module, name) if name in self.module.imports else self.key(name)
        )


def assigned(function: Function) -> dict[str, list[ast.expr]]:
    """Every value that a function's own body gives to a name; parameters have none. Nested functions are left out."""
    out: dict[str, list[ast.expr]] = {}
    arguments = function.args
    for parameter in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        out[parameter.arg] = []
    for node in _own(function.body):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                _give(out, target, node.value)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
            if node.value is not None:
                _give(out, node.target, node.value)
        elif isinstance(node, ast.For | ast.AsyncFor):
            _give(out, node.target, node.iter, unpacked=True)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            _give(out, node.optional_vars, node.context_expr)
    return out


def _give(out: dict[str, list[ast.expr]], target: ast.expr, value: ast.expr, unpacked: bool = False) -> None:
    if isinstance(target, ast.Name):
        values = out.setdefault(target.id, [])
        values.append(ast.Subscript(value, ast.Constant(0)) if unpacked else value)
    elif isinstance(target, ast.Tuple | ast.List):
        for item in target.elts:
            _give(out, item, value, unpacked=True)


def _own(body: list[ast.stmt]) -> Iterator[ast.AST]:
    queue: list[ast.AST] = list(body)
    while queue:
        node = queue.pop()
        yield node
        if not isinstance(node, Function | ast.ClassDef | ast.Lambda):
            queue.extend(ast.iter_child_nodes(node))


def read_text(node: ast.expr, site: Site, depth: int = 0) -> Text | None:
    """The text that an expression spells out, at least in part; None where no literal is in it."""
    if depth > DEPTH_MAX:
        return None
    if isinstance(node, ast.Constant):
        return Text((node.value,)) if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return joined([Text((), True), *(_piece(value, site, depth) for value in node.values)])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _sum(node, site, depth)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        left = read_text(node.left, site, depth + 1)
        return None if left is None else joined([left, Text((), True)])
    if isinstance(node, ast.Call):
        return _call(node, site, depth)
    return None


def resolved(node: ast.expr, site: Site) -> Text:
    """The text of an expression, a plain name followed to its one value in the function; else a hole of its name."""
    values = site.local.get(node.id, []) if isinstance(node, ast.Name) else []
    if len(values) == 1:
        found = read_text(values[0], site)
        if found is not None:
            return found
    return read_text(node, site) or Text((hole(node, site),))


def hole(node: ast.expr, site: Site) -> Hole:
    """The variable that stands for an expression in a text."""
    if isinstance(node, ast.Name):
        return Hole(node.id, site.ref(node.id))
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return Hole(_word(node.slice.value))
    name = dotted(node)
    if isinstance(node, ast.Attribute):
        return Hole(_word(node.attr), "" if name.startswith("self.") or "(" in name else origin(site.module, name))
    return Hole(_word(last(name)))


def _word(name: str) -> str:
    word = "".join(sign if sign.isalnum() else "_" for sign in name.strip("?[]()")).strip("_")
    return word if word.isidentifier() else "value"


def _piece(node: ast.expr, site: Site, depth: int) -> Text:
    if isinstance(node, ast.FormattedValue):
        inner = read_text(node.value, site, depth + 1) if isinstance(node.value, ast.Constant | ast.JoinedStr) else None
        return inner or Text((hole(node.value, site),), True)
    return read_text(node, site, depth + 1) or Text()


def _sum(node: ast.BinOp, site: Site, depth: int) -> Text | None:
    """A chain of `+`, however long: it nests to the left."""
    chain: list[ast.expr] = []
    at: ast.expr = node
    while isinstance(at, ast.BinOp) and isinstance(at.op, ast.Add):
        chain.append(at.right)
        at = at.left
    chain.append(at)
    texts = [(item, read_text(item, site, depth + 1)) for item in reversed(chain)]
    if all(text is None for _, text in texts):
        return None
    return joined([text if text is not None else Text((hole(item, site),)) for item, text in texts])


def _call(node: ast.Call, site: Site, depth: int) -> Text | None:
    name = last(dotted(node.func))
    if isinstance(node.func, ast.Attribute) and name == "format":
        inner = read_text(node.func.value, site, depth + 1)
        filled = split_format(inner.plain()) if inner is not None and not inner.formatted else None
        return filled if filled is not None else inner
    if isinstance(node.func, ast.Attribute) and name == "join" and len(node.args) == 1:
        return _join(node.func.value, node.args[0], site, depth)
    if name in _KEEP:
        on_text = isinstance(node.func, ast.Attribute) and name in _STRIPS
        subject = node.func.value if on_text and isinstance(node.func, ast.Attribute) else next(iter(node.args), None)
        inner = read_text(subject, site, depth + 1) if subject is not None else None
        return None if inner is None else changed(inner, _KEEP[name])
    return None


def _join(between: ast.expr, items: ast.expr, site: Site, depth: int) -> Text | None:
    glue = read_text(between, site, depth + 1)
    if glue is None or not isinstance(items, ast.List | ast.Tuple) or not items.elts:
        return None
    texts = [read_text(item, site, depth + 1) for item in items.elts]
    if all(text is None for text in texts):
        return None
    pieces: list[Text] = []
    for item, text in zip(items.elts, texts, strict=True):
        pieces += [glue, text if text is not None else Text((hole(item, site),), True)]
    return joined(pieces[1:])
