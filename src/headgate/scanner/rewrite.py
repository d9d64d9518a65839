"""Rewrites calls so that a registered prompt takes the place of the text in code. Needs the extra `scan`.

Only what is certainly the same is rewritten: `chat.completions.create` with its messages spelled out in the call. The
leading messages whose text the prompt file holds are taken out, the model becomes the prompt's app, and variables
travel in `extra_body`. Formatting and comments outside the call's changed arguments stay as they are.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from typing import cast

import libcst as cst
import msgspec
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from headgate.scanner.extract import Extracted, variable_name
from headgate.scanner.names import Module
from headgate.scanner.site import Site, hole
from headgate.scanner.text import Hole

_NOWHERE = Site(Module("", "", "", []))


class Kept(msgspec.Struct, frozen=True):
    """A place that is left as it is, and why. `line` from 1."""

    line: int
    why: str


class Rewritten(msgspec.Struct, frozen=True):
    """The new source, how many calls changed, and what was left."""

    source: str
    calls: int
    kept: list[Kept]


def rewritten(source: str, prompts: Sequence[Extracted]) -> Rewritten:
    """The source with every call rewritten that can be. `prompts` are those extracted from this file.

    Raises ValueError where the source cannot be parsed.
    """
    try:
        wrapper = MetadataWrapper(cst.parse_module(source))
        tree = ast.parse(source)
    except (cst.ParserSyntaxError, SyntaxError, RecursionError) as error:
        raise ValueError("cannot be parsed") from error
    change = _Change(prompts, _once(tree))
    made = wrapper.visit(change)
    kept = [Kept(one.finding.line, _left_why(one)) for one in prompts if one.name not in change.done | change.told]
    return Rewritten(made.code, len(change.done), sorted([*change.kept, *kept], key=lambda one: one.line))


def _left_why(one: Extracted) -> str:
    if one.finding.kind == "template":
        return "the library renders its template itself: point its model at Headgate, which knows the text again"
    if one.finding.kind == "signature":
        return "DSPy writes the prompt itself: point its model at Headgate"
    if one.finding.kind == "messages":
        return "the messages do not stand in a call of `chat.completions.create`"
    return "the text does not stand in a call: pass its variables to the call that uses it"


def _once(tree: ast.Module) -> set[str]:
    """Names that are given a value once in the whole file, parameters included."""
    given = Counter(
        node.arg if isinstance(node, ast.arg) else node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load))
    )
    return {name for name, count in given.items() if count == 1}


class _Refused(Exception):
    """The call cannot be rewritten; the message says why."""


class _Change(cst.CSTTransformer):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, prompts: Sequence[Extracted], once: set[str]) -> None:
        super().__init__()
        self.once = once
        self.prompts = {(p.finding.line, p.finding.column): p for p in prompts if p.finding.kind == "messages"}
        self.done: set[str] = set()
        self.told: set[str] = set()
        self.kept: list[Kept] = []
        self.constants: dict[str, cst.BaseExpression] = {}

    def visit_Module(self, node: cst.Module) -> None:  # noqa: N802 - libcst's name
        """Module constants that nothing else is named like."""
        for statement in node.body:
            for small in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
                if isinstance(small, cst.Assign) and isinstance(small.targets[0].target, cst.Name):
                    name = small.targets[0].target.value
                    if name in self.once:
                        self.constants[name] = small.value

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:  # noqa: N802
        """The call, changed where its messages are those of an extracted prompt."""
        value = _argument(original_node, "messages")
        if value is None:
            return updated_node
        start = cast("CodeRange", self.get_metadata(PositionProvider, value.value)).start
        prompt = self.prompts.get((start.line, start.column + 1))
        if prompt is None:
            return updated_node
        try:
            made = self.changed(updated_node, prompt)
        except _Refused as refused:
            self.told.add(prompt.name)
            self.kept.append(Kept(start.line, str(refused)))
            return updated_node
        self.done.add(prompt.name)
        return made

    def changed(self, node: cst.Call, prompt: Extracted) -> cst.Call:
        """The rewritten call. Raises _Refused."""
        if not _dotted(node.func).endswith("chat.completions.create"):
            raise _Refused("only calls of `chat.completions.create` are rewritten")
        if any(argument.star or argument.keyword is None for argument in node.args):
            raise _Refused("the call has arguments that are not named")
        if _argument(node, "extra_body") is not None:
            raise _Refused("the call has an `extra_body` of its own")
        model, messages = _argument(node, "model"), _argument(node, "messages")
        if model is None or messages is None or not isinstance(messages.value, cst.List):
            raise _Refused("the call does not name its model and list its messages")
        count = len(prompt.pieces)
        elements = messages.value.elements
        if any(not isinstance(element, cst.Element) for element in elements[:count]):
            raise _Refused("a list is unpacked among the messages of the prompt")
        if len(elements) <= count:
            raise _Refused("no message would be left: let the application send the user's words as a message")
        values = self.values(elements[:count])
        if set(values) != set(prompt.variables):
            raise _Refused("the text is put together from more than this call shows")
        rest = messages.value.with_changes(elements=elements[count:])
        arguments = [_with(a, prompt.name, rest) for a in node.args]
        return node.with_changes(args=_extended(arguments, values) if values else arguments)

    def values(self, elements: Sequence[cst.BaseElement]) -> dict[str, str]:
        """The source of every variable's value, as text. Raises _Refused."""
        out: dict[str, str] = {}
        for element in elements:
            content = _content(element.value)
            if content is None:
                raise _Refused("a message is not a dictionary with its content spelled out")
            for name, value in self.holes(content):
                if out.setdefault(name, value) != value:
                    raise _Refused(f"two values would both be named `{name}`")
        return out

    def holes(self, node: cst.BaseExpression) -> list[tuple[str, str]]:
        """(name, source of the value) of every variable in a text. Raises _Refused."""
        if isinstance(node, cst.SimpleString):
            return []
        if isinstance(node, cst.ConcatenatedString):
            return [*self.holes(node.left), *self.holes(node.right)]
        if isinstance(node, cst.Name) and node.value in self.constants:
            constant = self.constants[node.value]
            if isinstance(constant, cst.SimpleString | cst.ConcatenatedString) and not self.holes(constant):
                return []
        if isinstance(node, cst.FormattedString):
            parts = [part for part in node.parts if isinstance(part, cst.FormattedStringExpression)]
            return [_value(part) for part in parts]
        raise _Refused("the text is computed, or defined elsewhere")


def _value(part: cst.FormattedStringExpression) -> tuple[str, str]:
    source = cst.Module([]).code_for_node(part.expression)
    if '"' in source or "\\" in source or "\n" in source or part.equal is not None:
        raise _Refused("a value in the text is too involved to be moved")
    plain: Hole = hole(ast.parse(source, mode="eval").body, _NOWHERE)
    whole = cst.Module([]).code_for_node(part).strip()
    if '"' in whole or "\n" in whole:
        raise _Refused("a value in the text is too involved to be moved")
    formatted = part.conversion is not None or part.format_spec is not None
    return variable_name(plain.name), f'f"{whole}"' if formatted else f"str({source})"


def _argument(node: cst.Call, name: str) -> cst.Arg | None:
    return next((a for a in node.args if a.keyword is not None and a.keyword.value == name), None)


def _dotted(node: cst.BaseExpression) -> str:
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else "?"


def _content(node: cst.BaseExpression) -> cst.BaseExpression | None:
    """The content of `{"role": ..., "content": ...}` with exactly these two."""
    if not isinstance(node, cst.Dict) or len(node.elements) != 2:
        return None
    found: dict[object, cst.BaseExpression] = {}
    for element in node.elements:
        if isinstance(element, cst.DictElement) and isinstance(element.key, cst.SimpleString):
            found[element.key.evaluated_value] = element.value
    return found.get("content") if isinstance(found.get("role"), cst.SimpleString) else None


def _with(argument: cst.Arg, app: str, messages: cst.List) -> cst.Arg:
    assert argument.keyword is not None
    if argument.keyword.value == "model":
        return argument.with_changes(value=cst.SimpleString(f'"{app}"'))
    return argument.with_changes(value=messages) if argument.keyword.value == "messages" else argument


def _extended(arguments: list[cst.Arg], values: dict[str, str]) -> list[cst.Arg]:
    """The arguments and `extra_body`, laid out as the ones before it."""
    fields = ", ".join(f'"{name}": {value}' for name, value in values.items())
    body = cst.parse_expression(f'{{"headgate": {{"variables": {{{fields}}}}}}}')
    between = next((_bare(a.comma) for a in arguments if isinstance(a.comma, cst.Comma)), None)
    between = between or cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    last = arguments[-1]
    equal = last.equal if isinstance(last.equal, cst.AssignEqual) else cst.AssignEqual()
    added = cst.Arg(body, keyword=cst.Name("extra_body"), equal=equal, comma=last.comma)
    added = added.with_changes(whitespace_after_arg=last.whitespace_after_arg)
    return [*arguments[:-1], last.with_changes(comma=between, whitespace_after_arg=cst.SimpleWhitespace("")), added]


def _bare(comma: cst.Comma) -> cst.Comma:
    """The comma and the white space behind it, without a comment."""
    space = comma.whitespace_after
    if isinstance(space, cst.ParenthesizedWhitespace):
        first = space.first_line.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))
        space = space.with_changes(first_line=first, empty_lines=[])
    return comma.with_changes(whitespace_after=space)
