"""A client's generateContent body to canonical types.

Gemini's function calls need no ids: where one is missing it is made from its place in the conversation, so that the
same body always reads the same, and a result without an id answers the first open call of its name.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from headgate.core.chat import (
    ChatRequest,
    Media,
    Message,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.core.errors import CannotCarry, InvalidRequest
from headgate.core.types import Json, JsonObject, as_list, as_object, as_text
from headgate.dialects.base import EXTRA_FIELD, Read, limit_depth
from headgate.dialects.decoding import invalid_body, shown
from headgate.dialects.foreign import unwrap_foreign
from headgate.dialects.google_config import fields_kept, read_config
from headgate.dialects.google_fields import fault, fields, flag, items, text, texts
from headgate.dialects.google_schema import to_json_schema
from headgate.dialects.google_types import NAME

_ROLES: Final = {"user": "user", "model": "assistant", "function": "user", "tool": "user"}
_MODES: Final = {"AUTO": "auto", "VALIDATED": "auto", "ANY": "any", "NONE": "none"}
# what these ask for exists at Google only: without it the answer would be another one
_GOOGLE_ONLY: Final = frozenset({"cachedContent", "continuationToken"})
_FILES_HOST: Final = "generativelanguage.googleapis.com"
_TO_STANDARD: Final = str.maketrans("-_", "+/")


def read_request(body: bytes, stream: bool) -> Read:
    """See `Dialect.read_request`. Raises InvalidRequest, CannotCarry."""
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise invalid_body(error) from error
    limit_depth(body, tree)
    request = fields(tree, "body")
    chat = ChatRequest(messages=[], stream=stream)
    dropped: list[str] = []
    for name in _GOOGLE_ONLY & request.keys():
        raise CannotCarry(f"{name} only means something to Google", param=name)
    turns = items(request.pop("contents", None), "contents")
    chat.messages = _Turns(dropped).read(turns)
    if not chat.messages:
        raise InvalidRequest("contents must hold at least one part", param="contents")
    if "systemInstruction" in request:
        chat.system = _system(request.pop("systemInstruction"))
    chat.tools = _tools(items(request.pop("tools", None), "tools"), dropped)
    if "toolConfig" in request:
        _tool_config(request.pop("toolConfig"), chat, dropped)
    if "generationConfig" in request:
        read_config(request.pop("generationConfig"), chat, dropped)
    request.pop("model", None)
    request.pop(EXTRA_FIELD, None)
    dropped.extend(request)
    return Read(chat, list(dict.fromkeys(dropped)))


def _system(value: Json) -> list[Text]:
    found: list[Text] = []
    for i, item in enumerate(items(fields(value, "systemInstruction").get("parts"), "systemInstruction.parts")):
        where = f"systemInstruction.parts[{i}]"
        part = fields(item, where)
        if "text" not in part:
            raise CannotCarry("a system instruction can only be text for another vendor", param=where)
        found.append(Text(text(part["text"], where + ".text")))
    return found


# -- tools ----------------------------------------------------------------------------------------------------------


def _tools(tools: list[Json], dropped: list[str]) -> list[Tool]:
    found: list[Tool] = []
    for i, item in enumerate(tools):
        where = f"tools[{i}]"
        tool = fields(item, where)
        declared = items(tool.pop("functionDeclarations", None), where + ".functionDeclarations")
        for name in tool:
            raise CannotCarry(f"the tool {shown(name)} runs at Google only", param=f"{where}.{name}")
        for j, declaration in enumerate(declared):
            found.append(_declaration(declaration, f"{where}.functionDeclarations[{j}]", dropped))
    return found


def _declaration(value: Json, where: str, dropped: list[str]) -> Tool:
    told = fields(value, where)
    if "name" not in told:
        raise fault(where + ".name", "a name")
    tool = Tool(name=text(told.pop("name"), where + ".name"))
    if "description" in told:
        tool.description = text(told.pop("description"), where + ".description")
    openapi, plain = told.pop("parameters", None), told.pop("parametersJsonSchema", None)
    if plain is not None:
        tool.schema = fields_kept(plain, where + ".parametersJsonSchema")
    elif openapi is not None:
        tool.schema = to_json_schema(openapi, where + ".parameters")
    dropped.extend(f"tools.functionDeclarations.{name}" for name in told)
    return tool


def _tool_config(value: Json, chat: ChatRequest, dropped: list[str]) -> None:
    config = fields(value, "toolConfig")
    calling = config.pop("functionCallingConfig", None)
    dropped.extend(f"toolConfig.{name}" for name in config)
    if calling is None:
        return
    at = "toolConfig.functionCallingConfig"
    told = fields(calling, at)
    mode = text(told.get("mode", "MODE_UNSPECIFIED"), at + ".mode").upper()
    allowed = texts(told.get("allowedFunctionNames"), at + ".allowedFunctionNames")
    if mode == "MODE_UNSPECIFIED":
        return
    if mode not in _MODES:
        raise fault(at + ".mode", "AUTO, ANY, NONE or VALIDATED")
    if mode == "VALIDATED":
        dropped.append(at + ".mode")  # that arguments follow their schema is promised by nobody else in this mode
    if mode != "ANY" and allowed:
        names = set(allowed)
        chat.tools = [tool for tool in chat.tools if tool.name in names]  # may call these or none: offer only these
        allowed = []
    chat.tool_choice = ToolChoice(_MODES[mode], allowed)


# -- turns ----------------------------------------------------------------------------------------------------------


class _Turns:
    """Reads contents in order, remembering the calls that wait for a result."""

    def __init__(self, dropped: list[str]) -> None:
        self._dropped = dropped
        self._open: dict[int, ToolCall] = {}  # by their number in the conversation
        self._by_id: dict[str, deque[int]] = {}
        self._by_name: dict[str, deque[int]] = {}
        self._calls = 0
        self._growing: Text | Reasoning | None = None
        self._pieces: list[str] = []  # of the text that is growing: joined once it is complete

    def read(self, turns: list[Json]) -> list[Message]:
        found: list[Message] = []
        for i, item in enumerate(turns):
            where = f"contents[{i}]"
            content = fields(item, where)
            told = text(content.get("role", "user"), where + ".role")
            role = _ROLES.get(told)
            if role is None:
                raise InvalidRequest("Please use a valid role: user, model.", param=where + ".role")
            # a streamed answer comes back as a row of turns of one role: they are one turn
            continued = bool(found) and found[-1].role == role
            parts = found[-1].parts if continued else []
            for j, part in enumerate(items(content.get("parts"), where + ".parts")):
                self._part(fields(part, f"{where}.parts[{j}]"), parts, (i, j), role)
            if parts and not continued:
                found.append(Message(role, parts))
        self._settle()
        return found

    def _grow(self, part: Text | Reasoning, told: str) -> None:
        """Adds to the text of a part."""
        if part is not self._growing:
            self._settle()
            self._growing, self._pieces = part, [part.text]
        self._pieces.append(told)

    def _settle(self) -> None:
        if self._growing is not None:
            self._growing.text = "".join(self._pieces)
            self._growing = None

    def _part(self, part: JsonObject, parts: list[Part], place: tuple[int, int], role: str) -> None:
        where = f"contents[{place[0]}].parts[{place[1]}]"
        signature, origin = self._signature(part, parts, where)
        thought = flag(part.pop("thought"), where + ".thought") if "thought" in part else False
        if "functionCall" in part:
            call = self._call(part.pop("functionCall"), place, where + ".functionCall")
            call.signature, call.origin = signature, origin
            parts.append(call)
        elif thought:
            told = text(part.pop("text", ""), where + ".text")
            if told or signature is not None:
                self._add_thought(Reasoning(told, signature, origin=origin or NAME), parts)
        else:
            if signature is not None:
                parts.append(Reasoning(signature=signature, origin=origin))
            self._plain(part, parts, where, role)
        for name in part:
            self._dropped.append(f"contents.parts.{name}")

    def _signature(self, part: JsonObject, parts: list[Part], where: str) -> tuple[str | None, str | None]:
        """The part's signature and who issued it; a redacted block becomes a part of its own."""
        if "thoughtSignature" not in part:
            return None, None
        told = text(part.pop("thoughtSignature"), where + ".thoughtSignature")
        foreign = unwrap_foreign(told)
        if foreign is None:
            return told, NAME
        if foreign.redacted is not None:
            parts.append(Reasoning(redacted=foreign.redacted, origin=foreign.origin))
        return foreign.signature, foreign.origin if foreign.signature is not None else None

    def _plain(self, part: JsonObject, parts: list[Part], where: str, role: str) -> None:
        if "text" in part:
            told = text(part.pop("text"), where + ".text")
            if told:
                self._add_text(told, parts, role)
        elif "inlineData" in part:
            parts.append(_inline(part.pop("inlineData"), where + ".inlineData", self._dropped))
        elif "fileData" in part:
            parts.append(_file(part.pop("fileData"), where + ".fileData", self._dropped))
        elif "functionResponse" in part:
            parts.append(self._result(part.pop("functionResponse"), where + ".functionResponse"))

    def _call(self, value: Json, place: tuple[int, int], where: str) -> ToolCall:
        told = fields(value, where)
        name = text(told.get("name", ""), where + ".name")
        if not name:
            raise fault(where + ".name", "a name")
        arguments = told.get("args", {})
        if as_object(arguments) is None:
            raise fault(where + ".args", "an object")
        id_ = text(told.get("id", ""), where + ".id") or f"call_{place[0]}_{place[1]}"
        call = ToolCall(id_, name, msgspec.json.encode(arguments).decode())
        self._open[self._calls] = call
        self._by_id.setdefault(id_, deque()).append(self._calls)
        self._by_name.setdefault(name, deque()).append(self._calls)
        self._calls += 1
        return call

    def _result(self, value: Json, where: str) -> ToolResult:
        told = fields(value, where)
        name = text(told.get("name", ""), where + ".name")
        call = self._answered(text(told.get("id", ""), where + ".id"), name)
        if call is None:
            raise InvalidRequest(f"no functionCall waits for this functionResponse of '{shown(name)}'", param=where)
        response = as_object(told.get("response", {}))
        if response is None:
            raise fault(where + ".response", "an object")
        parts, is_error = _result_parts(response)
        for i, item in enumerate(items(told.get("parts"), where + ".parts")):
            at = f"{where}.parts[{i}]"
            media = fields(item, at)
            if "inlineData" in media:
                parts.append(_inline(media["inlineData"], at + ".inlineData", self._dropped))
            elif "fileData" in media:
                parts.append(_file(media["fileData"], at + ".fileData", self._dropped))
            else:
                raise fault(at, "inlineData or fileData")
        for field in told.keys() - {"id", "name", "response", "parts"}:
            self._dropped.append(f"contents.parts.functionResponse.{field}")
        return ToolResult(call.id, parts, name=call.name, is_error=is_error)

    def _answered(self, id_: str, name: str) -> ToolCall | None:
        """The open call of that id, else the first open one of that name; it is open no more."""
        for waiting in (self._by_id.get(id_), self._by_name.get(name)):
            while waiting:
                call = self._open.pop(waiting.popleft(), None)
                if call is not None:
                    return call
        return None

    def _add_text(self, told: str, parts: list[Part], role: str) -> None:
        """The model's own text goes on where it was cut; a user's parts are parts."""
        before = parts[-1] if parts and role == "assistant" else None
        if isinstance(before, Text):
            self._grow(before, told)
        else:
            parts.append(Text(told))

    def _add_thought(self, thought: Reasoning, parts: list[Part]) -> None:
        """A streamed answer comes back in the pieces it was sent in: thinking goes on until a piece is signed."""
        before = parts[-1] if parts else None
        if isinstance(before, Reasoning) and before.signature is None and before.redacted is None:
            self._grow(before, thought.text)
            before.signature, before.origin = thought.signature, thought.origin
        else:
            parts.append(thought)


def _result_parts(response: JsonObject) -> tuple[list[Text | Media], bool]:
    """What a tool said: the documented `output` or `error` key (or the SDK's own `result`), else the whole object."""
    if len(response) == 1:
        [(key, value)] = response.items()
        if key in ("output", "result", "error"):
            return [Text(said) for said in _said(value)], key == "error"
    return [Text(_json(response))], False


def _said(value: Json) -> list[str]:
    """Text as it is, a list of text blocks (the form of the Model Context Protocol) block by block, else JSON."""
    if isinstance(value, str):
        return [value]
    blocks = as_list(value) or []
    found: list[str] = []
    for block in blocks:
        fields_ = as_object(block)
        said = as_text(fields_.get("text")) if fields_ is not None and fields_.get("type") == "text" else None
        if said is None or fields_ is None or len(fields_) > 2:
            return [_json(value)]
        found.append(said)
    return found or [_json(value)]


def _json(value: Json) -> str:
    return msgspec.json.encode(value).decode()


# -- media ----------------------------------------------------------------------------------------------------------


def _kind(mime: str) -> str:
    family = mime.split("/", 1)[0]
    return family if family in ("image", "audio", "video") else "document"


def _inline(value: Json, where: str, dropped: list[str]) -> Media:
    told = fields(value, where)
    mime = text(told.pop("mimeType", ""), where + ".mimeType")
    data = text(told.pop("data", ""), where + ".data")
    if not mime or not data:
        raise fault(where, "mimeType and data")
    name = text(told.pop("displayName"), where + ".displayName") if "displayName" in told else None
    dropped.extend(f"contents.parts.inlineData.{field}" for field in told)
    # Google's SDK writes base64 in the URL-safe alphabet, which nobody else reads
    return Media(mime, data=data.translate(_TO_STANDARD), kind=_kind(mime), name=name)


def _file(value: Json, where: str, dropped: list[str]) -> Media:
    told = fields(value, where)
    uri = text(told.pop("fileUri", ""), where + ".fileUri")
    if not uri.startswith(("https://", "http://")) or uri.split("/")[2] == _FILES_HOST:
        raise CannotCarry("a file kept at Google cannot be read by another vendor", param=where + ".fileUri")
    mime = text(told.pop("mimeType"), where + ".mimeType") if "mimeType" in told else None
    name = text(told.pop("displayName"), where + ".displayName") if "displayName" in told else None
    dropped.extend(f"contents.parts.fileData.{field}" for field in told)
    return Media(mime, url=uri, kind=_kind(mime) if mime else "image", name=name)
