"""A whole OpenAI answer read at a glance says what the full reading says; whatever is not plain gets the full one."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.chat import Frame, TextDelta, UsageDelta
from headgate.core.errors import UpstreamError
from headgate.dialects.openai_answer import AnswerState, plain
from headgate.dialects.openai_reader import WholeReader
from headgate.dialects.openai_types import got_decoder, whole_decoder

count = st.none() | st.integers(0, 2**31 - 1)
details = st.none() | st.fixed_dictionaries({}, optional={"cached_tokens": count, "cache_write_tokens": count})
usages = st.none() | st.fixed_dictionaries(
    {"prompt_tokens": count, "completion_tokens": count},
    optional={
        "prompt_tokens_details": details,
        "completion_tokens_details": st.none() | st.fixed_dictionaries({}, optional={"reasoning_tokens": count}),
        "prompt_cache_hit_tokens": count,
    },
)
messages = st.fixed_dictionaries(
    {"content": st.none() | st.text(max_size=9)},
    optional={
        "refusal": st.none() | st.text(max_size=3),
        "reasoning_content": st.text(max_size=3),
        "reasoning": st.text(max_size=3),
        "tool_calls": st.just([]) | st.just([{"id": "a", "function": {"name": "f", "arguments": "{}"}}]),
        "function_call": st.none() | st.just({"name": "f", "arguments": "{}"}),
        "headgate_reasoning": st.just([{"type": "thinking", "text": "t"}]),
    },
)
choices = st.fixed_dictionaries(
    {"message": st.none() | messages, "finish_reason": st.sampled_from(["stop", "length", "content_filter", "", None])},
    optional={"index": st.none() | st.integers(-1, 2), "delta": st.none() | messages},
)
answers = st.fixed_dictionaries(
    {"choices": st.none() | st.lists(choices, max_size=2)},
    optional={
        "id": st.none() | st.text(max_size=3) | st.integers(0, 9),
        "model": st.none() | st.text(max_size=3),
        "system_fingerprint": st.text(max_size=3),
        "usage": usages,
    },
)


def in_full(body: bytes) -> Frame:
    """What the full reading makes of a whole answer."""
    frame = Frame(body, [], last=True)
    AnswerState().read(got_decoder.decode(body), frame)
    return frame


@given(answers)
def test_a_glance_and_the_full_reading_agree(answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    deltas = plain(whole_decoder.decode(body))
    if deltas is not None:
        frame = in_full(body)
        assert deltas == frame.deltas
        assert frame.content


def whole(**usage: object) -> bytes:
    """An answer in one text with these counts."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
    return json.dumps({"id": "a", "model": "m", "choices": [choice], "usage": usage}).encode()


def test_an_ordinary_answer_is_read_at_a_glance() -> None:
    assert plain(whole_decoder.decode(whole(prompt_tokens=5, completion_tokens=2))) is not None


@pytest.mark.parametrize("odd", [-1, 2**31, 12.5, "12", [], {}])
def test_an_odd_count_is_not_told_and_loses_no_answer(odd: object) -> None:
    body = whole(prompt_tokens=odd, completion_tokens=2)
    with pytest.raises(msgspec.ValidationError):
        whole_decoder.decode(body)
    reader = WholeReader()
    reader.feed(body)
    [frame] = reader.end()
    [told] = [delta.usage for delta in frame.deltas if isinstance(delta, UsageDelta)]
    assert (told.input, told.output) == (None, 2)
    assert TextDelta("hello") in frame.deltas


def test_usage_that_is_no_object_loses_no_answer() -> None:
    reader = WholeReader()
    reader.feed(whole().replace(b"{}", b'"many"'))
    [frame] = reader.end()
    assert [delta for delta in frame.deltas if isinstance(delta, UsageDelta)] == []


def test_what_is_no_answer_is_told_as_such() -> None:
    reader = WholeReader()
    reader.feed(b'{"choices": 7}')
    with pytest.raises(UpstreamError) as told:
        reader.end()
    assert told.value.kind == "malformed_response"
