"""Writers of OpenAI answers: another dialect's deltas as chunks or as one body (`base.AnswerWriter`).

Reasoning text goes into `reasoning_content`, the field OpenAI-speaking clients look for. Signatures, which must come
back in the next request of a tool loop, travel in `headgate_reasoning` and, on tool calls, in `extra_content.headgate`;
the SDK's accumulator merges the former by `index`, so a block's origin is said once.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from headgate.core.errors import GatewayError, HeadgateError
from headgate.core.types import Usage, folded
from headgate.dialects.base import AnswerMeta
from headgate.dialects.openai_errors import error_object
from headgate.dialects.openai_reader import DONE

# canonical -> finish_reason. OpenAI has no word for a pause or a provider's fault: an unfinished and an omitted answer
# stand in. What nobody understood is null: any of its words would claim something that nobody said
FINISH_BACK: Final[dict[str, str | None]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "refusal": "content_filter",
    "pause": "length",
    "error": "content_filter",
    "other": None,
}
POLICY_FINISH: Final = "content_filter"

encode = msgspec.json.encode


def answer_id(begin: Begin | None, meta: AnswerMeta) -> str:
    """The provider's own id where it gave one."""
    return begin.id if begin is not None and begin.id else f"chatcmpl-{meta.call_id}"


def usage_object(usage: Usage | None) -> dict[str, object] | None:
    """`usage` as OpenAI says it; None where a total is not known, since OpenAI has no way to say that."""
    if usage is None or usage.input is None or usage.output is None:
        return None
    said: dict[str, object] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    prompt = {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write}
    prompt = {name: count for name, count in prompt.items() if count is not None}
    if prompt:
        said["prompt_tokens_details"] = prompt
    if usage.reasoning is not None:
        said["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return said


def error_event(error: HeadgateError) -> bytes:
    """The in-band error of a stream: the SDKs raise it, and no finish reason or `[DONE]` follows."""
    return b"data: " + encode(error_object(error)) + b"\n\n"


def sign_call(signature: str, origin: str) -> dict[str, object]:
    """`extra_content` of a tool call that another vendor signed."""
    return {"headgate": {"signature": signature, "origin": origin}}


def reasoning_block(delta: ReasoningDelta, origin: str) -> dict[str, object]:
    """One entry of `headgate_reasoning`; `origin` empty where it was said before."""
    block: dict[str, object] = {"index": delta.block, "type": "thinking"}
    said = {"text": delta.text, "signature": delta.signature, "redacted": delta.redacted, "origin": origin}
    block.update({name: value for name, value in said.items() if value})
    return block


class ChunkHead:
    """The parts of a chunk that never change within one answer, encoded once."""

    __slots__ = ("_after", "_before")

    def __init__(self, begin: Begin | None, meta: AnswerMeta) -> None:
        model = begin.model if begin is not None and begin.model else meta.model
        before = (
            b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,'
            % (encode(answer_id(begin, meta)), meta.created_s, encode(model))
        )  # fmt: skip
        if begin is not None and begin.fingerprint:
            before += b'"system_fingerprint":%b,' % encode(begin.fingerprint)
        self._before = before
        # where the client asked for usage every chunk has the field, null but in the last
        self._after = b'],"usage":null}\n\n' if meta.wants_usage else b"]}\n\n"

    def chunk(self, choice: int, delta: bytes, finish: str | None = None) -> bytes:
        """One chunk for one choice; `delta` is a JSON object."""
        reason = b"null" if finish is None else b'"%b"' % finish.encode()
        return b'%b"choices":[{"index":%d,"delta":%b,"logprobs":null,"finish_reason":%b}%b' % (
            self._before, choice, delta, reason, self._after,
        )  # fmt: skip

    def usage(self, usage: dict[str, object]) -> bytes:
        """The chunk that only tells the usage."""
        return b'%b"choices":[],"usage":%b}\n\n' % (self._before, encode(usage))


class StreamWriter:
    """Renders deltas as chunks, one per delta."""

    __slots__ = ("_finished", "_head", "_meta", "_open_calls", "_signed", "_started", "_usage")

    def __init__(self, meta: AnswerMeta) -> None:
        self._meta = meta
        self._head: ChunkHead | None = None
        self._started: set[int] = set()
        self._finished: set[int] = set()
        self._signed: set[tuple[int, int]] = set()  # reasoning blocks whose origin was said
        self._open_calls: dict[tuple[int, int], bool] = {}  # (choice, call) -> arguments were said
        self._usage: Usage | None = None

    def write(self, deltas: Sequence[Delta]) -> bytes:
        """See `base.AnswerWriter`."""
        out: list[bytes] = []
        for delta in deltas:
            if isinstance(delta, TextDelta):
                self._say(out, delta.choice, b'{"content":%b}' % encode(delta.text))
            elif isinstance(delta, Begin):
                self._head = self._head or ChunkHead(delta, self._meta)
            elif isinstance(delta, UsageDelta):
                self._usage = folded(self._usage, delta.usage)
            elif isinstance(delta, Finish):
                self._finish(out, delta)
            else:
                self._say(out, delta.choice, encode(self._delta(delta)))
        return b"".join(out)

    def end(self) -> bytes:
        """See `base.AnswerWriter`. Raises GatewayError where a choice never finished: that is no complete answer."""
        if not self._finished or self._started - self._finished:
            raise GatewayError("an answer without a finish reason cannot be ended as complete")
        return self._closing()

    def cut(self, error: HeadgateError | None) -> bytes:
        """See `base.AnswerWriter`."""
        if error is not None:
            return error_event(error)
        head = self._head or ChunkHead(None, self._meta)
        open_choices = sorted((self._started or {0}) - self._finished)
        finishes = [head.chunk(choice, b"{}", POLICY_FINISH) for choice in open_choices]
        return b"".join(finishes) + self._closing()

    def _closing(self) -> bytes:
        usage = usage_object(self._usage) if self._meta.wants_usage else None
        if usage is None:
            return DONE
        head = self._head or ChunkHead(None, self._meta)
        return head.usage(usage) + DONE

    def _say(self, out: list[bytes], choice: int, delta: bytes, finish: str | None = None) -> None:
        head = self._head
        if head is None:
            head = self._head = ChunkHead(None, self._meta)
        if choice not in self._started:
            self._started.add(choice)
            out.append(head.chunk(choice, b'{"role":"assistant","content":"","refusal":null}'))
        out.append(head.chunk(choice, delta, finish))

    def _finish(self, out: list[bytes], finish: Finish) -> None:
        if finish.reason == "tool_calls":
            for (choice, index), said in self._open_calls.items():
                if choice == finish.choice and not said:  # clients parse the arguments: nothing is not JSON
                    call = {"tool_calls": [{"index": index, "function": {"arguments": "{}"}}]}
                    self._say(out, choice, encode(call))
        self._say(out, finish.choice, b"{}", FINISH_BACK[finish.reason])
        self._finished.add(finish.choice)

    def _delta(self, delta: RefusalDelta | ReasoningDelta | ToolStart | ToolArgs) -> dict[str, object]:
        if isinstance(delta, RefusalDelta):
            return {"refusal": delta.text}
        if isinstance(delta, ReasoningDelta):
            block = (delta.choice, delta.block)
            origin = "" if block in self._signed else self._meta.origin
            self._signed.add(block)
            said: dict[str, object] = {"headgate_reasoning": [reasoning_block(delta, origin)]}
            if delta.text:
                said["reasoning_content"] = delta.text
            return said
        key = (delta.choice, delta.index)
        if isinstance(delta, ToolStart):
            self._open_calls[key] = False
            call: dict[str, object] = {
                "index": delta.index,
                "id": delta.id,
                "type": "function",
                "function": {"name": delta.name, "arguments": ""},
            }
            if delta.signature:
                call["extra_content"] = sign_call(delta.signature, self._meta.origin)
            return {"tool_calls": [call]}
        self._open_calls[key] = True
        return {"tool_calls": [{"index": delta.index, "function": {"arguments": delta.text}}]}


class _Block:
    """One block of reasoning being put together."""

    __slots__ = ("pieces", "redacted", "signature")

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.signature: str | None = None
        self.redacted: str | None = None

    def whole(self, number: int) -> ReasoningDelta:
        """All of it."""
        return ReasoningDelta("".join(self.pieces), 0, number, self.signature, self.redacted)


class _WholeChoice:
    """One answer being put together."""

    __slots__ = ("blocks", "calls", "ended", "finish", "reasoning", "refusal", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.refusal: list[str] = []
        self.reasoning: list[str] = []
        self.blocks: dict[int, _Block] = {}
        self.calls: dict[int, tuple[ToolStart, list[str]]] = {}
        self.finish: str | None = None
        self.ended = False

    def add(self, delta: TextDelta | RefusalDelta | ReasoningDelta | ToolStart | ToolArgs | Finish) -> None:
        """Takes one delta in."""
        match delta:
            case TextDelta(text):
                self.text.append(text)
            case RefusalDelta(text):
                self.refusal.append(text)
            case ToolArgs(index, text):
                self.calls[index][1].append(text)
            case ToolStart(index):
                self.calls[index] = (delta, [])
            case Finish(reason):
                self.finish, self.ended = FINISH_BACK[reason], True
            case ReasoningDelta():
                self.reasoning.append(delta.text)
                block = self.blocks.setdefault(delta.block, _Block())
                block.pieces.append(delta.text)
                block.signature = delta.signature or block.signature
                block.redacted = delta.redacted or block.redacted

    def message(self, origin: str) -> dict[str, object]:
        """`message` of the choice."""
        said: dict[str, object] = {
            "role": "assistant",
            "content": "".join(self.text) if self.text else None,
            "refusal": "".join(self.refusal) if self.refusal else None,
        }
        if self.calls:
            said["tool_calls"] = [_whole_call(start, pieces, origin) for start, pieces in self.calls.values()]
        if self.blocks:
            said["reasoning_content"] = "".join(self.reasoning)
            said["headgate_reasoning"] = [reasoning_block(block.whole(at), origin) for at, block in self.blocks.items()]
        return said


def _whole_call(start: ToolStart, pieces: list[str], origin: str) -> dict[str, object]:
    call: dict[str, object] = {
        "id": start.id,
        "type": "function",
        "function": {"name": start.name, "arguments": "".join(pieces) or "{}"},
    }
    if start.signature:
        call["extra_content"] = sign_call(start.signature, origin)
    return call


class WholeWriter:
    """Gathers deltas and renders one body at the end."""

    __slots__ = ("_begin", "_choices", "_meta", "_usage")

    def __init__(self, meta: AnswerMeta) -> None:
        self._meta = meta
        self._begin: Begin | None = None
        self._choices: dict[int, _WholeChoice] = {}
        self._usage: Usage | None = None

    def write(self, deltas: Sequence[Delta]) -> bytes:
        """See `base.AnswerWriter`; always empty."""
        for delta in deltas:
            if isinstance(delta, Begin):
                self._begin = self._begin or delta
            elif isinstance(delta, UsageDelta):
                self._usage = folded(self._usage, delta.usage)
            else:
                self._choices.setdefault(delta.choice, _WholeChoice()).add(delta)
        return b""

    def end(self) -> bytes:
        """See `base.AnswerWriter`. Raises GatewayError where a choice never finished: that is no complete answer."""
        if not self._choices or not all(choice.ended for choice in self._choices.values()):
            raise GatewayError("an answer without a finish reason cannot be ended as complete")
        return self._body()

    def cut(self, error: HeadgateError | None) -> bytes:
        """See `base.AnswerWriter`. Tool calls that were not complete are left out: nobody may run them."""
        if error is not None:
            return encode(error_object(error))
        for choice in self._choices.values():
            if not choice.ended:
                choice.finish = POLICY_FINISH
                choice.calls.clear()
        if not self._choices:
            self._choices[0] = _WholeChoice()
            self._choices[0].finish = POLICY_FINISH
        return self._body()

    def _body(self) -> bytes:
        begin, meta = self._begin, self._meta
        body: dict[str, object] = {
            "id": answer_id(begin, meta),
            "object": "chat.completion",
            "created": meta.created_s,
            "model": begin.model if begin is not None and begin.model else meta.model,
            "choices": [
                {
                    "index": number,
                    "message": choice.message(meta.origin),
                    "logprobs": None,
                    "finish_reason": choice.finish,
                }
                for number, choice in sorted(self._choices.items())
            ],
        }
        usage = usage_object(self._usage)
        if usage is not None:
            body["usage"] = usage
        if begin is not None and begin.fingerprint:
            body["system_fingerprint"] = begin.fingerprint
        return encode(body)
