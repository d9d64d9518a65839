"""Rendering another dialect's answer as Gemini's, streamed and whole, and ending one early."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

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
from headgate.core.errors import HeadgateError, UpstreamError
from headgate.core.types import Json, JsonObject, Usage, as_object, folded
from headgate.dialects.base import AnswerMeta, Sent
from headgate.dialects.foreign import Foreign, wrap_foreign
from headgate.dialects.google_errors import error_body, error_object
from headgate.dialects.google_types import FINISH, FINISH_BACK, NAME, POLICY_FINISH

_encode: Final = msgspec.json.encode


class _Call:
    """A function call being put together: Gemini's arguments go out whole."""

    __slots__ = ("pieces", "start")

    def __init__(self, start: ToolStart) -> None:
        self.start = start
        self.pieces: list[str] = []

    def arguments(self) -> JsonObject:
        """Raises UpstreamError: bad_tool_call where the pieces add up to no JSON object."""
        said = "".join(self.pieces)
        if not said.strip():
            return {}
        try:
            found = as_object(msgspec.json.decode(said))
        except (msgspec.DecodeError, RecursionError):
            found = None
        if found is None:
            raise UpstreamError("bad_tool_call", "the arguments of a tool call are no JSON object")
        return found


class _Choice:
    """One answer being written, as far as it is not sent yet."""

    __slots__ = ("_parts", "_pieces", "_thinking", "calls", "finish", "signed")

    def __init__(self) -> None:
        self._parts: list[JsonObject] = []
        self._pieces: list[str] = []  # of the text of the last part, where it may go on
        self._thinking = False
        self.calls: dict[int, _Call] = {}
        self.finish: Finish | None = None
        self.signed = False

    def say(self, text: str, thinking: bool) -> None:
        """More text, or more thinking."""
        if not self._pieces or self._thinking is not thinking:
            self.put({"text": "", "thought": True} if thinking else {"text": ""})
            self._thinking = thinking
        self._pieces.append(text)

    def sign(self, signature: str) -> None:
        """The thinking is complete."""
        self._settle()
        self._parts[-1]["thoughtSignature"] = signature

    def put(self, part: JsonObject) -> None:
        """A whole part."""
        self._settle()
        self._parts.append(part)

    def taken(self) -> list[JsonObject]:
        """The parts since the last time."""
        self._settle()
        parts, self._parts = self._parts, []
        return parts

    def _settle(self) -> None:
        if self._pieces:
            self._parts[-1]["text"] = "".join(self._pieces)
            self._pieces.clear()


class _Answer:
    """Collects deltas into parts. Signatures are wrapped with the name of the vendor that issued them."""

    def __init__(self, meta: AnswerMeta) -> None:
        self._meta = meta
        self._origin = meta.origin or "unknown"
        self._begin: Begin | None = None
        self.choices: dict[int, _Choice] = {}
        self.usage: Usage | None = None

    def add(self, deltas: Iterable[Delta]) -> None:
        """Raises UpstreamError: bad_tool_call, malformed_response."""
        for delta in deltas:
            if isinstance(delta, TextDelta | RefusalDelta):
                if delta.text:
                    self._closed(delta.choice).say(delta.text, False)
            elif isinstance(delta, ReasoningDelta):
                self._reason(delta)
            elif isinstance(delta, ToolStart):
                self._choice(delta.choice).calls[delta.index] = _Call(delta)
            elif isinstance(delta, ToolArgs):
                call = self._choice(delta.choice).calls.get(delta.index)
                if call is None:
                    raise UpstreamError("malformed_response", "arguments came for a tool call that is not open")
                call.pieces.append(delta.text)
            elif isinstance(delta, Finish):
                self._closed(delta.choice).finish = delta
            elif isinstance(delta, UsageDelta):
                self.usage = folded(self.usage, delta.usage)
            elif self._begin is None:
                self._begin = delta

    def response(self, candidates: list[Json]) -> JsonObject:
        """A response object around the candidates."""
        return _response(candidates, self._begin, self._meta)

    def policy_candidates(self) -> list[Json]:
        """Every choice ended by the policy. What was not sent yet stays in, calls left open do not."""
        numbers = sorted(self.choices) or [0]
        return [
            _candidate(number, self.choices[number].taken() if number in self.choices else [], POLICY_FINISH)
            for number in numbers
        ]

    def final_candidates(self) -> list[Json]:
        """Every choice with its remaining parts and its finish reason."""
        return [
            _candidate(number, self._closed(number).taken() or [{"text": ""}], _word(choice.finish))
            for number, choice in sorted(self.choices.items())
        ]

    def _choice(self, number: int) -> _Choice:
        choice = self.choices.get(number)
        if choice is None:
            choice = self.choices[number] = _Choice()
        return choice

    def _closed(self, number: int) -> _Choice:
        """The choice with its open calls turned into parts."""
        choice = self._choice(number)
        if choice.calls:
            calls, choice.calls = choice.calls, {}
            for index in sorted(calls):
                choice.put(self._call(calls[index], choice))
        return choice

    def _call(self, call: _Call, choice: _Choice) -> JsonObject:
        start = call.start
        part: JsonObject = {"functionCall": {"id": start.id, "name": start.name, "args": call.arguments()}}
        if start.signature is not None:
            part["thoughtSignature"] = self._signature(start.signature)
        elif self._origin != NAME and not choice.signed:
            # marks the step as not Gemini's own, so that it can be replayed to Gemini, which asks for a signature here
            part["thoughtSignature"] = wrap_foreign(Foreign(self._origin))
        choice.signed = True
        return part

    def _signature(self, signature: str) -> str:
        return signature if self._origin == NAME else wrap_foreign(Foreign(self._origin, signature))

    def _reason(self, delta: ReasoningDelta) -> None:
        choice = self._closed(delta.choice)
        if delta.redacted is not None:
            wrapped = wrap_foreign(Foreign(self._origin, redacted=delta.redacted))
            choice.put({"text": "", "thought": True, "thoughtSignature": wrapped})
        if delta.text or delta.signature is not None:
            choice.say(delta.text, True)
            if delta.signature is not None:
                choice.sign(self._signature(delta.signature))


def _word(finish: Finish | None) -> str | None:
    """Gemini's finish reason; a word that is Gemini's own already stays."""
    if finish is None:
        return None
    return finish.raw if finish.raw in FINISH else FINISH_BACK[finish.reason]


def _candidate(number: int, parts: Sequence[Json], finish: str | None) -> JsonObject:
    told: JsonObject = {}
    if parts:
        told["content"] = {"parts": list(parts), "role": "model"}
    if finish is not None:
        told["finishReason"] = finish
    told["index"] = number
    return told


def _response(candidates: list[Json], begin: Begin | None, meta: AnswerMeta) -> JsonObject:
    told: JsonObject = {"candidates": candidates} if candidates else {}
    told["modelVersion"] = (begin.model if begin is not None else None) or meta.model
    told["responseId"] = (begin.id if begin is not None else None) or meta.call_id
    return told


def _usage(usage: Usage) -> JsonObject:
    """usageMetadata. Gemini counts thoughts apart from candidates; cache writes have no place."""
    told: JsonObject = {}
    if usage.input is not None:
        told["promptTokenCount"] = usage.input
    if usage.output is not None:
        told["candidatesTokenCount"] = max(usage.output - (usage.reasoning or 0), 0)
        if usage.input is not None:
            told["totalTokenCount"] = usage.input + usage.output
    if usage.reasoning is not None:
        told["thoughtsTokenCount"] = usage.reasoning
    if usage.cached is not None:
        told["cachedContentTokenCount"] = usage.cached
    return told


def _event(tree: JsonObject) -> bytes:
    return b"data: " + _encode(tree) + b"\r\n\r\n"


class StreamWriter:
    """Implements `AnswerWriter` for streams. The finish reasons wait for the end, so that they share the last event
    with the usage as Gemini's do: clients take an event without candidates for a broken answer."""

    __slots__ = ("_answer", "_meta")

    def __init__(self, meta: AnswerMeta) -> None:
        self._meta = meta
        self._answer = _Answer(meta)

    def write(self, deltas: Sequence[Delta]) -> bytes:
        """See `AnswerWriter.write`. Raises UpstreamError: bad_tool_call, malformed_response."""
        answer = self._answer
        answer.add(deltas)
        candidates: list[Json] = []
        for number, choice in answer.choices.items():
            parts = choice.taken()
            if parts:
                candidates.append(_candidate(number, parts, None))
        return _event(answer.response(candidates)) if candidates else b""

    def end(self) -> bytes:
        """See `AnswerWriter.end`."""
        return _event(_with_usage(self._answer.response(self._answer.final_candidates()), self._answer.usage))

    def cut(self, error: HeadgateError | None) -> bytes:
        """See `AnswerWriter.cut`."""
        if error is not None:
            return _event(error_object(error, self._meta.call_id))
        return _event(_with_usage(self._answer.response(self._answer.policy_candidates()), self._answer.usage))


class WholeWriter:
    """Implements `AnswerWriter` for one JSON body."""

    __slots__ = ("_answer", "_meta")

    def __init__(self, meta: AnswerMeta) -> None:
        self._meta = meta
        self._answer = _Answer(meta)

    def write(self, deltas: Sequence[Delta]) -> bytes:
        """See `AnswerWriter.write`. Raises UpstreamError: bad_tool_call, malformed_response."""
        self._answer.add(deltas)
        return b""

    def end(self) -> bytes:
        """See `AnswerWriter.end`."""
        return _encode(_with_usage(self._answer.response(self._answer.final_candidates()), self._answer.usage))

    def cut(self, error: HeadgateError | None) -> bytes:
        """See `AnswerWriter.cut`."""
        if error is not None:
            return error_body(error, self._meta.call_id)
        return _encode(_with_usage(self._answer.response(self._answer.policy_candidates()), self._answer.usage))


def _with_usage(response: JsonObject, usage: Usage | None) -> JsonObject:
    if usage is not None:
        response["usageMetadata"] = _usage(usage)
    return response


def cut(sent: Sent, meta: AnswerMeta, error: HeadgateError | None) -> bytes:
    """See `Dialect.cut`. A candidate that has told why it ended is not ended again."""
    if error is not None:
        return _event(error_object(error, meta.call_id))
    unfinished = [number for number in range(sent.choices) if number not in sent.finished]
    candidates: list[Json] = [_candidate(number, [], POLICY_FINISH) for number in unfinished]
    return b"" if not candidates else _event(_response(candidates, sent.begin, meta))
