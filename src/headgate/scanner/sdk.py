"""Calls that make a model write: vendor SDKs old and new, LiteLLM, Bedrock, and plain HTTP posts to vendors."""

from __future__ import annotations

import ast

import msgspec

from headgate.scanner.finding import Confidence
from headgate.scanner.names import dotted, last, origin
from headgate.scanner.site import Site, read_text
from headgate.scanner.vendors import GOOGLE_PACKAGES, endpoint, provider_of, provider_of_model

# what a dotted name ends in -> (vendor, the vendor's package must be imported here or the client known)
_ENDS: dict[tuple[str, ...], tuple[str, bool]] = {
    ("chat", "completions", "create"): ("openai", False),
    ("chat", "completions", "parse"): ("openai", False),
    ("chat", "completions", "stream"): ("openai", False),
    ("completions", "create"): ("openai", False),
    ("responses", "create"): ("openai", False),
    ("responses", "parse"): ("openai", False),
    ("responses", "stream"): ("openai", False),
    ("response", "create"): ("openai", True),
    ("ChatCompletion", "create"): ("openai", False),
    ("ChatCompletion", "acreate"): ("openai", False),
    ("Completion", "create"): ("openai", True),
    ("Completion", "acreate"): ("openai", True),
    ("messages", "create"): ("anthropic", True),
    ("messages", "stream"): ("anthropic", True),
    ("messages", "parse"): ("anthropic", True),
    ("messages", "batches", "create"): ("anthropic", True),
    ("generate_content",): ("google", False),
    ("generate_content_stream",): ("google", False),
    ("generate_content_async",): ("google", False),
    ("chats", "create"): ("google", True),
    ("converse",): ("bedrock", True),
    ("converse_stream",): ("bedrock", True),
    ("invoke_model",): ("bedrock", True),
    ("invoke_model_with_response_stream",): ("bedrock", True),
    ("chat_completion",): ("huggingface", True),
    ("text_generation",): ("huggingface", True),
    ("completion",): ("litellm", True),
    ("acompletion",): ("litellm", True),
    ("text_completion",): ("litellm", True),
    ("atext_completion",): ("litellm", True),
    ("chat",): ("ollama/cohere", True),
    ("chat_stream",): ("cohere", True),
    ("generate",): ("ollama/cohere", True),
    ("chat", "complete"): ("mistral", True),
    ("chat", "stream"): ("mistral", True),
}
_HTTP = frozenset({"requests", "httpx", "aiohttp", "urllib3", "niquests", "curl_cffi"})
_ENDS_OF_INTEREST = frozenset(end[-1] for end in _ENDS)
SETTINGS = ("temperature", "top_p", "top_k", "max_tokens", "seed", "presence_penalty", "frequency_penalty")
_MODEL_WORDS = ("model", "modelId", "engine", "model_name", "deployment_id")


class Call(msgspec.Struct, frozen=True):
    """What a recognised call is. `confidence` is high where package or client are known."""

    provider: str | None
    confidence: Confidence
    model: str | None = None
    settings: dict[str, float | int] = {}


class Clients(msgspec.Struct):
    """Names in a module that hold a vendor's client: `client`, `self.client`, from `client = OpenAI()`."""

    known: dict[str, str] = {}

    def learn(self, target: ast.expr, value: ast.expr, site: Site) -> None:
        """Takes note of an assignment."""
        if isinstance(value, ast.Await):
            value = value.value
        if isinstance(value, ast.Call):
            provider = provider_of(origin(site.module, dotted(value.func)))
            if provider is not None:
                self.known[dotted(target)] = provider


def sdk_call(node: ast.Call, site: Site, clients: Clients) -> Call | None:
    """The call, where it makes a model write."""
    name = dotted(node.func)
    word = last(name)
    found = by_name(name, site, clients)
    if found is None and word in ("post", "request", "stream", "urlopen"):
        return _http(node, site, name, word)
    if found is None or _elsewhere(node, word, found):
        return None
    model = model_of(node, site)
    provider = found.provider
    if model is not None and provider in ("openai", "litellm") and found.confidence != "high":
        provider = provider_of_model(model) or provider
    return msgspec.structs.replace(found, provider=provider, model=model, settings=settings_of(node))


def by_name(name: str, site: Site, clients: Clients) -> Call | None:
    """What a dotted name says, called or handed on."""
    words = tuple(name.removesuffix("()").split("."))
    if words[-1] not in _ENDS_OF_INTEREST:
        return None
    for size in (3, 2, 1):
        entry = _ENDS.get(words[-size:]) if len(words) >= size else None
        if entry is None:
            continue
        vendor, needs = entry
        known = _known(words, site, clients)
        if known is not None and (not needs or vendor == "ollama/cohere" or known in vendor or size > 1):
            return None if vendor == "ollama/cohere" and known not in ("ollama", "cohere") else Call(known, "high")
        if not needs:
            return Call(vendor, "high" if _imports(site, vendor) else "medium")
        if len(words) > size and _imports(site, vendor) and words[0] not in site.module.imports:
            return Call(vendor if "/" not in vendor else None, "medium")
        return None
    return None


def _known(words: tuple[str, ...], site: Site, clients: Clients) -> str | None:
    """The vendor of the object a method is called on."""
    for end in range(len(words) - 1, 0, -1):
        prefix = ".".join(words[:end])
        if prefix in clients.known:
            return clients.known[prefix]
    return provider_of(origin(site.module, ".".join(words))) or provider_of(".".join(words))


def _imports(site: Site, vendor: str) -> bool:
    wanted = {"ollama", "cohere"} if vendor == "ollama/cohere" else {vendor}
    return any(
        provider_of(name) in wanted or (vendor == "google" and name.startswith(GOOGLE_PACKAGES))
        for name in site.module.imports.values()
    )


def _elsewhere(node: ast.Call, word: str, found: Call) -> bool:
    """Whether the arguments speak against it: a client's `chat(...)` or `messages.create` of another kind."""
    names = {keyword.arg for keyword in node.keywords}
    if found.confidence == "high" or None in names:
        return False
    if word in ("chat", "generate", "completion", "acompletion", "text_completion", "create") and node.keywords:
        return not names & {
            "model",
            "messages",
            "prompt",
            "input",
            "message",
            "contents",
            "engine",
            "max_tokens",
            "requests",
        }
    return word in ("chat", "generate") and not node.args


def _http(node: ast.Call, site: Site, name: str, word: str) -> Call | None:
    if word in ("request", "stream") and not _posts(node):
        return None
    if word == "stream" and "messages" in name:
        return None
    urls = [*node.args[:2], *(keyword.value for keyword in node.keywords if keyword.arg in ("url", "json", "data"))]
    imported = bool(site.module.roots & (_HTTP | {"urllib"}))
    for url in urls:
        for text in _texts(url, site):
            provider, writes = endpoint(text)
            if writes and (provider is not None or imported):
                return Call(provider, "high" if provider is not None and imported else "medium")
    return None


def _posts(node: ast.Call) -> bool:
    first = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "method"), None)
    return isinstance(first, ast.Constant) and str(first.value).upper() == "POST"


def _texts(node: ast.expr, site: Site, depth: int = 0) -> list[str]:
    """What an expression may be, as text: names followed within the function, constants by their dotted reference."""
    if depth > 3:
        return []
    if isinstance(node, ast.BoolOp):
        return [text for value in node.values for text in _texts(value, site, depth + 1)]
    if isinstance(node, ast.IfExp):
        return [text for value in (node.body, node.orelse) for text in _texts(value, site, depth + 1)]
    if isinstance(node, ast.Name) and node.id in site.local:
        return [text for value in site.local[node.id] for text in _texts(value, site, depth + 1)]
    if isinstance(node, ast.Name | ast.Attribute):
        known = site.module_texts.get(dotted(node).removeprefix("self."))
        return [] if known is None else [known]
    found = read_text(node, site)
    if found is None:
        return []
    return [found.plain()]


def model_of(node: ast.Call, site: Site) -> str | None:
    """The model that a call names by a constant."""
    for keyword in node.keywords:
        if keyword.arg in _MODEL_WORDS:
            texts = _texts(keyword.value, site)
            return texts[0] if len(texts) == 1 and texts[0] and "{" not in texts[0] else None
    return None


def settings_of(node: ast.Call) -> dict[str, float | int]:
    """Constant model settings among the arguments."""
    return {
        keyword.arg: keyword.value.value
        for keyword in node.keywords
        if keyword.arg in SETTINGS
        and isinstance(keyword.value, ast.Constant)
        and isinstance(keyword.value.value, int | float)
        and not isinstance(keyword.value.value, bool)
    }
