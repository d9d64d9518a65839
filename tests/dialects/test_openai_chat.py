"""The OpenAI dialect's hot path: reading a body just far enough, and changing no byte that need not change."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.chat import Begin, Frame, ReasoningDelta, RefusalDelta, TextDelta, ToolArgs
from headgate.core.errors import GatewayError, InvalidRequest, PolicyBlocked, UpstreamError
from headgate.core.stages import Asked
from headgate.dialects.base import AnswerMeta, Carried, Sent
from headgate.dialects.openai_chat import OPENAI
from tests.dialects.openai_sdk import check_request, check_stream

some = settings(max_examples=60, derandomize=True, deadline=None)
META = AnswerMeta(call_id="call_1", model="asked", created_s=5)
USER: dict[str, Any] = {"role": "user", "content": "hi"}


def encode(**fields: Any) -> bytes:
    """A body as a careless client would space it."""
    return b" " + json.dumps({"model": "m", "messages": [USER], **fields}, indent=1).encode() + b"\n"


def ask(body: bytes) -> Asked:
    """The body read."""
    return OPENAI.ask(body, None, False)


def raw(body: bytes) -> dict[str, bytes]:
    """Each top-level field's exact bytes."""
    return {name: bytes(value) for name, value in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items()}


# -- ask ----------------------------------------------------------------------------------------------------------


def test_a_plain_call() -> None:
    body = encode(temperature=1, unheard_of={"a": [1]})
    asked = ask(body)
    assert (asked.model, asked.stream, asked.max_tokens, asked.choices) == ("m", False, None, 1)
    assert (asked.wants_usage, asked.input_chars, asked.variables) == (True, 2, None)
    assert asked.body is body


@pytest.mark.parametrize(
    ("fields", "wants"),
    [
        ({"stream": False}, True),
        ({"stream": True}, False),
        ({"stream": True, "stream_options": None}, False),
        ({"stream": True, "stream_options": {"include_usage": False}}, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True),
    ],
)
def test_who_wants_usage(fields: dict[str, Any], wants: bool) -> None:
    asked = ask(encode(**fields))
    assert (asked.stream, asked.wants_usage) == (fields["stream"], wants)


def test_limits_and_sizes() -> None:
    parts = [{"type": "text", "text": "abc"}, {"type": "image_url", "image_url": {"url": "https://x"}}, {"type": "new"}]
    asked = ask(encode(messages=[{"role": "user", "content": parts}], max_tokens=5, n=3))
    assert (asked.input_chars, asked.max_tokens, asked.choices) == (3, 5, 3)
    assert ask(encode(max_tokens=5, max_completion_tokens=6)).max_tokens == 6


def test_our_own_field_is_taken_out() -> None:
    body = encode(headgate={"variables": {"a": [1, None]}, "channel": "staging"}, seed=1)
    asked = ask(body)
    assert (asked.variables, asked.channel) == ({"a": [1, None]}, "staging")
    left = raw(body)
    del left["headgate"]
    assert raw(asked.body) == left
    assert "headgate" not in raw(ask(encode(headgate=None)).body)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"","messages":[]}', "model"),
        (b'{"model":5,"messages":[]}', "model"),
        (b'{"model":"m","messages":{}}', "messages"),
        (b'{"model":"m","messages":[{"content":"x"}]}', "messages[0].role"),
        (b'{"model":"m","messages":[{"role":"user","content":{}}]}', "messages[0].content"),
        (b'{"model":"m","messages":[],"stream":"yes"}', "stream"),
        (b'{"model":"m","messages":[],"max_tokens":0}', "max_tokens"),
        (b'{"model":"m","messages":[],"n":129}', "n"),
        (b'{"model":"m","messages":[],"headgate":{"variables":[]}}', "headgate.variables"),
        (b"[]", None),
        (b"", None),
        (b'{"model":"m","messages":[]}}', None),
    ],
)
def test_wrong_bodies_are_named(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(body)
    assert caught.value.param == param


def test_the_system_prompt_is_what_stands_before_the_conversation() -> None:
    messages = [
        {"role": "system", "content": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        USER,
        {"role": "system", "content": "late"},
    ]
    assert OPENAI.system_text(ask(encode(messages=messages))) == "a\nb"
    assert OPENAI.system_text(ask(encode())) is None


# -- splices ------------------------------------------------------------------------------------------------------


def test_nothing_to_change_is_the_same_object() -> None:
    for body in (encode(), encode(stream=True, stream_options={"include_usage": True})):
        assert OPENAI.splice_request(body, ask(body), "m").body is body


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.just("model"), inner, max_size=3)
    ),
    max_leaves=8,
)


@some
@given(
    st.dictionaries(st.text(max_size=8), _json, max_size=4),
    st.booleans(),
    st.sampled_from([None, {"include_usage": False, "include_obfuscation": False}]),
    st.booleans(),
    st.text(min_size=1, max_size=8),
)
def test_splices_change_what_they_must_and_no_other_value(
    extra: dict[str, Any], stream: bool, options: Any, ascii_only: bool, model: str
) -> None:
    content = 'say "model":"m" and {"model": "x"}'
    fields = {"messages": [{"role": "user", "content": content}], "metadata": {"model": "m"}, "model": "m"}
    known = {"model", "messages", "stream", "stream_options", "headgate", "n", "tools", "temperature", "top_p"}
    fields |= {name: value for name, value in extra.items() if name not in known} | {"stream": stream}
    if options is not None:
        fields["stream_options"] = options
    body = json.dumps(fields, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    before = raw(body)
    after = raw(OPENAI.splice_request(body, ask(body), model).body)
    assert json.loads(after.pop("model")) == model
    if stream:
        told = json.loads(after.pop("stream_options"))
        assert told == {**(options or {}), "include_usage": True}
        before.pop("stream_options", None)
    del before["model"]
    assert after == before


def test_what_the_client_kept_for_us_does_not_reach_openai() -> None:
    mark = {"headgate": {"signature": "s", "origin": "google"}}
    function = {"name": "f", "arguments": '{"a": 1.0}'}
    calls: list[dict[str, Any]] = [
        {"id": "a", "type": "function", "function": function, "extra_content": mark},
        {"id": "b", "type": "function", "function": function},
        {"id": "c", "type": "function", "function": function, "extra_content": {**mark, "google": {"x": 1}}},
    ]
    blocks = [{"index": 0, "type": "thinking", "text": "hm", "origin": "anthropic"}]
    thinking = {"reasoning_content": "hm", "headgate_reasoning": blocks}
    own = {"role": "assistant", "content": "x", "reasoning_content": "the server's own"}
    messages = [USER, {"role": "assistant", "content": None, "tool_calls": calls, **thinking}, own]
    body = encode(messages=messages)
    out = json.loads(OPENAI.splice_request(body, ask(body), "m").body)
    assert out["messages"] == [
        USER,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "a", "type": "function", "function": function},
                {"id": "b", "type": "function", "function": function},
                {"id": "c", "type": "function", "function": function, "extra_content": {"google": {"x": 1}}},
            ],
        },
        own,
    ]


def test_signatures_of_the_target_itself_stay() -> None:
    call = {
        "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "s"}},
    }  # fmt: skip
    body = encode(messages=[USER, {"role": "assistant", "content": None, "tool_calls": [call]}])
    assert OPENAI.splice_request(body, ask(body), "m").body is body


@pytest.mark.parametrize("model", ["gpt-5.1", "o3-mini", "openai/gpt-4o"])
def test_what_a_compatible_server_thought_and_signed_is_not_sent_to_openai(model: str) -> None:
    function = {"name": "f", "arguments": "{}"}
    call = {"id": "a", "type": "function", "function": function}
    signed = {**call, "extra_content": {"google": {"thought_signature": "s"}}}
    said = {"role": "assistant", "content": None, "tool_calls": [signed], "reasoning_content": "hm"}
    body = encode(messages=[USER, said])
    carried = OPENAI.splice_request(body, ask(body), model)
    assert json.loads(carried.body)["messages"][1] == {"role": "assistant", "content": None, "tool_calls": [call]}
    assert carried.dropped == ["reasoning", "reasoning.signature"]
    assert OPENAI.splice_request(body, ask(body), "m") == Carried(body, [])


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        ("gpt-5", {"temperature", "top_p", "top_k", "presence_penalty"}),
        ("o3", {"temperature", "top_p", "top_k", "presence_penalty", "stop"}),
        ("gpt-4.1", {"top_k"}),
        ("llama-4", set()),
    ],
)
def test_settings_of_a_prompt_yield_to_a_model_that_refuses_them(model: str, refused: set[str]) -> None:
    wanted = {"temperature": 0.2, "top_p": 0.5, "top_k": 3, "presence_penalty": 0.1, "stop": ["x"], "seed": 1}
    asked = ask(encode())
    carried = OPENAI.splice_request(OPENAI.add_prompt(asked, [], wanted).body, asked, model)
    assert wanted.keys() - json.loads(carried.body).keys() == refused
    assert set(carried.dropped) == {"prompt.settings." + name for name in refused}
    own = ask(encode(**wanted))
    carried = OPENAI.splice_request(OPENAI.add_prompt(own, [("system", "a")], wanted).body, own, model)
    assert json.loads(carried.body).items() >= wanted.items()  # what the client said itself is the vendor's to judge
    assert carried.dropped == []


# -- prompts ------------------------------------------------------------------------------------------------------


def test_a_prompt_goes_in_front_and_its_settings_fill_gaps() -> None:
    body = encode(temperature=0.1, max_tokens=9)
    settings: dict[str, Any] = {
        "temperature": 0.9, "max_tokens": 5, "top_p": 0.5, "seed": 1, "reasoning": {"effort": "low"},
        "parallel_tools": False, "stop": ["x"],
        "json_format": {"schema": {"type": "object"}, "name": "n", "strict": True},
    }  # fmt: skip
    out = check_request(OPENAI.add_prompt(ask(body), [("system", 'a "b"'), ("user", "c")], settings).body)
    assert out["messages"] == [{"role": "system", "content": 'a "b"'}, {"role": "user", "content": "c"}, USER]
    assert (out["temperature"], out["max_tokens"], out["top_p"], out["seed"], out["stop"]) == (0.1, 9, 0.5, 1, ["x"])
    assert (out["reasoning_effort"], out["parallel_tool_calls"]) == ("low", False)
    assert out["response_format"]["json_schema"] == {"schema": {"type": "object"}, "name": "n", "strict": True}
    assert "max_completion_tokens" not in out


def test_a_prompt_may_be_all_there_is() -> None:
    body = b'{"model":"m","messages":[ ]}'
    out = json.loads(OPENAI.add_prompt(ask(body), [("system", "a")], {"max_tokens": 5, "json_format": {}}).body)
    assert out["messages"] == [{"role": "system", "content": "a"}]
    assert (out["max_completion_tokens"], out["response_format"]) == (5, {"type": "json_object"})


def test_the_clients_own_messages_keep_their_bytes() -> None:
    body = b'{"model":"m","messages":[{"role": "user",  "content":"\\u0041"} ]}'
    out = OPENAI.add_prompt(ask(body), [("system", "a")], {}).body
    assert b'{"role": "user",  "content":"\\u0041"} ]' in out


# -- patch and cut ------------------------------------------------------------------------------------------------


def patched(tree: dict[str, Any], stream: bool) -> tuple[Frame, dict[str, Any]]:
    """A unit with every text replaced by stars, and what goes out."""
    reader = OPENAI.reader(stream, True)
    body = json.dumps(tree).encode()
    frames = reader.feed(b"data: " + body + b"\n\n" if stream else body) or reader.end()
    frame = frames[0]
    for delta in frame.deltas:
        if isinstance(delta, TextDelta | RefusalDelta | ReasoningDelta | ToolArgs):
            delta.text = "*" * len(delta.text)
    out = OPENAI.patch(frame)
    if stream:
        assert out.startswith(b"data: ")
        assert out.endswith(b"\n\n")
    return frame, json.loads(out.removeprefix(b"data: "))


SAID = {
    "content": "secret text",
    "refusal": "secret refusal",
    "reasoning_content": "secret thought",
    "reasoning": "secret thought",
    "reasoning_details": [{"text": "secret thought"}],
    "annotations": [{"type": "url_citation", "url_citation": {"title": "secret"}}],
    "audio": {"transcript": "secret"},
    "tool_calls": [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": '{"q":"secret"}'}},
        {"index": 1, "id": "b", "type": "custom", "custom": {"name": "g", "input": "secret"}},
    ],
    "function_call": None,
}
LOGPROBS = {"content": [{"token": "secret", "logprob": -0.1, "bytes": None, "top_logprobs": []}], "refusal": None}


@pytest.mark.parametrize("stream", [True, False])
def test_a_rewritten_unit_leaks_nothing(stream: bool) -> None:
    choice = {
        "index": 0,
        "delta" if stream else "message": {"role": "assistant", **SAID},
        "logprobs": LOGPROBS,
        "finish_reason": None if stream else "length",
        "token_ids": ["secret"],
    }
    tree = {"id": "c", "model": "m", "created": 1, "choices": [choice], "moderation": "secret", "usage": None}
    _, out = patched(tree, stream)
    assert "secret" not in json.dumps(out)
    said = out["choices"][0]["delta" if stream else "message"]
    assert said["content"] == "*" * len("secret text")
    assert said["tool_calls"][0]["function"] == {"name": "f", "arguments": "*" * 14}
    assert said["tool_calls"][1]["custom"] == {"name": "g", "input": "*" * 6}
    assert (out["id"], out["choices"][0]["finish_reason"]) == ("c", None if stream else "length")


def test_texts_of_several_choices_go_back_where_they_came_from() -> None:
    choices = [{"index": index, "delta": {"content": text}} for index, text in ((1, "b"), (0, "aaa"), (2, ""))]
    _, out = patched({"id": "c", "model": "m", "choices": choices}, True)
    assert [choice["delta"]["content"] for choice in out["choices"]] == ["*", "***", ""]


def test_signed_thinking_is_rewritten_in_both_places() -> None:
    blocks = [{"index": 0, "type": "thinking", "text": "hm"}, {"index": 1, "type": "thinking", "signature": "s"}]
    said = {"reasoning_content": "hm", "headgate_reasoning": blocks}
    _, out = patched({"id": "c", "model": "m", "choices": [{"index": 0, "delta": said}]}, True)
    delta = out["choices"][0]["delta"]
    assert delta["reasoning_content"] == "**"
    assert [block["text"] for block in delta["headgate_reasoning"]] == ["**", ""]


def test_deltas_of_another_unit_are_refused() -> None:
    reader = OPENAI.reader(True, True)
    (frame,) = reader.feed(b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n')
    for deltas in ([], [TextDelta("x"), TextDelta("y")]):
        with pytest.raises(GatewayError):
            OPENAI.patch(Frame(frame.wire, list(deltas)))


def test_cutting_a_stream_by_policy_ends_every_choice() -> None:
    chunks = check_stream(OPENAI.cut(Sent(Begin("a1", "m"), content=True, choices=2), META, None))
    assert [(one.id, one.model) for one in chunks] == [("a1", "m")] * 2
    assert [(one.choices[0].index, one.choices[0].finish_reason) for one in chunks] == [
        (0, "content_filter"),
        (1, "content_filter"),
    ]


def test_cutting_a_stream_by_an_error_says_only_that() -> None:
    said = OPENAI.cut(Sent(Begin("a1", "m")), META, UpstreamError("truncated", "the provider hung up"))
    assert said.startswith(b'data: {"error":')
    assert said.count(b"data:") == 1


# -- errors and the rest ------------------------------------------------------------------------------------------


def test_error_bodies_are_openais() -> None:
    body = json.loads(OPENAI.error_body(InvalidRequest("bad", param="messages[0]"), "call_1"))
    assert body == {
        "error": {"message": "bad", "type": "invalid_request_error", "param": "messages[0]", "code": "invalid_request"}
    }
    blocked = json.loads(OPENAI.error_body(PolicyBlocked("no", rule="r", direction="input"), None))
    assert blocked["error"]["code"] == "policy_blocked"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"message": "no", "code": "unsupported_value"}}, "client_fault"),
        (400, {"error": {"message": "x", "code": "context_length_exceeded"}}, "context_too_long"),
        (401, {"error": {"message": "x", "code": "invalid_api_key"}}, "auth_failed"),
        (404, {"error": {"message": "x", "code": "model_not_found"}}, "model_gone"),
        (429, {"error": {"message": "x", "code": "rate_limit_exceeded"}}, "rate_limited"),
        (429, {"error": {"message": "x", "code": "insufficient_quota"}}, "quota_exhausted"),
        (429, {"error": {"message": "x", "code": "credit_balance_exhausted"}}, "quota_exhausted"),
        (402, {"error": "pay"}, "quota_exhausted"),
        (500, {"error": {"message": "x"}}, "server_error"),
        (503, "", "overloaded"),
        (403, "<html>challenge</html>", "malformed_response"),
        (400, '{"error":', "client_fault"),
        (302, "", "malformed_response"),
    ],
)
def test_what_errors_mean(status: int, body: Any, kind: str) -> None:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    error = OPENAI.read_error(status, [], data)
    assert (error.kind, error.attempt_status) == (kind, status)
    assert (error.body is not None) == (kind in ("client_fault", "context_too_long") and isinstance(body, dict))


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ([(b"retry-after-ms", b"1500"), (b"retry-after", b"9")], "", 1.5),
        ([(b"Retry-After", b"2")], "", 2.0),
        ([(b"retry-after", b"1e9")], "", 3600.0),
        ([(b"retry-after", b"nan")], "", None),
        ([(b"retry-after", b"-1")], "", None),
        (
            [(b"retry-after", b"Wed, 25 Nov 2026 02:00:30 GMT"), (b"date", b"Wed, 25 Nov 2026 02:00:00 GMT")],
            "",
            30.0,
        ),
        ([(b"x-ratelimit-remaining-tokens", b"0"), (b"x-ratelimit-reset-tokens", b"1m2.5s")], "", 62.5),
        ([], "Rate limit reached. Please try again in 20ms.", 0.02),
        ([], "", None),
    ],
)
def test_how_long_to_stay_away(headers: Any, message: str, seconds: float | None) -> None:
    body = json.dumps({"error": {"message": message, "code": "rate_limit_exceeded"}}).encode()
    assert OPENAI.read_error(429, headers, body).cool_s == seconds


def test_where_requests_go() -> None:
    assert OPENAI.name == "openai"
    assert OPENAI.request_target("m", True) == OPENAI.request_target("m", False) == "/chat/completions"
