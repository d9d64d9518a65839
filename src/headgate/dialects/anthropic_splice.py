"""Bodies that stay Anthropic's: a prompt put in, what others signed taken out, every other value byte for byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from headgate.core.chat import ChatRequest
from headgate.core.errors import InvalidRequest
from headgate.core.stages import Asked
from headgate.core.types import Json, JsonObject, as_object
from headgate.dialects.anthropic_models import takes_one_sampling, takes_sampling
from headgate.dialects.anthropic_request import write_settings
from headgate.dialects.anthropic_turns import Dropped
from headgate.dialects.base import OUTPUT, Carried, fields_of, filled_in, left_out, splice
from headgate.dialects.decoding import reread, tree_of
from headgate.dialects.foreign import MARK, MARK_BYTES

_SAMPLING: Final = ("temperature", "top_p", "top_k")
_NUMBERS: Final = (*_SAMPLING, "max_tokens")
_PLACED: Final = frozenset({*_NUMBERS, "stop", "user", "json_format", "reasoning"})
_encode: Final = msgspec.json.encode
_list_decoder: Final = msgspec.json.Decoder(list[msgspec.Raw])


class _Message(msgspec.Struct):
    """A turn; blocks stay raw."""

    role: str
    content: str | list[msgspec.Raw]


class _Block(msgspec.Struct):
    """What tells whether a block is another vendor's, and where a tool loop begins."""

    type: str = ""
    signature: str | None = None
    data: str | None = None


_message_decoder: Final = msgspec.json.Decoder(_Message)
_block_decoder: Final = msgspec.json.Decoder(_Block)


def add_prompt(asked: Asked, messages: Sequence[tuple[str, str]], settings: Mapping[str, Json]) -> Carried:
    """See `Dialect.add_prompt`. Raises InvalidRequest for a setting whose value does not fit."""
    fields = fields_of(asked.body, asked)
    changes: dict[str, bytes | None] = {}
    system = [text for role, text in messages if role == "system"]
    turns = [{"role": role, "content": text} for role, text in messages if role != "system"]
    if system:
        changes["system"] = _join_system(system, fields.get("system"))
    if turns:
        changes["messages"] = _encode([*turns, *_list_decoder.decode(fields["messages"])])
    dropped: Dropped = {}
    if settings:
        filled = _fill(fields, settings, dropped)
        asked.filled = [name for name in filled if name not in fields]
        if "json_format" in settings and "format" not in _output_config(fields):
            asked.filled = [*asked.filled, OUTPUT]
        changes |= filled
    return Carried(splice(asked.body, asked, changes), [left_out(name) for name in dropped])


def without_output(body: bytes, asked: Asked) -> bytes:
    """See `Dialect.without_output`."""
    return splice(body, asked, output_taken_out(fields_of(body, asked))) if OUTPUT in asked.filled else body


def output_taken_out(fields: Mapping[str, msgspec.Raw]) -> dict[str, bytes | None]:
    """The changes that take the answer format out of a body; none where there is none."""
    config = _output_config(fields)
    if config.pop("format", None) is None:
        return {}
    return {"output_config": _encode(config) if config else None}


def _output_config(fields: Mapping[str, msgspec.Raw]) -> JsonObject:
    return as_object(tree_of(fields.get("output_config", b"null"))) or {}


def refused_settings(body: bytes, asked: Asked, model: str) -> list[str]:
    """Sampling parameters that a prompt's settings filled in and the model refuses: all of them beside thinking and
    from some generation on, one of two before."""
    filled = filled_in(asked, _SAMPLING)
    if not filled or not takes_sampling(model):
        return filled
    fields = fields_of(body, asked)
    thinking = as_object(tree_of(fields.get("thinking", b"null")))
    if thinking is not None and thinking.get("type") != "disabled":
        return filled
    if takes_one_sampling(model) and "temperature" in fields and "top_p" in fields:
        return ["top_p" if "top_p" in filled else "temperature"]
    return []


def without_foreign(fields: Mapping[str, msgspec.Raw], dropped: list[str]) -> dict[str, bytes | None]:
    """Changes that take other vendors' thinking out of a body; none where the mark is only part of a text.

    `thinking: enabled` goes too: under it the vendor refuses a tool loop that does not begin with its own thinking.
    """
    kept: list[object] = []
    found = False
    for raw in _list_decoder.decode(fields["messages"]):
        own = _own_blocks(raw) if MARK_BYTES in bytes(raw) else None
        if own is None:
            kept.append(raw)
            continue
        found = True
        role, blocks = own
        if blocks:
            kept.append({"role": role, "content": blocks})
    if not found:
        return {}
    dropped.append("reasoning")
    changes: dict[str, bytes | None] = {"messages": _encode(kept)}
    thinking = as_object(tree_of(fields.get("thinking", b"null")))
    if thinking is not None and thinking.get("type") == "enabled":
        changes["thinking"] = None
    return changes


def _own_blocks(raw: msgspec.Raw) -> tuple[str, list[msgspec.Raw]] | None:
    """Role and Anthropic's own blocks of a turn; None where no block is another vendor's."""
    turn = reread(_message_decoder, raw)
    if isinstance(turn.content, str):
        return None
    own = [block for block in turn.content if not (MARK_BYTES in bytes(block) and _is_foreign(block))]
    return None if len(own) == len(turn.content) else (turn.role, own)


def _is_foreign(raw: msgspec.Raw) -> bool:
    block = reread(_block_decoder, raw)
    signed = block.signature if block.type == "thinking" else block.data if block.type == "redacted_thinking" else None
    return signed is not None and signed.startswith(MARK)


def _join_system(texts: list[str], own: msgspec.Raw | None) -> bytes:
    """The prompt's system texts before the client's own, whose blocks keep their exact bytes."""
    text = "\n\n".join(texts)
    first = bytes(own or b"null").lstrip()[:1]
    if own is not None and first == b"[":
        return _encode([{"type": "text", "text": text}, *_list_decoder.decode(own)])
    if own is not None and first == b'"' and (said := msgspec.json.decode(own, type=str)):
        return _encode(f"{text}\n\n{said}")
    return _encode(text)


def _fill(fields: Mapping[str, msgspec.Raw], settings: Mapping[str, Json], dropped: Dropped) -> dict[str, bytes | None]:
    """Settings as fields of the body, where the client said nothing. Raises InvalidRequest for a value of no use."""
    chat = _settings(settings)
    dropped.update((name, None) for name in settings if name not in _PLACED)
    if chat.temperature is not None and chat.temperature > 1:
        chat.temperature = 1.0  # this vendor's scale ends at 1
        dropped["temperature"] = None
    wire = write_settings(chat, "", None, dropped)
    wire |= {name: value for name in _NUMBERS if (value := getattr(chat, name)) is not None}
    changes: dict[str, bytes | None] = {name: _encode(value) for name, value in wire.items() if name not in fields}
    if "output_config" in fields and "output_config" in wire:
        changes["output_config"] = _encode({**(as_object(wire["output_config"]) or {}), **_output_config(fields)})
    return changes


def _settings(settings: Mapping[str, Json]) -> ChatRequest:
    try:
        return msgspec.convert({"messages": [], **settings}, ChatRequest)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"a setting of the prompt does not fit: {error}") from error
