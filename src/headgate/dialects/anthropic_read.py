"""Reading a client's Anthropic request into canonical types."""

from __future__ import annotations

import base64
from typing import Final, NoReturn

import msgspec

from headgate.core.chat import (
    ChatRequest,
    JsonFormat,
    Media,
    Message,
    Reasoning,
    ReasoningRequest,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.core.errors import CannotCarry, InvalidRequest
from headgate.core.types import as_list, as_object
from headgate.dialects.anthropic_types import (
    NAME,
    WireBlock,
    WireMessage,
    WireRequest,
    WireSource,
    WireTool,
    request_decoder,
)
from headgate.dialects.base import EXTRA_FIELD, Read
from headgate.dialects.decoding import fields_decoder, read_body, shown, tree_of, unread
from headgate.dialects.foreign import Foreign, unwrap_foreign

_KNOWN: Final = frozenset({*WireRequest.__struct_fields__, EXTRA_FIELD})
_TURN: Final = frozenset(WireMessage.__struct_fields__)
_BLOCK: Final = frozenset(WireBlock.__struct_fields__)
_TOOL: Final = frozenset(WireTool.__struct_fields__)
_ANTHROPIC_ONLY: Final = ("mcp_servers", "container", "thread")  # without these the answer would be another one
_TOOL_EXTRAS: Final = ("input_examples", "allowed_callers", "defer_loading", "eager_input_streaming")
_CHOICES: Final = ("auto", "any", "none", "tool")
_THINKING: Final = ("enabled", "adaptive", "between_tools", "disabled")


def read_request(body: bytes, stream: bool) -> Read:
    """See `Dialect.read_request`."""
    wire = read_body(request_decoder, body)
    fields = fields_decoder.decode(body)
    for name in _ANTHROPIC_ONLY:
        if bytes(fields.get(name, b"null")) not in (b"null", b"[]"):
            _no_place(f"{name!r}", name)
    reading = _Reading()
    reading.name_fields(fields)
    reading.note(*(name for name, value in fields.items() if name not in _KNOWN and bytes(value) != b"null"))
    return Read(reading.request(wire, stream), list(reading.dropped))


def _fault(where: str, expected: str) -> NoReturn:
    raise InvalidRequest(f"invalid request body: '{where}': expected {expected}", param=where)


def _no_place(what: str, where: str) -> NoReturn:
    raise CannotCarry(f"{what} cannot be carried to another vendor", param=where)


class _Reading:
    """One request being read: what has no place, and the calls that results answer."""

    def __init__(self) -> None:
        self.dropped: dict[str, None] = {}  # ordered, each name once
        self._names: dict[str, str] = {}

    def note(self, *names: str) -> None:
        """Names what is dropped."""
        self.dropped.update(dict.fromkeys(names))

    def name_fields(self, fields: dict[str, msgspec.Raw]) -> None:
        """Names what turns, their blocks and tools hold beside what is read."""
        turns = as_list(tree_of(fields["messages"])) or []
        contents = [as_list(tree.get("content")) or [] for turn in turns if (tree := as_object(turn)) is not None]
        blocks = [block for content in contents for block in content]
        tools = as_list(tree_of(fields.get("tools", b"null"))) or []
        for place, objects, known in (
            ("messages", turns, _TURN), ("messages.content", blocks, _BLOCK), ("tools", tools, _TOOL),
        ):  # fmt: skip
            self.note(*(f"{place}.{name}" for name in unread(objects, known)))

    def request(self, wire: WireRequest, stream: bool) -> ChatRequest:
        """The whole request."""
        chat = ChatRequest(
            messages=[self._message(turn, f"messages[{i}]") for i, turn in enumerate(wire.messages)],
            system=[Text(wire.system)] if isinstance(wire.system, str) else self._texts(wire.system or [], "system"),
            tools=[self._tool(tool, f"tools[{i}]") for i, tool in enumerate(wire.tools or [])],
            max_tokens=wire.max_tokens,
            temperature=wire.temperature,
            top_p=wire.top_p,
            top_k=wire.top_k,
            stop=wire.stop_sequences or [],
            user=None if wire.metadata is None else wire.metadata.user_id,
            stream=stream,
        )
        chat.system = [part for part in chat.system if part.text]
        self._choice(wire, chat)
        self._thinking(wire, chat)
        if wire.output_config is not None and wire.output_config.format is not None:
            form = wire.output_config.format
            if form.type != "json_schema" or form.schema is None:
                _no_place(f"answers of format {shown(form.type)!r}", "output_config.format")
            chat.json_format = JsonFormat(schema=form.schema, strict=True)
        if chat.max_tokens == 0:
            _no_place("a request for no answer (max_tokens 0, to warm the cache)", "max_tokens")
        return chat

    # -- settings

    def _choice(self, wire: WireRequest, chat: ChatRequest) -> None:
        choice = wire.tool_choice
        if choice is None:
            return
        if choice.type not in _CHOICES or (choice.type == "tool" and choice.name is None):
            _fault("tool_choice", "auto, any, none, or tool with a name")
        names = [choice.name] if choice.type == "tool" and choice.name is not None else []
        chat.tool_choice = ToolChoice("any" if names else choice.type, names)
        if choice.disable_parallel_tool_use is not None:
            chat.parallel_tools = not choice.disable_parallel_tool_use

    def _thinking(self, wire: WireRequest, chat: ChatRequest) -> None:
        effort = None if wire.output_config is None else wire.output_config.effort
        thinking = wire.thinking
        if thinking is None:
            chat.reasoning = None if effort is None else ReasoningRequest(effort=effort)
            return
        if thinking.type not in _THINKING:
            _fault("thinking.type", "enabled, adaptive, between_tools or disabled")
        if thinking.type == "disabled":
            chat.reasoning = ReasoningRequest(effort="none")
            if effort is not None:
                self.note("output_config.effort")
            return
        if thinking.type == "between_tools":
            self.note("thinking.between_tools")
        chat.reasoning = ReasoningRequest(
            effort=effort,
            budget=thinking.budget_tokens if thinking.type == "enabled" else None,
            adaptive=thinking.type != "enabled",
            show=None if thinking.display is None else thinking.display == "summarized",
        )

    def _tool(self, tool: WireTool, where: str) -> Tool:
        if tool.type not in (None, "custom"):
            _no_place(f"the server tool {shown(tool.type)!r}", where)
        if not tool.name:
            _fault(f"{where}.name", "a name")
        if bytes(tool.cache_control):
            self.note("cache_control")
        self.note(*(f"tools.{name}" for name in _TOOL_EXTRAS if bytes(getattr(tool, name)) not in (b"", b"null")))
        return Tool(tool.name, tool.description, tool.input_schema, tool.strict)

    # -- turns

    def _message(self, turn: WireMessage, where: str) -> Message:
        if turn.role not in ("user", "assistant", "system"):
            _fault(f"{where}.role", "user, assistant or system")
        if isinstance(turn.content, str):
            return Message(turn.role, [Text(turn.content)])
        if turn.role == "system":
            return Message(turn.role, [*self._texts(turn.content, f"{where}.content")])
        message = Message(turn.role, [])
        signed: dict[str, Foreign] = {}
        for i, block in enumerate(turn.content):
            at = f"{where}.content[{i}]"
            if bytes(block.cache_control) not in (b"", b"null"):
                self.note("cache_control")
            match block.type:
                case "tool_use":
                    message.parts.append(self._call(block, signed, at))
                case "tool_result":
                    message.parts.append(self._result(block, at))
                case "thinking":
                    message.parts += self._thought(block, signed, at)
                case "redacted_thinking":
                    message.parts.append(self._redacted(block, at))
                case _:
                    message.parts += self._shown(block, at)
        return message

    def _texts(self, blocks: list[WireBlock], where: str) -> list[Text]:
        found: list[Text] = []
        for i, block in enumerate(blocks):
            if bytes(block.cache_control) not in (b"", b"null"):
                self.note("cache_control")
            for part in self._shown(block, f"{where}[{i}]"):
                found.append(part if isinstance(part, Text) else _fault(f"{where}[{i}]", "a text block"))
        return found

    def _shown(self, block: WireBlock, where: str) -> list[Text | Media]:
        """Text, an image or a document. Raises CannotCarry for block types that only this vendor has."""
        if block.type == "text":
            if bytes(block.citations) not in (b"", b"null", b"[]"):
                self.note("citations")
            return [Text(block.text if block.text is not None else _fault(f"{where}.text", "a string"))]
        if block.type == "image":
            if bytes(block.transformations) not in (b"", b"null"):
                self.note("image.transformations")
            return [_media(block.source, "image", None, where)]
        if block.type != "document":
            _no_place(f"a content block of type {shown(block.type)!r}", where)
        if bytes(block.citations) not in (b"", b"null", b'{"enabled":false}'):
            self.note("citations")
        if block.context:
            self.note("document.context")
        if block.source is not None and block.source.type == "content":
            return self._inline(block, block.source, where)
        return [_media(block.source, "document", block.title, where)]

    def _inline(self, block: WireBlock, source: WireSource, where: str) -> list[Text | Media]:
        """A document made of blocks, as its blocks."""
        if block.title:
            self.note("document.title")
        if isinstance(source.content, str):
            return [Text(source.content)]
        at = f"{where}.source.content"
        return [part for i, one in enumerate(source.content or []) for part in self._shown(one, f"{at}[{i}]")]

    def _call(self, block: WireBlock, signed: dict[str, Foreign], where: str) -> ToolCall:
        if not block.id or not block.name:
            _fault(where, "an id and a name")
        given = bytes(block.input)
        if given[:1] not in (b"{", b""):
            _fault(f"{where}.input", "an object")
        self._names[block.id] = block.name
        foreign = signed.get(block.id)
        return ToolCall(
            block.id,
            block.name,
            given.decode() or "{}",
            None if foreign is None else foreign.signature,
            None if foreign is None else foreign.origin,
        )

    def _result(self, block: WireBlock, where: str) -> ToolResult:
        if not block.tool_use_id:
            _fault(f"{where}.tool_use_id", "the id of a tool call")
        parts: list[Text | Media] = []
        if isinstance(block.content, str):
            parts.append(Text(block.content))
        elif isinstance(block.content, list):
            for i, one in enumerate(block.content):
                parts += self._shown(one, f"{where}.content[{i}]")
        elif block.content is not None:
            _fault(f"{where}.content", "a string or blocks")
        return ToolResult(block.tool_use_id, parts, self._names.get(block.tool_use_id), block.is_error or False)

    def _thought(self, block: WireBlock, signed: dict[str, Foreign], where: str) -> list[Reasoning]:
        """A thinking block; where it only carries the signature of a tool call, the call gets it back."""
        if block.thinking is None:
            _fault(f"{where}.thinking", "a string")
        foreign = unwrap_foreign(block.signature or "")
        if foreign is None:
            return [Reasoning(block.thinking, block.signature or None, None, NAME)]
        if foreign.call is not None:
            signed[foreign.call] = foreign
            return []
        return [Reasoning(block.thinking, foreign.signature, foreign.redacted, foreign.origin)]

    def _redacted(self, block: WireBlock, where: str) -> Reasoning:
        if block.data is None:
            _fault(f"{where}.data", "a string")
        foreign = unwrap_foreign(block.data)
        if foreign is None:
            return Reasoning(redacted=block.data, origin=NAME)
        return Reasoning("", foreign.signature, foreign.redacted, foreign.origin)


def _media(source: WireSource | None, kind: str, name: str | None, where: str) -> Media:
    at = f"{where}.source"
    if source is None:
        _fault(at, "a source")
    match source:
        case WireSource(type="base64", data=str(data), media_type=str(mime)):
            return Media(mime, data, kind=kind, name=name)
        case WireSource(type="url", url=str(url)):
            return Media("application/pdf" if kind == "document" else None, url=url, kind=kind, name=name)
        case WireSource(type="text", data=str(data)) if kind == "document":
            mime = source.media_type or "text/plain"
            return Media(mime, base64.b64encode(data.encode()).decode(), kind=kind, name=name)
        case WireSource(type="file", file_id=str(file_id)):
            return Media(None, file_id=file_id, kind=kind, name=name)
        case _:
            _fault(at, "base64 with media_type and data, url with url, text with data, or file with file_id")
