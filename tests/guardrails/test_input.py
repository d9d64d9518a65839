"""Requests: every text a model would read is judged, in any dialect; what is clean goes on byte for byte."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest

from headgate.core.errors import InvalidRequest, PolicyBlocked
from headgate.guardrails import OPEN_POLICY, Guardrails
from headgate.guardrails import patterns as patterns_module
from headgate.guardrails import tree as tree_module
from tests.guardrails.build import CARD, KEY, chat, grounded, policy, record
from tests.support.world import run

REDACT = policy({"check": "email", "action": "redact"}, {"check": "card", "action": "redact"})
SECRET = "bob@example.com"
DIGITS = "4111111111111111"
INNER = json.dumps({"to": [SECRET], "why": 'a "b"\n'})

TOOL_CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "A"}}
SCHEMA = {"type": "object", "properties": {"k": {"description": "P", "enum": ["E"]}}}
OPENAI: dict[str, Any] = {
    "model": "gpt",
    "temperature": 0.25,
    "seed": 123456789012345678901,
    "messages": [
        {"role": "system", "content": "SYS"},
        {"role": "user", "content": [{"type": "text", "text": "T"}, {"type": "image_url", "image_url": {"url": "U"}}]},
        {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "R"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "description": "D", "parameters": SCHEMA}}],
}
TOOL_USE = {"type": "tool_use", "id": "c", "name": "f", "input": {"K": {"type": "Y", "data": "Z"}, "n": [int(DIGITS)]}}
ANTHROPIC: dict[str, Any] = {
    "model": "claude",
    "max_tokens": 10,
    "system": [{"type": "text", "text": "SYS"}],
    "messages": [
        {"role": "user", "content": "T"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "TH", "signature": "s"}, TOOL_USE]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "R"}]},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "DOC"}},
            ],
        },
    ],
    "tools": [{"name": "f", "description": "D", "input_schema": SCHEMA}],
}
GOOGLE: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "SYS"}]},
    "contents": [
        {"role": "user", "parts": [{"text": "T"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"K": "V", "mimeType": "x", "data": "Z"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "R"}}}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "f", "description": "D", "parametersJsonSchema": SCHEMA}]}],
}

PLACES = [
    *[(OPENAI, place) for place in ("SYS", "T", "A", "R", "D", "P", "E")],
    *[(ANTHROPIC, place) for place in ("SYS", "T", "TH", "K", "Y", "Z", "R", "DOC", "D", "P")],
    *[(GOOGLE, place) for place in ("SYS", "T", "K", "V", "Z", "R", "D", "P")],
]


def put(body: Any, place: str, text: str) -> Any:
    """The body with every string `place`, key or value, replaced."""
    if isinstance(body, dict):
        return {put(key, place, text): put(value, place, text) for key, value in body.items()}
    if isinstance(body, list):
        return [put(item, place, text) for item in body]
    return text if body == place else body


def clean(body: Any) -> Any:
    """The body without the number that is a card."""
    return json.loads(json.dumps(body).replace(DIGITS, "17"))


@pytest.mark.parametrize(("body", "place"), PLACES)
@pytest.mark.parametrize("spelling", ["plain", "escaped"])
def test_a_secret_anywhere_is_found_and_all_else_stays(body: dict[str, Any], place: str, spelling: str) -> None:
    body = clean(body)
    raw = json.dumps(put(body, place, f"x {SECRET} y")).encode()
    if spelling == "escaped":
        raw = raw.replace(b"@", b"\\u0040")
    at = grounded(raw)
    got = run(REDACT.screen_input(at)).body
    assert json.loads(got) == put(body, place, "x [email] y")
    assert [(v.rule, v.action, v.direction) for v in record(at).verdicts] == [("email", "redact", "input")]
    assert SECRET not in record(at).verdicts[0].channel


@pytest.mark.parametrize("body", [OPENAI, ANTHROPIC, GOOGLE])
def test_a_clean_body_passes_byte_for_byte(body: dict[str, Any]) -> None:
    for raw in (json.dumps(clean(body)).encode(), json.dumps(put(clean(body), "T", 'a "q" \n ä'), indent=1).encode()):
        assert run(REDACT.screen_input(grounded(raw))).body is raw


def test_a_number_in_arguments_counts_and_one_in_settings_does_not() -> None:
    got = json.loads(run(REDACT.screen_input(grounded(ANTHROPIC))).body)
    assert got["messages"][1]["content"][1]["input"]["n"] == ["[card]"]
    number = {"model": "m", "seed": 4111111111111111, "messages": [{"role": "user", "content": "\n"}]}
    assert json.loads(run(REDACT.screen_input(grounded(number))).body) == number


@pytest.mark.parametrize("inner", [INNER, INNER.replace("@", "\\u0040"), INNER.replace("b", "\\u0062")])
def test_arguments_are_looked_at_unescaped_and_stay_json(inner: str) -> None:
    got = json.loads(run(REDACT.screen_input(grounded(put(clean(OPENAI), "A", inner)))).body)
    arguments = got["messages"][2]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {"to": ["[email]"], "why": 'a "b"\n'}


def test_arguments_full_of_escapes_are_rewritten_from_their_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_module, "_ESCAPES_MAX", 3)
    inner = '{"n": [4111111111111111, null, true], "bob@x.io": "\\n\\n\\n\\n\\u0040"}'
    got = json.loads(run(REDACT.screen_input(grounded(put(clean(OPENAI), "A", inner)))).body)
    arguments = got["messages"][2]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {"n": ["[card]", None, True], "[email]": "\n\n\n\n@"}


def test_too_many_matches_end_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns_module, "CANDIDATES_MAX", 3)
    under = policy({"check": "email", "action": "flag"}, on_error="allow")
    assert run(under.screen_input(grounded(chat(f"{SECRET} " * 3)))).body
    with pytest.raises(PolicyBlocked) as caught:
        run(under.screen_input(grounded(chat(f"{SECRET} " * 4))))
    assert caught.value.rule == "match_limit"


def test_a_tool_result_that_is_json_text_is_looked_at_both_ways() -> None:
    under = policy(
        {"check": "email", "action": "flag"},
        {"name": "p", "check": "pattern", "pattern": '"to": \\[', "action": "flag"},
    )
    at = grounded(put(clean(OPENAI), "R", INNER))
    run(under.screen_input(at))
    assert sorted(v.rule for v in record(at).verdicts) == ["email", "p"]
    at = grounded(put(clean(OPENAI), "R", INNER.replace("@", "\\u0040")))
    run(under.screen_input(at))
    assert sorted(v.rule for v in record(at).verdicts) == ["email", "p"]


PICTURE = "iVBORw0KGgo/" * 30 + f"/{DIGITS}/AAA="  # a rule that looked would find the card
MEDIA: list[dict[str, Any]] = [
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
    {"type": "file", "file": {"file_data": f"data:application/pdf;name=a.pdf;base64,{PICTURE}"}},
    {"type": "input_audio", "input_audio": {"data": PICTURE, "format": "wav"}},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
    {"inlineData": {"mimeType": "image/png", "data": PICTURE.replace("/", "-")}},
    {"inlineData": {"mimeType": "application/msword", "data": "////" + PICTURE}},
    {"type": "redacted_thinking", "data": PICTURE},
    {"type": "thinking", "thinking": "", "signature": PICTURE},
    {"text": "", "thoughtSignature": PICTURE},
]


@pytest.mark.parametrize("part", MEDIA)
def test_media_are_not_looked_at(part: dict[str, Any]) -> None:
    raw = json.dumps({"messages": [{"role": "user", "content": [part, {"type": "text", "text": "\n"}]}]}).encode()
    at = grounded(raw)
    assert run(REDACT.screen_input(at)).body is raw
    assert record(at).verdicts == []


def _text_file(place: str, text: str, kind: str = "text/plain", safe: bool = False) -> dict[str, Any]:
    """A part with a document in base64, as the three dialects send them."""
    data = (base64.urlsafe_b64encode if safe else base64.b64encode)(text.encode("utf-8", "surrogateescape")).decode()
    if place == "google":
        return {"inlineData": {"mimeType": kind, "data": data}}
    if place == "anthropic":
        return {"type": "document", "source": {"type": "base64", "media_type": kind, "data": data}}
    return {"type": "file", "file": {"filename": "a", "file_data": f"data:{kind};base64,{data}"}}


@pytest.mark.parametrize("place", ["google", "anthropic", "openai"])
@pytest.mark.parametrize("kind", ["text/plain", "TEXT/csv", "application/json", "application/x-yaml"])
@pytest.mark.parametrize("size", [0, 1000, 200_000])
def test_a_document_that_is_text_is_read(place: str, kind: str, size: int) -> None:
    def body(text: str, safe: bool = False) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": [_text_file(place, "w " * size + text, kind, safe)]}]}

    clean_body = json.dumps(body("nothing >>>???")).encode()
    assert run(REDACT.screen_input(grounded(clean_body))).body is clean_body
    for safe in (False, True):
        got = run(REDACT.screen_input(grounded(body(f"a >>>??? {SECRET} ~~~", safe)))).body
        assert json.loads(got) == body("a >>>??? [email] ~~~", safe)
    with pytest.raises(PolicyBlocked):
        run(policy({"check": "email", "action": "block"}).screen_input(grounded(body(SECRET))))


def test_a_text_document_keeps_the_bytes_that_are_no_text() -> None:
    def body(text: str) -> dict[str, Any]:
        return {"messages": [{"content": [_text_file("google", "\udcff\udc80 " + text + " ä")]}]}

    assert json.loads(run(REDACT.screen_input(grounded(body(SECRET)))).body) == body("[email]")


def test_a_document_with_line_breaks_in_its_base64_is_read() -> None:
    body = {"messages": [{"content": [_text_file("anthropic", f"{'w' * 300} {SECRET}")]}]}
    source = body["messages"][0]["content"][0]["source"]
    source["data"] = base64.encodebytes(base64.b64decode(source["data"])).decode()
    got = json.loads(run(REDACT.screen_input(grounded(body))).body)["messages"][0]["content"][0]["source"]["data"]
    assert base64.b64decode(got).decode() == f"{'w' * 300} [email]"


HIDDEN: list[dict[str, Any]] = [
    *[
        {"role": "user", "content": "x", name: KEY}
        for name in ("role", "type", "model", "id", "call_id", "tool_call_id", "tool_use_id", "mime_type", "mimeType")
    ],
    *[
        {"role": "user", "content": "x", name: KEY}
        for name in ("signature", "thoughtSignature", "thought_signature", "encrypted_content", "media_type")
    ],
    {"data": KEY, "format": 1},
    {"data": KEY, "format": "wav"},
    {"data": KEY, "mimeType": "x"},
    {"data": KEY, "mimeType": "image/png"},
    {"type": "base64", "data": KEY},
    {"type": "base64", "data": KEY, "media_type": "text/plain"},
    {"type": "base64", "data": f"{'A' * 300} {KEY}", "media_type": "image/png"},
    {"type": "redacted_thinking", "data": KEY},
    {"url": f"data:;base64, {KEY}"},
    {"url": f"data:;base64,{KEY}/{'A' * 300}"},
    {"url": f"data:image/png;name={KEY};base64,{'A' * 300}"},
    {"file_data": f"data:image/png;base64,{KEY}"},
    {"image_url": f"data:text/plain,{KEY}"},
]


@pytest.mark.parametrize("part", HIDDEN)
@pytest.mark.parametrize("spelling", ["plain", "escaped"])
def test_no_field_is_exempt_by_its_name(part: dict[str, Any], spelling: str) -> None:
    raw = json.dumps({"model": "m", "messages": [{"role": "user", "content": [part]}]}).encode()
    if spelling == "escaped":
        raw = raw.replace(KEY[:4].encode(), b"\\u%04x" % ord(KEY[0]) + KEY[1:4].encode())
    with pytest.raises(PolicyBlocked):
        run(policy({"check": "provider_keys", "action": "block"}).screen_input(grounded(raw)))


def test_a_block_names_the_rule_and_never_the_text() -> None:
    under = policy({"check": "email", "action": "flag"}, {"check": "card", "action": "block"})
    at = grounded(chat(f"{SECRET} pays with {CARD}"))
    with pytest.raises(PolicyBlocked) as caught:
        run(under.screen_input(at))
    assert (caught.value.rule, caught.value.direction) == ("card", "input")
    assert CARD not in caught.value.message
    kept = record(at)
    assert kept.policy == "guardrail/test@1.0.0"
    assert [(v.rule, v.action, v.channel, v.start, v.end) for v in kept.verdicts] == [
        ("email", "flag", "messages[0].content", 0, 15),
        ("card", "block", "messages[0].content", 26, 45),
    ]


def test_an_exception_lets_a_match_within_it_pass_and_no_more() -> None:
    own = {"name": "own", "check": "pattern", "pattern": "help@example\\.com", "action": "allow", "only": ["email"]}
    under = policy({"check": "email", "action": "redact"}, own)
    at = grounded(chat("help@example.com, help@example.com.evil.org"))
    assert json.loads(run(under.screen_input(at)).body)["messages"][0]["content"] == "help@example.com, [email]"
    assert [v.action for v in record(at).verdicts] == ["allow", "redact"]


def test_overlapping_redactions_leave_one_word() -> None:
    rules = [
        {"name": name, "check": "pattern", "pattern": text, "action": "redact", "replace": f"<{name}>"}
        for name, text in (("a", "2345"), ("b", "1234"), ("c", "456"))
    ]
    got = json.loads(run(policy(*rules).screen_input(grounded(chat("0123456789")))).body)
    assert got["messages"][0]["content"] == "0<b>789"


def test_a_key_said_twice_goes_on_as_it_was_read() -> None:
    for raw in (
        b'{"messages":[{"content":"bob\\u0040example.com"}],"messages":[{"content":"fine\\n"}]}',
        b'{"messages":[{"content":"bob\\u0040example.com"}],"messages":[{"content":"\\u0022\\u0022\\u0022\\u0022"}]}',
    ):
        got = run(REDACT.screen_input(grounded(raw))).body
        assert b"bob" not in got
        assert json.loads(got) == json.loads(raw)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        run(REDACT.screen_input(grounded(b'{"a": "bob@example.com')))


def test_a_rule_for_answers_leaves_requests_alone() -> None:
    under = policy({"check": "email", "action": "block", "on": ["output"]})
    at = grounded(chat(SECRET))
    assert run(under.screen_input(at)).body is at.body


def test_the_room_takes_the_snapshots_policy_where_there_is_no_release() -> None:
    at = grounded(chat(SECRET))
    screened = run(Guardrails().screen_input(at))
    assert screened.body is at.body
    assert record(at).policy is None
    assert OPEN_POLICY.ref is None


def test_bodies_are_not_changed_in_place() -> None:
    body = put(clean(OPENAI), "T", SECRET)
    before = copy.deepcopy(body)
    run(REDACT.screen_input(grounded(body)))
    assert body == before
