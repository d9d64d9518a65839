"""The OpenAI chat completions dialect (`/v1/chat/completions`), which compatible servers speak too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from headgate.core.chat import ChatRequest, Frame
from headgate.core.errors import HeadgateError, UpstreamError
from headgate.core.stages import Asked
from headgate.core.types import Header, Json, as_text
from headgate.dialects import openai_errors, openai_patch, openai_request, openai_splice
from headgate.dialects.base import (
    EXTRA_FIELD,
    AnswerMeta,
    AnswerReader,
    AnswerWriter,
    Carried,
    Dialect,
    Read,
    Sent,
    splice,
)
from headgate.dialects.decoding import read_body, reread
from headgate.dialects.openai_reader import StreamReader, WholeReader
from headgate.dialects.openai_turns import NAME
from headgate.dialects.openai_types import Ask, AskMessage, ask_decoder
from headgate.dialects.openai_write import StreamWriter, WholeWriter

_SYSTEM_ROLES: Final = ("system", "developer")


class _EndUser(msgspec.Struct):
    user: Json = None
    safety_identifier: Json = None


_end_user: Final = msgspec.json.Decoder(_EndUser)


class OpenAIChat:
    """Implements `base.Dialect`; each method is described there."""

    name = NAME

    def ask(self, body: bytes, path_model: str | None, path_stream: bool) -> Asked:
        """Model and stream stand in the body; the path says nothing."""
        told = read_body(ask_decoder, body)
        stream = told.stream is True
        options = told.stream_options
        asked = Asked(
            told.model,
            stream,
            body,
            told,
            told.max_tokens if told.max_completion_tokens is None else told.max_completion_tokens,
            wants_usage=not stream or (options is not None and options.include_usage is True),
            input_chars=_input_chars(told),
            choices=told.n or 1,
        )
        extra = told.headgate
        if extra is not msgspec.UNSET:
            asked.body = splice(body, asked, {EXTRA_FIELD: None})
            if extra is not None:
                extra.into(asked)
        return asked

    def system_text(self, asked: Asked) -> str | None:
        """The system and developer messages before the first other one."""
        told = asked.document
        assert isinstance(told, Ask)
        texts: list[str] = []
        for message in told.messages:
            if message.role not in _SYSTEM_ROLES:
                break
            texts += _texts(message)
        return "\n".join(texts) if texts else None

    def end_user(self, asked: Asked) -> str | None:
        """`safety_identifier`, which took the place of `user`."""
        told = reread(_end_user, asked.body)
        return as_text(told.safety_identifier) or as_text(told.user)

    def turns(self, asked: Asked, most: int) -> list[tuple[str, str]]:
        """See `Dialect.turns`."""
        told = asked.document
        assert isinstance(told, Ask)
        out: list[tuple[str, str]] = []
        for message in told.messages:
            if len(out) == most:
                break
            content = message.content
            text = content if isinstance(content, str) else "\n".join(_texts(message))
            if message.role not in _SYSTEM_ROLES:
                out.append((message.role, text))
            elif out:
                out.append(("system", text))
        return out

    def add_prompt(self, asked: Asked, messages: Sequence[tuple[str, str]], settings: Mapping[str, Json]) -> Carried:
        """System texts are messages here, so the prompt is put in front as it stands."""
        return openai_splice.add_prompt(asked, messages, settings)

    def without_output(self, body: bytes, asked: Asked) -> bytes:
        """Without `response_format`."""
        return openai_splice.without_output(body, asked)

    def read_request(self, body: bytes, stream: bool) -> Read:
        """Any OpenAI client's request in canonical form."""
        return openai_request.read_request(body, stream)

    def write_request(self, chat: ChatRequest, model: str, abilities: frozenset[str] | None) -> Carried:
        """For OpenAI itself and for compatible servers alike."""
        return openai_request.write_request(chat, model, abilities)

    def splice_request(self, body: bytes, asked: Asked, model: str) -> Carried:
        """Model name, `stream_options.include_usage`, what the model refuses of a prompt's settings, and the reasoning
        of other vendors that its client keeps."""
        return openai_splice.splice_request(body, asked, model)

    def takes_prefill(self, model: str) -> bool:
        """OpenAI's models begin anew; a compatible server's account states what it can."""
        return False

    def request_target(self, model: str, stream: bool) -> str:
        """The same for every model."""
        return "/chat/completions"

    def reader(self, stream: bool, keep_usage: bool, choices: int = 1) -> AnswerReader:
        """A reader for one answer."""
        return StreamReader(keep_usage, choices) if stream else WholeReader()

    def writer(self, stream: bool, meta: AnswerMeta) -> AnswerWriter:
        """A writer for one answer."""
        return StreamWriter(meta) if stream else WholeWriter(meta)

    def patch(self, frame: Frame) -> bytes:
        """One chunk or one body with its texts replaced."""
        return openai_patch.patch(frame)

    def cut(self, sent: Sent, meta: AnswerMeta, error: HeadgateError | None) -> bytes:
        """`content_filter` and `[DONE]`, or an error event alone."""
        return openai_patch.cut(sent, meta, error)

    def error_body(self, error: HeadgateError, call_id: str | None) -> bytes:
        """The call's id goes in a header, as OpenAI's own does."""
        return msgspec.json.encode(openai_errors.error_object(error))

    def read_error(self, status: int, headers: Sequence[Header], body: bytes) -> UpstreamError:
        """OpenAI's error object, and what compatible servers send in its place."""
        return openai_errors.read_error(status, headers, body)


def _texts(message: AskMessage) -> list[str]:
    """The texts of a message."""
    content = message.content
    if isinstance(content, str):
        return [content]
    return [part.text for part in content or () if part.text is not None]


def _input_chars(told: Ask) -> int:
    """Characters of all texts and tool definitions: cheap, and close enough for an estimate."""
    count = 0
    for message in told.messages:
        content = message.content
        if isinstance(content, str):
            count += len(content)
        elif content is not None:
            count += sum([len(part.text) for part in content if part.text is not None])
    if told.tools is not None:
        count += sum([len(bytes(tool)) for tool in told.tools])
    return count


OPENAI: Final[Dialect] = OpenAIChat()
