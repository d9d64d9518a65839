"""A valid Google body in vendor-neutral terms."""

from __future__ import annotations

import base64

from headgate.simulator.brain import mark, tokens
from headgate.simulator.google_rules import declarations, parts, responses
from headgate.simulator.messages import Ask, Media, ToolDef, ToolOutcome
from headgate.simulator.models import generation
from headgate.simulator.trees import Tree, dump, items, strings, text, tree, trees, whole

_MEDIA_TOKENS = 258
_KINDS = {"image": "image", "audio": "sound", "video": "video"}


def read(body: Tree, model: str) -> Ask:
    """What a valid body asks of the model named in the URL."""
    contents = trees(body["contents"])
    spoken = [at for at, one in enumerate(contents) if one.get("role") != "model" and _words(one)]
    last = spoken[-1] if spoken else -1
    config = tree(body.get("generationConfig"))
    calling = tree(tree(body.get("toolConfig")).get("functionCallingConfig"))
    mode = text(calling.get("mode"))
    allowed = [text(one) for one in items(calling.get("allowedFunctionNames"))]
    schema = config.get("responseJsonSchema", config.get("responseSchema"))
    wants_json = config.get("responseMimeType") == "application/json"
    ask = Ask("google", model, mark(model, dump(body)))
    ask.said = _words(contents[last]) if spoken else ""
    ask.system = _words(tree(body.get("systemInstruction")))
    ask.stage = sum(1 for one in contents[last + 1 :] if one.get("role") == "model")
    tools = [_tool(one) for one in declarations(body)]
    ask.tools = [] if mode == "NONE" else [one for one in tools if not allowed or one.name in allowed]
    ask.forced = "" if mode == "ANY" else None
    ask.schema = tree(schema) if wants_json and schema is not None else None
    ask.any_json = wants_json and schema is None
    thinking = tree(config.get("thinkingConfig"))
    ask.thinks, ask.may_think = _thinks(thinking, model), thinking.get("thinkingBudget") != 0
    ask.media = [seen for one in contents for seen in _media(parts(one))]
    ask.outcomes = [_outcome(one) for content in contents[last:] for one in responses(content)]
    ask.max_tokens = whole(config.get("maxOutputTokens"))
    ask.stops = [text(one) for one in items(config.get("stopSequences"))]
    ask.count = whole(config.get("candidateCount")) or 1
    ask.input_tokens = _input_tokens(body, contents) + _MEDIA_TOKENS * len(ask.media)
    ask.received = len(contents)
    if contents[-1].get("role") == "model":
        ask.prefill = _words(contents[-1])
    return ask


def _thinks(thinking: Tree, model: str) -> bool:
    """Models from 2.5 on think by themselves, the lite ones only where asked."""
    budget, level = thinking.get("thinkingBudget"), thinking.get("thinkingLevel")
    if budget is not None or level is not None:
        return budget != 0
    return generation(model) >= 2.5 and ("lite" not in model or thinking.get("includeThoughts") is True)


def _words(content: Tree) -> str:
    return "\n".join(
        text(part["text"]) for part in parts(content) if "text" in part and part.get("thought") is not True
    )


def _tool(declared: Tree) -> ToolDef:
    schema = declared.get("parametersJsonSchema", declared.get("parameters"))
    return ToolDef(text(declared.get("name")), tree(schema))


def _outcome(response: Tree) -> ToolOutcome:
    given = tree(response.get("response"))
    told = given.get("output", given.get("result", given.get("error", given)))
    return ToolOutcome(
        text(response.get("name")), told if isinstance(told, str) else dump(told).decode(), "error" in given
    )


def _input_tokens(body: Tree, contents: list[Tree]) -> int:
    told = tokens(_words(tree(body.get("systemInstruction"))))
    for one in contents:
        for part in parts(one):
            said = [text(part["text"])] if "text" in part else strings(part.get("functionCall"))
            told += sum(map(tokens, said + strings(tree(part.get("functionResponse")).get("response"))))
        told += 1
    tools = tokens(dump(body["tools"]).decode()) if body.get("tools") else 0
    return told + tools


def _media(given: list[Tree]) -> list[Media]:
    seen: list[Media] = []
    for part in given:
        seen.extend(_media(trees(tree(part.get("functionResponse")).get("parts"))))
        if "inlineData" in part:
            blob = tree(part["inlineData"])
            mime = text(blob.get("mimeType"))
            raw = text(blob.get("data")).replace("-", "+").replace("_", "/")
            seen.append(Media(_kind(mime), mime, len(base64.b64decode(raw))))
        elif "fileData" in part:
            file = tree(part["fileData"])
            mime = text(file.get("mimeType"))
            seen.append(Media(_kind(mime), mime or "linked", None, text(file.get("fileUri"))))
    return seen


def _kind(mime: str) -> str:
    return _KINDS.get(mime.partition("/")[0], "document")
