"""Bodies that stay Anthropic's: a prompt put in, what others signed taken out, every other value byte for byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from headgate.core.chat import ChatRequest
from headgate.core.errors import InvalidRequest
from headgate.core.types import Json, as_object
from headgate.dialects.anthropic_request import write_settings
from headgate.dialects.base import splice_top_level
from headgate.dialects.decoding import fields_decoder
from headgate.dialects.foreign import MARK, MARK_BYTES

_NUMBERS: Final = ("temperature", "top_p", "top_k", "max_tokens")
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


def add_prompt(body: bytes, messages: Sequence[tuple[str, str]], settings: Mapping[str, Json]) -> bytes:
    """See `Dialect.add_prompt`. Raises InvalidRequest for a setting whose value does not fit."""
    fields = fields_decoder.decode(body)
    changes: dict[str, bytes | None] = {}
    system = [text for role, text in messages if role == "system"]
    turns = [{"role": role, "content": text} for role, text in messages if role != "system"]
    if system:
        changes["system"] = _join_system(system, fields.get("system"))
    if turns:
        changes["messages"] = _encode([*turns, *_list_decoder.decode(fields["messages"])])
    if settings:
        changes |= _fill(fields, settings)
    return splice_top_level(body, changes) if changes else body


def without_foreign(body: bytes) -> dict[str, bytes | None]:
    """Changes that take other vendors' thinking out of a body; none where the mark is only part of a text.

    `thinking: enabled` goes too: under it the vendor refuses a tool loop that does not begin with its own thinking.
    """
    fields = fields_decoder.decode(body)
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
    changes: dict[str, bytes | None] = {"messages": _encode(kept)}
    thinking = as_object(msgspec.json.decode(fields["thinking"])) if "thinking" in fields else None
    if thinking is not None and thinking.get("type") == "enabled":
        changes["thinking"] = None
    return changes


def _own_blocks(raw: msgspec.Raw) -> tuple[str, list[msgspec.Raw]] | None:
    """Role and Anthropic's own blocks of a turn; None where no block is another vendor's."""
    turn = _message_decoder.decode(raw)
    if isinstance(turn.content, str):
        return None
    own = [block for block in turn.content if not (MARK_BYTES in bytes(block) and _is_foreign(block))]
    return None if len(own) == len(turn.content) else (turn.role, own)


def _is_foreign(raw: msgspec.Raw) -> bool:
    block = _block_decoder.decode(raw)
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


def _fill(fields: dict[str, msgspec.Raw], settings: Mapping[str, Json]) -> dict[str, bytes | None]:
    """Settings as fields of the body, where the client said nothing. Raises InvalidRequest for a value of no use."""
    chat = _settings(settings)
    wire = write_settings(chat, "", None, {})
    wire |= {name: value for name in _NUMBERS if (value := getattr(chat, name)) is not None}
    changes: dict[str, bytes | None] = {name: _encode(value) for name, value in wire.items() if name not in fields}
    if "output_config" in fields and "output_config" in wire:
        said = as_object(msgspec.json.decode(fields["output_config"])) or {}
        changes["output_config"] = _encode({**(as_object(wire["output_config"]) or {}), **said})
    return changes


def _settings(settings: Mapping[str, Json]) -> ChatRequest:
    try:
        return msgspec.convert({"messages": [], **settings}, ChatRequest)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"a setting of the prompt does not fit: {error}") from error
