"""Readers of OpenAI answers: bytes to frames, streamed and whole (`base.AnswerReader`)."""

from __future__ import annotations

from typing import Final

import msgspec

from headgate.core.chat import Frame, TextDelta
from headgate.core.errors import UpstreamError
from headgate.dialects.base import UNREAD
from headgate.dialects.openai_answer import AnswerState, plain
from headgate.dialects.openai_errors import read_stream_error
from headgate.dialects.openai_likeness import Likeness
from headgate.dialects.openai_types import Got, GotWhole, got_decoder, whole_decoder
from headgate.dialects.whole import WholeBody
from headgate.wire.sse import Event, SseParser, parse

DONE: Final = b"data: [DONE]\n\n"


def _decode(data: bytes) -> Got:
    try:
        return got_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UpstreamError("malformed_response", "the provider's answer is not what this format says") from error


def _alike(wire: bytes, text: str, likeness: Likeness) -> Frame:
    return Frame(wire, [TextDelta(text, likeness.choice)], content=True, alike=likeness.alike)


class StreamReader:
    """Reads a streamed answer. A stream whose choices all finished is whole without `[DONE]`; the marker is added.

    `choices`: how many were asked for. Servers that know no `n` say `[DONE]` after one; without it, one is too few.
    """

    __slots__ = ("_answer", "_choices", "_done", "_keep_usage", "_likeness", "_sse")

    def __init__(self, keep_usage: bool, choices: int = 1) -> None:
        self._choices = choices
        self._sse = SseParser()
        self._answer = AnswerState()
        self._keep_usage = keep_usage
        self._done = False
        self._likeness = Likeness()

    def feed(self, data: bytes) -> list[Frame]:
        """See `base.AnswerReader`. Also raises truncated and empty_answer, at a `[DONE]` that comes too early."""
        if not self._sse.rest:
            likeness = self._likeness
            text = likeness.text(data)
            if text:  # one read, one event like an earlier one, as most are: 2 us saved
                return [_alike(data, text, likeness)]
        try:
            events = self._sse.feed(data)
        except ValueError as error:
            raise UpstreamError("response_too_large", "an event of the provider's stream is too long") from error
        return [self._frame(event) for event in events]

    def end(self) -> list[Frame]:
        """See `base.AnswerReader`."""
        rest = self._sse.end()
        frames: list[Frame] = []
        if rest:
            frames.append(self._last_words(rest))
        if not self._done:
            self._check_complete()
            if not self._all_told:
                raise UpstreamError("truncated", "the provider's stream ended before every choice was finished")
            frames.append(Frame(DONE, [], last=True))
        return frames

    def _frame(self, event: Event) -> Frame:
        wire, data, name = event
        likeness = self._likeness
        text = likeness.text(wire)
        if text:
            return _alike(wire, text, likeness)
        frame = Frame(wire, [])
        if self._done:
            frame.drop = bool(data)  # the answer is whole: what follows its end is none of the client's
            return frame
        if not data:
            return frame
        if data == b"[DONE]" or data.strip() == b"[DONE]":
            self._check_complete()
            self._done = frame.last = True
            likeness.forget()
            return frame
        try:
            got = _decode(data)
        except UpstreamError:
            if not self._all_told:
                raise
            frame.drop, frame.unsaid = True, UNREAD
            return frame
        if name == b"error" and got.error is None:
            raise read_stream_error(msgspec.json.decode(data))
        self._answer.read(got, frame)
        if got.usage is not None and not self._keep_usage and not got.choices:
            frame.drop = True
        deltas = frame.deltas
        said = deltas[0] if len(deltas) == 1 else None
        if type(said) is TextDelta and likeness.learn(wire, said.text, said.choice, got):
            frame.alike = likeness.alike
        return frame

    @property
    def _all_told(self) -> bool:
        """Every choice that was asked for has told why it ended."""
        return self._answer.complete and len(self._answer.choices) >= self._choices

    def _check_complete(self) -> None:
        if not self._answer.choices and self._answer.begun:
            raise UpstreamError("empty_answer", "the provider's answer holds no choice")
        if not self._answer.complete:
            raise UpstreamError("truncated", "the provider's stream ended without a finish reason")

    def _last_words(self, rest: bytes) -> Frame:
        """What stood after the last complete event: nothing much, an event without its blank line, or a cut one."""
        if self._done or not rest.strip():
            return Frame(rest, [], drop=bool(rest.strip()))
        event = parse(rest)
        data = event.data.strip()
        if not data:
            self._check_stream(rest)
            raise UpstreamError("truncated", "the provider's stream ended inside an event")
        if data != b"[DONE]":
            try:
                got_decoder.decode(data)
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                if self._all_told:
                    return Frame(rest, [], drop=True, unsaid=UNREAD)
                raise UpstreamError("truncated", "the provider's stream ended inside an event") from error
        return self._frame(event._replace(wire=rest.rstrip(b"\r\n") + b"\n\n"))

    def _check_stream(self, rest: bytes) -> None:
        """Raises UpstreamError where the body is a JSON error or a page in place of a stream."""
        start = rest.lstrip()[:1]
        if start == b"{":
            got = _decode(rest)
            if got.error is not None:
                raise read_stream_error(got.error)
        if start in (b"{", b"<", b"["):
            raise UpstreamError("malformed_response", "the provider's answer is not an event stream")


class WholeReader(WholeBody):
    """Reads a non-streamed answer."""

    __slots__ = ()

    def end(self) -> list[Frame]:
        """See `base.AnswerReader`."""
        body = self.gathered()
        try:
            got = whole_decoder.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            got = _decode(body)  # odd counts are no reason to lose an answer; anything else fails once more
        deltas = plain(got) if type(got) is GotWhole else None
        if deltas is not None:
            return [Frame(body, deltas, last=True, content=True)]
        frame = Frame(body, [], last=True)
        answer = AnswerState()
        answer.read(got, frame)
        if not got.choices:
            raise UpstreamError("empty_answer", "the provider's answer holds no choice")
        if any(choice.message is None for choice in got.choices):
            raise UpstreamError("malformed_response", "the provider's answer holds a choice without a message")
        if not answer.complete:
            raise UpstreamError("truncated", "the provider's answer has no finish reason")
        return [frame]
