"""What tests that run for every dialect need: bodies, streams and the same thing said in each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from headgate.core.chat import (
    Begin,
    ChatRequest,
    Delta,
    Finish,
    Frame,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolArgs,
    UsageDelta,
)
from headgate.core.stages import Asked
from headgate.dialects import DIALECTS
from headgate.dialects.base import AnswerMeta, Sent

NAMES = tuple(DIALECTS)
MODELS = {"openai": "gpt-5.1", "anthropic": "claude-sonnet-4-5", "google": "gemini-3-pro-preview"}
SPOKEN = (TextDelta, RefusalDelta, ReasoningDelta, ToolArgs)


def meta(origin: str = "") -> AnswerMeta:
    """What writers put where the answer says nothing."""
    return AnswerMeta(call_id="call_1", model="asked", created_s=1_760_000_000, wants_usage=True, origin=origin)


def plain_body(name: str, **fields: Any) -> bytes:
    """A small streamed request, with more top-level fields if wanted."""
    if name == "google":
        tree: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    else:
        tree = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    if name == "anthropic":
        tree["max_tokens"] = 5
    return json.dumps({**tree, **fields}).encode()


def ask(name: str, body: bytes) -> Asked:
    """The body read by its dialect; a Google path names the model and asks for a stream."""
    google = name == "google"
    return DIALECTS[name].ask(body, "m" if google else None, google)


def write_stream(name: str, run: Iterable[Delta], origin: str = "") -> bytes:
    """The run as a stream, one write per delta."""
    writer = DIALECTS[name].writer(True, meta(origin))
    return b"".join([writer.write([delta]) for delta in run]) + writer.end()


def write_whole(name: str, run: Sequence[Delta], origin: str = "") -> bytes:
    """The run as one body."""
    writer = DIALECTS[name].writer(False, meta(origin))
    return writer.write(run) + writer.end()


def frames(name: str, wire: bytes, stream: bool) -> list[Frame]:
    """The answer read in one piece."""
    reader = DIALECTS[name].reader(stream, True)
    return [*reader.feed(wire), *reader.end()]


def deltas(name: str, wire: bytes, stream: bool) -> list[Delta]:
    """All the answer says."""
    return [delta for frame in frames(name, wire, stream) for delta in frame.deltas]


def sent(seen: Sequence[Frame]) -> Sent:
    """What a client that got these frames has been shown."""
    said = [delta for frame in seen for delta in frame.deltas]
    choices = [delta.choice for delta in said if not isinstance(delta, Begin | UsageDelta)]
    return Sent(
        begin=next((delta for delta in said if isinstance(delta, Begin)), None),
        open_block=seen[-1].open_block if seen else None,
        content=any(frame.content for frame in seen),
        choices=max(choices, default=0) + 1,
        finished=[delta.choice for delta in said if isinstance(delta, Finish)],
    )


def raw(body: bytes) -> dict[str, bytes]:
    """Each top-level field's exact bytes."""
    return {name: bytes(value) for name, value in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items()}


def echo(name: str, answer: bytes) -> tuple[str, Any]:
    """(field, turn) with which a client of that dialect repeats a whole answer in its next request."""
    tree = json.loads(answer)
    if name == "openai":
        return "messages", tree["choices"][0]["message"]
    if name == "anthropic":
        return "messages", {"role": "assistant", "content": tree["content"]}
    return "contents", tree["candidates"][0]["content"]


def differing(one: ChatRequest, other: ChatRequest) -> set[str]:
    """Names of the fields in which two requests differ."""
    return {name for name in ChatRequest.__struct_fields__ if getattr(one, name) != getattr(other, name)}
