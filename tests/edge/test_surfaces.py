"""Paths, models, health, refusals: what the edge says by itself, in the dialect of whoever asks."""

from __future__ import annotations

import json

import pytest

from headgate.core.snapshot import Snapshot
from headgate.core.stages import KeyInfo
from headgate.edge.google_generate import match
from headgate.edge.models import listed
from headgate.wire.limits import ServerLimits
from tests.edge.gates import KEY, Script, gateway, passed, snapshot
from tests.edge.wires import WHOLE, request
from tests.support.world import run

PLAIN = Script([])
BROKEN: dict[str, type[Exception]] = {"openai": KeyError, "anthropic": ZeroDivisionError, "google": ValueError}


def error_of(dialect: str, body: bytes) -> tuple[str, str]:
    """Type and message of an error body, which must have the dialect's exact form."""
    tree = json.loads(body)
    if dialect == "openai":
        assert set(tree) == {"error"}
        return str(tree["error"]["type"]), str(tree["error"]["message"])
    if dialect == "anthropic":
        assert tree["type"] == "error"
        return str(tree["error"]["type"]), str(tree["error"]["message"])
    assert isinstance(tree["error"]["code"], int)
    return str(tree["error"]["status"]), str(tree["error"]["message"])


LOST = {
    "/": "openai",
    "/v1/embeddings": "openai",
    "/v1/messages/batches": "anthropic",
    "/v1beta/files": "google",
    "/v1beta/models/m:countTokens": "google",
    "/v1alpha/x": "google",
}


@pytest.mark.parametrize("path", LOST)
def test_unknown_paths_are_404_in_the_dialect_of_the_path(path: str) -> None:
    async def talk() -> None:
        async with gateway(Script([])) as here:
            status, headers, body = await here.ask(path)
            assert (status, headers["content-type"]) == (404, "application/json")
            error_of(LOST[path], body)

    run(talk())


@pytest.mark.parametrize(
    ("method", "path", "allow", "dialect"),
    [
        ("GET", "/v1/chat/completions", "POST", "openai"),
        ("DELETE", "/v1/messages", "POST", "anthropic"),
        ("PUT", "/v1beta/models/m:generateContent", "POST", "google"),
        ("GET", "/v1beta/models/m:generateContent", "POST", "google"),
        ("POST", "/v1/models", "GET, HEAD", "openai"),
        ("POST", "/healthz", "GET, HEAD", "openai"),
    ],
)
def test_wrong_methods_are_405_with_allow(method: str, path: str, allow: str, dialect: str) -> None:
    async def talk() -> None:
        async with gateway(Script([])) as here:
            status, headers, body = await here.ask(path, method=method)
            assert (status, headers["allow"]) == (405, allow.lower())
            error_of(dialect, body)

    run(talk())


@pytest.mark.parametrize(
    ("path", "model", "stream"),
    [
        ("/v1beta/models/gemini-3:generateContent", "gemini-3", False),
        ("/v1/models/gemini-3:generateContent", "gemini-3", False),
        ("/v1beta/models/gemini-3:streamGenerateContent", "gemini-3", True),
        ("/v1beta/models/support%2Fsummarise:generateContent", "support/summarise", False),
        ("/v1beta/models/llama:8b:generateContent", "llama:8b", False),
        ("/v1beta/models/llama%3A8b%3AgenerateContent", "llama:8b", False),
        ("/v1beta/models/x%2520:generateContent", "x%20", False),
    ],
)
def test_google_s_paths(path: str, model: str, stream: bool) -> None:
    found = match(path, "alt=sse")
    assert found is not None
    assert (found.model, found.stream) == (model, stream)


@pytest.mark.parametrize("path", ["/v1beta/models/m", "/v1beta/models/:generateContent", "/v1beta/models/m:embed"])
def test_what_is_no_call_of_google_s(path: str) -> None:
    assert match(path, "") is None


def test_health_needs_no_key_and_readiness_says_why_not() -> None:
    reason: list[str | None] = [None]

    async def talk() -> None:
        async with gateway(Script([]), not_ready=lambda: reason[0]) as here:
            for path in ("/healthz", "/readyz"):
                assert (await here.ask(path, None, ""))[0] == 200
            reason[0] = "draining"
            status, _, body = await here.ask("/readyz", None, "")
            assert (status, json.loads(body)["reason"]) == (503, "draining")
            assert (await here.ask("/healthz", None, ""))[0] == 200

    run(talk())


def test_models_in_three_forms_for_key_holders_only() -> None:
    async def talk() -> None:
        async with gateway(Script([])) as here:
            assert (await here.ask("/v1/models", None, ""))[0] == 401
            key = f"authorization: Bearer {KEY}\r\n"
            _, _, body = await here.ask("/v1/models", None, key)
            tree = json.loads(body)
            assert [one["id"] for one in tree["data"]] == ["support", "claude", "gpt-5"]
            assert {one["object"] for one in tree["data"]} == {"model"}
            _, _, body = await here.ask("/v1/models", None, f"anthropic-version: 2023-06-01\r\nx-api-key: {KEY}\r\n")
            tree = json.loads(body)
            assert (tree["first_id"], tree["last_id"], tree["has_more"]) == ("support", "gpt-5", False)
            _, _, body = await here.ask(f"/v1beta/models?key={KEY}", None, "")
            assert json.loads(body)["models"][1]["name"] == "models/claude"
            status, _, body = await here.ask("/v1/models/gpt-5", None, key)
            assert (status, json.loads(body)["id"]) == (200, "gpt-5")
            status, _, body = await here.ask("/v1beta/models/nope", None, f"x-goog-api-key: {KEY}\r\n")
            assert status == 404
            error_of("google", body)

    run(talk())


def test_models_are_those_the_key_may_use() -> None:
    key = KeyInfo("k", "n", "t", models=frozenset({"gpt-5"}))
    shot: Snapshot = snapshot()
    assert [one.name for one in listed(shot, key)] == ["gpt-5"]


@pytest.mark.parametrize(
    "headers", ["", "x-api-key: wrong\r\n", f"x-api-key: {KEY}\r\nauthorization: Bearer other\r\n"]
)
@pytest.mark.parametrize(
    ("path", "dialect"),
    [("/v1/chat/completions", "openai"), ("/v1/messages", "anthropic"), ("/v1beta/models/m:generateContent", "google")],
)
def test_calls_without_one_good_key_are_refused_and_on_record(path: str, dialect: str, headers: str) -> None:
    async def talk() -> None:
        async with gateway(Script([])) as here:
            status, answer, body = await here.ask(path, request(dialect, False), headers)
            assert status == (400 if "other" in headers else 401)
            error_of(dialect, body)
            assert KEY.encode() not in body
            assert here.script.events == ["refused: invalid_request" if "other" in headers else "closed"]
            assert answer["x-headgate-call-id"] == here.script.calls[0].id

    run(talk())


@pytest.mark.parametrize(
    ("path", "dialect"),
    [("/v1/chat/completions", "openai"), ("/v1/messages", "anthropic"), ("/v1beta/models/m:generateContent", "google")],
)
def test_the_server_s_own_refusals_speak_the_dialect_of_the_path(path: str, dialect: str) -> None:
    async def talk() -> None:
        async with gateway(Script([]), ServerLimits(body_bytes=10)) as here:
            status, told, body = await here.ask(path, b"x" * 11)
            assert status == 413
            error_of(dialect, body)
            assert here.script.events == ["refused: request_too_large"]
            assert told["x-headgate-call-id"] == here.script.calls[0].id
            client = await here.connect()
            await client.say(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n".encode())
            status, _, body = await client.answer()
            assert status == 400
            error_of(dialect, body)
            client.writer.close()

    run(talk())


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "google"])
def test_a_bug_is_an_internal_error_of_the_dialect_that_tells_nothing(dialect: str) -> None:
    paths = {
        "openai": "/v1/chat/completions",
        "anthropic": "/v1/messages",
        "google": "/v1beta/models/m:generateContent",
    }

    async def bug() -> None:
        raise BROKEN[dialect]("secret prompt text")

    async def talk() -> None:
        script = Script([bug])
        async with gateway(script) as here:
            status, _, body = await here.ask(paths[dialect], request(dialect, False))
            assert status == 500
            error_of(dialect, body)
            assert b"secret" not in body
            assert script.events[-2:] == ["let go", "closed"]

    run(talk())


def test_the_call_carries_what_came_off_the_wire() -> None:
    async def talk() -> None:
        script = Script([passed("google", WHOLE["google"], stream=False)])
        script.dialect = "google"
        async with gateway(script) as here:
            body = request("google", False)
            status, _, _ = await here.ask(f"/v1beta/models/m%2Fp:generateContent?key={KEY}&x=%20", body, "X-A: b\r\n")
            assert status == 200
            call = script.calls[0]
            assert (call.dialect, call.path_model, call.path_stream) == ("google", "m/p", False)
            assert (call.query, call.credential, call.peer) == (f"key={KEY}&x=%20", KEY, "127.0.0.1")
            assert call.body == body
            assert call.header(b"x-a") == b"b"
            assert call.record.id == call.id
            assert call.received_ns == call.record.received_ns == here.clock.now_ns()

    run(talk())
