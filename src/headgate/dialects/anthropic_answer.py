"""Reading Anthropic's answers, streamed and whole, into frames."""

from __future__ import annotations

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
from headgate.dialects.anthropic_errors import read_stream_error
from headgate.dialects.anthropic_types import (
    FINISH,
    GotBlock,
    GotEvent,
    GotUsage,
    event_decoder,
    message_decoder,
)
from headgate.dialects.base import COUNT_MAX, UNREAD
from headgate.dialects.whole import WholeBody, is_object
from headgate.wire.sse import Event, SseParser, parse

MESSAGE_STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_SAID: Final = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
_UNSAID: Final = "answer.blocks"  # of types that only this vendor has
_EMPTY_INPUTS: Final = (b"", b"{}", b"null")


class UsageCount:
    """Anthropic's counts as canonical ones. `input_tokens` leaves out what was read from or written to the cache, and
    a message_delta may tell only some of the three: what was told before stands."""

    __slots__ = ("_input", "_read", "_written")

    def __init__(self) -> None:
        self._input: int | None = None
        self._read: int | None = None
        self._written: int | None = None

    def told(self, usage: GotUsage, final: bool) -> UsageDelta:
        """`final` False: a message_start, whose output count is only a beginning and says nothing yet."""
        self._input = _count(usage.input_tokens, self._input)
        self._read = _count(usage.cache_read_input_tokens, self._read)
        self._written = _count(usage.cache_creation_input_tokens, self._written)
        total = None if self._input is None else self._input + (self._read or 0) + (self._written or 0)
        details = usage.output_tokens_details
        return UsageDelta(
            Usage(
                input=total,
                output=_count(usage.output_tokens) if final else None,
                cached=self._read,
                cache_write=self._written,
                reasoning=None if details is None else _count(details.thinking_tokens),
            )
        )


class BlockCount:
    """Numbers what canonical deltas number apart: tool calls and thinking blocks. Keys are block indexes."""

    __slots__ = ("thoughts", "tools")

    def __init__(self) -> None:
        self.tools: dict[int, int] = {}
        self.thoughts: dict[int, int] = {}

    def opened(self, index: int, block: GotBlock) -> list[Delta]:
        """What a block shows where it starts; of a whole answer, all of it. Block types we do not know show nothing:
        only a client of the same dialect can have asked for them."""
        match block.type:
            case "text":
                return [TextDelta(block.text)] if block.text else []
            case "thinking":
                number = self.thoughts[index] = len(self.thoughts)
                if not block.thinking and not block.signature:
                    return []
                return [ReasoningDelta(block.thinking or "", block=number, signature=block.signature or None)]
            case "redacted_thinking":
                number = self.thoughts[index] = len(self.thoughts)
                return [ReasoningDelta(block=number, redacted=block.data or "")]
            case "tool_use":
                number = self.tools[index] = len(self.tools)
                return [ToolStart(number, block.id or "", block.name or "")]
            case _:
                return []


def _count(told: int | None, before: int | None = None) -> int | None:
    """A token count; one that cannot be true says nothing."""
    return told if told is not None and 0 <= told <= COUNT_MAX else before


def finish(reason: str, stop: str | None) -> Finish:
    """The canonical end for a `stop_reason`."""
    return Finish(FINISH.get(reason, "other"), reason, 0, stop)


class StreamReader:
    """Reads a stream event by event. An error event ends the answer after the frames before it were handed out.

    A stream whose message_delta told a stop_reason is complete even where message_stop is missing (the finish is the
    vendor's word, message_stop only closes the envelope): the missing event is then supplied. Without a stop_reason it
    is truncated, message_stop or not.
    """

    __slots__ = (
        "_args",
        "_blocks",
        "_broken",
        "_failure",
        "_finished",
        "_last",
        "_open",
        "_parser",
        "_started",
        "_usage",
    )

    def __init__(self) -> None:
        self._parser = SseParser()
        self._blocks = BlockCount()
        self._usage = UsageCount()
        self._open: int | None = None
        self._args: dict[int, list[str]] = {}  # what open tool calls have shown of their input
        self._broken = False  # a tool call's input was no JSON object
        self._started = False
        self._finished = False
        self._last = False
        self._failure: UpstreamError | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """See `AnswerReader.feed`."""
        if self._failure is not None:
            raise self._failure
        try:
            events = self._parser.feed(data)
        except ValueError as error:
            raise UpstreamError("response_too_large", "an event of the answer is too large") from error
        frames: list[Frame] = []
        for event in events:
            frame = self._frame(event)
            if frame is None:
                break
            frames.append(frame)
        if self._failure is not None and not frames:
            raise self._failure
        return frames

    def end(self) -> list[Frame]:
        """See `AnswerReader.end`."""
        if self._failure is not None:
            raise self._failure
        rest = self._parser.end()
        frames = self._rest(rest)
        if self._last:
            return frames
        if self._finished:
            return [*frames, Frame(MESSAGE_STOP, [], last=True)]
        if self._started or rest.strip():
            raise _truncated()
        raise UpstreamError("empty_answer", "the provider sent an empty answer")

    def _rest(self, rest: bytes) -> list[Frame]:
        """Bytes after the last whole event. An event that lacks only its closing blank line counts, completed."""
        if not rest.strip():
            return [Frame(rest, [])] if rest else []
        if not self._started and rest.lstrip()[:1] in (b"{", b"<"):
            raise _not_a_stream(rest)
        event = parse(rest)
        frame = self._frame(event) if event.data and not self._last else None
        failure, self._failure = self._failure, None
        if failure is not None and failure.kind != "malformed_response":
            raise failure
        if frame is None:
            return [Frame(rest, [], drop=True)]
        frame.wire = rest.rstrip() + b"\n\n"
        return [frame]

    def _frame(self, event: Event) -> Frame | None:
        """One event's frame; None where the answer has failed, and `_failure` says how."""
        if self._last:
            return Frame(event.wire, [], drop=True)
        if not event.data:
            return Frame(event.wire, [], open_block=self._open)
        try:
            got = event_decoder.decode(event.data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            if self._finished or event.name == b"ping":
                lost = UNREAD if self._finished else None  # nothing, of a sign of life
                return Frame(event.wire, [], drop=True, open_block=self._open, unsaid=lost)
            self._failure = UpstreamError("malformed_response", "an event of the answer is not the vendor's JSON")
            return None
        if got.type == "content_block_delta":
            deltas = self._more(got)
            return Frame(event.wire, deltas, content=bool(deltas), open_block=self._open)
        if got.type == "error":
            self._failure = read_stream_error(_tree(got.error))
            return None
        if got.type == "message_stop" and not self._finished:
            self._failure = _truncated()
            return None
        frame = self._structure(event.wire, got)
        return None if self._failure is not None else frame

    def _more(self, got: GotEvent) -> list[Delta]:
        delta, index = got.delta, got.index
        if delta is None:
            return []
        match delta.type:
            case "text_delta":
                return [TextDelta(delta.text)] if delta.text else []
            case "input_json_delta":
                number = self._blocks.tools.get(index)
                if number is None or not delta.partial_json:
                    return []
                self._args.setdefault(number, []).append(delta.partial_json)
                return [ToolArgs(number, delta.partial_json)]
            case "thinking_delta" | "signature_delta":
                if not delta.thinking and not delta.signature:
                    return []
                number = self._blocks.thoughts.get(index, 0)
                return [ReasoningDelta(delta.thinking or "", block=number, signature=delta.signature or None)]
            case _:
                return []

    def _structure(self, wire: bytes, got: GotEvent) -> Frame:
        """Every event that is not more of a block."""
        frame = Frame(wire, [])
        match got.type:
            case "content_block_start" if got.content_block is not None:
                block = got.content_block
                self._open = got.index
                frame.deltas = self._blocks.opened(got.index, block)
                if block.type == "tool_use" and (given := bytes(block.input).strip()) not in _EMPTY_INPUTS:
                    number = self._blocks.tools[got.index]
                    self._args[number] = [given.decode()]
                    frame.deltas.append(ToolArgs(number, given.decode()))
                frame.content = bool(frame.deltas) or block.type not in ("text", "thinking")
                frame.unsaid = None if block.type in _SAID else _UNSAID
            case "content_block_stop":
                self._open = None
                if (number := self._blocks.tools.get(got.index)) is not None:
                    frame.deltas += self._call_ended(number)
            case "message_start" if got.message is not None:
                self._started = True
                frame.deltas.append(Begin(got.message.id, got.message.model))
                if got.message.usage is not None:
                    frame.deltas.append(self._usage.told(got.message.usage, final=False))
            case "message_delta":
                if got.delta is not None and got.delta.stop_reason is not None:
                    self._finished = True
                    self._failure = self._failure or self._spoilt(got.delta.stop_reason)
                    frame.deltas.append(finish(got.delta.stop_reason, got.delta.stop_sequence))
                    frame.content = got.delta.stop_reason == "refusal"
                if got.usage is not None:
                    frame.deltas.append(self._usage.told(got.usage, final=True))
            case "message_stop":
                self._last = frame.last = True
            case _:
                pass
        frame.open_block = self._open
        return frame

    def _call_ended(self, number: int) -> list[Delta]:
        """The end of a tool call's block; a call without input shows no fragment of it at all."""
        shown = self._args.pop(number, None)
        if shown is None:
            return [ToolArgs(number, "{}")]
        self._broken = self._broken or not is_object("".join(shown))
        return []

    def _spoilt(self, reason: str) -> UpstreamError | None:
        """What is wrong with an answer whose tool call broke off; one that was cut by its limit says so itself."""
        if not self._broken or reason != "tool_use":
            return None
        return UpstreamError("bad_tool_call", "the input of a tool call is not a JSON object")


class WholeReader(WholeBody):
    """Reads a whole body."""

    __slots__ = ()

    def end(self) -> list[Frame]:
        """See `AnswerReader.end`."""
        body = self.gathered()
        if not body.strip():
            raise UpstreamError("empty_answer", "the provider sent an empty answer")
        try:
            got = message_decoder.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise UpstreamError("malformed_response", "the answer is not the vendor's JSON") from error
        if got.type == "error" or bytes(got.error):
            raise read_stream_error(_tree(got.error))
        if got.content is None:
            raise UpstreamError("malformed_response", "the answer is no message")
        if got.stop_reason is None:
            raise UpstreamError("truncated", "the answer has no stop reason")
        deltas: list[Delta] = [Begin(got.id, got.model)]
        blocks = BlockCount()
        for index, block in enumerate(got.content):
            deltas += whole_block(blocks, index, block)
        deltas.append(finish(got.stop_reason, got.stop_sequence))
        if got.usage is not None:
            deltas.append(UsageCount().told(got.usage, final=True))
        unsaid = None if all(block.type in _SAID for block in got.content) else _UNSAID
        return [Frame(body, deltas, last=True, content=True, unsaid=unsaid)]


def whole_block(blocks: BlockCount, index: int, block: GotBlock) -> list[Delta]:
    """The deltas of one block of a whole answer."""
    deltas = blocks.opened(index, block)
    if block.type == "tool_use":
        given = bytes(block.input).decode()
        deltas.append(ToolArgs(blocks.tools[index], "{}" if given in ("", "null") else given))
    return deltas


def _truncated() -> UpstreamError:
    return UpstreamError("truncated", "the answer ended before it was finished")


def _tree(raw: msgspec.Raw) -> object:
    return msgspec.json.decode(raw) if bytes(raw) else None


def _not_a_stream(body: bytes) -> UpstreamError:
    """A body that is no event stream at all: an error object sent with status 200, or a page."""
    try:
        got = message_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return UpstreamError("malformed_response", "the answer is no event stream")
    if got.type == "error" or bytes(got.error):
        return read_stream_error(_tree(got.error))
    return UpstreamError("malformed_response", "the answer is no event stream")
