"""A canonical request as Anthropic's body: settings, tools, thinking; the turns are `anthropic_turns`."""

from __future__ import annotations

from typing import Final

import msgspec

from headgate.core.chat import ChatRequest, ReasoningRequest, Tool
from headgate.core.errors import CannotCarry
from headgate.core.types import as_object
from headgate.dialects.anthropic_models import (
    BUDGET_MIN,
    efforts,
    max_tokens_default,
    takes_adaptive,
    takes_budget,
    takes_effort,
    takes_one_sampling,
    takes_sampling,
    takes_schema,
)
from headgate.dialects.anthropic_turns import Block, Dropped, Turn, loop_without_thinking, tool_name, write_turns
from headgate.dialects.base import Carried

_USER_MAX: Final = 256
_SAMPLING: Final = ("temperature", "top_p", "top_k")
_NO_PLACE: Final = ("seed", "presence_penalty", "frequency_penalty", "logprobs")
# thinking tokens that stand for an effort where the model knows budgets only
_BUDGETS: Final = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}


def write_request(chat: ChatRequest, model: str, abilities: frozenset[str] | None) -> Carried:
    """See `Dialect.write_request`."""
    dropped: Dropped = {}
    if chat.n is not None and chat.n > 1:
        raise CannotCarry("this vendor gives one answer at a time", param="n")
    turns, late = write_turns(chat, model, abilities, dropped)
    body: Block = {
        "model": model,
        "max_tokens": chat.max_tokens or max_tokens_default(model),
        "messages": [{"role": role, "content": content} for role, content in turns],
    }
    system = [part.text for part in chat.system if part.text.strip()] + late
    if system:
        body["system"] = [{"type": "text", "text": text} for text in system]
    _tools(chat, model, abilities, body, dropped)
    if not chat.tools:
        _past_tools(turns, body)
    body |= write_settings(chat, model, abilities, dropped)
    forced = chat.tool_choice is not None and chat.tool_choice.mode == "any"
    unfit = loop_without_thinking(turns) or turns[-1][0] == "assistant"
    if _thinks(body) and (forced or (_mode(body) == "enabled" and unfit)):
        del body["thinking"]  # the vendor refuses it there; the turn itself matters more
        dropped["reasoning"] = None
    _sampling(chat, model, abilities, body, dropped)
    if chat.stream:
        body["stream"] = True
    return Carried(msgspec.json.encode(body), list(dropped))


def write_settings(chat: ChatRequest, model: str, abilities: frozenset[str] | None, dropped: Dropped) -> Block:
    """Stop sequences, user, answer format and thinking as body fields. Raises CannotCarry."""
    body: Block = {}
    stops = [text for text in chat.stop if text.strip()]
    if len(stops) != len(chat.stop):
        dropped["stop"] = None  # the vendor refuses stop sequences of white space
    if stops:
        body["stop_sequences"] = stops
    if chat.user is not None and len(chat.user) <= _USER_MAX:
        body["metadata"] = {"user_id": chat.user}
    elif chat.user is not None:
        dropped["user"] = None
    output = _format(chat, model, abilities, dropped)
    if chat.reasoning is not None:
        if abilities is not None and "reasoning" not in abilities:
            dropped["reasoning"] = None
        else:
            output |= _thinking(chat.reasoning, chat, model, body, dropped)
    if output:
        body["output_config"] = output
    for name in _NO_PLACE:
        if getattr(chat, name) is not None:
            dropped[name] = None
    return body


def _mode(body: Block) -> str:
    thinking = as_object(body.get("thinking"))
    return "" if thinking is None else str(thinking["type"])


def _thinks(body: Block) -> bool:
    return _mode(body) not in ("", "disabled")


def _sampling(chat: ChatRequest, model: str, abilities: frozenset[str] | None, body: Block, dropped: Dropped) -> None:
    """Sampling parameters as far as the model takes them."""
    said = {name: value for name in _SAMPLING if (value := getattr(chat, name)) is not None}
    known = takes_sampling(model) and (abilities is None or "sampling" in abilities)
    if not known or _thinks(body):
        dropped.update(dict.fromkeys(said))
        return
    if "temperature" in said and said["temperature"] > 1:
        said["temperature"] = 1.0  # this vendor's scale ends at 1
        dropped["temperature"] = None
    if "temperature" in said and "top_p" in said and takes_one_sampling(model):
        del said["top_p"]
        dropped["top_p"] = None
    body.update(said)


# -- tools ---------------------------------------------------------------------------------------------------------


def _tools(chat: ChatRequest, model: str, abilities: frozenset[str] | None, body: Block, dropped: Dropped) -> None:
    choice = chat.tool_choice
    if not chat.tools:
        if choice is not None and choice.mode == "any":
            raise CannotCarry("a tool is demanded but none is given", param="tool_choice")
        return
    if abilities is not None and "tools" not in abilities:
        raise CannotCarry("the model takes no tools", param="tools")
    offered = chat.tools
    if choice is not None and len(choice.names) > 1:
        names = set(choice.names)
        offered = [tool for tool in chat.tools if tool.name in names]  # "one of these" is "any" of only these
    body["tools"] = [_tool(tool, model, dropped) for tool in offered]
    mode = "auto" if choice is None else choice.mode
    wire: Block = {"type": mode}
    if choice is not None and len(choice.names) == 1:
        wire = {"type": "tool", "name": choice.names[0]}
    if chat.parallel_tools is not None and mode != "none":
        wire["disable_parallel_tool_use"] = not chat.parallel_tools
    if choice is not None or len(wire) > 1:
        body["tool_choice"] = wire


def _past_tools(turns: list[Turn], body: Block) -> None:
    """A conversation that used tools must define them even where none may be called any more."""
    used = {str(block["name"]): None for _, blocks in turns for block in blocks if block["type"] == "tool_use"}
    if used:
        body["tools"] = [{"name": name, "input_schema": {"type": "object"}} for name in used]
        body["tool_choice"] = {"type": "none"}


def _tool(tool: Tool, model: str, dropped: Dropped) -> Block:
    schema = dict(tool.schema or {})
    if schema.setdefault("type", "object") != "object":
        raise CannotCarry("a tool's arguments must be an object", param="tools")
    wire: Block = {"name": tool_name(tool.name), "input_schema": schema}
    if tool.description is not None:
        wire["description"] = tool.description
    if tool.strict is not None and takes_schema(model):
        wire["strict"] = tool.strict
    elif tool.strict:
        dropped["tools.strict"] = None
    return wire


# -- structured output and thinking --------------------------------------------------------------------------------


def _format(chat: ChatRequest, model: str, abilities: frozenset[str] | None, dropped: Dropped) -> Block:
    form = chat.json_format
    if form is None:
        return {}
    if form.schema is None:
        raise CannotCarry("this vendor has no JSON mode without a schema", param="json_format")
    if not takes_schema(model) or (abilities is not None and "json_schema" not in abilities):
        raise CannotCarry("the model cannot be held to a JSON schema", param="json_format")
    if form.description is not None:
        dropped["json_format.description"] = None
    return {"format": {"type": "json_schema", "schema": form.schema}}


def _thinking(asked: ReasoningRequest, chat: ChatRequest, model: str, body: Block, dropped: Dropped) -> Block:
    """Sets `thinking` in the body and gives what belongs in `output_config`."""
    if asked.effort == "none":
        body["thinking"] = {"type": "disabled"}
        return {}
    if (
        asked.effort is None
        and asked.budget is None
        and not asked.adaptive
        and not (asked.show and takes_adaptive(model))
    ):
        if asked.show is not None:
            dropped["reasoning.show"] = None  # to show thinking is not to ask for any
        return {}
    display: Block = {} if asked.show is None else {"display": "summarized" if asked.show else "omitted"}
    output: Block = {}
    if asked.effort is not None and takes_effort(model):
        output["effort"] = _effort(asked.effort, model, dropped)
    if takes_budget(model) and (asked.budget is not None or not takes_adaptive(model)):
        room = (chat.max_tokens or max_tokens_default(model)) - 1
        wanted = asked.budget if asked.budget is not None else _BUDGETS.get(asked.effort or "medium", BUDGET_MIN)
        budget = min(max(wanted, BUDGET_MIN), room)
        if budget < BUDGET_MIN:
            dropped["reasoning"] = None
            return output
        if asked.budget is not None and budget != asked.budget:
            dropped["reasoning.budget"] = None
        body["thinking"] = {"type": "enabled", "budget_tokens": budget, **display}
    elif takes_adaptive(model):
        if asked.budget is not None:
            dropped["reasoning.budget"] = None
        body["thinking"] = {"type": "adaptive", **display}
    else:
        dropped["reasoning"] = None
    return output


def _effort(effort: str, model: str, dropped: Dropped) -> str:
    """The nearest word the model takes; one that had to be bent is named in `dropped`."""
    known = efforts(model)
    if effort in known:
        return effort
    dropped["reasoning.effort"] = None
    return known[0] if effort == "minimal" else known[-1]
