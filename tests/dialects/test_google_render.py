"""Answers rendered as Gemini's and judged by the SDK; signatures on their way through a client; patches and cuts."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.chat import (
    Begin,
    Delta,
    Finish,
    Frame,
    Reasoning,
    ReasoningDelta,
    RefusalDelta,
    Text,
    TextDelta,
    ToolArgs,
    ToolCall,
    ToolStart,
    UsageDelta,
)
from headgate.core.errors import Overloaded, PolicyBlocked, UpstreamError
from headgate.core.types import Usage
from headgate.dialects.base import AnswerMeta, Sent
from headgate.dialects.foreign import unwrap_foreign
from headgate.dialects.google_generate import GOOGLE
from headgate.dialects.google_types import BYPASS
from tests.dialects.google_sdk import Recorder, check_response, events
from tests.support.chat_strategies import Shows, answers, shown

OWN = AnswerMeta("call_1", "gemini-3-pro", 1_760_000_000, origin="google")
FOREIGN = AnswerMeta("call_1", "claude", 1_760_000_000, origin="anthropic")
GEMINI = Shows(choices=3, reasoning=True, signed_tools=True, cache_write=False)


def stream(deltas: Sequence[Delta], meta: AnswerMeta = OWN, sizes: Sequence[int] = ()) -> bytes:
    writer = GOOGLE.writer(True, meta)
    out, at = b"", 0
    for size in [*sizes, len(deltas)]:
        out += writer.write(deltas[at : at + size])
        at += size
    return out + writer.end()


def whole(deltas: Sequence[Delta], meta: AnswerMeta = OWN) -> bytes:
    writer = GOOGLE.writer(False, meta)
    assert writer.write(deltas) == b""
    return writer.end()


def read(wire: bytes, is_stream: bool) -> list[Delta]:
    reader = GOOGLE.reader(is_stream, True)
    return [delta for frame in reader.feed(wire) + reader.end() for delta in frame.deltas]


def in_base64(deltas: list[Delta]) -> list[Delta]:
    """The strategy's signatures are words; Gemini's are bytes."""
    for delta in deltas:
        if isinstance(delta, ReasoningDelta) and delta.signature is not None:
            delta.signature = base64.b64encode(delta.signature.encode()).decode()
    return deltas


gemini_answers = answers(GEMINI).map(in_base64)


def normal(deltas: Sequence[Delta]) -> Any:
    """What a client ends up with; arguments as the objects they are."""
    seen = shown(deltas)
    seen.calls = {
        key: (id_, name, msgspec.json.encode(msgspec.json.decode(args or "{}")).decode(), signature)
        for key, (id_, name, args, signature) in seen.calls.items()
    }
    return seen


# -- round trips ----------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(gemini_answers, st.lists(st.integers(1, 4), max_size=8))
def test_a_streamed_answer_comes_back_as_it_was(deltas: list[Delta], sizes: list[int]) -> None:
    wire = stream(deltas, OWN, sizes)
    for event in events(wire):
        check_response(event)
    assert normal(read(wire, True)) == normal(deltas)


@settings(max_examples=100, deadline=None)
@given(gemini_answers)
def test_a_whole_answer_comes_back_as_it_was(deltas: list[Delta]) -> None:
    body = whole(deltas)
    check_response(body)
    assert normal(read(body, False)) == normal(deltas)


# -- what the SDK makes of it ---------------------------------------------------------------------------------------

ANSWER: list[Delta] = [
    Begin("msg_1", "claude-sonnet"),
    ReasoningDelta("let me "),
    ReasoningDelta("think"),
    ReasoningDelta(signature="s+/="),
    TextDelta("Hel"),
    TextDelta("lo"),
    ToolStart(0, "t1", "look"),
    ToolArgs(0, '{"a"'),
    ToolArgs(0, ":1}"),
    ToolStart(1, "t2", "look"),
    ToolArgs(1, "{}"),
    Finish("tool_calls", "tool_use"),
    UsageDelta(Usage(10, 30, 4, 2, 12)),
]


def test_the_sdk_reads_a_whole_answer() -> None:
    answer = Recorder(whole(ANSWER, FOREIGN)).ask("Hi")
    [first] = answer.candidates or []
    assert answer.text == "Hello"
    assert [(call.id, call.name, call.args) for call in answer.function_calls or []] == [
        ("t1", "look", {"a": 1}),
        ("t2", "look", {}),
    ]
    assert first.finish_reason == types.FinishReason.STOP
    assert (answer.model_version, answer.response_id) == ("claude-sonnet", "msg_1")
    usage = answer.usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count) == (10, 18, 12)
    assert (usage.cached_content_token_count, usage.total_token_count) == (4, 40)


@pytest.mark.parametrize("sizes", [[], [1] * 12, [5, 2]])
def test_the_sdk_reads_a_stream_and_keeps_the_turn(sizes: list[int]) -> None:
    sdk = Recorder(stream(ANSWER, FOREIGN, sizes))
    chat = sdk.client.chats.create(model="gemini-3-pro")
    chunks = list(chat.send_message_stream("Hi"))
    parts = [part for chunk in chunks for part in chunk.parts or []]
    assert "".join(part.text or "" for part in parts if not part.thought) == "Hello"
    assert chunks[-1].candidates is not None
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].usage_metadata is not None
    assert all(chunk.candidates for chunk in chunks)
    # the turn counts as good, so that the next request repeats it: signatures are back as the vendor gave them
    results = [types.Part.from_function_response(name="look", response={"output": "ok"}) for _ in range(2)]
    list(chat.send_message_stream(results))
    messages = GOOGLE.read_request(sdk.body, True).chat.messages
    said = messages[1].parts
    assert said[:2] == [Reasoning("let me think", "s+/=", origin="anthropic"), Text("Hello")]
    assert [(part.id, part.name) for part in said if isinstance(part, ToolCall)] == [("t1", "look"), ("t2", "look")]
    assert [part.call_id for part in messages[2].parts] == ["t1", "t2"]  # type: ignore[union-attr]
    # and the same body sent on to Gemini shows it nothing of another vendor's
    asked = GOOGLE.ask(sdk.body, "gemini-3-pro", True)
    sent = json.loads(GOOGLE.splice_request(sdk.body, asked, "gemini-3-pro").body)
    shown_to_gemini = [part for turn in sent["contents"] if turn["role"] == "model" for part in turn["parts"]]
    signatures = [part.get("thoughtSignature") for part in shown_to_gemini if "functionCall" in part]
    assert signatures == [BYPASS, None]
    assert not any(part.get("thought") and "thoughtSignature" in part for part in shown_to_gemini)


def test_a_call_without_a_signature_is_marked_as_not_geminis_own() -> None:
    answer = check_response(whole([Begin(), ToolStart(0, "a", "f"), Finish("tool_calls")], FOREIGN))
    [part] = answer.candidates[0].content.parts  # type: ignore[index, union-attr]
    mark = unwrap_foreign(base64.b64encode(part.thought_signature or b"").decode())
    assert mark is not None
    assert (mark.origin, mark.signature) == ("anthropic", None)


def test_an_answer_of_unknown_origin_is_never_taken_for_geminis() -> None:
    meta = AnswerMeta("call_1", "m", 1)
    answer = json.loads(whole([Begin(), ReasoningDelta("x"), ReasoningDelta(signature="s"), Finish("stop")], meta))
    mark = unwrap_foreign(answer["candidates"][0]["content"]["parts"][0]["thoughtSignature"])
    assert mark is not None
    assert (mark.origin, mark.signature) == ("unknown", "s")


def test_redacted_thinking_goes_out_wrapped() -> None:
    body = whole([Begin(), ReasoningDelta(redacted="blob"), TextDelta("x"), Finish("stop")], FOREIGN)
    part = json.loads(body)["candidates"][0]["content"]["parts"][0]
    mark = unwrap_foreign(part["thoughtSignature"])
    assert mark is not None
    assert (part["thought"], mark.redacted) == (True, "blob")


def test_refusal_words_are_text() -> None:
    body = whole([Begin(), RefusalDelta("I "), RefusalDelta("won't"), Finish("stop")])
    assert check_response(body).text == "I won't"


@pytest.mark.parametrize(
    ("finish", "word"),
    [
        (Finish("stop", "end_turn"), "STOP"),
        (Finish("length", "max_tokens"), "MAX_TOKENS"),
        (Finish("refusal", "refusal"), "SAFETY"),
        (Finish("refusal", "SPII"), "SPII"),
        (Finish("pause", "pause_turn"), "OTHER"),
        (Finish("error", "?"), "OTHER"),
    ],
)
def test_finish_reasons_in_geminis_words(finish: Finish, word: str) -> None:
    for answer in (
        check_response(whole([Begin(), TextDelta("x"), finish])),
        check_response(events(stream([finish]))[0]),
    ):
        assert answer.candidates[0].finish_reason == types.FinishReason(word)  # type: ignore[index]


def test_unknown_counts_are_not_written() -> None:
    body = json.loads(whole([Begin(), TextDelta("x"), Finish("stop"), UsageDelta(Usage(input=5))]))
    assert body["usageMetadata"] == {"promptTokenCount": 5}
    assert "usageMetadata" not in json.loads(whole([Begin(), TextDelta("x"), Finish("stop")]))


def test_what_the_answer_did_not_tell_comes_from_the_call() -> None:
    body = json.loads(whole([TextDelta("x"), Finish("stop")], FOREIGN))
    assert (body["modelVersion"], body["responseId"]) == ("claude", "call_1")


@pytest.mark.parametrize("pieces", [['{"a": '], ["[1]"], ['"x"']])
@pytest.mark.parametrize("is_stream", [True, False])
def test_arguments_that_are_no_object_never_go_out(pieces: list[str], is_stream: bool) -> None:
    writer = GOOGLE.writer(is_stream, FOREIGN)
    assert writer.write([ToolStart(0, "a", "f"), *(ToolArgs(0, piece) for piece in pieces)]) == b""
    with pytest.raises(UpstreamError) as caught:
        writer.write([Finish("tool_calls")])
    assert caught.value.kind == "bad_tool_call"
    with pytest.raises(UpstreamError):
        writer.write([ToolArgs(7, "{}")])


# -- cuts -----------------------------------------------------------------------------------------------------------

BLOCKED = PolicyBlocked("blocked by a rule", rule="card", direction="output")


def test_a_policy_cut_ends_every_choice_with_safety() -> None:
    writer = GOOGLE.writer(True, FOREIGN)
    writer.write(
        [Begin("b", "m"), TextDelta("a", 0), TextDelta("b", 1), ToolStart(0, "t", "f", 1), ToolArgs(0, '{"se', 1)]
    )
    [event] = events(writer.cut(None))
    answer = check_response(event)
    assert [(one.index, one.finish_reason, one.content) for one in answer.candidates or []] == [
        (0, types.FinishReason.SAFETY, None),
        (1, types.FinishReason.SAFETY, None),
    ]
    fresh = GOOGLE.writer(True, FOREIGN).cut(None)
    assert read(fresh, True)[-1] == Finish("refusal", "SAFETY")


def test_a_policy_cut_of_a_whole_answer_is_a_complete_body() -> None:
    writer = GOOGLE.writer(False, FOREIGN)
    writer.write([Begin("b", "m"), TextDelta("passed"), ToolStart(0, "t", "f"), ToolArgs(0, '{"secret": 1}')])
    body = writer.cut(None)
    answer = check_response(body)
    assert answer.candidates[0].finish_reason == types.FinishReason.SAFETY  # type: ignore[index]
    assert answer.text == "passed"
    assert b"secret" not in body


def test_an_error_cut_is_what_the_sdk_raises_and_holds_no_finish() -> None:
    for wire in (
        GOOGLE.writer(True, FOREIGN).cut(Overloaded("busy")),
        GOOGLE.cut(Sent(begin=Begin("r", "m"), content=True), OWN, Overloaded("busy")),
    ):
        [event] = events(wire)
        assert json.dumps(json.loads(event)).startswith('{"error":')  # that is how the SDK tells an error
        assert json.loads(event)["error"]["code"] == 503
        with pytest.raises(UpstreamError):
            read(wire, True)


def test_a_same_dialect_policy_cut_follows_what_was_sent() -> None:
    [event] = events(GOOGLE.cut(Sent(begin=Begin("r9", "gemini-x"), content=True, choices=2), OWN, None))
    answer = check_response(event)
    assert (answer.response_id, answer.model_version) == ("r9", "gemini-x")
    assert [one.finish_reason for one in answer.candidates or []] == [types.FinishReason.SAFETY] * 2


# -- patches --------------------------------------------------------------------------------------------------------

TREE: dict[str, Any] = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "secret thought", "thought": True},
                    {"text": "secret", "thoughtSignature": "c2ln"},
                    {"functionCall": {"name": "f", "id": "a", "args": {"k": "secret"}}},
                    {"text": "", "thoughtSignature": "c2ln"},
                    {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                ],
            },
            "index": 0,
            "avgLogprobs": -0.1,
            "logprobsResult": {"chosenCandidates": [{"token": "secret"}]},
            "citationMetadata": {"citationSources": []},
            "groundingMetadata": {"groundingSupports": [{"segment": {"text": "secret"}}]},
            "finishMessage": "secret",
            "tokenCount": 5,
        },
        {"content": {"parts": [{"text": "other secret"}]}, "index": 1, "finishReason": "STOP"},
        {"finishReason": "STOP", "index": 2},
    ],
    "usageMetadata": {"promptTokenCount": 3},
    "responseId": "r1",
}


def _redacted(frame: Frame) -> Frame:
    frame.changed = True
    for delta in frame.deltas:
        if isinstance(delta, TextDelta | ReasoningDelta | ToolArgs):
            delta.text = delta.text.replace("secret", "*")
    return frame


@pytest.mark.parametrize("newline", [b"\r\n", b"\n", b"\r"])
def test_a_patched_event_shows_the_new_text_and_nothing_of_the_old(newline: bytes) -> None:
    wire = b"data: " + json.dumps(TREE).encode() + newline * 2
    [frame] = GOOGLE.reader(True, True).feed(wire)
    out = GOOGLE.patch(_redacted(frame))
    assert b"secret" not in out
    assert out.endswith(newline * 2)
    [again] = GOOGLE.reader(True, True).feed(out)
    assert normal(again.deltas) == normal(frame.deltas)
    assert len(again.deltas) == len(frame.deltas)
    tree = json.loads(out[6:])
    assert tree["candidates"][0].keys() == {"content", "index", "tokenCount"}
    parts = tree["candidates"][0]["content"]["parts"]
    assert [part.get("text") for part in parts] == ["* thought", "*", None, "", None]
    assert parts[2]["functionCall"] == {"name": "f", "id": "a", "args": {"k": "*"}}
    assert tree["candidates"][1]["content"]["parts"] == [{"text": "other *"}]
    assert tree["usageMetadata"] == TREE["usageMetadata"]


def test_a_patched_body_is_a_body() -> None:
    reader = GOOGLE.reader(False, True)
    tree = TREE | {"candidates": TREE["candidates"][1:]}
    reader.feed(json.dumps(tree).encode())
    [frame] = reader.end()
    assert json.loads(GOOGLE.patch(_redacted(frame)))["candidates"][0]["content"]["parts"] == [{"text": "other *"}]


def test_arguments_broken_by_a_redaction_become_an_empty_object() -> None:
    call = {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {"k": "secret"}}}]}}]}
    [frame] = GOOGLE.reader(True, True).feed(b"data: " + json.dumps(call).encode() + b"\n\n")
    for delta in frame.deltas:
        if isinstance(delta, ToolArgs):
            delta.text = '{"k": *'
    assert b'"args":{}' in GOOGLE.patch(frame)


@settings(max_examples=50, deadline=None)
@given(gemini_answers)
def test_a_patch_puts_every_text_where_it_was_read(deltas: list[Delta]) -> None:
    for is_stream, wire in ((True, stream(deltas, OWN, [3, 3])), (False, whole(deltas))):
        reader = GOOGLE.reader(is_stream, True)
        for frame in reader.feed(wire) + reader.end():
            if frame.wire:
                for delta in frame.deltas:
                    if isinstance(delta, TextDelta | ReasoningDelta):
                        delta.text = delta.text.swapcase()
                data = GOOGLE.patch(frame)
                tree = data[6:] if is_stream else data
                check_response(tree)
                texts = [delta.text for delta in frame.deltas if isinstance(delta, TextDelta | ReasoningDelta)]
                parts = [
                    part["text"]
                    for one in json.loads(tree)["candidates"]
                    for part in one.get("content", {}).get("parts", [])
                    if part.get("text") or (part.get("thought") and part.get("thoughtSignature"))
                ]
                assert parts == texts
