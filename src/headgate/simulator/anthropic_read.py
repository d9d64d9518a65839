"""A valid Anthropic body in vendor-neutral terms."""

from __future__ import annotations

import base64
import binascii

from headgate.simulator.anthropic_rules import blocks, breakpoints, refusal
from headgate.simulator.anthropic_shapes import SERVER_TOOLS
from headgate.simulator.brain import CACHE_LEAST, mark, tokens
from headgate.simulator.messages import Ask, Media, ToolDef, ToolOutcome
from headgate.simulator.trees import Tree, dump, items, strings, text, tree, trees, whole

_DELIVERY = frozenset({"stream"})
_BESIDE_TEXT = frozenset({"image", "document"})
_MEDIA_TOKENS = 100


def read(body: Tree) -> Ask:
    """What a valid body asks of the model."""
    messages = trees(body["messages"])
    spoken = [at for at, one in enumerate(messages) if one.get("role") == "user" and _words(one.get("content"))]
    last = spoken[-1] if spoken else -1
    names = {
        text(block.get("id")): text(block.get("name"))
        for one in messages
        for block in blocks(one.get("content"))
        if block.get("type") == "tool_use"
    }
    choice = tree(body.get("tool_choice"))
    kind = text(choice.get("type")) or "auto"
    shape = tree(tree(body.get("output_config")).get("format"))
    ask = Ask("anthropic", text(body["model"]), mark(dump({k: v for k, v in body.items() if k not in _DELIVERY})))
    ask.said = _words(messages[last].get("content")) if spoken else ""
    ask.system = _words(body.get("system"))
    ask.stage = sum(1 for one in messages[last + 1 :] if one.get("role") == "assistant")
    ask.tools = [] if kind == "none" else [_tool(one) for one in trees(body.get("tools")) if _own(one)]
    ask.forced = {"any": "", "tool": text(choice.get("name"))}.get(kind)
    ask.parallel = choice.get("disable_parallel_tool_use") is not True
    ask.schema = tree(shape.get("schema")) if shape else None
    thinking = text(tree(body.get("thinking")).get("type"))
    ask.thinks, ask.may_think = _thinks(thinking, ask.stage), thinking != "disabled"
    ask.media = [seen for one in messages for seen in _media(blocks(one.get("content")))]
    ask.outcomes = [
        _outcome(block, names)
        for one in messages[last:]
        for block in blocks(one.get("content"))
        if block.get("type") == "tool_result"
    ]
    ask.max_tokens = whole(body.get("max_tokens"))
    if messages[-1].get("role") == "assistant":
        ask.prefill = _words(messages[-1].get("content"))
    ask.stops = [text(one) for one in items(body.get("stop_sequences"))]
    ask.input_tokens = input_tokens(body) + _MEDIA_TOKENS * len(ask.media)
    prefix = ask.input_tokens - tokens(ask.said)
    ask.cache_write = prefix if breakpoints(body) and prefix >= CACHE_LEAST else 0
    ask.received = len(messages)
    return ask


def input_tokens(body: Tree) -> int:
    """Tokens of everything in words: system, messages, tools. Media are counted apart."""
    told = tokens(_words(body.get("system")))
    for one in trees(body["messages"]):
        plain = [block for block in blocks(one.get("content")) if block.get("type") not in _BESIDE_TEXT]
        told += 4 + sum(tokens(said) for block in plain for said in strings(_without_media(block)))
    tools = tokens(dump(body["tools"]).decode()) if body.get("tools") else 0
    return told + tools + 3


def _without_media(block: Tree) -> Tree:
    if block.get("type") != "tool_result" or not isinstance(block.get("content"), list):
        return {name: value for name, value in block.items() if name not in ("type", "cache_control")}
    return {"content": [one for one in trees(block["content"]) if one.get("type") == "text"]}


def _words(content: object) -> str:
    return "\n".join(text(block.get("text")) for block in blocks(content) if block.get("type") == "text")


def _own(tool: Tree) -> bool:
    """Whether the caller defines the tool: the model never calls the vendor's own."""
    return text(tool.get("type")) not in SERVER_TOOLS


def _tool(tool: Tree) -> ToolDef:
    return ToolDef(text(tool.get("name")), tree(tool.get("input_schema")))


def _thinks(kind: str, stage: int) -> bool:
    return kind in ("enabled", "adaptive") or (kind == "between_tools" and stage > 0)


def _outcome(block: Tree, names: dict[str, str]) -> ToolOutcome:
    name = names.get(text(block.get("tool_use_id")), "")
    return ToolOutcome(name, _words(block.get("content")), block.get("is_error") is True)


def _media(content: list[Tree]) -> list[Media]:
    seen: list[Media] = []
    for block in content:
        if block.get("type") == "tool_result":
            seen.extend(_media(blocks(block.get("content"))))
        if block.get("type") not in ("image", "document"):
            continue
        source = tree(block.get("source"))
        kind, media_type = text(block["type"]), text(source.get("media_type"))
        if source.get("type") == "base64":
            seen.append(Media(kind, media_type, _size(kind, source)))
        elif source.get("type") in ("text", "content"):
            seen.append(
                Media(kind, media_type or "text/plain", len(_words(source.get("data") or source.get("content"))))
            )
        else:
            seen.append(Media(kind, "linked", None, text(source.get("url") or source.get("file_id"))))
    return seen


def _size(kind: str, source: Tree) -> int:
    try:
        return len(base64.b64decode(text(source.get("data")), validate=True))
    except (binascii.Error, ValueError):
        raise refusal(f"messages.content.{kind}.source.base64.data: invalid base64 data") from None
