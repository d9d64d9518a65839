"""Every file of the providers folder is held to the same rules."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import pytest

from headgate.core.errors import UPSTREAM_KINDS, ConfigError, GatewayError, InvalidRequest, UpstreamError
from headgate.core.ports import Deadlines, Endpoint, OutboundRequest
from headgate.core.types import Header, Origin
from headgate.dialects.anthropic_messages import ANTHROPIC
from headgate.dialects.base import Dialect
from headgate.dialects.google_generate import GOOGLE
from headgate.dialects.openai_chat import OPENAI
from headgate.providers import ProviderSettings, Secret, available, build, load, shipped

KEY = "sk-very-secret-key-123"
DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (OPENAI, ANTHROPIC, GOOGLE)}
URL = "https://llm.example:8443/base"
TYPES = shipped()


def made(kind: str, **fields: object) -> Endpoint:
    given = {"base_url": URL, "secret": Secret(KEY), **fields}
    return build(ProviderSettings(name="mine", type=kind, where="headgate.yaml:3", **given))  # type: ignore[arg-type]


def parts(request: OutboundRequest) -> tuple[str, dict[str, str]]:
    """The request line, and the headers; a header that is sent twice fails."""
    assert request.head.endswith(b"\r\n")
    line, *rest = request.head.decode("ascii").removesuffix("\r\n").split("\r\n")
    pairs = [header.split(": ", 1) for header in rest]
    headers = {key: value for key, value in pairs}
    assert len(headers) == len(pairs)
    return line, headers


def ask(
    endpoint: Endpoint, *, stream: bool = False, model: str = "m-1", extra: Sequence[Header] = ()
) -> OutboundRequest:
    return endpoint.request(model, stream, b'{"x":1}', extra, Deadlines())


def test_the_folder_is_not_empty() -> None:
    assert {"openai", "anthropic", "google", "openai_compatible"} <= set(TYPES)
    assert set(TYPES) <= set(available())


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_a_whole_head(kind: str, stream: bool) -> None:
    endpoint = made(kind)
    assert endpoint.name == "mine"
    request = ask(endpoint, stream=stream)
    line, headers = parts(request)
    method, target, version = line.split(" ")
    assert (method, version) == ("POST", "HTTP/1.1")
    assert target == "/base" + DIALECTS[endpoint.dialect].request_target("m-1", stream)
    assert headers["host"] == "llm.example:8443"
    assert headers["content-type"] == "application/json"
    assert headers["accept-encoding"] == "identity"
    assert not {"content-length", "transfer-encoding", "connection"} & set(headers)
    assert all(key == key.lower() for key in headers)
    assert request.body == b'{"x":1}'
    assert (request.origin.scheme, request.origin.host, request.origin.port) == ("https", "llm.example", 8443)
    assert sum(KEY in value for value in headers.values()) == 1
    assert ask(endpoint, stream=stream).head is request.head


@pytest.mark.parametrize("kind", TYPES)
def test_the_secret_is_nowhere_but_in_the_head(kind: str) -> None:
    endpoint = made(kind)
    request = ask(endpoint)
    error = endpoint.failure(401, [], b'{"error": {"message": "bad key"}}')
    for shown in (repr(endpoint), str(endpoint), repr(request), str(request), repr([request]), str(error), repr(error)):
        assert KEY not in shown
    assert b"x" not in repr(request).encode().split(b"bytes")[1]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("stream", [False, True])
def test_a_model_name_cannot_break_out_of_the_request_line(kind: str, stream: bool) -> None:
    endpoint = made(kind)
    for name in ("a b", "a\r\nx: y", "a\nb", "é", "a\x00", "a#b", "../files", "a/../../b"):
        try:
            request = ask(endpoint, stream=stream, model=name)
        except InvalidRequest:
            continue
        line, headers = parts(request)
        target = line.split(" ")[1]
        assert len(line.split(" ")) == 3
        assert target.startswith("/base/")
        assert "/../" not in target
        assert "#" not in target
        assert "x" not in headers


@pytest.mark.parametrize("kind", TYPES)
def test_client_headers_replace_ours_and_are_not_remembered_for_others(kind: str) -> None:
    endpoint = made(kind)
    extra = [(b"anthropic-version", b"2026-10-21"), (b"anthropic-beta", b"b1")]
    _, headers = parts(ask(endpoint, extra=extra))
    assert headers["anthropic-version"] == "2026-10-21"
    _, plain = parts(ask(endpoint))
    assert "anthropic-beta" not in plain
    for number in range(3000):
        ask(endpoint, model=f"m-{number}")
    assert parts(ask(endpoint, model="m-2999"))[0] != parts(ask(endpoint, model="m-1"))[0] or kind != "google"


@pytest.mark.parametrize("kind", TYPES)
def test_headers_from_settings_go_along(kind: str) -> None:
    _, headers = parts(ask(made(kind, headers={"X-Team": "blue"})))
    assert headers["x-team"] == "blue"


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529, 599])
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{", b"null", b'{"error": null}', b'{"error": {"message": "m"}}', b"\xff"]
)
def test_every_failure_has_a_meaning(kind: str, status: int, body: bytes) -> None:
    error = made(kind).failure(status, [(b"retry-after", b"nan")], body)
    assert isinstance(error, UpstreamError)
    assert error.kind in UPSTREAM_KINDS
    assert error.attempt_status == status
    assert error.cool_s is None or 0 <= error.cool_s <= 86_400
    if status >= 500 or status == 429:
        assert error.retryable


@pytest.mark.parametrize("kind", TYPES)
def test_the_vendors_own_address_is_the_default(kind: str) -> None:
    module = importlib.import_module(f"headgate.providers.{kind}")
    if module.BASE_URL is None:
        with pytest.raises(ConfigError, match="base_url"):
            made(kind, base_url=None)
    else:
        assert module.BASE_URL.startswith("https://")
        assert ask(made(kind, base_url=None)).origin.host in module.BASE_URL


@pytest.mark.parametrize("kind", TYPES)
def test_a_missing_key_is_a_mistake_where_one_is_needed(kind: str) -> None:
    if kind == "openai_compatible":
        _, headers = parts(ask(made(kind, secret=None)))
        assert "authorization" not in headers
    else:
        with pytest.raises(ConfigError) as caught:
            made(kind, secret=None)
        assert caught.value.where == "headgate.yaml:3"
        assert "API key" in caught.value.wrong


@pytest.mark.parametrize("kind", TYPES)
def test_a_key_bound_to_another_host_is_not_sent(kind: str) -> None:
    with pytest.raises(GatewayError):
        made(kind, secret=Secret(KEY, Origin("https", "elsewhere.example", 443)))


EXPECTED = {
    "openai": ("https://api.openai.com", "/v1/chat/completions", "/v1/chat/completions", "authorization", "Bearer "),
    "anthropic": ("https://api.anthropic.com", "/v1/messages", "/v1/messages", "x-api-key", ""),
    "google": (
        "https://generativelanguage.googleapis.com",
        "/v1beta/models/m-1:generateContent",
        "/v1beta/models/m-1:streamGenerateContent?alt=sse",
        "x-goog-api-key",
        "",
    ),
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_where_each_vendor_listens(kind: str) -> None:
    url, whole, streamed, header, prefix = EXPECTED[kind]
    endpoint = made(kind, base_url=None)
    for stream, target in ((False, whole), (True, streamed)):
        request = ask(endpoint, stream=stream)
        line, headers = parts(request)
        assert line == f"POST {target} HTTP/1.1"
        assert f"{request.origin.scheme}://{headers['host']}" == url
        assert headers[header] == prefix + KEY
        assert headers["accept"] == ("text/event-stream" if stream else "application/json")


def test_anthropic_is_told_a_version() -> None:
    assert parts(ask(made("anthropic")))[1]["anthropic-version"] == "2023-06-01"


def test_an_unknown_type_names_those_there_are() -> None:
    for name in ("azur", "settings", "endpoint", "loading", "__init__", "../openai", "openai.x", ""):
        with pytest.raises(ConfigError) as caught:
            load(name, "headgate.yaml:9")
        assert caught.value.where == "headgate.yaml:9"
        assert "anthropic, google, openai, openai_compatible" in caught.value.right


class Plugin:
    """An installed package's entry point."""

    name = "acme"

    def __init__(self, made: object) -> None:
        self.made = made

    def load(self) -> object:
        if isinstance(self.made, Exception):
            raise self.made
        return self.made


def plugged(monkeypatch: pytest.MonkeyPatch, made: object) -> None:
    def entry_points(group: str, name: str = "acme") -> list[Plugin]:
        assert group == "headgate.providers"
        return [Plugin(made)] if name == "acme" else []

    monkeypatch.setattr("headgate.providers.loading.entry_points", entry_points)


def test_a_plug_in_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = made("openai")
    plugged(monkeypatch, lambda settings: wanted)
    assert made("acme") is wanted
    assert "acme" in available()
    plugged(monkeypatch, importlib.import_module("headgate.providers.google"))
    assert made("acme").dialect == "google"


@pytest.mark.parametrize("broken", [ImportError("no", name="missing_module"), 7])
def test_a_broken_plug_in_is_a_mistake_with_a_place(monkeypatch: pytest.MonkeyPatch, broken: object) -> None:
    plugged(monkeypatch, broken)
    with pytest.raises(ConfigError) as caught:
        load("acme", "headgate.yaml:4")
    assert caught.value.where == "headgate.yaml:4"
    assert "acme" in caught.value.wrong
