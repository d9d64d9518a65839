"""Google's generateContent as a `Dialect`: the joining object, stateless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from headgate.core.chat import ChatRequest, Frame
from headgate.core.errors import HeadgateError, UpstreamError
from headgate.core.stages import Asked
from headgate.core.types import Header, Json
from headgate.dialects import (
    google_answer,
    google_errors,
    google_patch,
    google_read,
    google_render,
    google_request,
    google_write,
)
from headgate.dialects.base import AnswerMeta, AnswerReader, AnswerWriter, Carried, Dialect, Read, Sent
from headgate.dialects.google_types import NAME, takes_prefill


class GoogleGenerate:
    """Implements `Dialect`."""

    __slots__ = ()

    name = NAME

    def ask(self, body: bytes, path_model: str | None, path_stream: bool) -> Asked:
        """See `Dialect.ask`."""
        return google_request.ask(body, path_model, path_stream)

    def system_text(self, asked: Asked) -> str | None:
        """See `Dialect.system_text`."""
        return google_request.system_text(asked)

    def end_user(self, asked: Asked) -> str | None:
        """The dialect has no field for it."""
        return None

    def turns(self, asked: Asked, most: int) -> list[tuple[str, str]]:
        """See `Dialect.turns`."""
        return google_request.turns(asked, most)

    def add_prompt(self, asked: Asked, messages: Sequence[tuple[str, str]], settings: Mapping[str, Json]) -> Carried:
        """See `Dialect.add_prompt`."""
        return google_request.add_prompt(asked, messages, settings)

    def without_output(self, body: bytes, asked: Asked) -> bytes:
        """See `Dialect.without_output`."""
        return google_request.without_output(body, asked)

    def read_request(self, body: bytes, stream: bool) -> Read:
        """See `Dialect.read_request`."""
        return google_read.read_request(body, stream)

    def write_request(self, chat: ChatRequest, model: str, abilities: frozenset[str] | None) -> Carried:
        """See `Dialect.write_request`."""
        return google_write.write_request(chat, model, abilities)

    def splice_request(self, body: bytes, asked: Asked, model: str) -> Carried:
        """See `Dialect.splice_request`."""
        return google_request.splice_request(body, asked, model)

    def takes_prefill(self, model: str) -> bool:
        """See `Dialect.takes_prefill`."""
        return takes_prefill(model)

    def request_target(self, model: str, stream: bool) -> str:
        """See `Dialect.request_target`."""
        return google_request.request_target(model, stream)

    def reader(self, stream: bool, keep_usage: bool, choices: int = 1) -> AnswerReader:
        """See `Dialect.reader`. Gemini tells usage unasked, so there is never a frame to drop."""
        return google_answer.StreamReader(choices) if stream else google_answer.WholeReader()

    def writer(self, stream: bool, meta: AnswerMeta) -> AnswerWriter:
        """See `Dialect.writer`."""
        return google_render.StreamWriter(meta) if stream else google_render.WholeWriter(meta)

    def patch(self, frame: Frame) -> bytes:
        """See `Dialect.patch`."""
        return google_patch.patch(frame)

    def cut(self, sent: Sent, meta: AnswerMeta, error: HeadgateError | None) -> bytes:
        """See `Dialect.cut`."""
        return google_render.cut(sent, meta, error)

    def error_body(self, error: HeadgateError, call_id: str | None) -> bytes:
        """See `Dialect.error_body`."""
        return google_errors.error_body(error, call_id)

    def read_error(self, status: int, headers: Sequence[Header], body: bytes) -> UpstreamError:
        """See `Dialect.read_error`."""
        return google_errors.read_error(status, headers, body)


GOOGLE: Final[Dialect] = GoogleGenerate()
