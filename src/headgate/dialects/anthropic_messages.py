"""Anthropic's `/v1/messages` as a `Dialect`: the joining object, and what happens to bodies that stay Anthropic's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

import msgspec

from headgate.core.chat import ChatRequest, Frame
from headgate.core.errors import HeadgateError, UpstreamError
from headgate.core.stages import Asked
from headgate.core.types import Header, Json, as_object, as_text
from headgate.dialects import anthropic_errors, anthropic_patch, anthropic_read, anthropic_request, anthropic_splice
from headgate.dialects.anthropic_answer import StreamReader, WholeReader
from headgate.dialects.anthropic_models import generation, takes_prefill, takes_schema
from headgate.dialects.anthropic_types import NAME, Ask, AskBlock, ask_decoder
from headgate.dialects.anthropic_write import StreamWriter, WholeWriter
from headgate.dialects.base import (
    EXTRA_FIELD,
    OUTPUT,
    SETTING,
    AnswerMeta,
    AnswerReader,
    AnswerWriter,
    Carried,
    Read,
    Sent,
    fields_of,
    splice,
)
from headgate.dialects.decoding import read_body, reread
from headgate.dialects.foreign import MARK_BYTES

_encode: Final = msgspec.json.encode


class _Metadata(msgspec.Struct):
    metadata: Json = None


_metadata: Final = msgspec.json.Decoder(_Metadata)


class AnthropicMessages:
    """Implements `Dialect`."""

    name = NAME

    # -- requests

    def ask(self, body: bytes, path_model: str | None, path_stream: bool) -> Asked:
        """See `Dialect.ask`."""
        ask = read_body(ask_decoder, body)
        chars = _chars(ask.system) + len(ask.tools)
        for message in ask.messages:
            chars += _chars(message.content)
        asked = Asked(ask.model, bool(ask.stream), body, ask, ask.max_tokens, input_chars=chars)
        extra = ask.headgate
        if extra is not msgspec.UNSET:
            asked.body = splice(body, asked, {EXTRA_FIELD: None})
            if extra is not None:
                extra.into(asked)
        return asked

    def system_text(self, asked: Asked) -> str | None:
        """See `Dialect.system_text`."""
        system = cast("Ask", asked.document).system
        if system is None or isinstance(system, str):
            return system or None
        return "\n".join(block.text for block in system if block.text) or None

    def end_user(self, asked: Asked) -> str | None:
        """`metadata.user_id`."""
        return as_text((as_object(reread(_metadata, asked.body).metadata) or {}).get("user_id"))

    def turns(self, asked: Asked, most: int) -> list[tuple[str, str]]:
        """See `Dialect.turns`."""
        return [
            (
                turn.role,
                turn.content
                if isinstance(turn.content, str)
                else "\n".join(block.text for block in turn.content if block.text),
            )
            for turn in cast("Ask", asked.document).messages[:most]
        ]

    def add_prompt(self, asked: Asked, messages: Sequence[tuple[str, str]], settings: Mapping[str, Json]) -> Carried:
        """See `Dialect.add_prompt`. This dialect has no place for seed and penalties."""
        return anthropic_splice.add_prompt(asked, messages, settings)

    def without_output(self, body: bytes, asked: Asked) -> bytes:
        """See `Dialect.without_output`."""
        return anthropic_splice.without_output(body, asked)

    def read_request(self, body: bytes, stream: bool) -> Read:
        """See `Dialect.read_request`."""
        return anthropic_read.read_request(body, stream)

    def write_request(self, chat: ChatRequest, model: str, abilities: frozenset[str] | None) -> Carried:
        """See `Dialect.write_request`."""
        return anthropic_request.write_request(chat, model, abilities)

    def splice_request(self, body: bytes, asked: Asked, model: str) -> Carried:
        """See `Dialect.splice_request`. Two things more are taken out: what a prompt filled in, not the client, where
        the model refuses it (sampling parameters, an answer format); and thinking blocks that carry what other vendors
        signed, which Anthropic refuses."""
        changes: dict[str, bytes | None] = {}
        dropped: list[str] = []
        if model != asked.model:
            changes["model"] = _encode(model)
        if asked.filled:
            for name in anthropic_splice.refused_settings(body, asked, model):
                changes[name] = None
                dropped.append(SETTING + name)
            if OUTPUT in asked.filled and not takes_schema(model):
                taken_out = anthropic_splice.output_taken_out(fields_of(body, asked))
                changes |= taken_out
                dropped += [OUTPUT] if taken_out else []
        if MARK_BYTES in body:
            changes |= anthropic_splice.without_foreign(fields_of(body, asked), dropped)
        return Carried(splice(body, asked, changes), dropped)

    def takes_prefill(self, model: str) -> bool:
        """See `Dialect.takes_prefill`."""
        return generation(model) is not None and takes_prefill(model)

    def request_target(self, model: str, stream: bool) -> str:
        """See `Dialect.request_target`."""
        return "/messages"

    # -- answers

    def reader(self, stream: bool, keep_usage: bool, choices: int = 1) -> AnswerReader:
        """See `Dialect.reader`. Usage always comes: there is none that only we asked for. There is one choice."""
        return StreamReader() if stream else WholeReader()

    def writer(self, stream: bool, meta: AnswerMeta) -> AnswerWriter:
        """See `Dialect.writer`."""
        return StreamWriter(meta) if stream else WholeWriter(meta)

    def patch(self, frame: Frame) -> bytes:
        """See `Dialect.patch`."""
        return anthropic_patch.patch(frame)

    def cut(self, sent: Sent, meta: AnswerMeta, error: HeadgateError | None) -> bytes:
        """See `Dialect.cut`."""
        return anthropic_patch.cut(sent, meta, error)

    # -- errors

    def error_body(self, error: HeadgateError, call_id: str | None) -> bytes:
        """See `Dialect.error_body`."""
        return _encode(anthropic_errors.error_object(error, call_id))

    def read_error(self, status: int, headers: Sequence[Header], body: bytes) -> UpstreamError:
        """See `Dialect.read_error`."""
        return anthropic_errors.read_error(status, headers, body)


def _chars(content: str | list[AskBlock] | dict[str, msgspec.Raw] | None) -> int:
    """Characters of text in content, tool results included."""
    if isinstance(content, str):
        return len(content)
    if not isinstance(content, list):
        return 0
    total = 0
    for block in content:
        if block.text is not None:
            total += len(block.text)
        if block.content is not None:
            total += _chars(block.content)
    return total


ANTHROPIC: Final = AnthropicMessages()
