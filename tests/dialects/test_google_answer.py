"""Reading Gemini's answers: events cut anywhere, truncation, finish reasons, usage."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import types

from headgate.core.chat import (
    Begin,
    Delta,
    Finish,
    Frame,
    ReasoningDelta,
    TextDelta,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from headgate.core.errors import UpstreamError
from headgate.core.types import Usage
from headgate.dialects import google_answer
from headgate.dialects.google_generate import GOOGLE
from headgate.dialects.google_types import BROKEN_FINISH, FINISH

USAGE = {"promptTokenCount": 11, "candidatesTokenCount": 16, "thoughtsTokenCount": 79, "totalTokenCount": 106}


def candidate(*parts: Any, finish: str | None = None, index: int | None = None) -> dict[str, Any]:
    told: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}}
    if finish is not None:
        told["finishReason"] = finish
    if index is not None:
        told["index"] = index
    return told


def response(*candidates: Any, **more: Any) -> dict[str, Any]:
    return {"candidates": list(candidates), "modelVersion": "gemini-3-pro", "responseId": "r1"} | more


def sse(*trees: Any, newline: bytes = b"\r\n") -> bytes:
    return b"".join(b"data: " + json.dumps(tree).encode() + newline * 2 for tree in trees)


def read_stream(wire: bytes, size: int | None = None) -> list[Frame]:
    reader = GOOGLE.reader(True, True)
    frames: list[Frame] = []
    for at in range(0, len(wire), size or len(wire) or 1):
        frames += reader.feed(wire[at : at + (size or len(wire))])
    return frames + reader.end()


def read_whole(body: bytes) -> list[Delta]:
    reader = GOOGLE.reader(False, True)
    assert reader.feed(body[:7]) == []
    assert reader.feed(body[7:]) == []
    [frame] = reader.end()
    assert frame.wire == body
    assert frame.last
    return frame.deltas


def deltas_of(frames: list[Frame]) -> list[Delta]:
    return [delta for frame in frames for delta in frame.deltas]


def whole(*candidates: Any, **more: Any) -> list[Delta]:
    return read_whole(json.dumps(response(*candidates, **more)).encode())


STREAM = (
    response(candidate({"text": "hm", "thought": True})),
    response(candidate({"text": "Grüße "}), usageMetadata={"promptTokenCount": 11, "totalTokenCount": 11}),
    response(candidate({"text": "\u2028data: x\n\n"})),
    response(candidate({"text": ""}, finish="STOP"), usageMetadata=USAGE),
)
STREAM_DELTAS = [
    Begin("r1", "gemini-3-pro"),
    ReasoningDelta("hm"),
    TextDelta("Grüße "),
    UsageDelta(Usage(11, 0)),
    TextDelta("\u2028data: x\n\n"),
    Finish("stop", "STOP"),
    UsageDelta(Usage(11, 95, None, None, 79)),
]


# -- framing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newline", [b"\r\n", b"\n", b"\r"])
def test_a_stream_reads_the_same_however_it_is_cut(newline: bytes) -> None:
    wire = sse(*STREAM, newline=newline)
    assert deltas_of(read_stream(wire)) == STREAM_DELTAS
    for at in range(1, len(wire)):
        reader = GOOGLE.reader(True, True)
        frames = reader.feed(wire[:at]) + reader.feed(wire[at:]) + reader.end()
        assert deltas_of(frames) == STREAM_DELTAS
        assert b"".join(frame.wire for frame in frames) == wire
    for size in (1, 2, 3, 7):
        frames = read_stream(wire, size)
        assert deltas_of(frames) == STREAM_DELTAS
        assert b"".join(frame.wire for frame in frames) == wire


def test_only_the_end_of_the_body_is_last() -> None:
    frames = read_stream(sse(*STREAM))
    assert [frame.last for frame in frames] == [False] * 4 + [True]
    assert frames[-1].wire == b""


def test_comments_and_unknown_fields_pass() -> None:
    wire = b": keep-alive\r\n\r\n" + sse(response(candidate({"text": "x"}, finish="STOP"), newThing={"a": 1}))
    frames = read_stream(wire)
    assert b"".join(frame.wire for frame in frames) == wire
    assert frames[0].deltas == []
    assert not frames[0].content


def test_content_is_marked_where_something_is_shown() -> None:
    shows = [
        candidate({"text": "x"}), candidate({"text": "x", "thought": True}), candidate({"functionCall": {"name": "f"}}),
        candidate({"inlineData": {"mimeType": "image/png", "data": "AA=="}}),
        candidate({"executableCode": {"code": "1"}}), {"finishReason": "SAFETY"},
    ]  # fmt: skip
    shows_not = [candidate({"text": ""}), candidate(finish="STOP"), candidate({"text": "", "thoughtSignature": "AA=="})]
    for told, expected in [*((told, True) for told in shows), *((told, False) for told in shows_not)]:
        [frame] = GOOGLE.reader(True, True).feed(sse(response(told)))
        assert frame.content is expected, told


def test_a_server_that_ignores_alt_sse_is_read_and_put_into_events() -> None:
    body = json.dumps(list(STREAM), indent=2).replace("\n", "\r\n").encode()
    for size in (1, 5, len(body)):
        frames = read_stream(body, size)
        assert deltas_of(frames) == STREAM_DELTAS
        assert deltas_of(read_stream(b"".join(frame.wire for frame in frames))) == STREAM_DELTAS


# -- truncation -----------------------------------------------------------------------------------------------------


def test_no_prefix_of_a_stream_passes_for_a_complete_answer() -> None:
    wire = sse(*STREAM)
    complete = len(wire) - 4  # the blank line after the last event may be missing: its JSON is whole
    for at in range(complete):
        with pytest.raises(UpstreamError) as caught:
            read_stream(wire[:at])
        assert caught.value.kind == "truncated", wire[:at]
    for at in range(complete, len(wire) + 1):
        assert deltas_of(read_stream(wire[:at])) == STREAM_DELTAS


def test_no_prefix_of_a_body_or_an_array_passes_for_a_complete_answer() -> None:
    body = json.dumps(STREAM[-1]).encode()
    for at in range(len(body)):
        reader = GOOGLE.reader(False, True)
        reader.feed(body[:at])
        with pytest.raises(UpstreamError) as caught:
            reader.end()
        assert caught.value.kind == "truncated", body[:at]
    array = json.dumps(list(STREAM)).encode()
    for at in range(len(array) - 1):
        with pytest.raises(UpstreamError) as caught:
            read_stream(array[:at])
        assert caught.value.kind == "truncated"


def test_every_candidate_seen_must_have_ended() -> None:
    first, second = candidate({"text": "a"}, finish="STOP", index=0), candidate({"text": "b"}, index=1)
    with pytest.raises(UpstreamError) as caught:
        read_stream(sse(response(first, second)))
    assert caught.value.kind == "truncated"
    with pytest.raises(UpstreamError):
        whole(first, second)
    end = {"finishReason": "MAX_TOKENS", "index": 1}
    finishes = [
        delta
        for delta in deltas_of(read_stream(sse(response(first, second), response(end))))
        if isinstance(delta, Finish)
    ]
    assert finishes == [Finish("stop", "STOP", 0), Finish("length", "MAX_TOKENS", 1)]


def test_an_answer_without_a_candidate_is_empty() -> None:
    for body in (b"{}", b'{"candidates": [], "usageMetadata": {"promptTokenCount": 1}}'):
        with pytest.raises(UpstreamError) as caught:
            read_whole(body)
        assert caught.value.kind == "empty_answer"
    with pytest.raises(UpstreamError) as caught:
        read_stream(sse({"usageMetadata": {"promptTokenCount": 1}}))
    assert caught.value.kind == "empty_answer"


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[1]", b'{"candidates": 5}', b'{"candidates": [{"content": {"parts": [{"text": 5}]}}]}', b"{}x",
     b'{"candidates": [{"index": 1000}]}', b'{"candidates": [{"index": -1}]}',
     b'{"candidates": [{"content": {"parts": [{"text": "\xff"}]}}]}'],
)  # fmt: skip
def test_what_is_no_response_is_malformed(body: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_whole(body)
    assert caught.value.kind == "malformed_response"
    with pytest.raises(UpstreamError) as caught:
        GOOGLE.reader(True, True).feed(b"data: " + body + b"\n\n")
    assert caught.value.kind == "malformed_response"


def test_answers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.dialects.whole.ANSWER_BYTES_MAX", 100)
    monkeypatch.setattr(google_answer, "EVENT_BYTES_MAX", 100)
    for stream, data in [(False, b"x" * 101), (True, b"data: " + b"x" * 101)]:
        with pytest.raises(UpstreamError) as caught:
            GOOGLE.reader(stream, True).feed(data)
        assert caught.value.kind == "response_too_large"


# -- parts ----------------------------------------------------------------------------------------------------------


def test_calls_come_whole_with_stop_meaning_tool_calls() -> None:
    call = {"name": "f", "id": "a", "args": {"x": [1, {"y": "z"}], "w": 1.0}}
    found = whole(candidate({"functionCall": call, "thoughtSignature": "c2ln"}, finish="STOP"))
    assert found == [
        Begin("r1", "gemini-3-pro"),
        ToolStart(0, "a", "f", 0, "c2ln"),
        ToolArgs(0, '{"x": [1, {"y": "z"}], "w": 1.0}'),
        Finish("tool_calls", "STOP"),
    ]


def test_calls_without_ids_get_stable_ones_that_differ() -> None:
    calls = candidate({"functionCall": {"name": "f"}}, {"functionCall": {"name": "f", "args": None}}, finish="STOP")
    first = [delta for delta in whole(calls) if isinstance(delta, ToolStart | ToolArgs)]
    assert first == [delta for delta in whole(calls) if isinstance(delta, ToolStart | ToolArgs)]
    ids = [delta.id for delta in first if isinstance(delta, ToolStart)]
    other = [delta.id for delta in whole(calls, responseId="r2") if isinstance(delta, ToolStart)]
    assert len({*ids, *other}) == 4
    assert all(len(id_) <= 40 and id_.replace("_", "").isalnum() for id_ in ids)
    assert [delta.text for delta in first if isinstance(delta, ToolArgs)] == ["{}", "{}"]


def test_a_call_cut_by_the_token_limit_stays_length() -> None:
    assert whole(candidate({"functionCall": {"name": "f"}}, finish="MAX_TOKENS"))[-1] == Finish("length", "MAX_TOKENS")


def test_arguments_that_are_no_object_are_a_bad_tool_call() -> None:
    with pytest.raises(UpstreamError) as caught:
        whole(candidate({"functionCall": {"name": "f", "args": [1]}}, finish="STOP"))
    assert caught.value.kind == "bad_tool_call"


def test_a_signature_on_text_closes_the_thinking_before_it() -> None:
    found = whole(
        candidate(
            {"text": "hm", "thought": True},
            {"text": "Hello", "thoughtSignature": "c2ln"},
            {"text": "and", "thought": True},
            {"text": "", "thoughtSignature": "c2ln"},
            finish="STOP",
        )
    )
    assert found[1:-1] == [
        ReasoningDelta("hm", 0, 0),
        ReasoningDelta("", 0, 0, "c2ln"),
        TextDelta("Hello"),
        ReasoningDelta("and", 0, 1),
        ReasoningDelta("", 0, 1, "c2ln"),
    ]


# -- finish reasons -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("raw", "reason"), sorted(FINISH.items()))
def test_finish_reasons_are_mapped_and_kept(raw: str, reason: str) -> None:
    assert whole(candidate({"text": "x"}, finish=raw))[-1] == Finish(reason, raw)


@pytest.mark.parametrize(("raw", "kind"), sorted(BROKEN_FINISH.items()))
def test_a_broken_finish_is_the_providers_failure(raw: str, kind: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        whole(candidate(finish=raw))
    assert caught.value.kind == kind
    assert caught.value.retryable
    with pytest.raises(UpstreamError):
        read_stream(sse(response(candidate({"text": "x"})), response(candidate(finish=raw))))


def test_every_finish_reason_the_sdk_knows_is_placed() -> None:
    known = {reason.value for reason in types.FinishReason} - {"FINISH_REASON_UNSPECIFIED"}
    assert known == FINISH.keys() | BROKEN_FINISH.keys()


def test_an_unknown_finish_reason_is_kept_and_an_unspecified_one_is_none() -> None:
    assert whole(candidate({"text": "x"}, finish="SOMETHING_NEW"))[-1] == Finish("other", "SOMETHING_NEW")
    with pytest.raises(UpstreamError) as caught:
        whole(candidate({"text": "x"}, finish="FINISH_REASON_UNSPECIFIED"))
    assert caught.value.kind == "truncated"


def test_a_finish_told_twice_counts_once() -> None:
    end = candidate({"text": ""}, finish="STOP")
    found = deltas_of(read_stream(sse(response(candidate({"text": "x"})), response(end), response(end))))
    assert found.count(Finish("stop", "STOP")) == 1


def test_a_blocked_prompt_is_a_refusal_streamed_or_not() -> None:
    body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 4}}
    expected = [Begin(), Finish("refusal", "PROHIBITED_CONTENT"), UsageDelta(Usage(4))]
    assert read_whole(json.dumps(body).encode()) == expected
    frames = read_stream(sse(body))
    assert deltas_of(frames) == expected
    assert frames[0].content


def test_feedback_without_a_block_is_no_refusal() -> None:
    told = response(candidate({"text": "x"}, finish="STOP"), promptFeedback={"safetyRatings": []})
    assert read_whole(json.dumps(told).encode())[-1] == Finish("stop", "STOP")
    with pytest.raises(UpstreamError) as caught:
        read_whole(b'{"promptFeedback": {}}')
    assert caught.value.kind == "empty_answer"


# -- usage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"promptTokenCount": 11, "candidatesTokenCount": 79, "thoughtsTokenCount": 1016, "totalTokenCount": 1106},
         Usage(11, 1095, None, None, 1016)),
        ({"promptTokenCount": 11, "candidatesTokenCount": 5, "totalTokenCount": 16}, Usage(11, 5)),
        ({"promptTokenCount": 100, "cachedContentTokenCount": 90, "candidatesTokenCount": 5}, Usage(100, 5, 90)),
        ({"promptTokenCount": 10, "toolUsePromptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 22},
         Usage(17, 5)),
        ({"promptTokenCount": 10, "thoughtsTokenCount": 30, "totalTokenCount": 40}, Usage(10, 30, None, None, 30)),
        ({"promptTokenCount": 10}, Usage(10)),
        ({"thoughtsTokenCount": 3}, Usage(None, 3, None, None, 3)),
        ({}, Usage()),
    ],
)  # fmt: skip
def test_usage_includes_thoughts_and_tool_prompts(told: dict[str, int], usage: Usage) -> None:
    assert whole(candidate({"text": "x"}, finish="STOP"), usageMetadata=told)[-1] == UsageDelta(usage)


# -- errors inside an answer ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}, "overloaded"),
        ({"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}, "rate_limited"),
        ({"status": "RESOURCE_EXHAUSTED"}, "rate_limited"),
        ({"code": 500, "message": "Internal", "status": "INTERNAL"}, "server_error"),
        ({"code": 400, "message": "Bad", "status": "INVALID_ARGUMENT"}, "server_error"),
        ("broken", "server_error"),
    ],
)
def test_an_error_inside_an_answer_is_the_providers(error: Any, kind: str) -> None:
    for read in (
        lambda: read_whole(json.dumps({"error": error}).encode()),
        lambda: read_stream(sse(response(candidate({"text": "x"})), {"error": error})),
        lambda: read_stream(json.dumps([{"error": error}]).encode()),
    ):
        with pytest.raises(UpstreamError) as caught:
            read()
        assert caught.value.kind == kind


def test_code_that_was_run_and_what_it_printed_are_text_that_guardrails_see() -> None:
    parts = [
        {"text": "Look: "},
        {"executableCode": {"language": "PYTHON", "code": "print('secret')"}, "thoughtSignature": "c2ln"},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "secret"}, "thought": True},
    ]
    body = json.dumps({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP", "index": 0}]}).encode()
    reader = GOOGLE.reader(False, True)
    reader.feed(body)
    [frame] = reader.end()
    texts = [delta for delta in frame.deltas if isinstance(delta, TextDelta)]
    assert [delta.text for delta in texts] == ["Look: ", "print('secret')", "secret"]
    assert frame.unsaid is None
    for delta in texts:
        delta.text = delta.text.replace("secret", "*")
    patched = GOOGLE.patch(frame)
    assert b"secret" not in patched
    told = json.loads(patched)["candidates"][0]["content"]["parts"]
    assert told[1]["executableCode"] == {"language": "PYTHON", "code": "print('*')"}
    assert told[2]["codeExecutionResult"]["output"] == "*"
    assert told[1]["thoughtSignature"] == "c2ln"


def test_media_in_an_answer_are_told_apart_from_what_deltas_say() -> None:
    part = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    body = json.dumps({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}).encode()
    frames = read_stream(b"data: " + body + b"\n\n")
    assert [frame.unsaid for frame in frames if frame.content] == ["answer.media"]
