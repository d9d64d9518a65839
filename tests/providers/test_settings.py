"""What an account's settings may say, and that a secret is shown to nobody and sent to one origin only."""

from __future__ import annotations

import copy
import json
import pickle

import msgspec
import orjson
import pytest

from headgate.core.errors import ConfigError, GatewayError
from headgate.core.types import Origin
from headgate.providers import ProviderSettings, Secret
from headgate.providers.settings import address, check, reveal

KEY = "sk-very-secret-key-123"
HERE = Origin("https", "api.one.example", 443)
THERE = Origin("https", "api.two.example", 443)


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret(KEY).bind(HERE)
    settings = ProviderSettings(name="one", type="openai", secret=secret, headers={"api-key": KEY})
    for shown in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>40}",
        "{}".format(secret),  # noqa: UP032 - the third way of formatting
        repr(settings),
        str([settings]),
    ):
        assert KEY not in shown
    for encode in (msgspec.json.encode, orjson.dumps, json.dumps, msgspec.msgpack.encode):
        with pytest.raises(TypeError):
            encode(secret)
    for write in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            write(secret)


def test_a_secret_goes_to_the_origin_it_is_bound_to() -> None:
    secret = Secret(KEY)
    with pytest.raises(GatewayError) as unbound:
        secret.reveal(HERE)
    bound = secret.bind(HERE)
    assert bound.reveal(HERE) == KEY
    assert bound.bind(HERE).reveal(HERE) == KEY
    with pytest.raises(GatewayError) as elsewhere:
        bound.reveal(THERE)
    with pytest.raises(GatewayError) as rebound:
        bound.bind(THERE)
    for caught in (unbound, elsewhere, rebound):
        assert KEY not in str(caught.value)


def settings_of(**fields: object) -> ProviderSettings:
    return ProviderSettings(name="mine", type="openai_compatible", where="headgate.yaml:7", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "flags", "origin", "prefix", "host"),
    [
        ("https://llm.example", {}, Origin("https", "llm.example", 443), "", "llm.example"),
        ("https://llm.example/", {}, Origin("https", "llm.example", 443), "", "llm.example"),
        ("https://LLM.example/v1/", {}, Origin("https", "llm.example", 443), "/v1", "llm.example"),
        ("https://llm.example:8443/a/b", {}, Origin("https", "llm.example", 8443), "/a/b", "llm.example:8443"),
        ("http://llm.example/v1", {"allow_http": True}, Origin("http", "llm.example", 80), "/v1", "llm.example"),
        ("http://127.0.0.1:11434/v1", {"allow_http": True, "allow_private": True},
         Origin("http", "127.0.0.1", 11434, True), "/v1", "127.0.0.1:11434"),
        ("https://[::1]:8443/v1", {"allow_private": True}, Origin("https", "::1", 8443, True), "/v1", "[::1]:8443"),
    ],
)  # fmt: skip
def test_addresses(url: str, flags: dict[str, bool], origin: Origin, prefix: str, host: str) -> None:
    found = address(settings_of(base_url=url, **flags), None)
    assert (found.origin, found.prefix, found.host) == (origin, prefix, host)


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        (None, "`base_url` is missing"),
        ("llm.example", "not an http(s) URL"),
        ("ftp://llm.example", "not an http(s) URL"),
        ("https://", "not an http(s) URL"),
        ("https://[::1", "not a URL"),
        ("https://llm.example:99999", "no valid port"),
        ("https://llm.example/a b", "holds spaces"),
        ("https://llm.example/\r\nx: y", "holds spaces"),
        ("https://me:pw@llm.example", "user name"),
        ("https://llm.example/?key=1", "query"),
        ("https://llm.example/#x", "fragment"),
        ("http://llm.example", "clear text"),
        ("https://10.0.0.1", "private network"),
        ("https://127.0.0.1", "private network"),
        ("https://169.254.169.254/latest", "private network"),
        ("https://[fd00::1]", "private network"),
        ("https://localhost:8443", "private network"),
        ("https://metadata.google.internal", "private network"),
    ],
)
def test_addresses_that_are_refused(url: str | None, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        address(settings_of(base_url=url), None)
    assert caught.value.where == "headgate.yaml:7"
    assert wrong in caught.value.wrong
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "headers",
    [{"host": "x"}, {"Content-Length": "1"}, {"a b": "x"}, {"": "x"}, {"x": "a\r\nb"}, {"x": "é"},
     {f"h{n}": "x" for n in range(33)}],
)  # fmt: skip
def test_headers_that_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        check(settings_of(headers=headers))


@pytest.mark.parametrize("name", ["", "A", "a b", "a/b", "x" * 65])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        check(ProviderSettings(name=name, type="openai"))


@pytest.mark.parametrize("key", ["", " ", "a\nb", "a b", "ключ", "x" * 5000])
def test_keys_that_cannot_be_sent(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        reveal(settings_of(secret=Secret(key)), HERE)
    assert key.strip() == "" or key not in str(caught.value)
