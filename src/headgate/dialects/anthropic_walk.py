"""The way through another dialect's deltas to Anthropic's content blocks, the same for streamed and whole answers.

One block is open at a time and the next one closes it. Parallel tool calls whose arguments arrive interleaved wait for
their turn: a call's block stays open until its arguments are a whole JSON object or something else is shown.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from headgate.core.chat import (
    Begin,
    Delta,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from headgate.core.types import Usage, folded
from headgate.dialects.anthropic_types import FINISH_BACK, NAME
from headgate.dialects.base import CHARS_PER_TOKEN, AnswerMeta
from headgate.dialects.foreign import Foreign, wrap_foreign

INVALID_JSON: Final = "INVALID_JSON"  # the vendor's documented wrapper for tool input that is not JSON
_LOOK_ALWAYS: Final = 4096  # characters
_object_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Sink(Protocol):
    """What becomes of blocks: events of a stream, or items of `content`."""

    def begin(self, id: str, model: str, usage: Usage) -> None:
        """The answer starts."""
        ...

    def open(self, block: dict[str, object]) -> None:
        """A block starts; no other is open."""
        ...

    def more(self, delta: dict[str, object]) -> None:
        """More of the open block, as the vendor's delta object."""
        ...

    def shut(self) -> None:
        """The open block is complete."""
        ...


class _Call(msgspec.Struct):
    """A tool call and the JSON text of its arguments so far. `look` is the size from which it is worth looking at
    whether they are whole: long arguments are looked at again once they have doubled, which keeps the work linear."""

    start: ToolStart
    args: list[str] = []
    size: int = 0
    look: int = 0

    def add(self, text: str) -> None:
        """More of the arguments."""
        self.args.append(text)
        self.size += len(text)

    def whole(self) -> bool:
        """Whether the arguments are a whole JSON object, as far as that was looked at."""
        if self.size < self.look or not self.args or not self.args[-1].rstrip().endswith("}"):
            return False
        text = "".join(self.args)
        self.args[:] = [text]
        if is_object(text):
            return True
        self.look = self.size * 2 if self.size > _LOOK_ALWAYS else 0
        return False


def is_object(text: str) -> bool:
    """Whether the text is one JSON object."""
    try:
        _object_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def input_object(text: str) -> object:
    """Arguments as a tool's `input`: nothing is `{}`, what is no JSON object goes in the vendor's wrapper."""
    if not text.strip():
        return {}
    return msgspec.Raw(text.encode()) if is_object(text) else {INVALID_JSON: text}


def count_usage(usage: Usage, whole: bool) -> dict[str, object]:
    """A `usage` object. `whole` False: of a message_delta, where only the output count must be told.

    The vendor's types have no null for the two counts that are always there: `Walk.counted` fills them in.
    """
    counts: dict[str, object] = {
        "input_tokens": None if usage.input is None else plain_input(usage),
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output or 0,
    }
    if whole and counts["input_tokens"] is None:
        counts["input_tokens"] = 0
    if usage.reasoning is not None:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return counts


def plain_input(usage: Usage) -> int:
    """Input tokens without those read from or written to a cache."""
    return max((usage.input or 0) - (usage.cached or 0) - (usage.cache_write or 0), 0)


class Walk:
    """Takes deltas, keeps one block open, remembers the end."""

    __slots__ = (
        "_begun", "_call", "_chars", "_kind", "_meta", "_queue", "_refused", "_signed", "_sink", "_thought", "finish",
        "usage",
    )  # fmt: skip

    def __init__(self, meta: AnswerMeta, sink: Sink) -> None:
        self._meta = meta
        self._sink = sink
        self._begun = False
        self._chars = 0
        self._kind = ""
        self._thought = 0
        self._signed = False
        self._call: _Call | None = None
        self._queue: list[_Call] = []
        self._refused = False
        self.finish: Finish | None = None
        self.usage = Usage()

    def take(self, delta: Delta) -> None:
        """One delta. Only the first choice has a place here."""
        match delta:
            case Begin():
                self.begin(delta)
            case UsageDelta():
                self.usage = folded(self.usage, delta.usage)
            case _ if delta.choice != 0:
                return
            case TextDelta() | RefusalDelta():
                self._refused = self._refused or isinstance(delta, RefusalDelta)
                self._chars += len(delta.text)
                self._text(delta.text)
            case ReasoningDelta():
                self._chars += len(delta.text)
                self._reason(delta)
            case ToolStart():
                self._start(_Call(delta))
            case ToolArgs():
                self._chars += len(delta.text)
                self._args(delta)
            case Finish():
                self.finish = delta

    def begin(self, delta: Begin | None = None) -> None:
        """Starts the answer where it has not started."""
        if not self._begun:
            self._begun = True
            told = delta or Begin()
            self._sink.begin(told.id or self._meta.call_id, told.model or self._meta.model, self.counted())

    def counted(self) -> Usage:
        """The usage told, with an estimate by characters for each of the two totals that nobody told."""
        told = self.usage
        if told.input is not None and told.output is not None:
            return told
        asked = self._meta.input_tokens if told.input is None else told.input
        said = -(-self._chars // CHARS_PER_TOKEN) if told.output is None else told.output
        return Usage(asked, said, told.cached, told.cache_write, told.reasoning, True)

    def stop_reason(self) -> str | None:
        """The vendor's word for the end; None where none was told or the vendor has no word."""
        if self.finish is None:
            return None
        if self._refused and self.finish.reason == "stop":
            return "refusal"
        if self.finish.stop is not None and self.finish.reason == "stop":
            return "stop_sequence"
        return FINISH_BACK.get(self.finish.reason)

    def close(self, flush: bool = True) -> None:
        """Closes what is open; `flush` also writes the calls that wait for their turn."""
        self.begin()
        while self._kind:
            if self._kind == "thinking" and not self._signed and self._meta.origin != NAME:
                self._sign(Foreign(origin=self._meta.origin))  # or it would come back as if the vendor had thought it
            self._sink.shut()
            self._kind, self._call = "", None
            if flush and self._queue:
                self._open_call(self._queue.pop(0))

    def cut_call(self) -> bool:
        """Whether the open block is a tool call whose arguments are not whole."""
        return self._call is not None and not self._call.whole()

    def half_a_call(self) -> bool:
        """The same, looked at closely: asked once, at the end."""
        return self._call is not None and not is_object("".join(self._call.args))

    def _open(self, kind: str, block: dict[str, object]) -> None:
        self.close()
        self._kind, self._signed = kind, False
        self._sink.open(block)

    def _text(self, text: str) -> None:
        if not text:
            return
        if self._kind != "text":
            self._open("text", {"type": "text", "text": ""})
        self._sink.more({"type": "text_delta", "text": text})

    def _reason(self, delta: ReasoningDelta) -> None:
        if delta.redacted is not None:
            own = self._meta.origin == NAME
            data = delta.redacted if own else wrap_foreign(Foreign(self._meta.origin, redacted=delta.redacted))
            self._open("redacted_thinking", {"type": "redacted_thinking", "data": data})
            return
        if not delta.text and not delta.signature:
            return
        if self._kind != "thinking" or self._thought != delta.block:
            self._open("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            self._thought = delta.block
        if delta.text:
            self._sink.more({"type": "thinking_delta", "thinking": delta.text})
        if delta.signature:
            self._sign(Foreign(self._meta.origin, signature=delta.signature))

    def _sign(self, foreign: Foreign) -> None:
        self._signed = True
        own = foreign.origin == NAME and foreign.call is None
        self._sink.more({"type": "signature_delta", "signature": foreign.signature if own else wrap_foreign(foreign)})

    def _start(self, call: _Call) -> None:
        if self._queue or self.cut_call():
            self._queue.append(call)
            return
        self.close()
        self._open_call(call)

    def _open_call(self, call: _Call) -> None:
        start = call.start
        if start.signature:
            self._open("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            self._sign(Foreign(self._meta.origin, signature=start.signature, call=start.id))
            self._sink.shut()
            self._kind = ""
        self._kind, self._call = "tool_use", call
        self._sink.open({"type": "tool_use", "id": start.id, "name": start.name, "input": {}})
        for text in call.args:
            self._sink.more({"type": "input_json_delta", "partial_json": text})

    def _args(self, delta: ToolArgs) -> None:
        call = self._call
        if call is not None and call.start.index == delta.index:
            call.add(delta.text)
            self._sink.more({"type": "input_json_delta", "partial_json": delta.text})
            while self._queue and self._call is not None and self._call.whole():
                following = self._queue.pop(0)
                self._sink.shut()
                self._kind, self._call = "", None
                self._open_call(following)
            return
        for waiting in self._queue:
            if waiting.start.index == delta.index:
                waiting.add(delta.text)
