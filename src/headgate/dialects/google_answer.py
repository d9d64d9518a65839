"""Reading Gemini's answers, streamed and whole, into frames.

A stream is a row of whole response objects without a terminator: it is complete when every candidate that began has
told why it ended, and only the end of the body tells that no other follows. There may be fewer than were asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec

from headgate.core.chat import (
    Begin,
    Delta,
    Finish,
    Frame,
    ReasoningDelta,
    TextDelta,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from headgate.core.errors import UpstreamError
from headgate.core.types import Usage
from headgate.dialects.base import UNREAD
from headgate.dialects.google_array import ArraySplitter, as_event
from headgate.dialects.google_errors import read_stream_error
from headgate.dialects.google_types import (
    BROKEN_FINISH,
    FINISH,
    Said,
    SaidCall,
    SaidCandidate,
    SaidPart,
    SaidUsage,
    said_decoder,
)
from headgate.dialects.whole import WholeBody
from headgate.wire.sse import EVENT_BYTES_MAX, Event, SseParser, parse

CHOICES_MAX: Final = 128
_UNSAID: Final = "answer.media"
_UNSPECIFIED: Final = "FINISH_REASON_UNSPECIFIED"
_decode: Final[Callable[[bytes], Said]] = said_decoder.decode


class _Candidate:
    """One candidate being read. `block` numbers thinking blocks, `thinking` is True while one is open."""

    __slots__ = ("block", "calls", "finished", "thinking")

    def __init__(self) -> None:
        self.block = 0
        self.calls = 0
        self.finished = False
        self.thinking = False


class _Answer:
    """What all response objects so far say."""

    __slots__ = ("_begun", "_id", "blocked", "candidates")

    def __init__(self) -> None:
        self._begun = False
        self._id = ""
        self.blocked = False
        self.candidates: dict[int, _Candidate] = {}

    def told(self, choices: int) -> bool:
        """So many candidates, and all there are, have told why they ended."""
        return len(self.candidates) >= choices and all(told.finished for told in self.candidates.values())

    def check_complete(self) -> None:
        """Raises UpstreamError: empty_answer; truncated where a candidate did not tell why it ended.

        Models bring fewer candidates than were asked for (python-genai issue 1888), so none is missed here.
        """
        if self.blocked:
            return
        if not self._begun:
            raise UpstreamError("truncated", "the provider's answer ended before it began")
        if not self.candidates:
            raise UpstreamError("empty_answer", "the provider's answer holds no candidate")
        if not self.told(1):
            raise UpstreamError("truncated", "the provider's answer ended without a finish reason")

    def read(self, said: Said, frame: Frame) -> None:
        """Adds what one response object says to the frame. Raises UpstreamError."""
        deltas = frame.deltas
        if len(said.error) and bytes(said.error) != b"null":
            raise read_stream_error(said.error)
        if not self._begun:
            self._begun = True
            self._id = said.id or ""
            deltas.append(Begin(said.id, said.model))
        candidates = said.candidates
        if candidates:
            for candidate in candidates:
                self._candidate(candidate, frame)
        elif said.feedback is not None and said.feedback.block and not self.candidates and not self.blocked:
            self.blocked = True
            deltas.append(Finish("refusal", said.feedback.block))
            frame.content = True
        if said.usage is not None:
            deltas.append(UsageDelta(read_usage(said.usage)))

    def _candidate(self, said: SaidCandidate, frame: Frame) -> None:
        index = said.index or 0
        state = self.candidates.get(index)
        if state is None:
            if not 0 <= index < CHOICES_MAX:
                raise UpstreamError("malformed_response", "the provider numbers its candidates out of range")
            state = self.candidates[index] = _Candidate()
        content = said.content
        if content is not None and content.parts:
            for part in content.parts:
                if part.text and not part.thought and part.signature is None and not state.thinking:
                    frame.deltas.append(TextDelta(part.text, index))
                    frame.content = True
                else:
                    self._part(part, index, state, frame)
        finish = said.finish
        if finish is not None and not state.finished and finish != _UNSPECIFIED:
            state.finished = True
            self._finish(finish, index, state, frame)

    def _part(self, part: SaidPart, index: int, state: _Candidate, frame: Frame) -> None:
        deltas = frame.deltas
        if part.call is not None:
            _close(state)
            self._call(part.call, part.signature, index, state, deltas)
            frame.content = True
            return
        text = part.text or ""
        if part.thought:
            if text or part.signature is not None:
                deltas.append(ReasoningDelta(text, index, state.block, part.signature))
                state.thinking = True
        else:
            if part.signature is not None:  # stands for the thinking just before, or for thinking that is not shown
                deltas.append(ReasoningDelta("", index, state.block, part.signature))
                state.thinking = True
            if text:
                _close(state)
                deltas.append(TextDelta(text, index))
        if part.signature is not None:
            _close(state)
        shown = part.code is not None or part.ran is not None
        if shown:
            _close(state)
            deltas += [TextDelta(said, index) for said in (_code(part), _printed(part)) if said]
        if len(part.media):
            frame.unsaid = _UNSAID
            shown = True
        if text or shown:
            frame.content = True

    def _call(self, call: SaidCall, signature: str | None, index: int, state: _Candidate, deltas: list[Delta]) -> None:
        try:
            args = bytes(call.args).decode()
        except UnicodeDecodeError as error:
            raise UpstreamError("malformed_response", "the provider's answer is not UTF-8") from error
        if not args or args == "null":
            args = "{}"
        elif not args.startswith("{"):
            raise UpstreamError("bad_tool_call", "the arguments of a function call are no object")
        number = state.calls
        state.calls += 1
        id_ = call.id or _made_id(self._id, index, number, call.name, args)
        deltas.append(ToolStart(number, id_, call.name, index, signature))
        deltas.append(ToolArgs(number, args, index))

    def _finish(self, raw: str, index: int, state: _Candidate, frame: Frame) -> None:
        broken = BROKEN_FINISH.get(raw)
        if broken is not None:
            raise UpstreamError(broken, f"the model ended with {raw}")
        reason = FINISH.get(raw, "other")
        if reason == "stop" and state.calls:
            reason = "tool_calls"
        elif reason == "refusal":
            frame.content = True
        frame.deltas.append(Finish(reason, raw, index))


def _code(part: SaidPart) -> str:
    """Code that the model had run: text of the answer like any other, so that guardrails see it."""
    return "" if part.code is None else part.code.code or ""


def _printed(part: SaidPart) -> str:
    """What that code printed."""
    return "" if part.ran is None else part.ran.output or ""


def _close(state: _Candidate) -> None:
    """Ends the thinking block, if one is open."""
    if state.thinking:
        state.thinking = False
        state.block += 1


def _made_id(answer: str, index: int, number: int, name: str, args: str) -> str:
    """An id for a call without one: the same answer always gets the same, other answers get others."""
    seed = msgspec.json.encode((answer, index, number, name, args))
    return "call_" + hashlib.blake2b(seed, digest_size=12).hexdigest()


def read_usage(said: SaidUsage) -> Usage:
    """Canonical counts. Gemini counts thoughts apart from candidates, and tool prompts apart from the prompt."""
    input_ = said.prompt
    if input_ is not None and said.tool_prompt:
        input_ += said.tool_prompt
    output = said.candidates
    if output is not None:
        output += said.thoughts or 0
    elif said.total is not None and input_ is not None:
        output = max(said.total - input_, 0)  # a count of zero is left out
    else:
        output = said.thoughts
    return Usage(input_, output, said.cached, None, said.thoughts)


def _decoded(data: bytes) -> Said:
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamError("malformed_response", "the provider's answer is not a generateContent response") from error


class StreamReader:
    """Implements `AnswerReader` for streams: SSE, or the JSON array of a server that ignores `alt=sse`, whose elements
    are put into SSE so that the client gets what it asked for."""

    __slots__ = ("_answer", "_array", "_choices", "_parser", "_started")

    def __init__(self, choices: int = 1) -> None:
        self._choices = choices
        self._answer = _Answer()
        self._parser = SseParser(EVENT_BYTES_MAX)
        self._array: ArraySplitter | None = None
        self._started = False

    def feed(self, data: bytes) -> list[Frame]:
        """See `AnswerReader.feed`."""
        if not self._started:
            head = data.lstrip()[:1]
            self._started = head != b""
            if head in (b"[", b"{"):
                self._array = ArraySplitter()
        try:
            if self._array is not None:
                return [self._frame(parse(_event(element))) for element in self._array.feed(data)]
            return [self._frame(event) for event in self._parser.feed(data)]
        except ValueError as error:
            raise UpstreamError("response_too_large", f"an event is over {EVENT_BYTES_MAX} bytes") from error

    def end(self) -> list[Frame]:
        """See `AnswerReader.end`."""
        rest = self._array.end() if self._array is not None else self._parser.end()
        frame = Frame(b"", [])
        if rest:
            frame = self._tail(rest)
        self._answer.check_complete()
        frame.last = True
        return [frame]

    def _tail(self, rest: bytes) -> Frame:
        """An event without the blank line that ends it counts where it is whole."""
        try:
            return self._frame(parse(rest))
        except UpstreamError as error:
            if error.kind != "malformed_response":
                raise
            raise UpstreamError("truncated", "the provider's answer ended in the middle of an event") from error

    def _frame(self, event: Event) -> Frame:
        frame = Frame(event.wire, [])
        if event.data:
            try:
                said = _decoded(event.data)
            except UpstreamError:
                if not self._answer.told(self._choices):
                    raise
                frame.drop, frame.unsaid = True, UNREAD
                return frame
            self._answer.read(said, frame)
        return frame


def _event(element: bytes) -> bytes:
    try:
        return as_event(element)
    except msgspec.DecodeError as error:
        raise UpstreamError("malformed_response", "the provider's answer is not JSON") from error


class WholeReader(WholeBody):
    """Implements `AnswerReader` for one JSON body."""

    __slots__ = ()

    def end(self) -> list[Frame]:
        """See `AnswerReader.end`."""
        body = self.gathered()
        try:
            said = _decode(body)
        except msgspec.ValidationError as error:
            raise UpstreamError("malformed_response", "the answer is not a generateContent response") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            cut = "truncated" in str(error)
            raise UpstreamError(
                "truncated" if cut else "malformed_response",
                "the provider's answer ended too early" if cut else "the provider's answer is not JSON",
            ) from error
        frame = Frame(body, [], last=True)
        answer = _Answer()
        answer.read(said, frame)
        answer.check_complete()
        return [frame]
