"""A canonical request to a generateContent body for one of Google's models."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Final

import msgspec

from headgate.core.chat import ChatRequest, Media, Message, Reasoning, Text, Tool, ToolCall, ToolChoice, ToolResult
from headgate.core.errors import CannotCarry
from headgate.core.types import Json, JsonObject, as_object
from headgate.dialects.base import Carried
from headgate.dialects.google_config import write_config
from headgate.dialects.google_types import BYPASS, NAME, generation, is_old

_MODES: Final = {"auto": "AUTO", "none": "NONE", "any": "ANY"}
# a media kind's name among `base.ABILITIES`; nobody states whether a model takes the others
_ABILITY: Final = {"image": "images", "document": "documents", "audio": "audio"}
_NAME_MAX: Final = 128
_NAME_START: Final = frozenset(string.ascii_letters + "_")
_NAME_CHARS: Final = frozenset(string.ascii_letters + string.digits + "_.:-")
# how base64 of a file begins -> what it is, for media whose type nobody told
_MAGIC: Final = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi": "application/pdf",
}
_ENDINGS: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "mp4": "video/mp4",
}


def write_request(chat: ChatRequest, model: str, abilities: frozenset[str] | None) -> Carried:
    """See `Dialect.write_request`. Raises CannotCarry."""
    dropped: list[str] = []
    if abilities is not None:
        chat = _within(chat, abilities, dropped)
    body: JsonObject = {"contents": _Contents(model, abilities, dropped).write(chat.messages)}
    system: list[Json] = [{"text": part.text} for part in _system(chat, dropped) if part.text]
    if system:
        body["systemInstruction"] = {"parts": system}
    if chat.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool, dropped) for tool in chat.tools]}]
        if chat.json_format is not None and is_old(model):
            raise CannotCarry("this Gemini model cannot answer in JSON where tools are declared", param="json_format")
    if chat.tool_choice is not None:
        if chat.tool_choice.mode == "any" and not chat.tools:
            raise CannotCarry("a tool is demanded but none is given", param="tool_choice")
        body["toolConfig"] = {"functionCallingConfig": _choice(chat.tool_choice)}
    config = write_config(chat, model, dropped)
    if config:
        body["generationConfig"] = config
    if chat.parallel_tools is False:
        dropped.append("parallel_tools")
    if chat.user is not None:
        dropped.append("user")
    return Carried(msgspec.json.encode(body), list(dict.fromkeys(dropped)))


def _within(chat: ChatRequest, abilities: frozenset[str], dropped: list[str]) -> ChatRequest:
    """The request without settings that the model is known not to take. Raises CannotCarry where its meaning goes."""
    if chat.tools and "tools" not in abilities:
        raise CannotCarry("the model cannot call tools", param="tools")
    if chat.json_format is not None and chat.json_format.schema is not None and "json_schema" not in abilities:
        raise CannotCarry("the model cannot be held to a JSON schema", param="json_format")
    lost: list[str] = []
    if "reasoning" not in abilities:
        lost.append("reasoning")
    if "sampling" not in abilities:
        lost += ["temperature", "top_p", "top_k"]
    lost = [name for name in lost if getattr(chat, name) is not None]
    dropped.extend(lost)
    return msgspec.structs.replace(chat, **dict.fromkeys(lost)) if lost else chat


def _system(chat: ChatRequest, dropped: list[str]) -> list[Text]:
    """All system texts: Gemini has one place for them, so later ones lose their position in the conversation."""
    found = list(chat.system)
    talking = False
    for turn in chat.messages:
        if turn.role != "system":
            talking = True
            continue
        if turn.name is not None:
            dropped.append("messages.name")
        found.extend(part for part in turn.parts if isinstance(part, Text))
        if talking:
            dropped.append("messages.system_position")
    return found


def _declaration(tool: Tool, dropped: list[str]) -> Json:
    if len(tool.name) > _NAME_MAX or tool.name[:1] not in _NAME_START or not _NAME_CHARS.issuperset(tool.name):
        raise CannotCarry("Gemini does not take this tool name", param="tools.name")
    told: JsonObject = {"name": tool.name}
    if tool.description is not None:
        told["description"] = tool.description
    if tool.schema is not None:
        told["parametersJsonSchema"] = tool.schema
    if tool.strict:
        dropped.append("tools.strict")
    return told


def _choice(choice: ToolChoice) -> JsonObject:
    config: JsonObject = {"mode": _MODES[choice.mode]}
    if choice.names:
        config["allowedFunctionNames"] = list(choice.names)
    return config


class _Contents:
    """Writes the turns of one conversation, adjacent turns of one role merged."""

    def __init__(self, model: str, abilities: frozenset[str] | None, dropped: list[str]) -> None:
        self._model = model
        self._abilities = abilities
        self._signs = not is_old(model)
        self._dropped = dropped
        self._called: dict[str, str] = {}

    def write(self, messages: Sequence[Message]) -> list[Json]:
        """Raises CannotCarry."""
        turns: list[tuple[str, list[Json]]] = []
        for message in messages:
            if message.role == "system":
                continue
            role = "model" if message.role == "assistant" else "user"
            if message.name is not None:
                self._dropped.append("messages.name")
            parts = self._parts(message)
            if turns and turns[-1][0] == role:
                turns[-1][1].extend(parts)
            elif parts:
                turns.append((role, parts))
        for role, parts in turns:
            if role == "model" and self._signs:
                _sign_first_call(parts)
        return [{"role": role, "parts": parts} for role, parts in turns]

    def _parts(self, message: Message) -> list[Json]:
        written: list[Json] = []
        after: list[Json] = []  # media of tool results, where results are flat
        pending: str | None = None  # a signature that stood on the text which follows
        for part in message.parts:
            if isinstance(part, Text):
                if part.text:
                    told: JsonObject = {"text": part.text}
                    if pending is not None:
                        told["thoughtSignature"], pending = pending, None
                    written.append(told)
            elif isinstance(part, Media):
                written.append(self._media(part))
            elif isinstance(part, ToolCall):
                written.append(self._call(part))
            elif isinstance(part, ToolResult):
                written.append(self._result(part, after))
            elif part.origin != NAME:
                self._dropped.append("reasoning" if part.text else "reasoning.signature")
            elif part.text:
                written.append(_thought(part))
            else:
                pending = part.signature
        if pending is not None:
            written.append({"text": "", "thoughtSignature": pending})
        return written + after

    def _call(self, call: ToolCall) -> Json:
        self._called[call.id] = call.name
        told: JsonObject = {"id": call.id, "name": call.name, "args": _arguments(call)}
        part: JsonObject = {"functionCall": told}
        if call.signature is not None and call.origin == NAME:
            part["thoughtSignature"] = call.signature
        elif call.signature is not None:
            self._dropped.append("reasoning.signature")
        return part

    def _result(self, result: ToolResult, after: list[Json]) -> Json:
        name = result.name or self._called.get(result.call_id)
        if name is None:
            raise CannotCarry("Gemini needs the name of the tool that a result belongs to", param="messages")
        told: JsonObject = {"id": result.call_id, "name": name}
        texts = [part.text for part in result.parts if isinstance(part, Text)]
        # several texts go as a list of text blocks, so that they stay apart
        said: Json = [{"type": "text", "text": text} for text in texts] if len(texts) > 1 else "".join(texts)
        told["response"] = {"error" if result.is_error else "output": said}
        media: list[Json] = [self._media(part) for part in result.parts if isinstance(part, Media)]
        if media and self._signs:
            told["parts"] = media
        else:
            after.extend(media)
        return {"functionResponse": told}

    def _media(self, media: Media) -> Json:
        ability = _ABILITY.get(media.kind)
        if ability is not None and self._abilities is not None and ability not in self._abilities:
            raise CannotCarry(f"the model takes no {media.kind}", param="messages")
        if media.detail not in (None, "auto"):
            self._dropped.append("media.detail")
        if media.name is not None:
            self._dropped.append("media.name")
        mime = media.mime or _guess(media)
        if media.data is not None:
            if mime is None:
                raise CannotCarry("Gemini needs the media type of inline data", param="messages")
            return {"inlineData": {"mimeType": mime, "data": media.data}}
        if media.url is None:
            raise CannotCarry("a file kept at another vendor cannot be read by Gemini", param="messages")
        if (generation(self._model) or 3) < 2.5:
            raise CannotCarry("this Gemini model does not fetch files from URLs", param="messages")
        told: JsonObject = {"fileUri": media.url}
        if mime is not None:
            told["mimeType"] = mime
        return {"fileData": told}


def _thought(part: Reasoning) -> JsonObject:
    told: JsonObject = {"text": part.text, "thought": True}
    if part.signature is not None:
        told["thoughtSignature"] = part.signature
    return told


def _sign_first_call(parts: list[Json]) -> None:
    """Gemini 3 refuses a step whose first call it did not sign, unless the documented bypass stands there."""
    for part in parts:
        fields = as_object(part)
        if fields is not None and "functionCall" in fields:
            fields.setdefault("thoughtSignature", BYPASS)
            return


def _arguments(call: ToolCall) -> JsonObject:
    if not call.arguments.strip():
        return {}
    try:
        arguments = as_object(msgspec.json.decode(call.arguments))
    except (msgspec.DecodeError, RecursionError):
        arguments = None
    if arguments is None:
        raise CannotCarry("the arguments of a tool call are no JSON object", param="messages.tool_calls.arguments")
    return arguments


def _guess(media: Media) -> str | None:
    if media.data is not None:
        return next((mime for head, mime in _MAGIC.items() if media.data.startswith(head)), None)
    path = (media.url or "").split("?", 1)[0]
    return _ENDINGS.get(path.rpartition(".")[2].lower())
