"""Reads one JavaScript or TypeScript file: SDK calls, messages, templates, prompts. Needs the extra `scan`."""

from __future__ import annotations

import msgspec
import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

from headgate.scanner.finding import Confidence, Draft, Kind, Message, Prompt, Skipped
from headgate.scanner.gathered import Candidate, Gathered, lines_in
from headgate.scanner.keys import keys_in
from headgate.scanner.messages import ROLES
from headgate.scanner.names import column_of
from headgate.scanner.quiet import quiet_argument, quiet_call, soft_sink
from headgate.scanner.script_calls import Found, Modules, recognised
from headgate.scanner.script_text import arguments, bare, chain, code, fields, hole, read_text
from headgate.scanner.templates import variables
from headgate.scanner.text import Text, joined

DEPTH_MAX = 500
_JS = Language(tree_sitter_javascript.language())
_TS = Language(tree_sitter_typescript.language_typescript())
_TSX = Language(tree_sitter_typescript.language_tsx())
_FIELDS = frozenset({
    "role", "content", "parts", "name", "tool_calls", "tool_call_id", "toolCalls", "cache_control", "providerOptions",
    "experimental_providerMetadata", "type",
})  # fmt: skip
_CLASSES = {"SystemMessage": "system", "HumanMessage": "user"}
_TEMPLATES = frozenset({
    "PromptTemplate", "ChatPromptTemplate", "SystemMessagePromptTemplate", "HumanMessagePromptTemplate",
    "AIMessagePromptTemplate", "FewShotPromptTemplate",
})  # fmt: skip
_MAKERS = frozenset({"fromTemplate", "fromMessages"})
_FUNCTIONS = frozenset({"function_declaration", "method_definition", "function_expression", "generator_function"})


class _Site(msgspec.Struct, frozen=True):
    """The surroundings of a node, as in `site.Site`."""

    slot: str = ""
    callee: str = ""
    function: str = ""
    klass: str = ""
    inside: str = ""
    silent: bool = False
    returned: bool = False

    def at(self, **changes: object) -> _Site:
        return msgspec.structs.replace(self, **changes)


def read_script(path: str, source: str) -> Gathered:
    """The yield of one file. A file with a syntax error is read as far as it goes, and named in `skipped`."""
    raw = source.encode(errors="replace")
    language = _TSX if path.endswith("x") and "ts" in path[-3:] else _TS if path.endswith("ts") else _JS
    root = Parser(language).parse(raw).root_node
    reading = _Reading(path, source)
    if root.has_error:
        line = _error_line(root)
        reading.out.skipped = Skipped(path, "a syntax error; read as far as it goes", line)
    try:
        reading.walk(root, _Site(), 0)
    except RecursionError:
        return Gathered(path, skipped=Skipped(path, "nested too deeply to be read"), lines=reading.out.lines)
    return reading.out


def _error_line(root: Node) -> int | None:
    node: Node | None = root
    while node is not None and not (node.is_error or node.is_missing):
        node = next((child for child in node.children if child.has_error or child.is_missing), None)
    return None if node is None else node.start_point.row + 1


class _Reading:
    """One walk over a tree."""

    def __init__(self, path: str, source: str) -> None:
        self.path = path
        self.lines = source.split("\n")
        self.out = Gathered(path, path, lines=lines_in(source))
        self.modules = Modules()

    def walk(self, node: Node, site: _Site, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise RecursionError
        inner = self.enter(node, site)
        if inner is not None:
            for child in node.named_children:
                self.walk(child, inner, depth + 1)

    def enter(self, node: Node, site: _Site) -> _Site | None:
        """Reports what a node is; the surroundings of its children, or None where they are done with."""
        kind = node.type
        if kind in ("string", "template_string", "binary_expression"):
            return self.string(node, site)
        if kind in ("call_expression", "new_expression"):
            return self.call(node, site)
        if kind == "array":
            return self.array(node, site)
        if kind == "object":
            return self.lone_message(node, site)
        if kind == "import_statement":
            self.modules.imported(node)
            return None
        return self.named(node, site)

    def named(self, node: Node, site: _Site) -> _Site:
        """What gives its value a name."""
        kind = node.type
        if kind in ("variable_declarator", "assignment_expression", "public_field_definition", "field_definition"):
            target = node.child_by_field_name("name") or node.child_by_field_name("left")
            target = target or node.child_by_field_name("property")
            value = node.child_by_field_name("value") or node.child_by_field_name("right")
            slot = chain(target).rpartition(".")[2]
            if value is not None:
                self.modules.assigned(chain(target), bare(value))
                self.out.flows.setdefault(self.key(slot), set()).update(self.names(value))
            arrow = value is not None and value.type == "arrow_function"
            return site.at(slot="" if arrow else slot, callee="", function=slot if arrow else site.function)
        if kind == "pair":
            word = code(node.child_by_field_name("key")).strip("\"'`")
            return site.at(slot=word, callee="", silent=site.silent or quiet_argument(word))
        if kind in _FUNCTIONS:
            return site.at(function=code(node.child_by_field_name("name")), slot="", callee="")
        if kind == "class_declaration":
            return site.at(klass=code(node.child_by_field_name("name")), slot="")
        if kind == "return_statement":
            for name in self.names(node):
                self.out.flows.setdefault(f"(){site.function}", set()).add(name)
            return site.at(slot="", callee="", returned=True)
        if kind in ("throw_statement", "jsx_attribute", "literal_type", "subscript_expression"):
            return site.at(silent=True)
        return site

    def string(self, node: Node, site: _Site) -> _Site | None:
        text = read_text(node)
        if text is None:
            return site
        for key in keys_in(text.literal()):
            draft = self.add("hardcoded_key", "high", node, Text((key.shown,)))
            draft.provider = key.provider
        if not site.inside:
            keys = (self.key(site.slot),) if site.slot and not site.callee else ()
            keys = (f"(){site.function}",) if site.returned and not site.slot else keys
            draft = self.draft("prompt_string", "low", node, text)
            self.out.candidates.append(
                Candidate(
                    draft, site.slot, site.callee, site.function, site.klass, keys, site.silent, not site.function
                )
            )
        return site.at(inside="text", silent=True) if node.type != "string" else None

    def call(self, node: Node, site: _Site) -> _Site | None:
        name = chain(node.child_by_field_name("function") or node.child_by_field_name("constructor"))
        given = arguments(node)
        word = name.rpartition(".")[2]
        found = recognised(name, given, self.modules)
        if found is not None:
            self.add_call(node, given, found)
            return site.at(inside="sdk_call", callee=name, slot="")
        if node.type == "call_expression" and read_text(node) is not None:
            return self.string(node, site)
        if word in _TEMPLATES or (word in _MAKERS and any(part in _TEMPLATES for part in name.split("."))):
            if site.inside != "template" and given:
                said = joined(t for value in given for t in self.texts(value))
                text = variables(Text(said.parts))  # `{name}` is LangChain's, `${name}` is filled by then
                self.add("template", "high", node, text, Prompt((Message("user", text),), site.slot))
            return site.at(inside="template", callee=name)
        if node.type == "new_expression" and word in _CLASSES and given and not site.inside:
            content = read_text(given[0]) or Text((hole(given[0]),))
            self.add_messages(node, [Message(_CLASSES[word], content)], site)
            return site.at(inside="messages")
        if soft_sink(name):
            for value in given:
                self.use(value, 2)
        return site.at(callee=name, slot="", silent=site.silent or quiet_call(name) or name.startswith("console."))

    def texts(self, node: Node) -> list[Text]:
        """Every text in a template's arguments."""
        found = read_text(node)
        if found is not None:
            return [found]
        if node.type in ("object", "array", "pair"):
            return [text for child in node.named_children for text in self.texts(child)]
        return []

    def array(self, node: Node, site: _Site) -> _Site:
        said = [m for child in node.named_children if child.type == "object" and (m := self.message(child)) is not None]
        if not said or site.inside == "template":
            return site
        self.add_messages(node, said, site)
        return site.at(inside="messages")

    def lone_message(self, node: Node, site: _Site) -> _Site:
        said = self.message(node) if not site.inside else None
        if said is None:
            return site
        self.add_messages(node, [said], site)
        return site.at(inside="messages")

    def message(self, node: Node) -> Message | None:
        """The message of an object literal; None for other objects and for copies of a message."""
        found = fields(node)
        content = found.get("content") or found.get("parts")
        role = found.get("role")
        if role is None or content is None or "..." in found or not set(found) <= _FIELDS:
            return None
        kind = found.get("type")
        if kind is not None and code(kind).strip("\"'") != "message":
            return None
        said = read_text(role)
        role_name = ROLES.get(said.plain().lower()) if said is not None else "user"
        if role_name is None or (chain(content).rpartition(".")[2] in ("content", "text") and "." in chain(content)):
            return None
        text = read_text(content)
        if text is None:
            blocks = (
                [t for child in content.named_children for t in self.texts(child)] if content.type == "array" else []
            )
            text = joined(blocks) if blocks else Text((hole(content),))
        return Message(role_name, text)

    def add_call(self, node: Node, given: list[Node], found: Found) -> None:
        for value in given:
            self.use(value, 3)
        draft = self.add("sdk_call", found.confidence, node, Text((self.line(node),)))
        draft.provider, draft.model = found.provider, found.model
        said = [Message(role, text) for role, text in found.texts]
        draft.prompt = Prompt(tuple(said))

    def add_messages(self, node: Node, said: list[Message], site: _Site) -> None:
        self.use(node, 3)
        text = joined(piece for m in said for piece in (Text((f"{m.role}: ",)), m.text, Text(("\n",))))
        literal = any(isinstance(part, str) and part.strip() for m in said for part in m.text.parts)
        prompt = Prompt(tuple(said), site.slot or site.function)
        self.add("messages", "high" if literal else "medium", node, text, prompt)

    def use(self, node: Node, level: int) -> None:
        for key in self.names(node):
            self.out.use(key, level)

    def names(self, node: Node) -> set[str]:
        """Keys of names and called functions below a node."""
        found: set[str] = set()
        queue = [node]
        while queue:
            at = queue.pop()
            if at.type in ("identifier", "shorthand_property_identifier", "property_identifier"):
                found.add(self.key(code(at)))
            elif at.type == "call_expression":
                found.add(f"(){chain(at.child_by_field_name('function')).rpartition('.')[2]}")
            queue.extend(at.named_children)
        return found

    def key(self, name: str) -> str:
        return f"{self.path}:{name}"

    def line(self, node: Node) -> str:
        row = node.start_point.row
        text = self.lines[row] if row < len(self.lines) else ""
        return text.encode()[node.start_point.column :][:400].decode(errors="replace").strip()

    def draft(self, kind: Kind, confidence: Confidence, node: Node, text: Text) -> Draft:
        start, end = node.start_point, node.end_point
        line = self.lines[start.row] if start.row < len(self.lines) else ""
        return Draft(start.row + 1, column_of(line, start.column), end.row + 1, kind, confidence, text)

    def add(self, kind: Kind, confidence: Confidence, node: Node, text: Text, prompt: Prompt | None = None) -> Draft:
        draft = self.draft(kind, confidence, node, text)
        draft.prompt = prompt
        self.out.drafts.append(draft)
        return draft
