"""What an OpenAI answer says, chunk by chunk or whole, as deltas.

Lenient where compatible servers differ (absent indexes and ids, numeric ids, null deltas, empty `choices`), strict
where leniency would lie: an answer without a finish reason is truncated, a tool call whose arguments are no JSON object
is never handed on as callable.
"""

from __future__ import annotations

from typing import Final

from headgate.core.chat import (
    Begin,
    Delta,
    Finish,
    Frame,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from headgate.core.errors import UpstreamError
from headgate.core.types import Usage, as_int, as_object, as_text
from headgate.dialects.openai_errors import read_stream_error
from headgate.dialects.openai_types import (
    TOLD_MAX,
    Got,
    GotCall,
    GotChoice,
    GotFunction,
    GotMessage,
    GotUsage,
    GotWhole,
)
from headgate.dialects.whole import ANSWER_BYTES_MAX, is_object

CHOICES_MAX: Final = 128
CALLS_MAX: Final = 1024

# finish_reason -> canonical; words of compatible servers included, words we do not know are `other`
FINISH: Final[dict[str, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "refusal",
    "end_turn": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "safety": "refusal",
    "sensitive": "refusal",
    "refusal": "refusal",
    "content_filtered": "refusal",
    "content_policy_violation": "refusal",
    "guardrail_intervened": "refusal",
    "error": "error",  # aggregators say so where the server behind them broke off
}


class _Call:
    """One tool call being read. `opened` once its ToolStart went out, which waits for the name."""

    __slots__ = ("custom", "id", "name", "opened", "pieces")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.opened = False
        self.custom = False
        self.pieces: list[str] = []


class _Choice:
    """One answer being read. `places` maps the server's own call index to ours."""

    __slots__ = ("calls", "finished", "places")

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self.places: dict[int, int] = {}
        self.finished = False


class AnswerState:
    """What all chunks so far say. `begun` once a chunk of the answer was seen at all."""

    __slots__ = ("_argument_chars", "_id", "begun", "choices")

    def __init__(self) -> None:
        self.choices: dict[int, _Choice] = {}
        self.begun = False
        self._id = ""
        self._argument_chars = 0

    @property
    def complete(self) -> bool:
        """True where there is an answer and every choice told why it ended."""
        return bool(self.choices) and all(choice.finished for choice in self.choices.values())

    def read(self, got: Got | GotWhole, frame: Frame) -> None:
        """Adds what `got` says to the frame. Raises UpstreamError."""
        if got.error is not None:
            raise read_stream_error(got.error)
        choices, deltas = got.choices, frame.deltas
        if not self.begun and (choices or got.model):
            self.begun = True
            self._id = "" if got.id is None else str(got.id)
            deltas.append(Begin(self._id or None, got.model or None, got.system_fingerprint))
        if choices:
            for position, choice in enumerate(choices):
                self._choice(position, choice, frame)
        if got.usage is not None:
            usage = told(got.usage) if isinstance(got.usage, GotUsage) else read_usage(got.usage)
            if usage is not None:
                deltas.append(UsageDelta(usage))

    def _choice(self, position: int, choice: GotChoice, frame: Frame) -> None:
        number = choice.index
        if number is None:
            number = position
        state = self.choices.get(number)
        if state is None:
            if not 0 <= number < CHOICES_MAX:
                raise UpstreamError("malformed_response", "the provider numbers its choices out of range")
            state = self.choices[number] = _Choice()
        said = choice.delta or choice.message
        if said is not None:
            deltas = frame.deltas
            if said.headgate_reasoning or said.reasoning_content or said.reasoning:
                _read_reasoning(said, number, deltas)
                frame.content = True
            if said.content:
                deltas.append(TextDelta(said.content, number))
                frame.content = True
            if said.refusal:
                deltas.append(RefusalDelta(said.refusal, number))
                frame.content = True
            if said.tool_calls or said.function_call is not None:
                self._calls(said, number, state, deltas)
                frame.content = True
        if choice.finish_reason and not state.finished:
            reason = self._finish(state, choice.finish_reason)
            frame.deltas.append(Finish(reason, choice.finish_reason, number))
            if reason == "refusal":
                frame.content = True

    def _calls(self, said: GotMessage, number: int, state: _Choice, deltas: list[Delta]) -> None:
        if said.function_call is not None:  # the deprecated form: one call, no id
            self._call(GotCall(index=0, function=said.function_call), number, state, deltas)
        for call in said.tool_calls or ():
            self._call(call, number, state, deltas)

    def _call(self, got: GotCall, number: int, state: _Choice, deltas: list[Delta]) -> None:
        index = _place(got, state)
        call = state.calls[index]
        function = got.function
        if got.custom is not None:
            call.custom = True
            function = GotFunction(got.custom.name, got.custom.input)
        if got.id and not call.id:
            call.id = got.id
        if function is None:
            return
        if function.name and not call.opened:
            call.name = function.name
            call.opened = True
            # servers that give no id still need one to answer to; ours is the same at every reading
            call.id = call.id or f"call_{self._id or 'answer'}_{number}_{index}"
            deltas.append(ToolStart(index, call.id, call.name, number, read_signature(got.extra_content)))
        if function.arguments:
            if not call.opened:
                raise UpstreamError("bad_tool_call", "the provider sent arguments of a tool call without a name")
            self._argument_chars += len(function.arguments)
            if self._argument_chars > ANSWER_BYTES_MAX:
                raise UpstreamError("response_too_large", "the arguments of a tool call are too long")
            call.pieces.append(function.arguments)
            deltas.append(ToolArgs(index, function.arguments, number))

    def _finish(self, state: _Choice, raw: str) -> str:
        """The canonical reason. Raises UpstreamError: bad_tool_call."""
        state.finished = True
        reason = FINISH.get(raw, "other")
        if reason not in ("stop", "tool_calls"):
            return reason  # an answer cut by its limit may end inside a call, and says so
        for call in state.calls:
            if not call.opened:
                raise UpstreamError("bad_tool_call", "the provider sent a tool call without a name")
            text = "".join(call.pieces)
            if text and not call.custom and not is_object(text):
                raise UpstreamError("bad_tool_call", "the arguments of a tool call are not a JSON object")
        # a forced call ends with `stop` at OpenAI itself; some servers say `tool_calls` without calling any
        return "tool_calls" if state.calls else "stop"


def plain(got: GotWhole) -> list[Delta] | None:
    """What a whole answer says that is one text, as most are: read at a glance, without `AnswerState`'s book (2 us).

    None for any other answer, good or bad. The deltas are those that `AnswerState` reads.
    """
    choices = got.choices
    if choices is None or len(choices) != 1 or got.error is not None:
        return None
    choice = choices[0]
    message, raw = choice.message, choice.finish_reason
    if message is None or not message.content or choice.index or choice.delta is not None:
        return None
    if raw != "stop" and raw != "length":
        return None
    if message.refusal or message.tool_calls or message.function_call is not None:
        return None
    if message.reasoning_content or message.reasoning or message.headgate_reasoning:
        return None
    name = None if got.id is None else str(got.id) or None
    begin = Begin(name, got.model or None, got.system_fingerprint)
    deltas: list[Delta] = [begin, TextDelta(message.content), Finish(raw, raw)]
    if got.usage is not None:
        deltas.append(UsageDelta(told(got.usage)))
    return deltas


def _place(got: GotCall, state: _Choice) -> int:
    """Which of our calls a fragment belongs to; opens a new one where it starts one.

    A known index with another id is a new call (some servers send index 0 with every parallel call); without an index
    an id or a name starts a call and anything else continues the last one.
    """
    calls = state.calls
    index = got.index
    if index is None:
        starts = bool(got.id) or (got.function is not None and bool(got.function.name))
        known = next((at for at, call in enumerate(calls) if got.id and call.id == got.id), None)
        if known is not None:
            return known
        if calls and not starts:
            return len(calls) - 1
    else:
        place = state.places.get(index)
        if place is not None:
            call = calls[place]
            if not got.id or not call.id or got.id == call.id:
                return place
    if len(calls) >= CALLS_MAX:
        raise UpstreamError("bad_tool_call", "the provider sent too many tool calls")
    calls.append(_Call())
    if index is not None:
        state.places[index] = len(calls) - 1
    return len(calls) - 1


def _read_reasoning(said: GotMessage, number: int, deltas: list[Delta]) -> None:
    """Signed blocks where another gateway sent them, else the plain text under either of its names."""
    if said.headgate_reasoning:
        for position, block in enumerate(said.headgate_reasoning):
            at = position if block.index is None else block.index
            deltas.append(ReasoningDelta(block.text, number, at, block.signature, block.redacted))
        return
    text = said.reasoning_content or said.reasoning
    if text:
        deltas.append(ReasoningDelta(text, number))


def read_signature(extra: object) -> str | None:
    """The signature in a tool call's `extra_content`: ours, or the one Google's OpenAI endpoint sends."""
    tree = as_object(extra)
    if tree is None:
        return None
    ours = as_object(tree.get("headgate"))
    if ours is not None:
        return as_text(ours.get("signature"))
    google = as_object(tree.get("google"))
    return as_text(google.get("thought_signature")) if google is not None else None


def told(counts: GotUsage) -> Usage:
    """Token counts. OpenAI's `prompt_tokens` include the cache, `completion_tokens` the reasoning, as ours do.

    A prompt of no tokens is a server that does not count: None.
    """
    prompt, completion = counts.prompt_tokens_details, counts.completion_tokens_details
    cached = None if prompt is None else prompt.cached_tokens
    return Usage(
        counts.prompt_tokens or None,
        counts.completion_tokens,
        counts.prompt_cache_hit_tokens if cached is None else cached,
        None if prompt is None else prompt.cache_write_tokens,
        None if completion is None else completion.reasoning_tokens,
    )


def read_usage(value: object) -> Usage | None:
    """Token counts, of which any may be no number, negative or absurd: those are not told."""
    tree = as_object(value)
    if tree is None:
        return None
    prompt, completion = as_object(tree.get("prompt_tokens_details")), as_object(tree.get("completion_tokens_details"))
    cached = None if prompt is None else _count(prompt.get("cached_tokens"))
    return Usage(
        input=_count(tree.get("prompt_tokens")) or None,
        output=_count(tree.get("completion_tokens")),
        cached=_count(tree.get("prompt_cache_hit_tokens")) if cached is None else cached,
        cache_write=None if prompt is None else _count(prompt.get("cache_write_tokens")),
        reasoning=None if completion is None else _count(completion.get("reasoning_tokens")),
    )


def _count(value: object) -> int | None:
    number = as_int(value)
    return number if number is not None and 0 <= number <= TOLD_MAX else None
