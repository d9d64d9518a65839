"""Writing answers as Anthropic's: another dialect's deltas, streamed or whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from headgate.core.chat import Delta
from headgate.core.errors import HeadgateError
from headgate.core.types import Usage
from headgate.dialects.anthropic_errors import error_object
from headgate.dialects.anthropic_walk import Walk, count_usage, input_object
from headgate.dialects.base import AnswerMeta

STOPPED: Final = {"type": "refusal", "category": None, "explanation": "stopped by a policy of the gateway"}


def event(name: str, fields: dict[str, object]) -> bytes:
    """One stream event: its name is also its `type`."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode({"type": name, **fields}))


def message(id_: str, model: str, usage: dict[str, object], content: Sequence[object]) -> dict[str, object]:
    """A message object without an end."""
    return {
        "id": id_,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def start_event(id_: str, model: str, usage: Usage) -> bytes:
    """message_start."""
    return event("message_start", {"message": message(id_, model, count_usage(usage, whole=True), ())})


def stop_events(reason: str | None, sequence: str | None, usage: Usage) -> bytes:
    """message_delta and message_stop."""
    delta = {"stop_reason": reason, "stop_sequence": sequence}
    told = event("message_delta", {"delta": delta, "usage": count_usage(usage, whole=False)})
    return told + event("message_stop", {})


def policy_events(usage: Usage) -> bytes:
    """The end of an answer that a policy stopped."""
    delta: dict[str, object] = {"stop_reason": "refusal", "stop_sequence": None, "stop_details": STOPPED}
    told = event("message_delta", {"delta": delta, "usage": count_usage(usage, whole=False)})
    return told + event("message_stop", {})


def error_event(error: HeadgateError, call_id: str | None) -> bytes:
    """An error inside a stream."""
    body = error_object(error, call_id)
    return event("error", {name: value for name, value in body.items() if name != "type"})


class _Events:
    """A sink that makes stream events."""

    __slots__ = ("_index", "out")

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self._index = -1

    def begin(self, id: str, model: str, usage: Usage) -> None:
        self.out.append(start_event(id, model, usage))

    def open(self, block: dict[str, object]) -> None:
        self._index += 1
        self.out.append(event("content_block_start", {"index": self._index, "content_block": block}))

    def more(self, delta: dict[str, object]) -> None:
        self.out.append(event("content_block_delta", {"index": self._index, "delta": delta}))

    def shut(self) -> None:
        self.out.append(event("content_block_stop", {"index": self._index}))

    def taken(self) -> bytes:
        """What was made since the last time."""
        data = b"".join(self.out)
        self.out.clear()
        return data


class StreamWriter:
    """Implements `AnswerWriter` for streams."""

    __slots__ = ("_events", "_meta", "_walk")

    def __init__(self, meta: AnswerMeta) -> None:
        self._meta = meta
        self._events = _Events()
        self._walk = Walk(meta, self._events)

    def write(self, deltas: Sequence[Delta]) -> bytes:
        """See `AnswerWriter.write`."""
        for delta in deltas:
            self._walk.take(delta)
        return self._events.taken()

    def end(self) -> bytes:
        """See `AnswerWriter.end`."""
        self._walk.close()
        finish = self._walk.finish
        stop = stop_events(self._walk.stop_reason(), None if finish is None else finish.stop, self._walk.counted())
        return self._events.taken() + stop

    def cut(self, error: HeadgateError | None) -> bytes:
        """See `AnswerWriter.cut`."""
        if error is not None:
            return error_event(error, self._meta.call_id)
        self._walk.close(flush=False)
        return self._events.taken() + policy_events(self._walk.counted())


class _Content:
    """A sink that makes the blocks of a whole message; text is joined once a block is complete."""

    __slots__ = ("_field", "_pieces", "blocks", "id", "model")

    def __init__(self) -> None:
        self.blocks: list[dict[str, object]] = []
        self.id = ""
        self.model = ""
        self._field = ""
        self._pieces: list[str] = []

    def begin(self, id: str, model: str, usage: Usage) -> None:
        self.id, self.model = id, model

    def open(self, block: dict[str, object]) -> None:
        self.blocks.append(block)
        self._field = {"text": "text", "thinking": "thinking", "tool_use": "input"}.get(str(block["type"]), "")

    def more(self, delta: dict[str, object]) -> None:
        if delta["type"] == "signature_delta":
            self.blocks[-1]["signature"] = delta["signature"]
        else:
            self._pieces += [str(text) for name, text in delta.items() if name != "type"]

    def shut(self) -> None:
        text, block = "".join(self._pieces), self.blocks[-1]
        self._pieces.clear()
        if self._field:
            block[self._field] = input_object(text) if self._field == "input" else text


class WholeWriter:
    """Implements `AnswerWriter` for whole answers."""

    __slots__ = ("_content", "_meta", "_walk")

    def __init__(self, meta: AnswerMeta) -> None:
        self._meta = meta
        self._content = _Content()
        self._walk = Walk(meta, self._content)

    def write(self, deltas: Sequence[Delta]) -> bytes:
        """See `AnswerWriter.write`."""
        for delta in deltas:
            self._walk.take(delta)
        return b""

    def end(self) -> bytes:
        """See `AnswerWriter.end`."""
        self._walk.close()
        finish = self._walk.finish
        return self._body(self._walk.stop_reason(), None if finish is None else finish.stop)

    def cut(self, error: HeadgateError | None) -> bytes:
        """See `AnswerWriter.cut`."""
        if error is not None:
            return msgspec.json.encode(error_object(error, self._meta.call_id))
        unfinished = self._walk.half_a_call()
        self._walk.close(flush=False)
        if unfinished:
            self._content.blocks.pop()  # half a call must never be executed
        return self._body("refusal", None, stop_details=STOPPED)

    def _body(self, reason: str | None, sequence: str | None, **more: object) -> bytes:
        content = self._content
        body = message(content.id, content.model, count_usage(self._walk.counted(), whole=True), content.blocks)
        body |= {"stop_reason": reason, "stop_sequence": sequence, **more}
        return msgspec.json.encode(body)
