"""Writing answers as Anthropic's, rewriting its own, ending them early."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from hypothesis import given, settings
from hypothesis import strategies as st

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
from headgate.core.errors import PolicyBlocked, UpstreamError
from headgate.core.types import Usage
from headgate.dialects.anthropic_messages import ANTHROPIC
from headgate.dialects.base import AnswerMeta, Sent
from headgate.dialects.foreign import Foreign, unwrap_foreign
from tests.dialects import anthropic_sdk as sdk
from tests.dialects.anthropic_events import END, FULL, PING, block, deltas, done, more, read, start, stop, whole
from tests.support.chat_strategies import Shows, answers, shown

OWN = AnswerMeta("call_1", "claude-x", 0, origin="anthropic")
FROM_OPENAI = AnswerMeta("call_1", "gpt-x", 0, origin="openai")


# -- writing ---------------------------------------------------------------------------------------------


def write(meta: AnswerMeta, run: Sequence[Delta], stream: bool) -> bytes:
    writer = ANTHROPIC.writer(stream, meta)
    data = b"".join(writer.write([delta]) for delta in run)
    return data + writer.end()


ALL = Shows(reasoning=True, stop_sequence=True)


@settings(max_examples=150, deadline=None)
@given(run=answers(ALL), stream=st.booleans())
def test_nothing_is_lost_through_our_own_dialect(run: list[Delta], stream: bool) -> None:
    data = write(OWN, run, stream)
    if stream:
        sdk.events(data)
    else:
        sdk.message(data)
    assert shown(deltas(read(data, stream=stream))) == shown(run)


@settings(max_examples=60, deadline=None)
@given(run=answers(ALL))
def test_streamed_and_whole_say_the_same(run: list[Delta]) -> None:
    streamed, body = write(FROM_OPENAI, run, True), write(FROM_OPENAI, run, False)
    assert shown(deltas(read(streamed))) == shown(deltas(read(body, stream=False)))


@settings(max_examples=60, deadline=None)
@given(run=answers(ALL))
def test_the_sdk_adds_a_stream_up_to_the_whole_message(run: list[Delta]) -> None:
    built: Any = None
    pieces: dict[int, bytes] = {}
    for event in sdk.events(write(FROM_OPENAI, run, True)):
        built = accumulate_event(event=event, current_snapshot=built, json_bufs=pieces)
    body = sdk.message(write(FROM_OPENAI, run, False))
    assert built.model_dump(exclude={"content"}) == body.model_dump(exclude={"content"})
    for got, wanted in zip(built.content, body.content, strict=True):
        assert got.model_dump(exclude={"parsed_output"}) == wanted.model_dump()


FINISHES = [
    (Finish("stop", "stop"), "end_turn"),
    (Finish("stop", "stop", stop="END"), "stop_sequence"),
    (Finish("length"), "max_tokens"),
    (Finish("tool_calls"), "tool_use"),
    (Finish("refusal"), "refusal"),
    (Finish("pause"), "pause_turn"),
    (Finish("error", "OTHER"), None),
]


@pytest.mark.parametrize(("finish", "raw"), FINISHES)
def test_finishes_become_stop_reasons_and_none_is_invented(finish: Finish, raw: str | None) -> None:
    run: list[Delta] = [Begin("a", "m"), TextDelta("x"), finish]
    message = sdk.message(write(FROM_OPENAI, run, False))
    assert (message.stop_reason, message.stop_sequence) == (raw, finish.stop)
    ended = sdk.events(write(FROM_OPENAI, run, True))[-2]
    assert (ended.delta.stop_reason, ended.delta.stop_sequence) == (raw, finish.stop)
    assert sdk.message(write(FROM_OPENAI, run[:-1], False)).stop_reason is None


def test_a_refusal_in_words_is_a_refusal() -> None:
    message = sdk.message(write(FROM_OPENAI, [RefusalDelta("I will not."), Finish("stop")], False))
    assert message.stop_reason == "refusal"
    assert message.content[0].text == "I will not."  # type: ignore[union-attr]


def test_usage_leaves_the_cache_out_of_input() -> None:
    usage = Usage(input=100, output=9, cached=30, cache_write=20, reasoning=4)
    told = sdk.message(write(FROM_OPENAI, [TextDelta("x"), Finish("stop"), UsageDelta(usage)], False)).usage
    assert (told.input_tokens, told.cache_read_input_tokens, told.cache_creation_input_tokens) == (50, 30, 20)
    assert told.output_tokens_details is not None
    assert told.output_tokens_details.thinking_tokens == 4
    ended = sdk.events(write(FROM_OPENAI, [TextDelta("x"), Finish("stop"), UsageDelta(usage)], True))[-2]
    assert ended.usage.input_tokens == 50


def test_interleaved_parallel_calls_come_out_one_after_the_other() -> None:
    run: list[Delta] = [
        ToolStart(0, "a", "f"),
        ToolArgs(0, '{"x'),
        ToolStart(1, "b", "g"),
        ToolArgs(1, '{"y":'),
        ToolStart(2, "c", "h"),
        ToolArgs(0, '":1}'),
        ToolArgs(1, "2}"),
        ToolArgs(2, "{}"),
        Finish("tool_calls"),
    ]
    data = write(FROM_OPENAI, run, True)
    opened: list[int] = []
    for event in sdk.events(data):
        if event.type == "content_block_start":
            opened.append(event.index)
        elif event.type == "content_block_delta":
            assert event.index == opened[-1]
    assert [call[:3] for call in shown(deltas(read(data))).calls.values()] == [
        ("a", "f", '{"x":1}'), ("b", "g", '{"y":2}'), ("c", "h", "{}"),
    ]  # fmt: skip
    with pytest.raises(UpstreamError, match="not a JSON object"):  # calls that broke off are never passed as whole
        read(write(FROM_OPENAI, [*run[:5], run[-1]], True))


def test_arguments_that_are_no_json_object_keep_their_text() -> None:
    run: list[Delta] = [ToolStart(0, "a", "f"), ToolArgs(0, '{"x": '), Finish("tool_calls")]
    message = sdk.message(write(FROM_OPENAI, run, False))
    assert message.content[0].input == {"INVALID_JSON": '{"x": '}  # type: ignore[union-attr]


def test_only_the_first_choice_is_written() -> None:
    run: list[Delta] = [TextDelta("a"), TextDelta("b", 1), Finish("length", choice=1), Finish("stop")]
    message = sdk.message(write(FROM_OPENAI, run, False))
    assert message.content[0].text == "a"  # type: ignore[union-attr]
    assert message.stop_reason == "end_turn"


@pytest.mark.parametrize("stream", [True, False])
def test_foreign_signatures_travel_marked(stream: bool) -> None:
    meta = AnswerMeta("call_1", "gemini", 0, origin="google")
    run: list[Delta] = [
        ReasoningDelta("hm"),
        ReasoningDelta(signature="T3BlbkFJ"),
        ReasoningDelta(block=1, redacted="cmVk"),
        ReasoningDelta("unsigned", block=2),
        ToolStart(0, "a", "f", signature="R29vZ2xl"),
        ToolArgs(0, "{}"),
        Finish("tool_calls"),
    ]
    data = write(meta, run, stream)
    if stream:
        sdk.events(data)
    else:
        sdk.message(data)
    found = shown(deltas(read(data, stream=stream))).reasoning
    carried = [unwrap_foreign(signature or redacted or "") for _, signature, redacted in found.values()]
    assert carried == [
        Foreign("google", signature="T3BlbkFJ"),
        Foreign("google", redacted="cmVk"),
        Foreign("google"),
        Foreign("google", signature="R29vZ2xl", call="a"),
    ]


# -- ending early and rewriting --------------------------------------------------------------------------

BLOCK = PolicyBlocked("a rule stopped the answer", rule="r", direction="output")


def test_a_policy_cut_of_our_own_stream() -> None:
    data = FULL[: FULL.index(more(2, "text_delta", text="世界"))]
    reader = ANTHROPIC.reader(True, True)
    frames = reader.feed(data)
    sent = Sent(Begin("msg_1", "m"), frames[-1].open_block, True)
    out = data.replace(PING, b"") + ANTHROPIC.cut(sent, OWN, None)
    last = sdk.events(out)[-3:]
    assert [event.type for event in last] == ["content_block_stop", "message_delta", "message_stop"]
    assert last[0].index == 2
    assert last[1].delta.stop_reason == "refusal"
    assert shown(deltas(read(out))).finish == {0: "refusal"}


def test_a_policy_cut_before_anything_was_sent() -> None:
    found = sdk.events(ANTHROPIC.cut(Sent(), OWN, None))
    assert [event.type for event in found] == ["message_start", "message_delta", "message_stop"]
    between = sdk.events(ANTHROPIC.cut(Sent(Begin("a", "m")), OWN, None))
    assert [event.type for event in between] == ["message_delta", "message_stop"]


def test_an_error_cut_has_no_finish() -> None:
    error = UpstreamError("idle_timeout", "the provider stopped sending")
    for data in (ANTHROPIC.cut(Sent(Begin("a", "m"), 0, True), OWN, error), ANTHROPIC.writer(True, OWN).cut(error)):
        (event,) = sdk.events(data)
        assert event["error"]["type"] == "timeout_error"
        assert event["error"]["details"]["error_code"] == "idle_timeout"
        assert event["request_id"] == "call_1"
    assert sdk.error(ANTHROPIC.writer(False, OWN).cut(BLOCK))["error"]["details"]["error_code"] == "policy_blocked"


@pytest.mark.parametrize("stream", [True, False])
def test_a_policy_cut_of_a_written_answer(stream: bool) -> None:
    writer = ANTHROPIC.writer(stream, FROM_OPENAI)
    run: list[Delta] = [Begin("x", "m"), TextDelta("so far"), ToolStart(0, "a", "f"), ToolArgs(0, '{"x":')]
    data = writer.write(run) + writer.cut(None)
    if stream:
        assert sdk.events(data)[-2].delta.stop_reason == "refusal"
    else:
        message = sdk.message(data)
        assert message.stop_reason == "refusal"
        assert [item.type for item in message.content] == ["text"], "half a call is never handed out"
    untouched = ANTHROPIC.writer(stream, FROM_OPENAI).cut(None)
    assert (sdk.events(untouched)[-2].delta if stream else sdk.message(untouched)).stop_reason == "refusal"


def test_patch_of_every_event_with_text() -> None:
    frames = read(FULL)
    for frame in frames:
        for delta in frame.deltas:
            if isinstance(delta, TextDelta | ToolArgs) or (isinstance(delta, ReasoningDelta) and delta.text):
                delta.text = delta.text.upper()
                frame.changed = True
    data = b"".join(ANTHROPIC.patch(frame) if frame.changed else frame.wire for frame in frames)
    sdk.events(data.replace(PING, b""))
    out = shown(deltas(read(data)))
    assert out.text == {0: "HÉLLO 世界"}
    assert out.reasoning[0, 0] == ("LET ME SEE", "c2ln", None)
    assert out.calls[0, 0][2] == '{"CITY":"BERN"}'
    assert out.calls[0, 1][2] == "{}"


@pytest.mark.parametrize("newline", [b"\r\n", b"\r"])
def test_patch_in_other_newline_styles(newline: bytes) -> None:
    data = (
        start() + block(0, type="text", text="secret") + more(0, "text_delta", text="secret") + stop(0) + done() + END
    )
    frames = read(data.replace(b"\n", newline))
    for frame in frames[1:3]:
        frame.deltas = [TextDelta("*")]
        frame.wire = ANTHROPIC.patch(frame)
    out = b"".join(frame.wire for frame in frames)
    assert b"secret" not in out
    assert shown(deltas(read(out))).text == {0: "**"}


def test_patch_of_a_whole_body_removes_what_would_leak() -> None:
    cited = [{"type": "char_location", "cited_text": "secret", "document_index": 0, "document_title": None,
              "start_char_index": 0, "end_char_index": 6, "file_id": None}]  # fmt: skip
    body = whole(
        [
            {"type": "thinking", "thinking": "a secret", "signature": "s"},
            {"type": "text", "text": "", "citations": None},
            {"type": "text", "text": "the secret", "citations": cited},
            {"type": "server_tool_use", "id": "z", "name": "web_search", "input": {"query": "x"}},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": "secret"}},
            {"type": "text", "text": "kept"},
        ],
        "tool_use",
    )
    (frame,) = read(body, stream=False)
    for delta in frame.deltas:
        if isinstance(delta, TextDelta | ToolArgs | ReasoningDelta):
            delta.text = delta.text.replace("secret", "*")
    out = ANTHROPIC.patch(frame)
    assert b"secret" not in out
    message = sdk.message(out)
    assert [item.type for item in message.content] == [
        "thinking", "text", "text", "server_tool_use", "tool_use", "text",
    ]  # fmt: skip
    assert message.content[4].input == {"x": "*"}  # type: ignore[union-attr]
    assert message.content[5].text == "kept"  # type: ignore[union-attr]


def test_patch_never_sends_half_rewritten_arguments() -> None:
    (frame,) = read(whole([{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}]), stream=False)
    frame.deltas = [ToolArgs(0, '{"x') if isinstance(delta, ToolArgs) else delta for delta in frame.deltas]
    assert json.loads(ANTHROPIC.patch(frame))["content"][0]["input"] == {}
