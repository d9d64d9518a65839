"""An answer as Anthropic writes it: one `message`, or the run of its events."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from headgate.simulator.anthropic_rules import REDACTED
from headgate.simulator.brain import pieces, token_of
from headgate.simulator.messages import Answer, Call, Count, Frame, FrameKind
from headgate.simulator.openai_answer import HUGE, cut_json
from headgate.simulator.signing import Signer
from headgate.simulator.trees import Tree, dump, text, tree

_ARGUMENT_CHARS = 12
_STOP = {
    "stop": "end_turn",
    "sequence": "stop_sequence",
    "length": "max_tokens",
    "tool": "tool_use",
    "refusal": "refusal",
    "filter": "refusal",
    "blocked": "refusal",
    "pause": "pause_turn",
    "malformed": "end_turn",
}


class Message:
    """Renders one answer. `body` is the request's own."""

    def __init__(self, body: Tree, answer: Answer, signer: Signer, words_per_chunk: int) -> None:
        self._answer = answer
        self._signer = signer
        self._words = words_per_chunk
        self._omits = tree(body.get("thinking")).get("display") == "omitted"
        self._head: Tree = {
            "id": f"msg_01{token_of(22, 'message', answer.ask.digest)}",
            "type": "message",
            "role": "assistant",
            "model": answer.model or answer.ask.model,
        }

    def whole(self) -> bytes:
        """The body of an answer that is not streamed."""
        body = {**self._head, "content": [self._full(block) for block in self._blocks()], **self._ending()}
        if self._answer.usage_fault != "absent":
            body["usage"] = self._usage(self._count())
        return dump(body)

    def frames(self) -> list[Frame]:
        """The events of a streamed answer."""
        count = self._count()
        opened: Tree = {**self._head, "content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
        closed: Tree = {"type": "message_delta", "delta": self._ending()}
        if self._answer.usage_fault != "absent":
            opened["usage"] = self._usage(Count(count.input, min(count.output, 1), count.cached, count.written))
            closed["usage"] = self._running(count)
        frames = [_frame("open", {"type": "message_start", "message": opened})]
        for at, block in enumerate(self._blocks()):
            frames.extend(self._block_frames(0 if self._answer.tool_fault == "duplicate-index" else at, block))
            if at == 0:
                frames.insert(2, _frame("ping", {"type": "ping"}))
        return [*frames, _frame("finish", closed), _frame("end", {"type": "message_stop"})]

    def _blocks(self) -> list[Tree | Call]:
        answer = self._answer
        found: list[Tree | Call] = []
        if answer.empty:
            return found
        digest = answer.ask.digest
        if answer.thought and answer.redacted:
            found.append({"type": "redacted_thinking", "data": self._signer.sign("anthropic", digest, REDACTED)})
        elif answer.thought:
            shown = "" if self._omits else answer.thought
            signature = self._signer.sign("anthropic", digest, shown)
            found.append({"type": "thinking", "thinking": shown, "signature": signature})
        if answer.text:
            found.append({"type": "text", "text": answer.text})
        return [*found, *answer.calls]

    def _full(self, block: Tree | Call) -> Tree:
        if not isinstance(block, Call):
            return block
        made = self._opened(block)
        made["input"] = {} if self._answer.tool_fault == "cut" else orjson.loads(block.arguments)
        return made

    def _opened(self, call: Call) -> Tree:
        made: Tree = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        if self._answer.tool_fault == "no-id":
            del made["id"]
        return made

    def _block_frames(self, at: int, block: Tree | Call) -> Iterator[Frame]:
        if isinstance(block, Call):
            yield _start("tool", at, self._opened(block))
            arguments = cut_json(block.arguments) if self._answer.tool_fault == "cut" else block.arguments
            yield _delta("tool", at, {"type": "input_json_delta", "partial_json": ""})
            for start in range(0, len(arguments), _ARGUMENT_CHARS):
                fragment = arguments[start : start + _ARGUMENT_CHARS]
                yield _delta("tool", at, {"type": "input_json_delta", "partial_json": fragment})
        elif block["type"] == "text":
            yield _start("open", at, {"type": "text", "text": ""})
            for piece in pieces(text(block["text"]), self._words):
                yield _delta("content", at, {"type": "text_delta", "text": piece})
        elif block["type"] == "thinking":
            yield _start("open", at, {"type": "thinking", "thinking": "", "signature": ""})
            for piece in pieces(text(block["thinking"]), self._words):
                yield _delta("content", at, {"type": "thinking_delta", "thinking": piece})
            yield _delta("content", at, {"type": "signature_delta", "signature": block["signature"]})
        else:
            yield _start("open", at, block)
        yield _frame("open", {"type": "content_block_stop", "index": at})

    def _ending(self) -> Tree:
        answer = self._answer
        reason = answer.raw_finish or _STOP[answer.finish]
        details: Tree | None = None
        if reason == "refusal":
            details = {"type": "refusal", "category": None, "explanation": "The request was declined."}
        return {"stop_reason": reason, "stop_sequence": answer.sequence, "stop_details": details}

    def _count(self) -> Count:
        fault = self._answer.usage_fault
        if fault == "zero":
            return Count(0, 0)
        return Count(HUGE, HUGE) if fault == "huge" else self._answer.count

    def _usage(self, count: Count) -> Tree:
        return {
            **self._running(count),
            "cache_creation": {"ephemeral_5m_input_tokens": count.written, "ephemeral_1h_input_tokens": 0},
            "service_tier": "standard",
        }

    def _running(self, count: Count) -> Tree:
        """Anthropic's input tokens leave out what was read from or written to the cache."""
        usage: Tree = {
            "input_tokens": count.input - count.cached - count.written,
            "cache_creation_input_tokens": count.written,
            "cache_read_input_tokens": count.cached,
            "output_tokens": count.output,
        }
        if count.thinking:
            usage["output_tokens_details"] = {"thinking_tokens": count.thinking}
        return usage


def _frame(kind: FrameKind, event: Tree) -> Frame:
    return Frame(kind, dump(event), text(event["type"]))


def _start(kind: FrameKind, at: int, block: Tree) -> Frame:
    return _frame(kind, {"type": "content_block_start", "index": at, "content_block": block})


def _delta(kind: FrameKind, at: int, delta: Tree) -> Frame:
    return _frame(kind, {"type": "content_block_delta", "index": at, "delta": delta})
