"""Reading OpenAI answers: what they say, when they are whole, and which fault a bad one is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

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
from headgate.core.errors import GatewayError, UpstreamError
from headgate.core.types import Usage
from headgate.dialects.base import AnswerMeta
from headgate.dialects.openai_chat import OPENAI
from tests.dialects.openai_sdk import check_answer, check_stream
from tests.support.chat_strategies import Shows, answers, shown

some = settings(max_examples=60, derandomize=True, deadline=None)
META = AnswerMeta(call_id="call_1", model="asked", created_s=1_760_000_000, wants_usage=True, origin="anthropic")
SHOWS = Shows(choices=3, reasoning=True, signed_tools=True, refusal_text=True, fingerprint=True)
DONE = b"data: [DONE]\n\n"
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 7,
    "total_tokens": 16,
    "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


def chunk(delta: Any = None, finish: str | None = None, **top: Any) -> bytes:
    """One event as OpenAI sends it."""
    choice: dict[str, Any] = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    tree = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt", "choices": [choice]}
    return b"data: " + json.dumps({**tree, **top}).encode() + b"\n\n"


def call(index: int | None, id_: str | None, name: str | None, arguments: str | None) -> dict[str, Any]:
    """A fragment of a tool call; None leaves a field out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fragment = {"index": index, "id": id_, "function": function}
    return {key: value for key, value in fragment.items() if value is not None}


def frames(wire: bytes, keep_usage: bool = True) -> list[Frame]:
    """A streamed answer read in one piece."""
    reader = OPENAI.reader(True, keep_usage)
    return [*reader.feed(wire), *reader.end()]


def deltas(wire: bytes) -> list[Delta]:
    """All a streamed answer says."""
    return [delta for frame in frames(wire) for delta in frame.deltas]


def whole(tree: Any) -> list[Frame]:
    """A non-streamed answer read."""
    reader = OPENAI.reader(False, True)
    assert reader.feed(tree if isinstance(tree, bytes) else json.dumps(tree).encode()) == []
    return reader.end()


def answer(message: Any, finish: str | None = "stop", **top: Any) -> dict[str, Any]:
    """A whole answer."""
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt", "choices": [choice], **top}


def fault(wire: bytes) -> str:
    """The kind of the error that reading a stream ends in."""
    with pytest.raises(UpstreamError) as caught:
        frames(wire)
    return caught.value.kind


HELLO = chunk({"role": "assistant", "content": ""}) + chunk({"content": "Hel"}) + chunk({"content": "lo"})
FULL = HELLO + chunk({}, "stop") + chunk(choices=[], usage=USAGE) + DONE


# -- a well-behaved stream ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_any_cutting_says_the_same_and_loses_no_byte(newline: bytes) -> None:
    wire = FULL.replace(b"\n", newline)
    expected = deltas(wire)
    assert [type(delta).__name__ for delta in expected] == ["Begin", "TextDelta", "TextDelta", "Finish", "UsageDelta"]
    for at in range(len(wire) + 1):
        reader = OPENAI.reader(True, True)
        got = [*reader.feed(wire[:at]), *reader.feed(wire[at:]), *reader.end()]
        assert b"".join(frame.wire for frame in got) == wire
        assert [delta for frame in got for delta in frame.deltas] == expected
        assert [frame.last for frame in got if frame.last] == [True]


def test_what_the_marks_on_frames_mean() -> None:
    first, hel, lo, finish, usage, done = frames(FULL, keep_usage=False)
    assert [f.content for f in (first, hel, lo, finish, usage, done)] == [False, True, True, False, False, False]
    assert [f.drop for f in (first, hel, lo, finish, usage, done)] == [False, False, False, False, True, False]
    assert done.last
    assert not any(frame.drop for frame in frames(FULL, keep_usage=True))
    assert first.deltas == [Begin("chatcmpl-1", "gpt")]
    assert usage.deltas == [UsageDelta(Usage(9, 7, 4, 1, 3))]


def test_a_refusal_counts_as_content() -> None:
    got = frames(chunk({"refusal": "no"}) + chunk({}, "stop") + DONE)
    assert got[0].deltas[1:] == [RefusalDelta("no")]
    assert got[0].content
    filtered = frames(chunk({}, "content_filter") + DONE)
    assert filtered[0].deltas[1:] == [Finish("refusal", "content_filter")]
    assert filtered[0].content


@pytest.mark.parametrize(
    ("raw", "reason"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "refusal"), ("eos_token", "stop"), ("odd", "other")],
)
def test_finish_reasons(raw: str, reason: str) -> None:
    assert deltas(chunk({}, raw) + DONE)[-1] == Finish(reason, raw)


def test_several_choices_each_need_a_finish() -> None:
    other = chunk(choices=[{"index": 1, "delta": {"content": "b"}, "finish_reason": None}])
    end = chunk(choices=[{"index": 1, "delta": {}, "finish_reason": "length"}])
    assert deltas(HELLO + other + chunk({}, "stop") + end + DONE)[-1] == Finish("length", "length", 1)
    assert fault(HELLO + other + chunk({}, "stop") + DONE) == "truncated"


# -- compatible servers -------------------------------------------------------------------------------------------


def test_lenient_to_compatible_servers() -> None:
    wire = (
        b": keep-alive\n\n"
        + chunk(choices=[], id="", model="")
        + chunk(choices=[{"delta": {"role": "assistant", "content": None}}], id=17, usage=None, model="llama")
        + chunk(choices=[{"delta": {"content": "a"}, "finish_reason": ""}], usage={"prompt_tokens": 3})
        + chunk(choices=[{"delta": None, "finish_reason": "stop"}], usage={"prompt_tokens": 3, "completion_tokens": 1})
        + chunk(choices=[{"delta": {}, "finish_reason": "stop"}])
        + b"data:[DONE]\n\n"
    )
    assert deltas(wire) == [
        Begin("17", "llama", None),
        TextDelta("a"),
        UsageDelta(Usage(input=3)),
        Finish("stop", "stop"),
        UsageDelta(Usage(input=3, output=1)),
    ]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thinking_under_either_name(name: str) -> None:
    got = frames(chunk({name: "hm"}) + chunk({}, "stop") + DONE)
    assert got[0].deltas[1:] == [ReasoningDelta("hm")]
    assert got[0].content


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage(None, 0)),
        ({"prompt_tokens": 10**12, "completion_tokens": -1}, Usage(None, None)),
        ({"prompt_tokens": "9", "completion_tokens": True}, Usage(None, None)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 5}, Usage(9, 1, 5)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": None}, Usage(9, 1)),
    ],
)
def test_counts_that_cannot_be_are_unknown(usage: Any, read: Usage) -> None:
    assert deltas(HELLO + chunk({}, "stop", usage=usage) + DONE)[-1] == UsageDelta(read)


def test_usage_of_another_shape_is_no_usage() -> None:
    assert isinstance(deltas(HELLO + chunk({}, "stop", usage=[1]) + DONE)[-1], Finish)


# -- tool calls ---------------------------------------------------------------------------------------------------


def calls(*fragments: dict[str, Any], finish: str = "tool_calls") -> dict[tuple[int, int], Any]:
    """Tool calls of a stream with one fragment a chunk."""
    wire = b"".join([chunk({"tool_calls": [fragment]}) for fragment in fragments])
    return shown(deltas(wire + chunk({}, finish) + DONE)).calls


def test_parallel_calls_in_fragments() -> None:
    assert calls(
        call(0, "a", "f", ""),
        call(0, None, None, '{"x":'),
        call(1, "b", "g", "{}"),
        call(0, None, None, "1}"),
    ) == {(0, 0): ("a", "f", '{"x":1}', None), (0, 1): ("b", "g", "{}", None)}


def test_one_index_for_all_calls_is_told_apart_by_id() -> None:
    assert calls(call(0, "a", "f", "{}"), call(0, "b", "g", "{}")) == {
        (0, 0): ("a", "f", "{}", None),
        (0, 1): ("b", "g", "{}", None),
    }


def test_no_index_at_all() -> None:
    assert calls(call(None, "a", "f", "{"), call(None, None, None, "}"), call(None, "b", "g", "{}")) == {
        (0, 0): ("a", "f", "{}", None),
        (0, 1): ("b", "g", "{}", None),
    }


def test_an_absent_id_is_made_up_the_same_each_time() -> None:
    once = calls(call(0, None, "f", "{}"), call(1, "", "f", "{}"))
    assert once == calls(call(0, None, "f", "{}"), call(1, "", "f", "{}"))
    assert len({found[0] for found in once.values()}) == 2
    assert all(found[0] for found in once.values())


def test_an_id_repeated_with_every_fragment_is_one_call() -> None:
    assert calls(call(0, "a", "f", "{"), call(0, "a", "f", "}")) == {(0, 0): ("a", "f", "{}", None)}


def test_a_forced_call_ends_with_stop_and_is_a_call_all_the_same() -> None:
    wire = chunk({"tool_calls": [call(0, "a", "f", "{}")]}) + chunk({}, "stop") + DONE
    assert deltas(wire)[-1] == Finish("tool_calls", "stop")


def test_the_deprecated_form() -> None:
    wire = chunk({"function_call": {"name": "f", "arguments": ""}}) + chunk({"function_call": {"arguments": "{}"}})
    got = shown(deltas(wire + chunk({}, "function_call") + DONE))
    assert [found[1:3] for found in got.calls.values()] == [("f", "{}")]
    assert got.finish == {0: "tool_calls"}


def test_a_custom_tool_takes_any_text() -> None:
    fragment = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "not JSON"}}
    assert calls(fragment) == {(0, 0): ("a", "f", "not JSON", None)}


@pytest.mark.parametrize("arguments", ['{"a":', "[1]", "nope", '{"a":1}}', '"x"'])
def test_arguments_that_are_no_object_are_never_handed_on(arguments: str) -> None:
    wire = chunk({"tool_calls": [call(0, "a", "f", arguments)]})
    assert fault(wire + chunk({}, "tool_calls") + DONE) == "bad_tool_call"
    assert fault(wire + chunk({}, "stop") + DONE) == "bad_tool_call"
    with pytest.raises(UpstreamError, match="tool call"):
        whole(answer({"content": None, "tool_calls": [call(None, "a", "f", arguments)]}, "tool_calls"))


def test_a_call_cut_by_the_token_limit_says_so_itself() -> None:
    wire = chunk({"tool_calls": [call(0, "a", "f", '{"a":')]}) + chunk({}, "length") + DONE
    assert deltas(wire)[-1] == Finish("length", "length")


def test_arguments_without_a_name_are_no_call() -> None:
    assert fault(chunk({"tool_calls": [call(0, "a", None, "{}")]}) + DONE) == "bad_tool_call"
    assert fault(chunk({"tool_calls": [call(0, "a", None, None)]}) + chunk({}, "tool_calls")) == "bad_tool_call"


def test_calls_are_bounded() -> None:
    fragments = [call(index, f"c{index}", "f", "{}") for index in range(1025)]
    assert fault(chunk({"tool_calls": fragments})) == "bad_tool_call"
    assert fault(chunk(choices=[{"index": 128, "delta": {}}])) == "malformed_response"
    assert fault(chunk(choices=[{"index": -1, "delta": {}}])) == "malformed_response"


# -- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (HELLO, "truncated"),
        (HELLO + DONE, "truncated"),
        (b"", "truncated"),
        (b": ping\n\n", "truncated"),
        (DONE, "truncated"),
        (chunk(choices=[]) + DONE, "empty_answer"),
        (chunk(choices=[]), "empty_answer"),
        (HELLO + b"data: {oops\n\n", "malformed_response"),
        (HELLO + b'data: {"choices":"x"}\n\n', "malformed_response"),
        (HELLO + b"data: \xff\n\n", "malformed_response"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "malformed_response"),
        (b"<html>busy</html>", "malformed_response"),
        (b'{"id":"x","choices":[]}', "malformed_response"),
        (b'{"error":{"message":"x"}}', "server_error"),
        (HELLO + chunk(choices=None, error={"message": "x", "type": "server_error"}), "server_error"),
        (HELLO + b'data: {"error":{"code":"rate_limit_exceeded","message":"x"}}\n\n', "rate_limited"),
        (HELLO + b'data: {"error":"overloaded"}\n\n', "server_error"),
        (HELLO + b'event: error\ndata: {"message":"x","code":503}\n\n', "overloaded"),
        (HELLO + b'data: {"choices":[],"us', "truncated"),
    ],
)
def test_faults(wire: bytes, kind: str) -> None:
    assert fault(wire) == kind


def test_errors_never_repeat_what_the_provider_said() -> None:
    with pytest.raises(UpstreamError) as caught:
        frames(b'data: {"error":{"message":"your key sk-123 is bad","code":"server_error"}}\n\n')
    assert "sk-123" not in str(caught.value)


def test_a_finished_stream_without_its_marker_is_whole_and_gets_it() -> None:
    got = frames(HELLO + chunk({}, "stop"))
    assert got[-1] == Frame(DONE, [], last=True)
    assert [frame.last for frame in got].count(True) == 1


def test_a_marker_without_its_blank_line_is_a_marker() -> None:
    got = frames(HELLO + chunk({}, "stop") + b"data: [DONE]")
    assert (got[-1].wire, got[-1].last) == (DONE, True)


@pytest.mark.parametrize("tail", [b"data: [DO", b'data: {"choices":[],"us'])
def test_what_is_cut_behind_the_finish_is_left_out(tail: bytes) -> None:
    got = frames(HELLO + chunk({}, "stop") + tail)
    assert b"".join(frame.wire for frame in got if not frame.drop) == HELLO + chunk({}, "stop") + DONE


def test_a_last_event_without_its_blank_line_is_read() -> None:
    got = frames(HELLO + chunk({}, "stop").rstrip())
    assert b"".join(frame.wire for frame in got) == HELLO + chunk({}, "stop") + DONE


def test_what_follows_the_end_is_not_the_clients() -> None:
    got = frames(FULL + chunk({"content": "more"}) + b": bye\n\n" + b"data: half")
    assert [frame.wire for frame in got if not frame.drop] == [frame.wire for frame in frames(FULL)] + [b": bye\n\n"]


@pytest.mark.parametrize("at", range(0, len(FULL), 7))
def test_a_cut_stream_is_never_a_success(at: int) -> None:
    finished = len(HELLO + chunk({}, "stop")) - 2
    if at < finished:
        assert fault(FULL[:at]) == "truncated"


# -- whole answers ------------------------------------------------------------------------------------------------


def test_a_whole_answer() -> None:
    message = {"role": "assistant", "content": "hi", "tool_calls": [call(None, "a", "f", "{}")]}
    tree = answer(message, "tool_calls", usage=USAGE, system_fingerprint="fp")
    (frame,) = whole(tree)
    assert (frame.wire, frame.last, frame.content) == (json.dumps(tree).encode(), True, True)
    assert frame.deltas == [
        Begin("chatcmpl-1", "gpt", "fp"),
        TextDelta("hi"),
        ToolStart(0, "a", "f"),
        ToolArgs(0, "{}"),
        Finish("tool_calls", "tool_calls"),
        UsageDelta(Usage(9, 7, 4, 1, 3)),
    ]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (answer({"content": "x"}, None), "truncated"),
        (answer(None), "malformed_response"),
        ({"choices": []}, "empty_answer"),
        ({"id": "x"}, "empty_answer"),
        ({"error": {"message": "x"}}, "server_error"),
        ({"error": "x"}, "server_error"),
        (b"", "malformed_response"),
        (b"<html>", "malformed_response"),
        (b"[]", "malformed_response"),
        (b'{"choices":[{"message":{"content":"a', "malformed_response"),
        (b'{"choices":[{"message":{"content":"\xff"}}]}', "malformed_response"),
        (b'{"x":' + b"[" * 100_000, "malformed_response"),
    ],
)
def test_faults_of_whole_answers(body: Any, kind: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        whole(body)
    assert caught.value.kind == kind


def test_a_whole_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.dialects.whole.ANSWER_BYTES_MAX", 10)
    with pytest.raises(UpstreamError) as caught:
        whole(b"x" * 11)
    assert caught.value.kind == "response_too_large"


# -- writing ------------------------------------------------------------------------------------------------------


@some
@given(answers(SHOWS))
def test_a_written_stream_reads_back_the_same(run: list[Delta]) -> None:
    writer = OPENAI.writer(True, META)
    wire = b"".join([writer.write([delta]) for delta in run]) + writer.end()
    check_stream(wire)
    assert shown(deltas(wire)) == shown(run)


@some
@given(answers(SHOWS))
def test_a_written_body_reads_back_the_same(run: list[Delta]) -> None:
    writer = OPENAI.writer(False, META)
    assert b"".join([writer.write([delta]) for delta in run]) == b""
    body = writer.end()
    check_answer(body)
    (frame,) = whole(body)
    assert shown(frame.deltas) == shown(run)


def write(run: list[Delta], **meta: Any) -> bytes:
    """A stream written in one go."""
    writer = OPENAI.writer(True, AnswerMeta("call_1", "asked", 5, **meta))
    return writer.write(run) + writer.end()


def test_the_first_chunk_gives_the_role_and_every_chunk_the_same_head() -> None:
    chunks = check_stream(write([Begin("a1", "m"), TextDelta("x"), Finish("stop")], wants_usage=False))
    assert [one.choices[0].delta.role for one in chunks] == ["assistant", None, None]
    assert {(one.id, one.model, one.created) for one in chunks} == {("a1", "m", 5)}


def test_without_a_beginning_ours_stands_in() -> None:
    chunks = check_stream(write([TextDelta("x"), Finish("stop")]))
    assert (chunks[0].id, chunks[0].model) == ("chatcmpl-call_1", "asked")


def test_usage_is_told_to_those_who_asked() -> None:
    run: list[Delta] = [TextDelta("x"), Finish("stop"), UsageDelta(Usage(9, 7, 4, None, 3))]
    assert b'"usage"' not in write(run, wants_usage=False)
    chunks = check_stream(write(run, wants_usage=True))
    assert [one.usage is None for one in chunks] == [True, True, True, False]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 16


def test_unknown_usage_is_not_told_as_nought() -> None:
    run: list[Delta] = [TextDelta("x"), Finish("stop"), UsageDelta(Usage(output=3))]
    assert all(one.usage is None for one in check_stream(write(run)))
    writer = OPENAI.writer(False, META)
    writer.write(run)
    assert check_answer(writer.end()).usage is None


def test_a_call_without_arguments_gets_an_empty_object() -> None:
    run: list[Delta] = [ToolStart(0, "a", "f"), Finish("tool_calls")]
    assert shown(deltas(write(run))).calls == {(0, 0): ("a", "f", "{}", None)}


@pytest.mark.parametrize(
    ("reason", "word"),
    [("refusal", "content_filter"), ("pause", "length"), ("error", "content_filter"), ("length", "length")],
)
def test_finish_words(reason: str, word: str) -> None:
    assert check_stream(write([TextDelta("x"), Finish(reason)]))[-1].choices[0].finish_reason == word


@pytest.mark.parametrize("stream", [True, False])
def test_an_unfinished_answer_cannot_be_ended_as_whole(stream: bool) -> None:
    writer = OPENAI.writer(stream, META)
    writer.write([Begin("a"), TextDelta("x")])
    with pytest.raises(GatewayError):
        writer.end()


def test_cutting_by_policy_is_the_dialects_own_finish() -> None:
    writer = OPENAI.writer(True, META)
    wire = writer.write([TextDelta("x"), TextDelta("y", 1), Finish("stop", None, 1)]) + writer.cut(None)
    assert shown(deltas(wire)).finish == {0: "refusal", 1: "stop"}
    check_stream(OPENAI.writer(True, META).cut(None))


def test_cutting_a_whole_answer_leaves_no_half_call() -> None:
    writer = OPENAI.writer(False, META)
    writer.write([TextDelta("x"), ToolStart(0, "a", "f"), ToolArgs(0, '{"a":')])
    read = check_answer(writer.cut(None))
    assert read.choices[0].finish_reason == "content_filter"
    assert read.choices[0].message.tool_calls is None
    assert read.choices[0].message.content == "x"
    assert check_answer(OPENAI.writer(False, META).cut(None)).choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize("stream", [True, False])
def test_cutting_by_an_error_says_it_and_nothing_else(stream: bool) -> None:
    writer = OPENAI.writer(stream, META)
    writer.write([TextDelta("x")])
    said = writer.cut(UpstreamError("idle_timeout", "the provider fell silent"))
    tree = json.loads(said.removeprefix(b"data: "))
    assert tree["error"]["code"] == "idle_timeout"
    assert b"DONE" not in said


def test_the_sdk_keeps_carriers_through_its_accumulator() -> None:
    from openai.lib.streaming._deltas import accumulate_delta

    run: list[Delta] = [
        ReasoningDelta("h", block=0), ReasoningDelta("m", block=0), ReasoningDelta(block=0, signature="s"),
        ReasoningDelta(block=1, redacted="xx"), ToolStart(0, "a", "f", signature="g"), ToolArgs(0, "{}"),
        Finish("tool_calls"),
    ]  # fmt: skip
    message: dict[object, object] = {}
    for event in write(run, origin="anthropic").split(b"\n\n")[:-2]:
        accumulate_delta(message, json.loads(event.removeprefix(b"data: "))["choices"][0]["delta"])
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}, message]}
    parts = OPENAI.read_request(json.dumps(body).encode(), False).chat.messages[1].parts
    assert [(type(part).__name__, getattr(part, "signature", None), part.origin) for part in parts] == [
        ("Reasoning", "s", "anthropic"),
        ("Reasoning", None, "anthropic"),
        ("ToolCall", "g", "anthropic"),
    ]
    assert parts[0].text == "hm"
