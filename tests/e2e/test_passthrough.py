"""Same dialect in and out: what reaches the provider and what comes back are the very bytes, but for named splices."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.gateway import PROVIDER_KEY, Answer, Gateway, Recorder, fetch
from tests.e2e.workspace import SEEN_MODELS, VENDORS

# odd spacing, order, escapes, an unknown field: nothing may be tidied up
ODD = {
    "openai": '{ "stream":STREAM , "messages":[ {"content":"h\\u0069  there\\/", "role":"user"} ],\n\t"model":"MODEL", '
    '"seed":7, "stream_options":{"include_usage":true} }',
    "anthropic": '{ "max_tokens":90 , "messages":[ {"content":"h\\u0069  there\\/", "role":"user"} ],\n\t'
    '"model":"MODEL", "stream" : STREAM }',
    "google": '{ "contents":[ {"parts":[{"text":"h\\u0069  there\\/"}], "role":"user"} ],\n\t'
    '"generationConfig" : {"seed":7} }',
}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
KEYS = {"openai": ("authorization", "Bearer "), "anthropic": ("x-api-key", ""), "google": ("x-goog-api-key", "")}
each = pytest.mark.parametrize("dialect", VENDORS)
each_way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def body_of(dialect: str, model: str, stream: bool) -> bytes:
    body = ODD[dialect].replace("MODEL", model).replace("STREAM", "true" if stream else "false")
    if not stream:
        body = body.replace(', "stream_options":{"include_usage":true}', "")
    return body.encode()


def post(base: str, key: str, dialect: str, model: str, stream: bool, body: bytes) -> Answer:
    path = PATHS.get(dialect) or (
        f"/v1beta/models/{model}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")
    )
    name, prefix = KEYS[dialect]
    headers = {name: prefix + key}
    if dialect == "anthropic":
        headers |= {"anthropic-version": "2023-06-01", "anthropic-beta": "some-beta-2026-01-01"}
    return fetch(base + path, body, headers)


@each
@each_way
def test_bytes_pass_unchanged_both_ways(gateway: Gateway, recorder: Recorder, dialect: str, stream: bool) -> None:
    model = SEEN_MODELS[dialect]
    body = body_of(dialect, model, stream)
    direct = post(recorder.url, PROVIDER_KEY, dialect, model, stream, body)
    through = post(gateway.url, gateway.key, dialect, model, stream, body)
    seen = recorder.last()
    assert direct.status == through.status == 200, through.body
    assert seen.body == body
    assert through.body == direct.body
    assert through.headers["x-headgate-provider"] == f"{dialect}-seen"
    assert gateway.key not in json.dumps(seen.headers)
    assert KEYS[dialect][1] + PROVIDER_KEY == seen.headers[KEYS[dialect][0]]
    if dialect == "anthropic":
        assert seen.headers["anthropic-version"] == "2023-06-01"
        assert seen.headers["anthropic-beta"] == "some-beta-2026-01-01"


@each
@each_way
def test_another_name_changes_the_model_and_nothing_else(
    gateway: Gateway, recorder: Recorder, dialect: str, stream: bool
) -> None:
    model = SEEN_MODELS[dialect]
    named = f"{dialect}-seen/{model}"
    through = post(gateway.url, gateway.key, dialect, named, stream, body_of(dialect, named, stream))
    assert through.status == 200, through.body
    seen = json.loads(recorder.last().body)
    assert seen == json.loads(body_of(dialect, model, stream))
    direct = post(recorder.url, PROVIDER_KEY, dialect, model, stream, body_of(dialect, model, stream))
    assert through.body == direct.body


def test_usage_that_was_not_asked_for_is_asked_for_and_taken_out_again(gateway: Gateway, recorder: Recorder) -> None:
    model = SEEN_MODELS["openai"]
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": True}
    sent = json.dumps(body).encode()
    direct = post(recorder.url, PROVIDER_KEY, "openai", model, True, sent)
    through = post(gateway.url, gateway.key, "openai", model, True, sent)
    asked: Any = json.loads(recorder.last().body)
    assert asked == {**body, "stream_options": {"include_usage": True}}
    assert b'"usage"' not in direct.body
    assert usageless(through.body) == usageless(direct.body)
    assert b'"prompt_tokens"' not in through.body
    record = gateway.record(through.headers["x-headgate-call-id"])
    assert record["call"]["input_tokens"] > 0
    assert record["call"]["output_tokens"] > 0


def usageless(stream: bytes) -> list[Any]:
    """The events without the `usage: null` that asking for usage puts into each."""
    events = [line[6:] for line in stream.split(b"\n") if line.startswith(b"data: ") and line != b"data: [DONE]"]
    found = [json.loads(event) for event in events]
    for event in found:
        assert event.pop("usage", None) is None
    return found


def test_a_json_array_holds_what_the_events_hold(gateway: Gateway, recorder: Recorder) -> None:
    model = SEEN_MODELS["google"]
    path = f"/v1beta/models/{model}:streamGenerateContent"
    body = body_of("google", model, True)
    direct = fetch(recorder.url + path, body, {"x-goog-api-key": PROVIDER_KEY})
    through = fetch(gateway.url + path, body, {"x-goog-api-key": gateway.key})
    assert through.status == 200
    assert through.headers["content-type"].startswith("application/json")
    assert through.json() == direct.json()
