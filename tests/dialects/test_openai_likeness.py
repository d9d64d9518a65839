"""Events read by their likeness to earlier ones say exactly what they say when each is decoded."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.chat import Frame, TextDelta
from headgate.core.errors import UpstreamError
from headgate.dialects import openai_likeness
from headgate.dialects.openai_likeness import LEARN_MAX, Likeness
from headgate.dialects.openai_reader import StreamReader
from headgate.dialects.openai_types import got_decoder


def event(text: str, index: int = 0, ensure_ascii: bool = True, **more: Any) -> bytes:
    choice = {"index": index, "delta": {"content": text}, "finish_reason": None}
    body = {"id": "c1", "model": "m-1", "choices": [choice], **more}
    return (
        b"data: "
        + json.dumps(body, ensure_ascii=ensure_ascii, separators=(",", ":")).encode("utf-8", "surrogatepass")
        + b"\n\n"
    )


def read(reads: list[bytes]) -> tuple[list[Frame], str]:
    """All frames, without the numbers that tell likeness, and what ended the reading."""
    reader, frames = StreamReader(True), list[Frame]()
    try:
        for data in reads:
            frames += reader.feed(data)
    except UpstreamError as error:
        return [msgspec.structs.replace(frame, alike=0) for frame in frames], error.kind
    return [msgspec.structs.replace(frame, alike=0) for frame in frames], ""


def decoded(reads: list[bytes]) -> tuple[list[Frame], str]:
    """The same, each event decoded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai_likeness, "LEARN_MAX", 0)
        return read(reads)


TEXTS = st.text(max_size=6) | st.sampled_from(
    ["a", " word", '"', "\\", "\n", "\u2042", "", "\x7f", '"content":"x"', "\ud83d"]
)
PADS = st.sampled_from(["abc", "", "x1", 'a"b', "-"])
START = b'data: {"id":"c1","model":"m-1","choices":[{"index":0,"delta":{"content":'
END = b'},"finish_reason":null}]}\n\n'
ODD = st.sampled_from(
    [
        b"data: [DONE]\n\n",
        b": ping\n\n",
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
        b'data: {"x":{"content":"a"},"choices":[{"index":0,"delta":{"refusal":"a"}}]}\n\n',
        START + b'"a"\n,"x":1' + END,
        START + b'"a","content":"b"' + END,
        START + b'"\xff"' + END,
        START + b'"a\tb"' + END,
        START + b'"a\nb"' + END,
        START + b"null" + END,
        START + b"7" + END,
    ]
)
EVENTS = (
    st.builds(event, TEXTS)
    | st.builds(event, TEXTS, index=st.sampled_from([0, 1]), ensure_ascii=st.booleans())
    | st.builds(lambda text, pad: event(text, usage=None, obfuscation=pad), TEXTS, PADS)
    | st.builds(lambda text, other: event(text, meta={"content": other}), TEXTS, TEXTS)
    | ODD
)


@given(events=st.lists(EVENTS, max_size=12), joined=st.booleans())
@settings(max_examples=400, deadline=None)
def test_likeness_changes_nothing_but_the_time(events: list[bytes], joined: bool) -> None:
    reads = [b"".join(events)] if joined else events
    assert read(reads) == decoded(reads)


def test_the_second_event_of_a_form_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = StreamReader(True)
    reader.feed(event("", usage=None))
    (learned,) = reader.feed(event("one", usage=None))
    monkeypatch.setattr("headgate.dialects.openai_reader.got_decoder", None)
    (like,) = reader.feed(event("two \u2042\n", usage=None))
    assert like.deltas == [TextDelta("two \u2042\n")]
    assert like.content
    assert like.alike == learned.alike > 0


def test_padded_events_are_alike_but_for_their_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = StreamReader(True)
    reader.feed(event("one", obfuscation="a1"))
    reader.feed(event("two", obfuscation="b"))
    monkeypatch.setattr("headgate.dialects.openai_reader.got_decoder", None)
    (frame,) = reader.feed(event("three", obfuscation="abcdefg"))
    assert frame.deltas == [TextDelta("three")]
    assert frame.alike == 0  # guardrails look at padding


def test_another_string_than_the_text_is_not_taken_for_it() -> None:
    likeness = Likeness()
    wire = b'data: {"x":{"content":"a"},"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    assert not likeness.learn(wire, "a", 0, got_decoder.decode(wire[6:]))
    assert likeness.text(wire) is None


def test_events_that_never_repeat_are_not_studied_for_ever() -> None:
    likeness = Likeness()
    for number in range(LEARN_MAX + 3):
        wire = event("a", meta=number)
        assert likeness.learn(wire, "a", 0, got_decoder.decode(wire[6:])) == (number < LEARN_MAX)


def test_after_the_end_nothing_is_alike() -> None:
    reader = StreamReader(True)
    reader.feed(event("one"))
    reader.feed(event("two") + b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
    (late,) = reader.feed(event("late"))
    assert late.drop
    assert not late.deltas
