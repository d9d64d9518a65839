"""Files read as prompts: `open(...)`, `read_text()`, loaded templates, where names say that a prompt is read."""

from __future__ import annotations

import ast

from headgate.scanner.finding import Confidence
from headgate.scanner.names import dotted, last
from headgate.scanner.prose import prompt_name
from headgate.scanner.site import Site, read_text

_READERS = frozenset({"open", "read_text", "get_template", "load_prompt", "from_file", "get_data", "open_text"})
_PROMPT_FILES = (".prompt", ".prompty", "prompt.txt", "prompt.md", "prompts.yaml", "prompts.yml", "prompts.json")


def prompt_read(node: ast.Call, site: Site) -> Confidence | None:
    """How sure it is that a call reads a prompt; None where it does not look so."""
    word = last(dotted(node.func))
    name = dotted(node.func)
    if (word == "load_prompt" and node.args) or name in ("hub.pull", "hub.pull()"):
        return "high" if "langchain" in str(site.module.imports.get(word, "langchain")) else "medium"
    if word not in _READERS or _writes(node) or not _reads_text(node, word):
        return None
    spelled = _spelled(node, site)
    if any(end in spelled for end in _PROMPT_FILES) or prompt_name(spelled.replace("/", "_").replace(".", "_")):
        return "high"
    around = [site.slot, site.function, site.klass]
    if any(prompt_name(name) for name in around):
        return "medium"
    folder = site.module.path.rpartition("/")[2]
    in_prompts = prompt_name(folder.removesuffix(".py")) or "prompts" in site.module.path.split("/")[:-1]
    if in_prompts and (word == "get_template" or "system" in site.function or "prompt" in site.function):
        return "medium"
    return None


def _writes(node: ast.Call) -> bool:
    mode = node.args[1] if len(node.args) > 1 else next((k.value for k in node.keywords if k.arg == "mode"), None)
    return isinstance(mode, ast.Constant) and any(sign in str(mode.value) for sign in "wabx+")


def _reads_text(node: ast.Call, word: str) -> bool:
    return word in ("read_text", "load_prompt") or bool(node.args or node.keywords)


def _spelled(node: ast.Call, site: Site) -> str:
    """Every word of the call: names, and literal pieces of the path, also of the object a method is called on."""
    words: list[str] = []
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            words.append(inner.id)
            for value in site.local.get(inner.id, [])[:2]:
                found = read_text(value, site)
                words += [] if found is None else [found.plain()]
        elif isinstance(inner, ast.Attribute):
            words.append(inner.attr)
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str) and len(inner.value) < 200:
            words.append(inner.value)
        if len(words) > 60:
            break
    return " ".join(words).lower()
