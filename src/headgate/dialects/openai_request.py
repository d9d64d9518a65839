"""OpenAI chat requests to canonical ones and back: everything but the messages (`openai_turns`)."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from headgate.core.chat import ChatRequest, JsonFormat, ReasoningRequest, Text, Tool, ToolChoice
from headgate.core.errors import CannotCarry, InvalidRequest
from headgate.core.types import Json, JsonObject, as_list, as_object, as_text
from headgate.dialects.base import EXTRA_FIELD, Carried, Read
from headgate.dialects.decoding import fields_decoder, read_body, tree_of, unread
from headgate.dialects.openai_models import takes_effort, takes_sampling, takes_stop
from headgate.dialects.openai_turns import TurnReader, write_turns
from headgate.dialects.openai_types import (
    WireFormat,
    WireMessage,
    WireRequest,
    WireTool,
    WireToolFunction,
    request_decoder,
)

_UNDERSTOOD: Final = frozenset(
    {*WireRequest.__struct_fields__, "model", "modalities", "stream", "stream_options", EXTRA_FIELD}
)
_MESSAGE: Final = frozenset(WireMessage.__struct_fields__)
_TOOL: Final = frozenset(WireTool.__struct_fields__)
_FUNCTION: Final = frozenset(WireToolFunction.__struct_fields__)
_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_MODES: Final = {"auto": "auto", "none": "none", "required": "any"}
_MODES_BACK: Final = {"auto": "auto", "none": "none", "any": "required"}
_STOPS_MAX: Final = 4
_FORMAT_NAME: Final = "answer"
_ANY_OBJECT: Final[JsonObject] = {"type": "object"}
# thinking budgets in tokens, each with the effort that vendors with both scales stand in for it
_BUDGETS: Final[tuple[tuple[int, str], ...]] = ((0, "none"), (1024, "low"), (8192, "medium"))
# what models without sampling take: these and no other value
_DEFAULTS: Final = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}
# canonical names that OpenAI has too
_SAME: Final = ("temperature", "top_p", "n", "seed", "presence_penalty", "frequency_penalty", "user")


# -- reading ----------------------------------------------------------------------------------------------------------


def read_request(body: bytes, stream: bool) -> Read:
    """See `base.Dialect.read_request`."""
    wire = read_body(request_decoder, body)
    fields = fields_decoder.decode(body)
    said = [name for name, raw in fields.items() if bytes(raw) != b"null"]
    _refuse(said, fields)
    dropped = [name for name in said if name not in _UNDERSTOOD]
    dropped += [f"messages.{name}" for name in unread(as_list(tree_of(fields["messages"])) or (), _MESSAGE)]
    if "tools" in fields:
        _name_tool_fields(as_list(tree_of(fields["tools"])) or [], dropped)
    turns = TurnReader(dropped)
    for index, message in enumerate(wire.messages):
        turns.add(message, f"messages[{index}]")
    chat = ChatRequest(messages=turns.turns, system=turns.system, stream=stream)
    for name in (*_SAME, "top_k"):
        setattr(chat, name, getattr(wire, name))
    chat.max_tokens = wire.max_tokens if wire.max_completion_tokens is None else wire.max_completion_tokens
    chat.stop = [wire.stop] if isinstance(wire.stop, str) else list(wire.stop or ())
    if wire.logprobs or wire.top_logprobs:
        dropped.append("logprobs")  # another vendor's answer has no place for them on its way back
    if wire.safety_identifier is not None and chat.user is None:
        chat.user = wire.safety_identifier
    elif wire.safety_identifier is not None:
        dropped.append("safety_identifier")
    if wire.reasoning_effort is not None:
        if wire.reasoning_effort not in _EFFORTS:
            right = ", ".join(_EFFORTS)
            raise InvalidRequest(f"'reasoning_effort' must be one of {right}", param="reasoning_effort")
        chat.reasoning = ReasoningRequest(effort=wire.reasoning_effort)
    if wire.response_format is not None:
        chat.json_format = _read_format(wire.response_format)
    _read_tools(wire, chat)
    return Read(chat, list(dict.fromkeys(dropped)))


def _name_tool_fields(tools: list[Json], dropped: list[str]) -> None:
    """What definitions of tools hold beside what is read."""
    functions = [tree.get("function") for tool in tools if (tree := as_object(tool)) is not None]
    dropped += [f"tools.{name}" for name in unread(tools, _TOOL)]
    dropped += [f"tools.function.{name}" for name in unread(functions, _FUNCTION)]


def _refuse(said: list[str], fields: dict[str, msgspec.Raw]) -> None:
    """Raises CannotCarry for what changes the kind of answer and has no counterpart elsewhere."""
    if "modalities" in said and tree_of(fields["modalities"]) != ["text"]:
        raise CannotCarry("only text answers can be asked of another vendor", param="modalities")
    for name in ("audio", "web_search_options"):
        if name in said:
            raise CannotCarry(f"{name!r} has no counterpart at another vendor", param=name)


def _read_format(told: WireFormat) -> JsonFormat | None:
    if told.type == "text":
        return None
    if told.type == "json_object":
        return JsonFormat()
    if told.type != "json_schema":
        raise CannotCarry("this answer format cannot be asked of another vendor", param="response_format.type")
    schema = told.json_schema
    tree = as_object(schema.schema) if schema is not None else None
    if schema is None or tree is None:
        at = "response_format.json_schema.schema"
        raise InvalidRequest(f"'{at}' is missing", param=at)
    if tree == _ANY_OBJECT and not schema.strict:
        return JsonFormat()
    return JsonFormat(tree, schema.name, schema.strict, schema.description)


def _read_tools(wire: WireRequest, chat: ChatRequest) -> None:
    told = wire.tools if wire.tools is not None else [WireTool(function=old) for old in wire.functions or ()]
    for index, tool in enumerate(told):
        if tool.function is None:
            raise CannotCarry("only functions can be offered to another vendor", param=f"tools[{index}]")
        function = tool.function
        chat.tools.append(Tool(function.name, function.description, as_object(function.parameters), function.strict))
    if told:
        chat.parallel_tools = wire.parallel_tool_calls
    if wire.tool_choice is not None:
        chat.tool_choice = _read_choice(wire.tool_choice, chat)
    elif wire.function_call is not None:
        chat.tool_choice = _read_old_choice(wire.function_call)
    if chat.tool_choice is not None:
        known = {tool.name for tool in chat.tools}
        if not known.issuperset(chat.tool_choice.names):
            raise InvalidRequest("'tool_choice' names a tool that is not in 'tools'", param="tool_choice")


def _read_choice(told: str | dict[str, object], chat: ChatRequest) -> ToolChoice:
    if isinstance(told, str):
        mode = _MODES.get(told)
        if mode is None:
            raise InvalidRequest("'tool_choice' must be none, auto, required or an object", param="tool_choice")
        return ToolChoice(mode)
    tree = as_object(told) or {}
    kind = tree.get("type")
    if kind == "function":
        return ToolChoice("any", [_function_name(tree)])
    if kind != "allowed_tools":
        raise CannotCarry("this tool choice cannot be said to another vendor", param="tool_choice")
    allowed = as_object(tree.get("allowed_tools")) or {}
    names = [_function_name(as_object(tool) or {}) for tool in as_list(allowed.get("tools")) or ()]
    if not names or allowed.get("mode") not in ("auto", "required"):
        raise InvalidRequest("'tool_choice.allowed_tools' must hold a mode and tools", param="tool_choice")
    if allowed["mode"] == "required":
        return ToolChoice("any", names)
    # others cannot offer tools that may not be used: not offering them says the same
    wanted = set(names)
    if {tool.name for tool in chat.tools}.issuperset(wanted):
        chat.tools = [tool for tool in chat.tools if tool.name in wanted]
        return ToolChoice("auto")
    return ToolChoice("auto", names)


def _function_name(tree: JsonObject) -> str:
    function = as_object(tree.get("function"))
    name = as_text(function.get("name")) if function is not None else None
    if name is None:
        raise InvalidRequest("'tool_choice' must name a function", param="tool_choice")
    return name


def _read_old_choice(told: str | dict[str, object]) -> ToolChoice:
    if isinstance(told, str):
        if told not in ("auto", "none"):
            raise InvalidRequest("'function_call' must be none, auto or an object", param="function_call")
        return ToolChoice(told)
    name = as_text(told.get("name"))
    if name is None:
        raise InvalidRequest("'function_call' must name a function", param="function_call")
    return ToolChoice("any", [name])


# -- writing ----------------------------------------------------------------------------------------------------------


def write_request(chat: ChatRequest, model: str, abilities: frozenset[str] | None) -> Carried:
    """See `base.Dialect.write_request`."""
    dropped: list[str] = []
    body: JsonObject = {"model": model, "messages": write_turns(chat, model, abilities, dropped)}
    if chat.max_tokens is not None:
        body["max_completion_tokens"] = chat.max_tokens
    _write_same(chat, body, abilities, dropped)
    dropped += [name for name in ("top_k", "logprobs") if getattr(chat, name) is not None]
    if len(chat.stop) > _STOPS_MAX:
        raise CannotCarry(f"OpenAI takes at most {_STOPS_MAX} stop sequences", param="stop")
    if chat.stop and takes_stop(model):
        body["stop"] = [*chat.stop]
    elif chat.stop:
        dropped.append("stop")
    if chat.json_format is not None:
        body["response_format"] = _write_format(chat, chat.json_format, abilities)
    _write_tools(chat, body, abilities)
    _write_reasoning(chat, body, abilities, dropped)
    if chat.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return Carried(msgspec.json.encode(body), list(dict.fromkeys(dropped)))


def _lacks(abilities: frozenset[str] | None, ability: Literal["tools", "json_schema", "reasoning", "sampling"]) -> bool:
    """True where the model is known and known not to be able to."""
    return abilities is not None and ability not in abilities


def _write_same(chat: ChatRequest, body: JsonObject, abilities: frozenset[str] | None, dropped: list[str]) -> None:
    """Settings of the same name and meaning, less what the model is known to refuse."""
    refused = _lacks(abilities, "sampling") or not takes_sampling(str(body["model"]))
    for name in _SAME:
        value = getattr(chat, name)
        if value is None:
            continue
        if name not in _DEFAULTS or not refused:
            body[name] = value
        elif value != _DEFAULTS[name]:
            dropped.append(name)


def _mentions_json(chat: ChatRequest) -> bool:
    """True where some text says "json": JSON mode is refused there without."""
    texts = [*chat.system, *[part for turn in chat.messages for part in turn.parts if isinstance(part, Text)]]
    return any("json" in text.text.lower() for text in texts)


def _write_format(chat: ChatRequest, told: JsonFormat, abilities: frozenset[str] | None) -> JsonObject:
    if told.schema is None:
        if _lacks(abilities, "json_schema") or _mentions_json(chat):
            return {"type": "json_object"}
        return {"type": "json_schema", "json_schema": {"name": _FORMAT_NAME, "schema": {**_ANY_OBJECT}}}
    if _lacks(abilities, "json_schema"):
        raise CannotCarry("the model cannot be held to a JSON schema", param="response_format")
    schema: JsonObject = {"name": told.name or _FORMAT_NAME, "schema": told.schema}
    if told.description is not None:
        schema["description"] = told.description
    if told.strict is not None:
        schema["strict"] = told.strict
    return {"type": "json_schema", "json_schema": schema}


def _write_tools(chat: ChatRequest, body: JsonObject, abilities: frozenset[str] | None) -> None:
    if not chat.tools:  # a choice or a switch without tools is refused there
        if chat.tool_choice is not None and chat.tool_choice.mode == "any":
            raise CannotCarry("a tool is demanded but none is given", param="tool_choice")
        return
    if _lacks(abilities, "tools"):
        raise CannotCarry("the model cannot call tools", param="tools")
    tools: list[Json] = []
    for tool in chat.tools:
        function: JsonObject = {"name": tool.name}
        for name, value in (("description", tool.description), ("parameters", tool.schema), ("strict", tool.strict)):
            if value is not None:
                function[name] = value
        tools.append({"type": "function", "function": function})
    body["tools"] = tools
    if chat.parallel_tools is not None:
        body["parallel_tool_calls"] = chat.parallel_tools
    choice = chat.tool_choice
    if choice is None:
        return
    if not choice.names:
        body["tool_choice"] = _MODES_BACK[choice.mode]
    elif choice.mode == "any" and len(choice.names) == 1:
        body["tool_choice"] = {"type": "function", "function": {"name": choice.names[0]}}
    else:
        allowed: list[Json] = [{"type": "function", "function": {"name": name}} for name in choice.names]
        body["tool_choice"] = {
            "type": "allowed_tools",
            "allowed_tools": {"mode": _MODES_BACK[choice.mode], "tools": allowed},
        }


def _write_reasoning(chat: ChatRequest, body: JsonObject, abilities: frozenset[str] | None, dropped: list[str]) -> None:
    asked = chat.reasoning
    if asked is None:
        return
    if asked.show:
        dropped.append("reasoning.show")  # thinking is never shown there
    effort = asked.effort
    if asked.budget is not None:
        dropped.append("reasoning.budget")
        effort = effort or next((word for most, word in _BUDGETS if asked.budget <= most), "high")
    if effort is None:
        if asked.adaptive and (_lacks(abilities, "reasoning") or not takes_effort(str(body["model"]))):
            dropped.append("reasoning")
        return
    if _lacks(abilities, "reasoning") or not takes_effort(str(body["model"])):
        dropped.append("reasoning.effort")
    else:
        body["reasoning_effort"] = effort
