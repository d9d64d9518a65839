"""Reading and writing Anthropic's answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.chat import (
    Begin,
    Delta,
    Finish,
    Frame,
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
from tests.support.chat_strategies import Shows, answers, shown

OWN = AnswerMeta("call_1", "claude-x", 0, origin="anthropic")
FROM_OPENAI = AnswerMeta("call_1", "gpt-x", 0, origin="openai")


def ev(type_: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (type_.encode(), json.dumps({"type": type_, **fields}).encode())


def start(**usage: int | None) -> bytes:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 1, **usage},
    }
    return ev("message_start", message=message)


def block(index: int, **fields: Any) -> bytes:
    return ev("content_block_start", index=index, content_block=fields)


def more(index: int, type_: str, **fields: Any) -> bytes:
    return ev("content_block_delta", index=index, delta={"type": type_, **fields})


def stop(index: int) -> bytes:
    return ev("content_block_stop", index=index)


def done(reason: str | None = "end_turn", sequence: str | None = None, **usage: Any) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": sequence}
    return ev("message_delta", delta=delta, usage={"output_tokens": 7, **usage})


END = ev("message_stop")
PING = ev("ping")

FULL = (
    start(cache_read_input_tokens=4, cache_creation_input_tokens=6)
    + PING
    + block(0, type="thinking", thinking="", signature="")
    + more(0, "thinking_delta", thinking="let me ")
    + more(0, "thinking_delta", thinking="see")
    + more(0, "signature_delta", signature="c2ln")
    + stop(0)
    + block(1, type="redacted_thinking", data="b3BhcXVl")
    + stop(1)
    + block(2, type="text", text="")
    + more(2, "text_delta", text="Héllo ")
    + more(2, "text_delta", text="世界")
    + stop(2)
    + block(3, type="tool_use", id="toolu_1", name="weather", input={})
    + more(3, "input_json_delta", partial_json="")
    + more(3, "input_json_delta", partial_json='{"city":')
    + more(3, "input_json_delta", partial_json='"Bern"}')
    + stop(3)
    + block(4, type="tool_use", id="toolu_2", name="now", input={})
    + stop(4)
    + done("tool_use", output_tokens_details={"thinking_tokens": 3})
    + END
)


def read(data: bytes, size: int = 0, stream: bool = True) -> list[Frame]:
    reader = ANTHROPIC.reader(stream, True)
    frames: list[Frame] = []
    size = size or len(data) or 1
    for at in range(0, len(data), size):
        frames += reader.feed(data[at : at + size])
    return frames + reader.end()


def deltas(frames: Sequence[Frame]) -> list[Delta]:
    return [delta for frame in frames for delta in frame.deltas]


def test_every_kind_of_event() -> None:
    out = shown(deltas(read(FULL)))
    assert out.begin == Begin("msg_1", "claude-sonnet-4-6")
    assert out.reasoning == {(0, 0): ("let me see", "c2ln", None), (0, 1): ("", None, "b3BhcXVl")}
    assert out.text == {0: "Héllo 世界"}
    assert out.calls == {
        (0, 0): ("toolu_1", "weather", '{"city":"Bern"}', None),
        (0, 1): ("toolu_2", "now", "{}", None),
    }
    assert out.finish == {0: "tool_calls"}
    assert out.usage == Usage(input=20, output=7, cached=4, cache_write=6, reasoning=3)


def test_frames_know_open_blocks_content_and_the_last() -> None:
    frames = read(FULL)
    assert b"".join(frame.wire for frame in frames) == FULL
    assert [frame.open_block for frame in frames] == [
        None, None, 0, 0, 0, 0, None, 1, None, 2, 2, 2, None, 3, 3, 3, 3, None, 4, None, None, None,
    ]  # fmt: skip
    assert [frame.last for frame in frames].index(True) == len(frames) - 1
    shows = [frame.content for frame in frames]
    assert shows[:3] == [False, False, False]
    assert shows[3]
    assert shows[7], "a redacted block is content"
    assert not shows[9], "an empty text block shows nothing"
    assert shows[13]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_split_at_every_byte_in_every_newline_style(newline: bytes) -> None:
    data = FULL.replace(b"\n", newline)
    whole = shown(deltas(read(data)))
    for at in range(len(data) + 1):
        reader = ANTHROPIC.reader(True, True)
        frames = reader.feed(data[:at]) + reader.feed(data[at:]) + reader.end()
        assert shown(deltas(frames)) == whole
    for size in (1, 2, 7):
        frames = read(data, size)
        assert shown(deltas(frames)) == whole
        assert b"".join(frame.wire for frame in frames if not frame.drop) == data


def test_every_proper_prefix_is_truncated_until_the_finish_is_told() -> None:
    finish_ends = FULL.index(ev("message_stop"))
    for at in range(1, len(FULL)):
        reader = ANTHROPIC.reader(True, True)
        reader.feed(FULL[:at])
        if at < finish_ends - 2:  # the closing blank line of message_delta may be missing
            with pytest.raises(UpstreamError) as caught:
                reader.end()
            assert caught.value.kind == "truncated"
        else:
            closing = sdk.events(b"".join(frame.wire for frame in reader.end() if not frame.drop))
            assert closing[-1].type == "message_stop"


def test_a_finish_without_message_stop_is_complete_and_gets_its_envelope() -> None:
    frames = read(start() + done())
    assert frames[-1].last
    sdk.events(b"".join(frame.wire for frame in frames[-1:]))


def test_a_message_stop_without_a_finish_is_truncated_and_not_handed_out() -> None:
    reader = ANTHROPIC.reader(True, True)
    frames = reader.feed(start() + block(0, type="text", text="") + more(0, "text_delta", text="x") + stop(0) + END)
    assert b"message_stop" not in b"".join(frame.wire for frame in frames)
    with pytest.raises(UpstreamError) as caught:
        reader.end()
    assert caught.value.kind == "truncated"


def test_what_comes_after_the_end_does_not_go_out() -> None:
    frames = read(start() + done() + END + PING + more(0, "text_delta", text="late"))
    assert [frame.drop for frame in frames] == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "refusal"),
        ("pause_turn", "pause"),
        ("something_new", "error"),
    ],
)
def test_stop_reasons(raw: str, canonical: str) -> None:
    frames = read(start() + done(raw, "END" if raw == "stop_sequence" else None) + END)
    finish = next(delta for delta in deltas(frames) if isinstance(delta, Finish))
    assert (finish.reason, finish.raw) == (canonical, raw)
    assert finish.stop == ("END" if raw == "stop_sequence" else None)
    assert frames[1].content == (raw == "refusal")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "overloaded_error", "message": "busy"}, "overloaded"),
        ({"type": "rate_limit_error", "message": "slow"}, "rate_limited"),
        ({"type": "rate_limit_error", "message": "s", "details": {"error_code": "enforced_spend_limit_reached"}},
         "quota_exhausted"),
        ({"type": "api_error", "message": "oops"}, "server_error"),
        ({"type": "invalid_request_error", "message": "you did it"}, "server_error"),
        ({"type": "authentication_error", "message": "key"}, "server_error"),
        ("odd", "server_error"),
        (None, "server_error"),
    ],
)  # fmt: skip
def test_an_error_event_after_the_frames_before_it(error: object, kind: str) -> None:
    reader = ANTHROPIC.reader(True, True)
    frames = reader.feed(start() + PING + ev("error", error=error) + PING)
    assert len(frames) == 2
    with pytest.raises(UpstreamError) as caught:
        reader.feed(b"")
    assert caught.value.kind == kind
    with pytest.raises(UpstreamError):
        reader.end()
    first = ANTHROPIC.reader(True, True)
    with pytest.raises(UpstreamError) as caught:
        first.feed(ev("error", error=error))
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty_answer"),
        (b": keep-alive\n\n", "empty_answer"),
        (b"<html>please wait</html>", "malformed_response"),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', "overloaded"),
        (b'{"hello":1}', "malformed_response"),
        (b"event: message_start\ndata: {not json}\n\n", "malformed_response"),
        (b'event: message_start\ndata: {"type": 3}\n\n', "malformed_response"),
        (b"event: message_start\ndata: \xff\n\n", "malformed_response"),
        (start() + b"event: content_block_delta\ndata: {\n\n", "malformed_response"),
        (start() + b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}', "overloaded"),
    ],
)
def test_streams_that_are_none(data: bytes, kind: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        read(data)
    assert caught.value.kind == kind


def test_unknown_events_and_blocks_pass_untouched() -> None:
    data = (
        start()
        + ev("brand_new", stuff=[1])
        + block(0, type="server_tool_use", id="s", name="web_search", input={})
        + more(0, "input_json_delta", partial_json='{"query":"x"}')
        + stop(0)
        + block(1, type="web_search_tool_result", tool_use_id="s", content=[])
        + stop(1)
        + block(2, type="text", text="")
        + more(2, "citations_delta", citation={"type": "char_location"})
        + more(2, "new_delta", what=1)
        + stop(2)
        + done()
        + END
    )
    frames = read(data)
    assert b"".join(frame.wire for frame in frames) == data
    kinds = {type(delta) for delta in deltas(frames)}
    assert kinds == {Begin, UsageDelta, Finish}
    assert frames[2].content, "the client sees something"


def test_usage_counts_are_cumulative_and_told_in_parts() -> None:
    first = deltas(read(start(cache_read_input_tokens=5) + done() + END))
    told = [delta.usage for delta in first if isinstance(delta, UsageDelta)]
    assert told[0].output is None, "the count of a message_start is only a beginning"
    assert shown(first).usage == Usage(input=15, output=7, cached=5)
    later = deltas(read(start(cache_read_input_tokens=5) + done(input_tokens=30, cache_read_input_tokens=9) + END))
    assert shown(later).usage == Usage(input=39, output=7, cached=9)
    none = deltas(read(start(cache_read_input_tokens=None) + done() + END))
    assert shown(none).usage == Usage(input=10, output=7)


def test_input_told_at_the_start_of_a_tool_block() -> None:
    data = start() + block(0, type="tool_use", id="a", name="f", input={"x": 1}) + stop(0) + done("tool_use") + END
    assert shown(deltas(read(data))).calls[0, 0][2] == '{"x": 1}'


def whole(content: list[dict[str, Any]], reason: str | None = "end_turn", **fields: Any) -> bytes:
    tree: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 7, "cache_read_input_tokens": 4},
    }
    return json.dumps(tree | fields).encode()


def test_a_whole_answer() -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        {"type": "text", "text": "Hi", "citations": None},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": [1, {"y": None}]}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {}},
    ]
    body = whole(content, "tool_use")
    sdk.message(body)
    (frame,) = read(body, 5, stream=False)
    assert frame.wire == body
    assert frame.last
    assert frame.content
    out = shown(frame.deltas)
    assert out.reasoning == {(0, 0): ("hm", "c2ln", None), (0, 1): ("", None, "b3BhcXVl")}
    assert out.text == {0: "Hi"}
    assert out.calls == {(0, 0): ("a", "f", '{"x": [1, {"y": null}]}', None), (0, 1): ("b", "g", "{}", None)}
    assert out.finish == {0: "tool_calls"}
    assert out.usage == Usage(input=14, output=7, cached=4)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty_answer"),
        (b"  \n", "empty_answer"),
        (b"<html>", "malformed_response"),
        (whole([])[:-1], "malformed_response"),
        (b'{"id":"x"}', "malformed_response"),
        (b"[" * 100_000, "malformed_response"),
        (whole([{"type": "text", "text": 5}]), "malformed_response"),
        (whole([{"type": "text", "text": "x"}], None), "truncated"),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', "overloaded"),
        (b'{"type":"error"}', "server_error"),
    ],
)
def test_bodies_that_are_none(data: bytes, kind: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        read(data, stream=False)
    assert caught.value.kind == kind


def test_every_prefix_of_a_whole_body_is_refused() -> None:
    body = whole([{"type": "text", "text": "Hi"}])
    for at in range(len(body)):
        with pytest.raises(UpstreamError):
            read(body[:at], stream=False)


def test_sizes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.dialects.anthropic_answer.ANSWER_BYTES_MAX", 10)
    reader = ANTHROPIC.reader(False, True)
    with pytest.raises(UpstreamError) as caught:
        reader.feed(b"x" * 11)
    assert caught.value.kind == "response_too_large"
    stream = ANTHROPIC.reader(True, True)
    with pytest.raises(UpstreamError) as caught:
        for _ in range(17):
            stream.feed(b"x" * 1024 * 1024)
    assert caught.value.kind == "response_too_large"


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
    short = deltas(read(write(FROM_OPENAI, [*run[:5], run[-1]], True)))
    assert [call[0] for call in shown(short).calls.values()] == ["a", "b", "c"]


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
