"""Calls in JavaScript and TypeScript that make a model write. Needs the extra `scan`."""

from __future__ import annotations

import msgspec
from tree_sitter import Node

from headgate.scanner.finding import Confidence
from headgate.scanner.script_text import bare, chain, code, fields, read_text
from headgate.scanner.text import Text
from headgate.scanner.vendors import endpoint, provider_of_model

PACKAGES = {
    "openai": "openai", "@anthropic-ai/sdk": "anthropic", "@anthropic-ai/vertex-sdk": "anthropic",
    "@anthropic-ai/bedrock-sdk": "anthropic", "@google/genai": "google", "@google/generative-ai": "google",
    "@google-cloud/vertexai": "google", "groq-sdk": "groq", "@mistralai/mistralai": "mistral", "cohere-ai": "cohere",
    "together-ai": "together", "ollama": "ollama", "@azure/openai": "azure",
}  # fmt: skip
AI_PACKAGE = "ai"
_ENDS: dict[tuple[str, ...], tuple[str, bool]] = {
    ("chat", "completions", "create"): ("openai", False),
    ("chat", "completions", "parse"): ("openai", False),
    ("chat", "completions", "stream"): ("openai", False),
    ("completions", "create"): ("openai", False),
    ("responses", "create"): ("openai", False),
    ("responses", "parse"): ("openai", False),
    ("responses", "stream"): ("openai", False),
    ("createChatCompletion",): ("openai", False),
    ("createCompletion",): ("openai", True),
    ("messages", "create"): ("anthropic", True),
    ("messages", "stream"): ("anthropic", True),
    ("generateContent",): ("google", False),
    ("generateContentStream",): ("google", False),
    ("sendMessageStream",): ("google", True),
    ("chat", "complete"): ("mistral", True),
    ("chat", "stream"): ("mistral", True),
}  # fmt: skip
_AI = frozenset({"generateText", "streamText", "generateObject", "streamObject"})
_POSTERS = frozenset({"fetch", "post", "request", "axios", "got", "ky"})
_ROLES = {
    "system": "system", "instructions": "system", "prompt": "user", "input": "user", "contents": "user",
    "systemInstruction": "system",
}  # fmt: skip


class Found(msgspec.Struct, frozen=True):
    """A recognised call; `texts` are role and text of the prompts among its properties."""

    provider: str | None
    confidence: Confidence
    model: str | None
    texts: tuple[tuple[str, Text], ...] = ()


class Modules(msgspec.Struct):
    """What is imported in a file (local name -> package), and which names hold a vendor's client."""

    imports: dict[str, str] = {}
    clients: dict[str, str] = {}

    def imported(self, node: Node) -> None:
        """Takes note of an `import` statement."""
        package = code(node.child_by_field_name("source")).strip("\"'")
        queue = [child for child in node.named_children if child.type == "import_clause"]
        while queue:
            at = queue.pop()
            if at.type == "identifier":
                self.imports[code(at)] = package
            elif at.type == "import_specifier":
                self.imports[code(at.child_by_field_name("alias") or at.child_by_field_name("name"))] = package
            else:
                queue.extend(at.named_children)

    def assigned(self, target: str, value: Node) -> None:
        """Takes note of `x = require("openai")` and `client = new OpenAI()`."""
        name = chain(value).removesuffix("()")
        if name == "require" and value.type == "call_expression":
            given = value.child_by_field_name("arguments")
            if given is not None and given.named_children:
                self.imports[target] = code(given.named_children[0]).strip("\"'`")
            return
        vendor = self.vendor(name)
        if vendor is not None and value.type in ("new_expression", "call_expression"):
            self.clients[target] = vendor

    def vendor(self, name: str) -> str | None:
        """The vendor of an imported name or of a client, by the longest known beginning of a dotted name."""
        words = name.split(".")
        for end in range(len(words), 0, -1):
            start = ".".join(words[:end]).removesuffix("()")
            if start in self.clients:
                return self.clients[start]
            if start in self.imports:
                return PACKAGES.get(self.imports[start])
        return None

    def has(self, vendor: str) -> bool:
        """Whether a package of the vendor is imported."""
        return any(PACKAGES.get(package) == vendor for package in self.imports.values())


def recognised(name: str, given: list[Node], modules: Modules) -> Found | None:
    """The call, where it makes a model write. `name` is dotted, `given` are its arguments."""
    words = tuple(name.split("."))
    properties = fields(bare(given[0])) if given and bare(given[0]).type == "object" else {}
    if words[-1] in _AI and modules.imports.get(words[0]) == AI_PACKAGE:
        return _ai(properties)
    if words[-1] in _POSTERS:
        return _post(given)
    for size in (3, 2, 1):
        entry = _ENDS.get(words[-size:]) if len(words) > size else None
        if entry is None:
            continue
        vendor, needs = entry
        known = modules.vendor(".".join(words[:-1]))
        if known is None and needs and not modules.has(vendor):
            return None
        model = _model(properties)
        provider = known or (provider_of_model(model) if model is not None else None) or vendor
        return Found(provider, "high" if known or modules.has(vendor) else "medium", model, _texts(properties))
    return None


def _ai(properties: dict[str, Node]) -> Found:
    """The AI SDK of Vercel: `model: openai("gpt-4o")`."""
    value = properties.get("model")
    provider: str | None = None
    model: str | None = None
    if value is not None and bare(value).type == "call_expression":
        provider = chain(bare(value)).removesuffix("()").partition(".")[0]
        given = bare(value).child_by_field_name("arguments")
        first = given.named_children[0] if given is not None and given.named_children else None
        text = read_text(first) if first is not None else None
        model = text.plain() if text is not None and not text.variables() else None
    elif value is not None:
        model = _model(properties)
        provider = provider_of_model(model) if model is not None else None
    return Found(provider, "high", model, _texts(properties))


def _model(properties: dict[str, Node]) -> str | None:
    value = properties.get("model")
    text = read_text(value) if value is not None else None
    return text.plain() if text is not None and not text.variables() else None


def _texts(properties: dict[str, Node]) -> tuple[tuple[str, Text], ...]:
    found = [(role, read_text(properties[word])) for word, role in _ROLES.items() if word in properties]
    return tuple((role, text) for role, text in found if text is not None)


def _post(given: list[Node]) -> Found | None:
    for value in given[:1]:
        text = read_text(value)
        provider, writes = endpoint(text.plain()) if text is not None else (None, False)
        if writes and provider is not None:
            return Found(provider, "high", None)
    return None
