"""Reads one Python file by its syntax tree. Nothing of the file is imported or run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable, Sequence

from headgate.scanner import messages, reads, sdk, templates
from headgate.scanner.finding import Confidence, Draft, Kind, Message, Prompt
from headgate.scanner.flows import GENERIC, keys_within, target_keys
from headgate.scanner.gathered import Candidate, Gathered, Skipped, lines_in
from headgate.scanner.keys import keys_in
from headgate.scanner.names import column_of, dotted, last, module_of
from headgate.scanner.prose import parts_of_name
from headgate.scanner.quiet import asks_people, quiet_argument, quiet_call, soft_sink
from headgate.scanner.site import Function, Site, assigned, read_text
from headgate.scanner.text import EMPTY, Text, joined

DEPTH_MAX = 400
SHORT_CHARS_MAX = 400
_EXAMPLES = frozenset({"example", "examples", "demo", "demos", "demonstrations", "sample", "samples", "fixtures"})
_WRAPPERS = frozenset({"dedent", "cleandoc", "strip", "lstrip", "rstrip", "format", "join", "str"})


def read_python(path: str, source: str) -> Gathered:
    """The yield of one file; `skipped` says why where it cannot be parsed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # the scanned project's, not ours
            tree = ast.parse(source)
        reading = _Reading(path, source, tree)
        reading.body(tree.body, reading.top)
    except SyntaxError as error:
        return Gathered(path, skipped=Skipped(path, f"not Python {'.'.join(_VERSION)}: {error.msg}", error.lineno))
    except (RecursionError, MemoryError):
        return Gathered(path, skipped=Skipped(path, "nested too deeply to be read"))
    except ValueError as error:  # null bytes
        return Gathered(path, skipped=Skipped(path, f"not Python: {error}"))
    return reading.out


_VERSION = ("3", "11")


class _Reading:
    """One walk over a tree, with the surroundings of every expression."""

    def __init__(self, path: str, source: str, tree: ast.Module) -> None:
        self.module = module_of(path, source, tree)
        self.out = Gathered(path, self.module.name, lines=lines_in(source))
        self.clients = sdk.Clients()
        self.texts: dict[str, str] = {}
        self.top = Site(self.module, module_texts=self.texts)
        self.depth = 0
        self.statements: dict[type[ast.AST], Callable[[ast.AST, Site], None]] = {
            ast.FunctionDef: self.function, ast.AsyncFunctionDef: self.function, ast.ClassDef: self.klass,
            ast.Assign: self.assign, ast.AnnAssign: self.assign, ast.AugAssign: self.assign,
            ast.NamedExpr: self.assign, ast.Return: self.returned, ast.Raise: self.quiet, ast.Assert: self.quiet,
            ast.Compare: self.quiet, ast.Call: self.call, ast.List: self.listing, ast.Tuple: self.tuple,
            ast.Dict: self.mapping, ast.JoinedStr: self.string, ast.Constant: self.string, ast.BinOp: self.string,
            ast.Expr: self.expression, ast.Subscript: self.subscript, ast.withitem: self.with_item,
        }  # fmt: skip

    # statements

    def visit(self, node: ast.AST, site: Site) -> None:
        """One node and everything below it."""
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise RecursionError
        handler = self.statements.get(type(node))
        if handler is not None:
            handler(node, site)
        else:
            self.children(node, site)
        self.depth -= 1

    def children(self, node: ast.AST, site: Site) -> None:
        for child in ast.iter_child_nodes(node):
            self.visit(child, site)

    def body(self, statements: Iterable[ast.AST], site: Site) -> None:
        for statement in statements:
            self.visit(statement, site)

    def function(self, node: ast.AST, site: Site) -> None:
        assert isinstance(node, Function)
        local = {**site.local, **assigned(node)}
        inside = site.inside if site.inside == "signature" else ""
        inner = site.at(function=node.name, local=local, slot="", callee="", keys=(), inside=inside)
        arguments = node.args
        named = [*arguments.posonlyargs, *arguments.args]
        pairs = list(zip(named[len(named) - len(arguments.defaults) :], arguments.defaults, strict=True))
        pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
        for parameter, default in pairs:
            self.visit(default, inner.at(slot=parameter.arg, keys=(inner.key(parameter.arg),)))
        self.body(node.body, inner)

    def klass(self, node: ast.AST, site: Site) -> None:
        assert isinstance(node, ast.ClassDef)
        inside = site.inside
        if templates.is_signature_class(node, self.module):
            text = templates.signature_text(node, site)
            self.add("signature", "high", node, text, Prompt((Message("system", text),), node.name))
            inside = "signature"
        silent = any(last(dotted(base)).endswith(("Error", "Exception", "Warning")) for base in node.bases)
        within = site.at(klass=node.name, slot="", callee="", inside=inside, local={}, function="", silent=silent)
        self.body(node.body, within)

    def assign(self, node: ast.AST, site: Site) -> None:
        assert isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr)
        if node.value is None:
            return
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        slot = next((name for name in (last(dotted(target)) for target in targets) if name not in ("?", "")), "")
        if isinstance(targets[0], ast.Subscript) and isinstance(targets[0].slice, ast.Constant):
            slot = str(targets[0].slice.value)
        keys = tuple(key for target in targets for key in target_keys(target, site))
        self.handed_on(node.value, site)
        for target in targets:
            self.clients.learn(target, node.value, site)
        for key in keys:
            self.out.flows.setdefault(key, set()).update(keys_within(node.value, site))
        self.define(targets, node.value, site)
        examples = isinstance(node.value, ast.List | ast.Dict | ast.Tuple) and _EXAMPLES & set(parts_of_name(slot))
        quiet = site.silent or bool(examples) or quiet_argument(slot)
        self.visit(node.value, site.at(slot=slot, callee="", keys=keys, silent=quiet))

    def define(self, targets: Sequence[ast.expr], value: ast.expr, site: Site) -> None:
        """Constants of a module and of its classes, for whoever refers to them."""
        found = read_text(value, site)
        if found is None:
            return
        short = found.plain() if not found.formatted and len(found.plain()) <= SHORT_CHARS_MAX else ""
        for target in targets:
            if isinstance(target, ast.Attribute) and short:
                self.texts.setdefault(target.attr, short)
            if isinstance(target, ast.Name) and not site.function:
                name = f"{site.klass}.{target.id}" if site.klass else target.id
                self.out.constants[f"{self.module.name}.{name}"] = found
                if short:
                    self.texts[target.id] = short

    def returned(self, node: ast.AST, site: Site) -> None:
        assert isinstance(node, ast.Return)
        if node.value is not None:
            key = f"(){site.function}"
            if site.function not in GENERIC:
                self.out.flows.setdefault(key, set()).update(keys_within(node.value, site))
            self.visit(node.value, site.at(slot="", callee="", keys=(key,)))

    def quiet(self, node: ast.AST, site: Site) -> None:
        self.children(node, site.at(silent=True))

    def expression(self, node: ast.AST, site: Site) -> None:
        assert isinstance(node, ast.Expr)
        if isinstance(node.value, ast.Constant):
            self.keys(node.value)  # a docstring, or a text that nothing uses
        else:
            self.visit(node.value, site.at(slot="", callee="", keys=()))

    def subscript(self, node: ast.AST, site: Site) -> None:
        assert isinstance(node, ast.Subscript)
        self.visit(node.value, site)
        self.visit(node.slice, site.at(silent=True))

    def with_item(self, node: ast.AST, site: Site) -> None:
        assert isinstance(node, ast.withitem)
        if node.optional_vars is not None:
            self.clients.learn(node.optional_vars, node.context_expr, site)
        slot = last(dotted(node.optional_vars)) if node.optional_vars is not None else ""
        self.visit(node.context_expr, site.at(slot=slot))

    # expressions

    def listing(self, node: ast.AST, site: Site) -> None:
        assert isinstance(node, ast.List)
        if not self.message_list(node, site):
            self.body(node.elts, site)

    def message_list(self, node: ast.List, site: Site) -> bool:
        parts = messages.parts_of(node, site) if node.elts and site.inside != "template" else []
        if not parts:
            return False
        found = tuple(messages.messages_of(node, site))
        self.add_messages(node, found, site)
        self.body(node.elts, site.at(inside="messages"))
        return True

    def tuple(self, node: ast.AST, site: Site) -> None:
        assert isinstance(node, ast.Tuple)
        self.body(node.elts, site)

    def mapping(self, node: ast.AST, site: Site) -> None:
        assert isinstance(node, ast.Dict)
        if not site.inside and self.lone_message(node, site):
            site = site.at(inside="messages")
        for key, value in zip(node.keys, node.values, strict=True):
            word = str(key.value) if isinstance(key, ast.Constant) else site.slot
            if key is not None and not isinstance(key, ast.Constant):
                self.visit(key, site.at(silent=True))
            keys = site.keys if word == site.slot else ()
            self.visit(value, site.at(slot=word, keys=keys, silent=site.silent or quiet_argument(word)))

    def lone_message(self, node: ast.expr, site: Site) -> bool:
        part = messages.part_of(node, site)
        if part is None or (part.of_class and part.role == "assistant"):
            return False
        self.add_messages(node, tuple(messages.messages_of(node, site)), site)
        return True

    def call(self, node: ast.AST, site: Site) -> None:
        assert isinstance(node, ast.Call)
        name = dotted(node.func)
        if last(name) in _WRAPPERS and read_text(node, site) is not None:
            self.string(node, site)
            return
        inner = self.sink(node, name, site)
        if inner is None:
            inner = site.at(callee=name, silent=site.silent or quiet_call(name))
            if asks_people(name):
                self.out.shown.update(key for argument in node.args[:1] for key in keys_within(argument, site))
            level = 2 if soft_sink(name) else 0
            if level:
                self.use_names([*node.args, *(k.value for k in node.keywords)], site, level)
        self.arguments(node, inner)

    def sink(self, node: ast.Call, name: str, site: Site) -> Site | None:
        """Reports a call that is a place by itself; the surroundings of its arguments then."""
        found = sdk.sdk_call(node, site, self.clients)
        if found is not None:
            self.add_sdk(node, found, site)
            return site.at(inside="sdk_call", callee=name)
        if templates.is_template(node):
            if site.inside != "template":
                self.add_template(node, site)
            return site.at(inside="template", callee=name)
        if templates.signature_call(node, self.module):
            text = joined(t for arg in node.args if (t := read_text(arg, site)) is not None)
            self.add("signature", "high", node, text, Prompt((Message("system", text),), site.slot))
            return site.at(inside="signature", callee=name)
        if not site.inside and self.lone_message(node, site):
            return site.at(inside="messages", callee=name)
        confidence = reads.prompt_read(node, site)
        if confidence is not None:
            self.add("prompt_file", confidence, node, Text((self.line(node),)))
            return site.at(callee=name, silent=True)
        return None

    def arguments(self, node: ast.Call, site: Site) -> None:
        self.visit(node.func, site.at(callee=""))
        for argument in node.args:
            self.handed_on(argument, site)
            self.visit(argument, site.at(slot="", keys=()))
        for keyword in node.keywords:
            self.handed_on(keyword.value, site)
            word = keyword.arg or ""
            self.visit(
                keyword.value, site.at(slot=word, callee="", keys=(), silent=site.silent or quiet_argument(word))
            )

    def handed_on(self, node: ast.expr, site: Site) -> None:
        """`to_thread(client.chat.completions.create, ...)`: the method itself is the argument."""
        if isinstance(node, ast.Attribute):
            found = sdk.by_name(dotted(node), site, self.clients)
            if found is not None and (found.confidence == "high" or "client" in dotted(node)):
                self.add_sdk(node, found, site)

    def string(self, node: ast.AST, site: Site) -> None:
        """A text, as large as the expression is."""
        assert isinstance(node, ast.expr)
        if isinstance(node, ast.Constant) and not isinstance(node.value, str):
            return
        text = read_text(node, site)
        if text is None:
            self.children(node, site)
            return
        self.keys(node)
        if site.inside in ("", "text"):
            draft = self.draft("prompt_string", "low", node, text)
            top = not site.function
            self.out.candidates.append(
                Candidate(draft, site.slot, site.callee, site.function, site.klass, site.keys, site.silent, top)
            )
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call) and inner is not node and last(dotted(inner.func)) not in _WRAPPERS:
                self.visit(inner, site.at(inside="text", silent=True))

    # what is found

    def line(self, node: ast.AST) -> str:
        number = getattr(node, "lineno", 0)
        column = getattr(node, "col_offset", 0)
        text = self.module.lines[number - 1] if 0 < number <= len(self.module.lines) else ""
        return text.encode()[column : column + 400].decode(errors="replace").strip()

    def draft(self, kind: Kind, confidence: Confidence, node: ast.AST, text: Text) -> Draft:
        number = getattr(node, "lineno", 1)
        line = self.module.lines[number - 1] if number <= len(self.module.lines) else ""
        column = column_of(line, getattr(node, "col_offset", 0))
        return Draft(number, column, getattr(node, "end_lineno", number), kind, confidence, text)

    def add(self, kind: Kind, confidence: Confidence, node: ast.AST, text: Text, prompt: Prompt | None = None) -> Draft:
        draft = self.draft(kind, confidence, node, text)
        draft.prompt = prompt
        self.out.drafts.append(draft)
        return draft

    def add_sdk(self, node: ast.expr, found: sdk.Call, site: Site) -> None:
        arguments = [*node.args, *(k.value for k in node.keywords)] if isinstance(node, ast.Call) else []
        self.use_names(arguments, site, 3)
        draft = self.add("sdk_call", found.confidence, node, Text((self.line(node),)))
        draft.provider, draft.model = found.provider, found.model
        if isinstance(node, ast.Call):
            draft.prompt = Prompt((), site.slot, found.settings)

    def add_template(self, node: ast.Call, site: Site) -> None:
        self.use_names([*node.args, *(k.value for k in node.keywords)], site, 3)
        prompt = templates.template_prompt(node, site)
        text = joined(message.text for message in prompt.messages) if prompt.messages else EMPTY
        self.add("template", "high", node, text if text.parts else Text((self.line(node),)), prompt)

    def add_messages(self, node: ast.expr, found: tuple[Message, ...], site: Site) -> None:
        self.use_names([node], site, 3)
        text = joined(piece for m in found for piece in (Text((f"{m.role}: ",)), m.text, Text(("\n",))))
        said = any(isinstance(part, str) and part.strip() for m in found for part in m.text.parts)
        self.add("messages", "high" if said else "medium", node, text, Prompt(found, _own_name(site)))

    def keys(self, node: ast.expr) -> None:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                for key in keys_in(inner.value):
                    draft = self.add("hardcoded_key", "high", inner, Text((key.shown,)))
                    draft.provider = key.provider
                    draft.line += inner.value.count("\n", 0, key.start)

    # names

    def use_names(self, nodes: Iterable[ast.expr], site: Site, level: int) -> None:
        for node in nodes:
            for key in keys_within(node, site):
                self.out.use(key, level)


def _own_name(site: Site) -> str:
    """What messages are called: their variable, else the function that builds them."""
    named = site.slot if site.slot not in ("messages", "content", "input") else ""
    return named or site.function or site.slot
