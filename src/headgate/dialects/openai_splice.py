"""Changes to an OpenAI request body that leave every other byte as the client sent it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from headgate.core.stages import Asked
from headgate.core.types import Json, JsonObject, as_object
from headgate.dialects.base import OUTPUT, SETTING, Carried, fields_of, filled_in, left_out, splice
from headgate.dialects.decoding import fields_decoder, tree_of
from headgate.dialects.openai_models import is_openai, refused
from headgate.dialects.openai_types import Ask

_USAGE: Final = b'{"include_usage":true}'
_WHITESPACE: Final = b" \t\r\n"
_FORMAT: Final = "response_format"

# settings a prompt may pin: canonical name -> (field, fields by which the client may have said it)
_SETTINGS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "temperature": ("temperature", ("temperature",)),
    "top_p": ("top_p", ("top_p",)),
    "top_k": ("top_k", ("top_k",)),
    "max_tokens": ("max_completion_tokens", ("max_completion_tokens", "max_tokens")),
    "stop": ("stop", ("stop",)),
    "n": ("n", ("n",)),
    "seed": ("seed", ("seed",)),
    "presence_penalty": ("presence_penalty", ("presence_penalty",)),
    "frequency_penalty": ("frequency_penalty", ("frequency_penalty",)),
    "parallel_tools": ("parallel_tool_calls", ("parallel_tool_calls",)),
    "reasoning": ("reasoning_effort", ("reasoning_effort",)),
    "json_format": (_FORMAT, (_FORMAT,)),
    "user": ("user", ("user", "safety_identifier")),
}

_encode: Final = msgspec.json.encode
_messages: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def splice_request(body: bytes, asked: Asked, model: str) -> Carried:
    """See `base.Dialect.splice_request`. One shallow decode and encode: cheaper than looking for `"model"` in the
    bytes, and a field said twice is said once to the provider. Every value that does not change keeps its exact bytes.
    """
    told = asked.document
    assert isinstance(told, Ask)
    changes: dict[str, bytes | None] = {}
    dropped: list[str] = []
    if model != asked.model:
        changes["model"] = _encode(model)
    if not asked.wants_usage:
        changes["stream_options"] = _USAGE if told.stream_options is None else _add_usage(fields_of(body, asked))
    if asked.filled:
        for name in filled_in(asked, refused(model)):
            changes[name] = None
            dropped.append(OUTPUT if name == _FORMAT else SETTING + name)
    if _carries(told):
        messages = _without_carriers(bytes(fields_of(body, asked)["messages"]), is_openai(model), dropped)
        if messages is not None:
            changes["messages"] = messages
    return Carried(splice(body, asked, changes), dropped)


def _add_usage(fields: Mapping[str, msgspec.Raw]) -> bytes:
    options = fields_decoder.decode(fields["stream_options"])
    options["include_usage"] = msgspec.Raw(b"true")
    return _encode(options)


def _carries(told: Ask) -> bool:
    """True where some message may hold thinking or a signature."""
    for message in told.messages:
        calls = message.tool_calls
        if calls is not None and any([call.extra_content is not None for call in calls]):
            return True
        if message.headgate_reasoning is not None or message.reasoning_content is not None:
            return True
    return False


def _without_carriers(raw: bytes, strict: bool, dropped: list[str]) -> bytes | None:
    """The messages without the reasoning and signatures of other vendors; None where there was nothing.

    Of what compatible servers of this dialect put there, `reasoning_content` and `extra_content`, all stays unless the
    target is `strict`: OpenAI itself refuses fields it does not know.
    """
    messages = _messages.decode(raw)
    lost: dict[str, None] = {}
    for message in messages:
        ours = message.pop("headgate_reasoning", None) is not None
        if (ours or strict) and message.pop("reasoning_content", None) is not None:
            ours = True
        if ours:
            lost["reasoning"] = None
        calls = message.get("tool_calls")
        new = _unsigned(bytes(calls), strict) if calls is not None and bytes(calls) != b"null" else None
        if new is not None:
            message["tool_calls"] = msgspec.Raw(new)
            lost["reasoning.signature"] = None
    dropped += lost
    return _encode(messages) if lost else None


def _unsigned(raw: bytes, strict: bool) -> bytes | None:
    """The tool calls without `extra_content.headgate`, for a strict target without any; None where there is none."""
    calls = _messages.decode(raw)
    changed = False
    for call in calls:
        extra = as_object(tree_of(call.get("extra_content", b"null")))
        if extra is None or not (strict or "headgate" in extra):
            continue
        changed = True
        del call["extra_content"]
        extra.pop("headgate", None)
        if extra and not strict:
            call["extra_content"] = msgspec.Raw(_encode(extra))
    return _encode(calls) if changed else None


def add_prompt(asked: Asked, messages: Sequence[tuple[str, str]], settings: Mapping[str, Json]) -> Carried:
    """See `base.Dialect.add_prompt`."""
    fields = fields_of(asked.body, asked)
    changes: dict[str, bytes | None] = {}
    dropped: list[str] = []
    filled: list[str] = []
    if messages:
        ours = _encode([{"role": role, "content": text} for role, text in messages])
        theirs = bytes(fields["messages"]).lstrip(b"[" + _WHITESPACE)
        changes["messages"] = ours[:-1] + (theirs if theirs.startswith(b"]") else b"," + theirs)
    for name, value in settings.items():
        field, said_by = _SETTINGS.get(name, ("", ()))
        told = _setting(name, value) if field else None
        if told is None:
            dropped.append(left_out(name))
        elif not any(said in fields for said in said_by):
            changes[field] = _encode(told)
            filled += (field, OUTPUT) if field == _FORMAT else (field,)
    asked.filled = filled
    return Carried(splice(asked.body, asked, changes), dropped)


def without_output(body: bytes, asked: Asked) -> bytes:
    """See `base.Dialect.without_output`."""
    return splice(body, asked, {_FORMAT: None}) if OUTPUT in asked.filled else body


def _setting(name: str, value: Json) -> Json:
    """The setting as OpenAI says it; None where it says nothing there."""
    tree = as_object(value)
    if name == "reasoning" and tree is not None:
        return tree.get("effort")
    if name == "json_format" and tree is not None:
        if tree.get("schema") is None:
            return {"type": "json_object"}
        schema: JsonObject = {key: tree[key] for key in ("schema", "strict", "description") if key in tree}
        return {"type": "json_schema", "json_schema": {"name": tree.get("name") or "answer", **schema}}
    return value
