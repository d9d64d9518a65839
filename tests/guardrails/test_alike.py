"""Frames that a reader calls alike are judged at a glance, and no otherwise than at length."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.chat import Frame
from headgate.dialects import DIALECTS
from tests.guardrails.build import CARD, KEY, Answered, answer, policy

REDACTING = policy(
    {"check": "email", "action": "redact"},
    {"check": "card", "action": "redact"},
    {"name": "open", "check": "pattern", "pattern": "ab+c*", "max_length": 5, "action": "flag"},
)
BLOCKING = policy({"check": "email", "action": "block"}, {"check": "provider_keys", "action": "block"})
WORDS = st.sampled_from(
    ["me", "@b", ".com", " ", "a", "bb", "c", CARD, CARD[:9], KEY, KEY[:7], "\\", '"', "{", "word "]
)


def chunk(delta: dict[str, Any], index: int = 0, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c1", "model": "m", "choices": [choice], **more}).encode() + b"\n\n"


def word(text: str) -> bytes:
    return chunk({"content": text})


CHUNKS = (
    st.builds(word, WORDS)
    | st.builds(word, WORDS)
    | st.builds(lambda text: chunk({"content": text}, 1), WORDS)
    | st.builds(lambda text: chunk({"refusal": text}), WORDS)
    | st.builds(lambda text, note: chunk({"content": text}, note=note), WORDS, st.sampled_from(["x", "me@b.com"]))
    | st.builds(lambda text: chunk({"reasoning_content": text}), WORDS)
)


def read(chunks: list[bytes], known: bool) -> list[list[Frame]]:
    """The frames of each read; without the numbers that tell likeness where it is not `known`."""
    reader = DIALECTS["openai"].reader(True, True)
    batches = [reader.feed(data) for data in chunks]
    if known:
        return batches
    return [[msgspec.structs.replace(frame, alike=0) for frame in frames] for frames in batches]


def outcome(got: Answered) -> tuple[object, ...]:
    sent = [[(frame.wire, frame.deltas, frame.changed, frame.drop) for frame in part.frames] for part in got.passed]
    return sent, [part.commits for part in got.passed], got.blocked, got.found()


@given(chunks=st.lists(CHUNKS, max_size=25), blocking=st.booleans())
@settings(max_examples=300, deadline=None)
def test_likeness_changes_no_verdict(chunks: list[bytes], blocking: bool) -> None:
    under = BLOCKING if blocking else REDACTING
    ends = [chunk({}, number, "stop") for number in (0, 1)]
    at_a_glance = outcome(answer(under, read([*chunks, *ends], True)))
    assert at_a_glance == outcome(answer(under, read([*chunks, *ends], False)))


def test_what_stands_beside_the_text_is_looked_at_before_it_is_passed_over() -> None:
    chunks = [chunk({"content": text}, note="to me@b.com") for text in ("a ", "b ", "c ", "d ")]
    got = answer(REDACTING, read(chunks, True))
    assert len(got.frames) == len(chunks)
    assert not [frame for frame in got.frames if b"me@b.com" in frame.wire]


def test_an_address_over_frames_that_are_alike_is_found() -> None:
    pieces = ["hello ", "there ", "me", "@b", ".com", " and ", "so on "]
    got = answer(REDACTING, read([word(piece) for piece in pieces], True))
    assert "me@b.com" not in got.said()
    assert got.said().endswith(" and so on ")
    assert [found[0] for found in got.found()] == ["email"]


def test_another_attempt_knows_nothing_of_the_first() -> None:
    first = read([word("a "), word("b "), word("c ")], True)
    second = read([chunk({"content": text}, note="me@b.com") for text in ("d ", "e ", "f ")], True)
    got = answer(REDACTING, [*first, *second], [1] * 3 + [2] * 3)
    assert len(got.frames) == 6
    assert not [frame for frame in got.frames if b"me@b.com" in frame.wire]
