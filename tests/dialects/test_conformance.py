"""What every dialect must keep to, whoever wrote it. A new dialect in `DIALECTS` is held to all of this."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.chat import (
    Begin,
    ChatRequest,
    Delta,
    Finish,
    Media,
    Message,
    ReasoningDelta,
    RefusalDelta,
    Text,
    TextDelta,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from headgate.core.errors import (
    BudgetExceeded,
    CallerError,
    CannotCarry,
    Forbidden,
    GatewayError,
    HeadgateError,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    Overloaded,
    PolicyBlocked,
    TooLarge,
    Unauthenticated,
    UpstreamError,
)
from headgate.core.types import Usage
from headgate.dialects import DIALECTS
from headgate.dialects.base import JSON_DEPTH_MAX
from tests.dialects.wires import (
    MODELS,
    NAMES,
    SPOKEN,
    ask,
    deltas,
    frames,
    meta,
    plain_body,
    raw,
    sent,
    write_stream,
    write_whole,
)
from tests.support.chat_strategies import Says, Shows, answers, chat_requests, shown

some = settings(max_examples=40, derandomize=True, deadline=None)
dialect_names = pytest.mark.parametrize("name", NAMES)

RUN: list[Delta] = [
    Begin("a1", "m1"),
    TextDelta("the secret "),
    TextDelta("is a secret"),
    ToolStart(0, "c1", "f"),
    ToolArgs(0, '{"a":"sec'),
    ToolArgs(0, 'ret"}'),
    ToolStart(1, "c2", "g"),
    ToolArgs(1, '{"b":1}'),
    Finish("tool_calls"),
    UsageDelta(Usage(9, 7, 4, 0, 3)),
]
TEXT_RUN: list[Delta] = [*RUN[:3], Finish("stop"), RUN[-1]]
ERRORS: list[HeadgateError] = [
    InvalidRequest("bad", param="x"), Unauthenticated("who"), Forbidden("no"), NotFound("none"), TooLarge("big"),
    LimitExceeded("slow", retry_after_s=2), BudgetExceeded("spent"), Overloaded("full"), GatewayError("ours"),
    PolicyBlocked("blocked", rule="r", direction="input"), UpstreamError("truncated", "cut"),
    UpstreamError("rate_limited", "slow"), UpstreamError("client_fault", "bad"),
]  # fmt: skip


def told(run: list[Delta]) -> list[Delta]:
    """A copy: frames share deltas with what was written."""
    return copy.deepcopy(run)


# -- requests -----------------------------------------------------------------------------------------------------


@dialect_names
@pytest.mark.parametrize("depth", [JSON_DEPTH_MAX, 500, 100_000])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
def test_depth_bombs_are_refused(name: str, depth: int, brackets: tuple[str, str]) -> None:
    bomb = brackets[0] * depth + "1" + brackets[1] * depth
    body = plain_body(name)[:-1] + b',"unheard_of":' + bomb.encode() + b"}"
    with pytest.raises(InvalidRequest):
        ask(name, body)


@dialect_names
def test_brackets_in_text_are_text(name: str) -> None:
    body = plain_body(name).replace(b'"hi"', json.dumps("[{" * 5000).encode())
    ask(name, body)
    assert DIALECTS[name].read_request(body, True).chat.messages


@dialect_names
def test_deep_but_allowed(name: str) -> None:
    deep = "[" * (JSON_DEPTH_MAX - 2) + "]" * (JSON_DEPTH_MAX - 2)
    ask(name, plain_body(name)[:-1] + b',"unheard_of":' + deep.encode() + b"}")


@dialect_names
@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"])
def test_invalid_utf8_is_refused_wherever_it_is(name: str, bad: bytes) -> None:
    for body in (
        plain_body(name).replace(b'"hi"', b'"' + bad + b'"'),
        plain_body(name, unheard_of="*").replace(b'"*"', b'"' + bad + b'"'),
    ):
        with pytest.raises(InvalidRequest):
            ask(name, body)


@dialect_names
@pytest.mark.parametrize("body", [b"", b" ", b"null", b"[]", b"5", b'"x"', b"{", b"{}", b"{}{}", b"\x00", b"nan"])
def test_what_is_no_request_is_refused(name: str, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        ask(name, body)


_leaf = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.sampled_from(["", "x", "user"])
_tree = st.recursive(
    _leaf, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text", "x"]), inner)
)


def _paths(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [at, *[path for key, value in below for path in _paths(value, (*at, key))]] if at else [
        path for key, value in below for path in _paths(value, (key,))
    ]  # fmt: skip


@dialect_names
@some
@given(chat=chat_requests(Says()), data=st.data())
def test_wrong_types_are_the_callers_fault_and_never_ours(name: str, chat: Any, data: st.DataObject) -> None:
    tree = json.loads(DIALECTS[name].write_request(chat, MODELS[name], None).body)
    path = data.draw(st.sampled_from(_paths(tree)))
    place = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = data.draw(_tree)
    body = json.dumps(tree).encode()
    with contextlib.suppress(CallerError):
        ask(name, body)
        read = DIALECTS[name].read_request(body, True)
        for other in NAMES:
            with contextlib.suppress(CannotCarry):
                DIALECTS[other].write_request(copy.deepcopy(read.chat), MODELS[other], None)


@dialect_names
@some
@given(
    extra=st.dictionaries(st.text(min_size=1, max_size=6), _tree, max_size=3),
    spaces=st.sampled_from([None, 1]),
    model=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
)
def test_splices_touch_nothing_else(name: str, extra: dict[str, Any], spaces: int | None, model: str) -> None:
    tree = {**{"x_" + key: value for key, value in extra.items()}, **json.loads(plain_body(name))}
    body = json.dumps(tree, indent=spaces).encode()
    asked = ask(name, body)
    before, after = raw(body), raw(DIALECTS[name].splice_request(body, asked, model).body)
    for field in ("model", "stream_options"):
        before.pop(field, None)
        after.pop(field, None)
    assert after == before


@dialect_names
def test_our_own_field_is_taken_out_before_anyone_sees_it(name: str) -> None:
    body = plain_body(name, headgate={"variables": {"a": 1}, "channel": "beta"})
    asked = ask(name, body)
    assert (asked.variables, asked.channel) == ({"a": 1}, "beta")
    assert raw(asked.body) == raw(plain_body(name))


@dialect_names
def test_a_prompt_is_read_back_where_the_dialect_keeps_it(name: str) -> None:
    dialect = DIALECTS[name]
    body = plain_body(name)
    out = dialect.add_prompt(ask(name, body), [("system", "be brief"), ("user", "first")], {"temperature": 0.5}).body
    chat = dialect.read_request(out, True).chat
    assert [text.text for text in chat.system] == ["be brief"]
    assert [part.text for turn in chat.messages for part in turn.parts] == ["first", "hi"]
    assert chat.temperature == 0.5
    assert dialect.system_text(ask(name, out)) == "be brief"
    assert dialect.system_text(ask(name, body)) is None
    assert dialect.turns(ask(name, out), 9) == [("user", "first"), ("user", "hi")]
    assert dialect.turns(ask(name, out), 1) == [("user", "first")]


@dialect_names
def test_turns_are_told_in_our_words_and_as_text_alone(name: str) -> None:
    messages = [
        Message("user", [Text("one"), Media("image/png", data="aGk="), Text("two")]),
        Message("assistant", [Text("yes")]),
        Message("user", [Media("image/png", data="aGk=")]),
    ]
    body = DIALECTS[name].write_request(ChatRequest(messages, system=[Text("be brief")]), MODELS[name], None).body
    turns = DIALECTS[name].turns(ask(name, body), 9)
    assert turns == [("user", "one\ntwo"), ("assistant", "yes"), ("user", "")]


@dialect_names
def test_every_setting_of_a_prompt_arrives_or_is_named(name: str) -> None:
    wanted = {
        "temperature": 0.5, "top_p": 0.5, "top_k": 4, "max_tokens": 9, "stop": ["x"], "seed": 3,
        "presence_penalty": 0.5, "frequency_penalty": 0.5, "unheard_of": 1,
    }  # fmt: skip
    body = plain_body(name).replace(b', "max_tokens": 5', b"")
    carried = DIALECTS[name].add_prompt(ask(name, body), [("system", "be brief")], wanted)
    chat = DIALECTS[name].read_request(carried.body, True).chat
    lost = {setting for setting, value in wanted.items() if getattr(chat, setting, None) != value}
    assert set(carried.dropped) == {"prompt.settings." + setting for setting in lost}
    assert "unheard_of" in lost
    assert DIALECTS[name].add_prompt(ask(name, body), [("system", "be brief")], {}).dropped == []


# -- answers ------------------------------------------------------------------------------------------------------


@dialect_names
@some
@given(run=answers(Shows(cache_write=False)), data=st.data())
def test_a_stream_may_be_cut_into_any_reads(name: str, run: list[Delta], data: st.DataObject) -> None:
    wire = write_stream(name, run)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=5)))
    reader = DIALECTS[name].reader(True, True)
    got = [frame for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True) for frame in reader.feed(wire[a:b])]
    got += reader.end()
    assert b"".join(frame.wire for frame in got) == wire
    assert shown([delta for frame in got for delta in frame.deltas]) == shown(deltas(name, wire, True))


@dialect_names
@pytest.mark.parametrize("run", [RUN, TEXT_RUN], ids=["tools", "text"])
def test_no_prefix_of_a_stream_is_taken_for_the_whole(name: str, run: list[Delta]) -> None:
    wire = write_stream(name, run)
    full = shown(deltas(name, wire, True))
    for at in range(len(wire)):
        try:
            got = shown(deltas(name, wire[:at], True))
        except UpstreamError:
            continue
        got.usage = full.usage  # told last, by some after the finish
        assert got == full, wire[:at]


@dialect_names
def test_no_prefix_of_a_body_is_taken_for_the_whole(name: str) -> None:
    body = write_whole(name, RUN)
    for at in range(len(body)):
        with pytest.raises(UpstreamError):
            frames(name, body[:at], False)


@dialect_names
def test_exactly_one_unit_is_the_last(name: str) -> None:
    assert [frame.last for frame in frames(name, write_whole(name, RUN), False)] == [True]
    assert sum(frame.last for frame in frames(name, write_stream(name, RUN), True)) <= 1


@dialect_names
def test_units_that_show_something_are_marked(name: str) -> None:
    for frame in frames(name, write_stream(name, RUN), True):
        shows = any(isinstance(delta, ToolStart | TextDelta | ToolArgs) for delta in frame.deltas)
        assert frame.content or not shows


@dialect_names
@some
@given(wire=st.binary(max_size=40) | _tree.map(lambda tree: b"data: " + json.dumps(tree).encode() + b"\n\n"))
def test_any_bytes_are_an_answer_or_the_providers_fault(name: str, wire: bytes) -> None:
    for stream in (True, False):
        with pytest.raises(UpstreamError):
            frames(name, wire, stream)


@dialect_names
@some
@given(data=st.data(), stream=st.booleans())
def test_answers_of_wrong_types_are_the_providers_fault(name: str, data: st.DataObject, stream: bool) -> None:
    wire = write_stream(name, RUN) if stream else write_whole(name, RUN)
    lines = wire.split(b"\n") if stream else [wire]
    prefix = b"data: " if stream else b""
    places = [at for at, line in enumerate(lines) if line.startswith(prefix + b"{")]
    at = data.draw(st.sampled_from(places))
    tree = json.loads(lines[at].removeprefix(prefix))
    path = data.draw(st.sampled_from(_paths(tree)))
    place = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = data.draw(_tree)
    lines[at] = prefix + json.dumps(tree).encode() + (b"\r" if lines[at].endswith(b"\r") else b"")
    with contextlib.suppress(UpstreamError):
        frames(name, b"\n".join(lines), stream)


# -- patch --------------------------------------------------------------------------------------------------------


@dialect_names
@pytest.mark.parametrize("stream", [True, False])
def test_rewritten_units_hold_the_new_text_and_nothing_of_the_old(name: str, stream: bool) -> None:
    wire = write_stream(name, told(RUN)) if stream else write_whole(name, told(RUN))
    got = frames(name, wire, stream)
    out = b""
    for frame in got:
        spoken = [delta for delta in frame.deltas if isinstance(delta, SPOKEN)]
        for delta in spoken:
            delta.text = delta.text.replace("secret", "******").replace("sec", "***").replace("ret", "***")
        out += DIALECTS[name].patch(frame) if spoken else frame.wire
    assert b"secret" not in out
    before, after = shown([delta for frame in got for delta in frame.deltas]), shown(deltas(name, out, stream))
    assert after == before
    assert after.text[0] == "the ****** is a ******"
    assert "secret" not in json.dumps(str(after))


# -- cut ----------------------------------------------------------------------------------------------------------


@dialect_names
def test_a_stream_cut_by_policy_still_ends_properly(name: str) -> None:
    units = frames(name, write_stream(name, TEXT_RUN), True)
    for count in range(len(units)):
        seen = units[:count]
        if any(isinstance(delta, Finish) for frame in seen for delta in frame.deltas):
            break
        wire = b"".join(frame.wire for frame in seen) + DIALECTS[name].cut(sent(seen), meta(), None)
        assert shown(deltas(name, wire, True)).finish == {0: "refusal"}


@dialect_names
def test_a_stream_cut_by_an_error_is_never_a_success(name: str) -> None:
    units = frames(name, write_stream(name, RUN), True)
    for count in range(1, len(units)):
        seen = units[:count]
        if any(isinstance(delta, Finish) for frame in seen for delta in frame.deltas):
            break
        wire = b"".join(frame.wire for frame in seen)
        wire += DIALECTS[name].cut(sent(seen), meta(), UpstreamError("idle_timeout", "silence"))
        with pytest.raises(UpstreamError):
            frames(name, wire, True)


@dialect_names
@pytest.mark.parametrize("stream", [True, False])
def test_a_writer_cut_by_policy_ends_properly(name: str, stream: bool) -> None:
    for count in range(1, 4):
        writer = DIALECTS[name].writer(stream, meta())
        wire = writer.write(told(RUN[:count])) + writer.cut(None)
        got = shown(deltas(name, wire, stream))
        assert got.finish == {0: "refusal"}
        assert not got.calls


@dialect_names
def test_a_writer_cut_by_an_error_says_so(name: str) -> None:
    writer = DIALECTS[name].writer(True, meta())
    wire = writer.write(told(RUN[:3])) + writer.cut(UpstreamError("idle_timeout", "silence"))
    with pytest.raises(UpstreamError):
        frames(name, wire, True)


# -- errors -------------------------------------------------------------------------------------------------------


@dialect_names
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.reason)
def test_error_bodies_are_json_with_the_message(name: str, error: HeadgateError) -> None:
    tree = msgspec.json.decode(DIALECTS[name].error_body(error, "call_1"))
    assert tree["error"]["message"] == error.message


@dialect_names
@some
@given(
    status=st.sampled_from([300, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529]),
    body=st.binary(max_size=30) | _tree.map(lambda tree: json.dumps({"error": tree}).encode()),
    wait=st.sampled_from([b"", b"1", b"nan", b"-1", b"1e400", b"soon", b"Wed, 25 Nov 2026 02:00:30 GMT"]),
)
def test_reading_an_error_never_fails(name: str, status: int, body: bytes, wait: bytes) -> None:
    error = DIALECTS[name].read_error(status, [(b"retry-after", wait)], body)
    assert error.attempt_status == status
    assert error.cool_s is None or 0 <= error.cool_s <= 86_400


@dialect_names
@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (LimitExceeded("slow"), {"rate_limited"}),
        (Unauthenticated("who"), {"auth_failed"}),
        (GatewayError("ours"), {"server_error"}),
        (Overloaded("full"), {"overloaded", "server_error"}),
        (InvalidRequest("bad"), {"client_fault"}),
    ],
    ids=lambda value: getattr(value, "reason", ""),
)
def test_our_own_errors_read_back_as_what_they_are(name: str, error: HeadgateError, kinds: set[str]) -> None:
    dialect = DIALECTS[name]
    assert dialect.read_error(error.status, [], dialect.error_body(error, "call_1")).kind in kinds


def test_the_suite_knows_every_delta_that_speaks() -> None:
    assert {TextDelta, RefusalDelta, ReasoningDelta, ToolArgs} == set(SPOKEN)


@dialect_names
@pytest.mark.parametrize(
    "date", ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2020 00:00:00 +99999999"]
)
def test_times_beyond_time_are_no_times(name: str, date: str) -> None:
    headers = [(b"retry-after", date.encode()), (b"date", date.encode())]
    assert DIALECTS[name].read_error(503, headers, b"").cool_s is None


@dialect_names
@pytest.mark.parametrize("code", ["9" * 5000, 10**18, "٤٢٩", True, [], {}])
def test_any_code_inside_an_answer_is_the_providers_fault(name: str, code: Any) -> None:
    body = json.dumps({"error": {"code": code, "type": "x", "message": "m", "status": code}}).encode()
    with pytest.raises(UpstreamError):
        deltas(name, b"data: " + body + b"\n\n", True)


@dialect_names
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("'messages[0].content' is missing", "'messages[0].content' is missing"),
        ("max_tokens: 9 > 8, don't", "max_tokens: 9 > 8, don't"),
        ('`top_k` and "contents.0.parts.1"', '`top_k` and "contents.0.parts.1"'),
        ('Base64 decoding failed for "my secret"', 'Base64 decoding failed for "…"'),
        ("got '4111111111111111', wanted 'x'", "got '…', wanted 'x'"),
        ("input_value='ann@example.com', input_type=str", "input_value='…', input_type=str"),
        ("it ends in the middle: 'my sec", "it ends in the middle: '…'"),
        ("field 'a.4111111111111111'", "field '…'"),
        ("“my secret” is wrong", "“…” is wrong"),
    ],
)
def test_messages_of_vendors_lose_what_they_quote(name: str, said: str, told: str) -> None:
    error = DIALECTS[name].read_error(400, [], json.dumps({"error": {"message": said, "type": "bad"}}).encode())
    assert (error.kind, error.message) == ("client_fault", told)
    assert said.split(" ")[-1] in json.loads(error.body or b"")["error"]["message"]  # a client of the dialect gets all


@dialect_names
def test_words_of_vendors_that_are_sentences_are_not_repeated(name: str) -> None:
    secret = "you said: my secret"
    body = json.dumps({"error": {"message": secret, "type": secret, "code": secret, "status": secret}}).encode()
    assert "secret" not in DIALECTS[name].read_error(500, [], body).message


@dialect_names
def test_a_page_says_nothing_of_the_model(name: str) -> None:
    assert DIALECTS[name].read_error(404, [], b" <html>nginx</html>").kind == "malformed_response"
