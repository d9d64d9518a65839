"""Reading Anthropic's answers, streamed and whole."""

from __future__ import annotations

import json

import pytest

from headgate.core.chat import (
    Begin,
    Finish,
    UsageDelta,
)
from headgate.core.errors import UpstreamError
from headgate.core.types import Usage
from headgate.dialects.anthropic_messages import ANTHROPIC
from tests.dialects import anthropic_sdk as sdk
from tests.dialects.anthropic_events import END, FULL, PING, block, deltas, done, ev, more, read, start, stop, whole
from tests.support.chat_strategies import shown


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
        ("something_new", "other"),
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


@pytest.mark.parametrize("count", [-1, 10**30])
def test_counts_that_cannot_be_true_say_nothing(count: int) -> None:
    told = deltas(read(start(input_tokens=count) + done(output_tokens=count) + END))
    assert shown(told).usage == Usage()


def test_input_told_at_the_start_of_a_tool_block() -> None:
    data = start() + block(0, type="tool_use", id="a", name="f", input={"x": 1}) + stop(0) + done("tool_use") + END
    assert shown(deltas(read(data))).calls[0, 0][2] == '{"x": 1}'


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
    monkeypatch.setattr("headgate.dialects.whole.ANSWER_BYTES_MAX", 10)
    reader = ANTHROPIC.reader(False, True)
    with pytest.raises(UpstreamError) as caught:
        reader.feed(b"x" * 11)
    assert caught.value.kind == "response_too_large"
    stream = ANTHROPIC.reader(True, True)
    with pytest.raises(UpstreamError) as caught:
        for _ in range(17):
            stream.feed(b"x" * 1024 * 1024)
    assert caught.value.kind == "response_too_large"


def test_blocks_that_only_this_vendor_has_are_told_apart() -> None:
    blocks = [{"type": "text", "text": "hi"}, {"type": "web_search_tool_result", "tool_use_id": "a", "content": []}]
    tree = {"type": "message", "id": "m", "model": "c", "stop_reason": "end_turn"}
    for content, unsaid in ((blocks, "answer.blocks"), (blocks[:1], None)):
        reader = ANTHROPIC.reader(False, True)
        reader.feed(json.dumps({**tree, "content": content}).encode())
        assert [frame.unsaid for frame in reader.end()] == [unsaid]
    started = {"type": "content_block_start", "index": 1, "content_block": blocks[1]}
    [frame] = ANTHROPIC.reader(True, True).feed(f"event: x\ndata: {json.dumps(started)}\n\n".encode())
    assert (frame.unsaid, frame.content) == ("answer.blocks", True)
