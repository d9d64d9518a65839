"""More answers than one: every one asked for must be finished, and none is finished twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.core.chat import Begin, Finish, Frame
from headgate.core.errors import UpstreamError
from headgate.dialects import DIALECTS
from headgate.dialects.base import Sent
from tests.dialects.wires import meta


def openai_choice(number: int, finish: str | None = "stop") -> Any:
    return {"id": "a", "model": "m", "choices": [{"index": number, "delta": {"content": "x"}, "finish_reason": finish}]}


def google_choice(number: int, finish: str | None = "STOP") -> Any:
    told = {"index": number, "content": {"parts": [{"text": "x"}]}}
    return {"candidates": [told if finish is None else {**told, "finishReason": finish}], "responseId": "r"}


MAKERS = {"openai": openai_choice, "google": google_choice}


def read(dialect: str, asked: int, *chunks: Any, end: bytes = b"") -> list[Frame]:
    reader = DIALECTS[dialect].reader(True, True, asked)
    wire = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    return [*reader.feed(wire + end), *reader.end()]


def finishes(dialect: str, wire: bytes) -> list[tuple[int, str | None]]:
    """What a policy's end says of each choice."""
    reader = DIALECTS[dialect].reader(True, True)
    said = [delta for frame in reader.feed(wire) for delta in frame.deltas]
    return [(delta.choice, delta.raw) for delta in said if isinstance(delta, Finish)]


@pytest.mark.parametrize("dialect", ["openai", "google"])
def test_a_stream_that_ends_inside_a_choice_is_truncated(dialect: str) -> None:
    one, other = MAKERS[dialect](0), MAKERS[dialect](1)
    assert read(dialect, 2, one, other)[-1].last
    assert read(dialect, 1, one)[-1].last
    for chunks in ([one, MAKERS[dialect](1, None)], [MAKERS[dialect](0, None), other]):
        with pytest.raises(UpstreamError) as caught:
            read(dialect, 2, *chunks)
        assert caught.value.kind == "truncated"


def test_a_choice_that_never_began_is_missed_where_the_end_mark_is_missing_too() -> None:
    with pytest.raises(UpstreamError) as caught:
        read("openai", 2, openai_choice(0))
    assert caught.value.kind == "truncated"


@pytest.mark.parametrize("brought", [1, 2])
def test_gemini_may_bring_fewer_candidates_than_were_asked_for(brought: int) -> None:
    frames = read("google", 3, *(google_choice(number) for number in range(brought)))
    assert frames[-1].last
    assert len([delta for frame in frames for delta in frame.deltas if isinstance(delta, Finish)]) == brought


def test_a_server_that_knows_no_n_is_complete_by_its_end_mark() -> None:
    assert read("openai", 3, openai_choice(0), end=b"data: [DONE]\n\n")[-1].last


@pytest.mark.parametrize("dialect", ["openai", "google"])
def test_a_policy_ends_only_the_choices_that_are_open(dialect: str) -> None:
    shown = Sent(Begin("a", "m"), content=True, choices=3, finished={1})
    ended = finishes(dialect, DIALECTS[dialect].cut(shown, meta(), None))
    assert [number for number, _ in ended] == [0, 2]


@pytest.mark.parametrize(("dialect", "end"), [("openai", b"data: [DONE]\n\n"), ("google", b"")])
def test_a_policy_invents_no_second_end(dialect: str, end: bytes) -> None:
    shown = Sent(Begin("a", "m"), content=True, choices=2, finished={0, 1})
    assert DIALECTS[dialect].cut(shown, meta(), None) == end


def test_a_message_that_told_its_reason_is_only_closed() -> None:
    wire = DIALECTS["anthropic"].cut(Sent(Begin("a", "m"), None, True, 1, {0}), meta(), None)
    assert wire == b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
