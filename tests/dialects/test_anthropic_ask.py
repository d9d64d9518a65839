"""What every call reads of an Anthropic body, and bodies that stay Anthropic's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.core.errors import InvalidRequest
from headgate.dialects.anthropic_messages import ANTHROPIC
from headgate.dialects.foreign import Foreign, wrap_foreign
from tests.dialects import anthropic_sdk as sdk
from tests.dialects.anthropic_bodies import HI, NEW, OLD, raw
from tests.support.chat_strategies import PNG

# -- reading just far enough -------------------------------------------------------------------------------


def test_ask_of_a_plain_call() -> None:
    body = raw(stream=True, system="Be brief")
    asked = ANTHROPIC.ask(body, None, False)
    assert (asked.model, asked.stream, asked.max_tokens, asked.choices) == (NEW, True, 100, 1)
    assert asked.body is body
    assert asked.input_chars == len("Be brief") + len("Hi")
    assert asked.variables is None
    assert ANTHROPIC.system_text(asked) == "Be brief"


def test_ask_counts_text_in_blocks_and_tool_results() -> None:
    content = [
        {"type": "text", "text": "abc"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "defg"}]},
        {"type": "tool_result", "tool_use_id": "u", "content": "hi"},
        {"type": "brand_new", "stuff": {"x": 1}, "content": {"any": "object"}},
    ]
    asked = ANTHROPIC.ask(raw(messages=[{"role": "user", "content": content}]), None, False)
    assert asked.input_chars == 9


def test_ask_takes_the_extra_field_out() -> None:
    body = raw(headgate={"variables": {"name": "Ada", "n": 1}, "channel": "staging"}, made_up=[1])
    asked = ANTHROPIC.ask(body, None, False)
    assert (asked.variables, asked.channel) == ({"name": "Ada", "n": 1}, "staging")
    assert json.loads(asked.body) == json.loads(raw(made_up=[1]))
    assert b"headgate" not in ANTHROPIC.ask(raw(headgate=None), None, False).body


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b'{"messages":[]}', "model"),
        (b'{"model":"","messages":[]}', "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":{}}', "messages"),
        (b'{"model":"m","messages":[{"content":"x"}]}', "messages[0].role"),
        (b'{"model":"m","messages":[{"role":"user","content":5}]}', "messages[0].content"),
        (b'{"model":"m","messages":[],"max_tokens":"9"}', "max_tokens"),
        (b'{"model":"m","messages":[],"max_tokens":-1}', "max_tokens"),
        (b'{"model":"m","messages":[],"stream":1}', "stream"),
        (b'{"model":"m","messages":[],"system":5}', "system"),
        (b'{"model":"m","messages":[],"headgate":5}', "headgate"),
        (b'{"model":"m","messages":[],"x":"\xff"}', None),
        (b'{"model":"m","messages":[],"x":' + b"[" * 65 + b"]" * 65 + b"}", None),
        (b'{"model":"m","messages":[],"x":' + b"[" * 200_000, None),
        (b'{"model":"m","messages":[],"x":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}", None),
    ],
)
def test_ask_refuses(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ANTHROPIC.ask(body, None, False)
    assert caught.value.param == param


def test_ask_takes_flat_bodies_with_many_brackets() -> None:
    ANTHROPIC.ask(raw(messages=[HI] * 200), None, False)
    ANTHROPIC.ask(raw(x="[{" * 500), None, False)


def test_system_text_of_blocks_and_of_none() -> None:
    blocks = [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "b"}]
    assert ANTHROPIC.system_text(ANTHROPIC.ask(raw(system=blocks), None, False)) == "a\nb"
    for system in (None, "", []):
        assert ANTHROPIC.system_text(ANTHROPIC.ask(raw(system=system), None, False)) is None


# -- bodies that stay Anthropic's ----------------------------------------------------------------------------


def test_splice_changes_nothing_where_nothing_differs() -> None:
    body = raw(temperature=0.5, stream=True)
    asked = ANTHROPIC.ask(body, None, False)
    assert ANTHROPIC.splice_request(body, asked, NEW).body is body


def test_splice_replaces_the_model_and_nothing_else() -> None:
    body = b'{ "model":"app", "max_tokens": 5,"messages":[{"role":"user","content":"\\u0041 1.0"}] , "x":1.50}'
    asked = ANTHROPIC.ask(body, None, False)
    out = ANTHROPIC.splice_request(body, asked, OLD).body
    assert json.loads(out) == json.loads(body) | {"model": OLD}
    assert b'"\\u0041 1.0"' in out
    assert b"1.50" in out


def test_settings_of_a_prompt_yield_to_a_model_that_refuses_them() -> None:
    asked = ANTHROPIC.ask(raw(), None, False)
    body = ANTHROPIC.add_prompt(asked, [("system", "Be kind")], {"temperature": 0.2, "top_p": 0.9}).body
    assert json.loads(body)["temperature"] == 0.2
    assert "temperature" in json.loads(ANTHROPIC.splice_request(body, asked, OLD).body)
    spliced = json.loads(ANTHROPIC.splice_request(body, asked, NEW).body)
    assert "temperature" not in spliced
    assert "top_p" not in spliced
    own = ANTHROPIC.ask(raw(temperature=1), None, False)
    body = ANTHROPIC.add_prompt(own, [("system", "Be kind")], {"top_p": 0.9}).body
    spliced = json.loads(ANTHROPIC.splice_request(body, own, NEW).body)
    assert spliced["temperature"] == 1
    assert "top_p" not in spliced


def test_settings_that_do_not_go_together_are_left_out_and_named() -> None:
    def spliced(model: str, wanted: dict[str, Any], **own: Any) -> tuple[set[str], list[str]]:
        asked = ANTHROPIC.ask(raw(**own), None, False)
        carried = ANTHROPIC.splice_request(ANTHROPIC.add_prompt(asked, [], wanted).body, asked, model)
        return {"temperature", "top_p", "top_k"} & json.loads(carried.body).keys(), carried.dropped

    both = {"temperature": 0.2, "top_p": 0.9}
    assert spliced("claude-sonnet-4-5", both) == ({"temperature"}, ["prompt.settings.top_p"])
    assert spliced("claude-sonnet-4-5", {"temperature": 0.2}, top_p=0.9) == ({"top_p"}, ["prompt.settings.temperature"])
    assert spliced("claude-3-5-haiku-latest", both) == ({"temperature", "top_p"}, [])
    thinking = {"type": "enabled", "budget_tokens": 1024}
    assert spliced("claude-sonnet-4-5", {"top_k": 3}, thinking=thinking) == (set(), ["prompt.settings.top_k"])
    assert spliced("claude-sonnet-4-5", {"top_k": 3}, thinking={"type": "disabled"}) == ({"top_k"}, [])
    hot = ANTHROPIC.add_prompt(ANTHROPIC.ask(raw(), None, False), [], {"temperature": 1.5})
    assert (json.loads(hot.body)["temperature"], hot.dropped) == (1.0, ["prompt.settings.temperature"])


def loop(signature: str, data: str, **fields: Any) -> bytes:
    content = [
        {"type": "thinking", "thinking": "hm", "signature": signature},
        {"type": "redacted_thinking", "data": data},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1.50}},
    ]
    turns = [HI, {"role": "assistant", "content": content}, {"role": "assistant", "content": content[:1]}, HI]
    return raw(messages=turns, **fields)


def test_what_others_signed_is_not_sent_to_anthropic() -> None:
    mark = wrap_foreign(Foreign("google", signature="S", call="t1"))
    body = loop(mark, mark, thinking={"type": "enabled", "budget_tokens": 1024}, x=1)
    carried = ANTHROPIC.splice_request(body, ANTHROPIC.ask(body, None, False), NEW)
    out = json.loads(carried.body)
    assert carried.dropped == ["reasoning"]
    assert "thinking" not in out
    assert out["x"] == 1
    assert [turn["role"] for turn in out["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in out["messages"][1]["content"]] == ["tool_use"]
    adaptive = loop(mark, mark, thinking={"type": "adaptive"})
    out = json.loads(ANTHROPIC.splice_request(adaptive, ANTHROPIC.ask(adaptive, None, False), NEW).body)
    assert out["thinking"] == {"type": "adaptive"}


def test_what_anthropic_signed_and_texts_that_look_like_a_mark_stay() -> None:
    mark = wrap_foreign(Foreign("google", signature="S"))
    told = [{"role": "user", "content": mark}, {"role": "user", "content": [{"type": "text", "text": mark}]}]
    for body in (loop("c2ln", "cmVk"), loop("x" + mark, "y"), raw(messages=told)):
        assert ANTHROPIC.splice_request(body, ANTHROPIC.ask(body, None, False), NEW).body is body


CACHED = [{"type": "text", "text": "own", "cache_control": {"type": "ephemeral"}}]


@pytest.mark.parametrize(
    ("own", "system"),
    [
        (None, "one\n\ntwo"),
        ("own", "one\n\ntwo\n\nown"),
        ("", "one\n\ntwo"),
        (CACHED, [{"type": "text", "text": "one\n\ntwo"}, *CACHED]),
    ],
)
def test_add_prompt_puts_system_texts_before_the_clients(own: Any, system: Any) -> None:
    body = raw() if own is None else raw(system=own)
    messages = [("system", "one"), ("user", "example"), ("system", "two"), ("assistant", "answer")]
    out = sdk.request(ANTHROPIC.add_prompt(ANTHROPIC.ask(body, None, False), messages, {}).body)
    assert out["system"] == system
    assert out["messages"] == [
        {"role": "user", "content": "example"}, {"role": "assistant", "content": "answer"}, HI,
    ]  # fmt: skip


def test_add_prompt_fills_settings_where_the_client_said_nothing() -> None:
    body = json.dumps({"model": "app", "messages": [HI], "output_config": {"effort": "low"}, "top_k": 7}).encode()
    asked = ANTHROPIC.ask(body, None, False)
    wanted: dict[str, Any] = {
        "max_tokens": 99,
        "temperature": 0.1,
        "top_k": 3,
        "stop": ["END"],
        "user": "u1",
        "seed": 4,
        "reasoning": {"effort": "high"},
        "json_format": {"schema": {"type": "object"}},
    }
    out = sdk.request(ANTHROPIC.add_prompt(asked, [], wanted).body)
    assert (out["max_tokens"], out["temperature"], out["top_k"]) == (99, 0.1, 7)
    assert out["stop_sequences"] == ["END"]
    assert out["metadata"] == {"user_id": "u1"}
    assert out["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}}
    assert ANTHROPIC.add_prompt(asked, [], {}).body is asked.body
    with pytest.raises(InvalidRequest):
        ANTHROPIC.add_prompt(asked, [], {"max_tokens": "many"})


def test_request_target() -> None:
    assert ANTHROPIC.request_target(NEW, True) == "/messages"
