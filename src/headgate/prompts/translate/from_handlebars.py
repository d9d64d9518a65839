"""Handlebars trees, as dotprompt uses them, to messages in our template language."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.core.types import JsonObject, as_object
from headgate.prompts.translate.draft import Given, is_variable
from headgate.prompts.translate.handlebars import Block, Call, Comment, Include, Node, Show, Text, Word
from headgate.prompts.translate.scope import Ref, Scope, resolve
from headgate.prompts.translate.text import TemplateText, literal

ROLES = {"system": "system", "user": "user", "model": "assistant", "assistant": "assistant"}
_TESTS = ("if", "unless", "ifEquals", "unlessEquals")
_HELPERS = ("json", "role", "history", "media", "section")


class Message(msgspec.Struct):
    """One message, and the line of the file that it begins at."""

    role: str
    text: str
    line: int


class Translated(msgspec.Struct):
    """Messages, the names of partials that they include, and what is to be said about it."""

    messages: list[Message]
    partials: list[str]
    remarks: list[str]


def translate(given: Given, nodes: Sequence[Node], inputs: JsonObject, first_line: int = 1) -> Translated:
    """The messages of a template whose variables are those of a JSON Schema. Raises ConfigError."""
    return _Translator(given, inputs).messages(nodes, first_line)


class _Translator:
    def __init__(self, given: Given, inputs: JsonObject) -> None:
        self._given = given
        self._inputs = inputs
        self._partials: dict[str, None] = {}
        self._remarks: list[str] = []
        self._out = TemplateText()

    def messages(self, nodes: Sequence[Node], first_line: int) -> Translated:
        """Split at `role`: what comes before the first is the user's."""
        found: list[Message] = []
        role, line = "user", first_line
        history: Call | None = None
        told = 0  # messages before the history
        for node in nodes:
            name = node.call.name.text if isinstance(node, Show) else ""
            if isinstance(node, Show) and name == "role":
                self._close(found, role, line)
                role, line = self._role(node.call), node.call.line
            elif isinstance(node, Show) and name == "history":
                self._close(found, role, line)
                history, told, role, line = node.call, len(found), "assistant", node.call.line
            else:
                self._node(node, Scope(None, self._inputs))
        self._close(found, role, line)
        if history is not None and len(found) > told:
            right = "end with `{{history}}`: the client's messages follow those of the prompt"
            raise self._given.fault(history.line, "messages after `{{history}}`", right)
        return Translated(found, list(self._partials), self._remarks)

    def _close(self, found: list[Message], role: str, line: int) -> None:
        text = str(self._out)
        self._out = TemplateText()
        if text.strip():
            found.append(Message(role, text, line))

    def _role(self, call: Call) -> str:
        wanted = call.parameters[0].value if call.parameters else None
        role = ROLES.get(wanted) if isinstance(wanted, str) else None
        if role is None:
            raise self._given.fault(call.line, f"no message has the role `{wanted}`", "system, user or model")
        return role

    def _nodes(self, nodes: Sequence[Node], scope: Scope) -> None:
        for node in nodes:
            self._node(node, scope)

    def _node(self, node: Node, scope: Scope) -> None:
        if isinstance(node, Text):
            self._out.text(node.text)
        elif isinstance(node, Comment):
            if node.text:
                self._out.block("{# " + node.text.replace("#}", "# }") + " #}")
        elif isinstance(node, Show):
            self._show(node.call, scope)
        elif isinstance(node, Include):
            self._include(node.call)
        elif node.call.name.text == "each":
            self._each(node, scope)
        else:
            self._test(node, scope)

    def _show(self, call: Call, scope: Scope) -> None:
        name = call.name.text
        if not call.parameters and not call.named and name not in _HELPERS:
            self._out.block("{{ " + self._said(call.name, scope, call.line, shown=True) + " }}")
        elif name == "json" and len(call.parameters) == 1 and not call.named:
            self._out.block("{{ " + self._said(call.parameters[0], scope, call.line) + "|tojson }}")
        elif name == "section":
            where = self._given.fault(call.line, "", "").where
            self._remarks.append(f"{where}: `section` left out: a declared output is told to the provider here")
        else:
            raise self._given.fault(call.line, *_refusal(name))

    def _said(self, word: Word, scope: Scope, line: int, shown: bool = False) -> str:
        if word.literal:
            return literal(word.value)
        ref = resolve(self._given, word.text, scope, line)
        return ref.shown() if shown else ref.tested()

    def _include(self, call: Call) -> None:
        other = [name for name, word in call.named if word.text != name] + [word.text for word in call.parameters]
        if other:
            right = "let it use variables of the prompt by their own names"
            raise self._given.fault(call.line, f"`{call.name.text}` is given `{other[0]}`", right)
        self._partials[call.name.text] = None
        self._out.block('{% include "' + call.name.text + '" %}')

    def _test(self, block: Block, scope: Scope) -> None:
        self._out.block("{% if " + self._condition(block.call, scope) + " %}")
        self._nodes(block.inside, scope)
        otherwise = block.otherwise
        while otherwise is not None:
            only = otherwise[0] if len(otherwise) == 1 else None
            if isinstance(only, Block) and only.call.name.text in _TESTS:
                self._out.block("{% elif " + self._condition(only.call, scope) + " %}")
                self._nodes(only.inside, scope)
                otherwise = only.otherwise
            else:
                self._out.block("{% else %}")
                self._nodes(otherwise, scope)
                break
        self._out.block("{% endif %}")

    def _condition(self, call: Call, scope: Scope) -> str:
        name = call.name.text
        wanted = 2 if name.endswith("Equals") else 1
        if name not in _TESTS:
            right = f"one of: {', '.join(_TESTS)}, each"
            raise self._given.fault(call.line, f"blocks of `{name}` are not translated", right)
        if len(call.parameters) != wanted or call.named:
            raise self._given.fault(
                call.line, f"`{name}` takes {wanted} values", "{{#" + name + " a" + " b" * (wanted - 1) + "}}"
            )
        said = [self._said(word, scope, call.line) for word in call.parameters]
        if wanted == 2:
            return (" == " if name == "ifEquals" else " != ").join(said)
        if name == "if":
            return said[0]
        return f"not {said[0]}" if is_variable(said[0]) else f"not ({said[0]})"

    def _each(self, block: Block, scope: Scope) -> None:
        call = block.call
        if len(call.parameters) != 1 or call.parameters[0].literal:
            raise self._given.fault(call.line, "`each` takes one list", "{{#each items}}")
        ref = resolve(self._given, call.parameters[0].text, scope, call.line)
        fields = "object" in ref.kinds
        item = self._free(call.names[0] if call.names else _singular(call.parameters[0].text), scope)
        named = {call.names[0]: Ref(item, _item(ref))} if call.names else {}
        key: Ref | None = None
        if fields:
            key = Ref(self._free(call.names[1] if len(call.names) > 1 else "key", scope), {"type": "string"})
            looped = ref.looped().replace("default([], true)", "default({}, true)")
            self._out.block("{% for " + f"{key.said}, {item} in {looped}|items" + " %}")
        else:
            self._out.block("{% for " + f"{item} in {ref.looped()}" + " %}")
        if len(call.names) > 1:
            named[call.names[1]] = key or Ref("loop.index0", {"type": "integer"})
        inner = Scope(Ref(item, _item(ref)), self._inputs, scope, key, {**scope.given, **named})
        self._nodes(block.inside, inner)
        if block.otherwise is not None:
            self._out.block("{% else %}")
            self._nodes(block.otherwise, scope)
        self._out.block("{% endfor %}")

    def _free(self, name: str, scope: Scope) -> str:
        """A name for what a loop gives, that hides no other."""
        taken = set(as_object(self._inputs.get("properties")) or {})
        above: Scope | None = scope
        while above is not None:
            taken |= {ref.said for ref in (above.this, above.key) if ref is not None}
            above = above.above
        base = name if is_variable(name) else "item"
        return next(one for one in (base, *(f"{base}_{count}" for count in range(2, 100))) if one not in taken)


def _item(ref: Ref) -> JsonObject:
    inner = ref.schema.get("additionalProperties" if "object" in ref.kinds else "items")
    return as_object(inner) or {}


def _singular(path: str) -> str:
    name = path.replace("/", ".").split(".")[-1]
    return name[:-1] if name.endswith("s") and len(name) > 1 else "item"


def _refusal(name: str) -> tuple[str, str]:
    if name in ("role", "history"):
        return f"`{name}` inside a block", "say the message always, or make two prompts"
    if name == "media":
        return "prompts hold text, and `media` none", "the application sends media in a message of its own"
    if name == "json":
        return "`json` takes one value and nothing beside it", "{{json order}}"
    return f"no helper `{name}`", f"one of: {', '.join(_HELPERS)}, {', '.join(_TESTS)}, each"


def inferred(nodes: Sequence[Node]) -> JsonObject:
    """The variables of a template that declares none: those that it tests may be missing, the others are required."""
    found: dict[str, str] = {}
    _collect(nodes, found, top=True)
    kinds: dict[str, JsonObject] = {"list": {"type": "array"}, "tested": {}, "shown": {}}
    properties: JsonObject = {name: kinds[kind] for name, kind in found.items()}
    required = [name for name, kind in found.items() if kind != "tested"]
    schema: JsonObject = {"type": "object", "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def _collect(nodes: Sequence[Node], found: dict[str, str], top: bool) -> None:
    for node in nodes:
        if isinstance(node, Block):
            name = node.call.name.text
            for word in node.call.parameters:
                _note(word, found, "list" if name == "each" else "tested", top)
            _collect(node.inside, found, top and name != "each")
            _collect(node.otherwise or [], found, top)
        elif isinstance(node, Show):
            called = (
                node.call.parameters if node.call.parameters or node.call.name.text in _HELPERS else (node.call.name,)
            )
            for word in called:
                _note(word, found, "shown", top)


def _note(word: Word, found: dict[str, str], kind: str, top: bool) -> None:
    path = word.text.removeprefix("@root.") if word.text.startswith("@root.") else word.text
    rooted = top or path != word.text
    if word.literal or not rooted or path.startswith((".", "@", "this")):
        return
    name, *rest = path.replace("/", ".").split(".")
    kind = "shown" if rest and kind == "list" else kind
    if found.get(name) != "tested" or kind == "tested":
        found[name] = "tested" if kind == "tested" else found.get(name, kind)
