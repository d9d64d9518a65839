"""Chat messages built in code: dictionaries with a role and content, `dict(role=...)`, message classes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import msgspec

from headgate.scanner.finding import Message
from headgate.scanner.names import dotted, last, origin
from headgate.scanner.site import Site, hole, read_text, resolved
from headgate.scanner.text import Text, joined

ROLES = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "assistant": "assistant",
    "ai": "assistant", "model": "assistant", "tool": "user", "function": "user",
}  # fmt: skip
_CLASSES = {
    "SystemMessage": "system", "DeveloperMessage": "system", "HumanMessage": "user", "UserMessage": "user",
    "AIMessage": "assistant", "AssistantMessage": "assistant", "ChatMessage": "",
    "ChatCompletionSystemMessageParam": "system", "ChatCompletionUserMessageParam": "user",
    "ChatCompletionAssistantMessageParam": "assistant",
}  # fmt: skip
_SCREENS = frozenset({"gradio", "gr", "streamlit", "nicegui", "panel"})
_CONTENT = frozenset({"content", "parts"})
# fields that go to a model beside role and content; a dictionary with others is a payload of some other kind
_FIELDS = frozenset({
    "role", "content", "parts", "name", "tool_calls", "tool_call_id", "function_call", "cache_control", "prefix",
    "reasoning_content", "refusal", "annotations", "images", "type",
})  # fmt: skip
_COPIED = frozenset({"content", "text", "parts"})


class Part(msgspec.Struct, frozen=True):
    """One message: `assistant` roles are told apart, for a model's answer put in a message is no prompt."""

    role: str
    content: ast.expr | None
    of_class: bool = False


def part_of(node: ast.expr, site: Site) -> Part | None:
    """The message that an expression builds; None where it builds none, or copies one."""
    part = _read(node, site)
    if part is None or (part.content is not None and _copies(part.content, site)):
        return None
    return part


def _read(node: ast.expr, site: Site) -> Part | None:
    if isinstance(node, ast.Dict):
        fields = {k.value: v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)}
        return _fields({str(key): value for key, value in fields.items()}, starred=None in node.keys)
    if not isinstance(node, ast.Call):
        return None
    name = last(dotted(node.func))
    fields = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
    if name == "dict" and not node.args:
        return _fields(fields, starred=len(fields) < len(node.keywords))
    if name in _CLASSES and origin(site.module, dotted(node.func)).partition(".")[0] not in _SCREENS:
        content = fields.get("content") or fields.get("blocks") or (node.args[0] if node.args else None)
        if content is None or isinstance(content, ast.Starred):
            return None
        role = _CLASSES[name] or (_role(fields["role"]) if "role" in fields else "user")
        return None if role is None else Part(role, content, of_class=True)
    return None


def _fields(fields: dict[str, ast.expr], starred: bool) -> Part | None:
    content = next((fields[name] for name in _CONTENT if name in fields), None)
    if "role" not in fields or content is None or starred or not set(fields) <= _FIELDS:
        return None
    kind = fields.get("type")
    if kind is not None and not (isinstance(kind, ast.Constant) and kind.value in ("message", "text")):
        return None
    role = _role(fields["role"])
    return None if role is None else Part(role, content)


def _role(node: ast.expr | None) -> str | None:
    """The role; `user` where it is a variable; None where it is none that models know."""
    if isinstance(node, ast.Constant):
        return ROLES.get(str(node.value).lower())
    if isinstance(node, ast.Attribute):
        word = node.attr.lower()
        return ROLES.get(word, None if word == "role" else "user")
    return None if node is None else "user"


def _copies(node: ast.expr, site: Site, seen: frozenset[str] = frozenset()) -> bool:
    """Whether content is another message's content, as it is or passed through a function."""
    if isinstance(node, ast.Name):
        values = site.local.get(node.id, [])
        return node.id in seen or (bool(values) and all(_copies(v, site, seen | {node.id}) for v in values))
    if isinstance(node, ast.Attribute):
        return node.attr in _COPIED and not _is_self(node.value)
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value in _COPIED
    if isinstance(node, ast.Call):
        name = last(dotted(node.func))
        if name == "get" and node.args and isinstance(node.args[0], ast.Constant):
            return node.args[0].value in _COPIED
        return len(node.args) == 1 and not node.keywords and _copies(node.args[0], site, seen)
    if isinstance(node, ast.List):
        return bool(node.elts) and all(_copies(item, site, seen) for item in node.elts)
    if isinstance(node, ast.Dict):
        texts = [
            v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant) and k.value == "text"
        ]
        return bool(texts) and all(_copies(value, site, seen) for value in texts)
    return False


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def messages_of(node: ast.expr, site: Site) -> list[Message]:
    """The messages of a list or of one message, with the text that the code spells out."""
    return [Message(part.role, content_text(part.content, site)) for part in parts_of(node, site)]


def parts_of(node: ast.expr, site: Site) -> list[Part]:
    """Every message in a list literal, or the one message."""
    items = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    return [part for item in items if (part := part_of(_unwrapped(item), site)) is not None]


def _unwrapped(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Starred) else node.body if isinstance(node, ast.IfExp) else node


def content_text(node: ast.expr | None, site: Site) -> Text:
    """The text of content, its text blocks one after the other."""
    if node is None or (isinstance(node, ast.Constant) and node.value is None):
        return Text()
    if isinstance(node, ast.List):
        return joined(text for block in node.elts for text in _block(block, site))
    return resolved(node, site)


def _block(node: ast.expr, site: Site) -> Iterator[Text]:
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "text":
                yield resolved(value, site)
    elif (found := read_text(node, site)) is not None:
        yield found
    elif isinstance(node, ast.Name):
        yield Text((hole(node, site),))
