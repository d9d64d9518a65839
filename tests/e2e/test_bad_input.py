"""Bad input: a clear error in the client's own dialect, never a 500, never a hang, and the gateway serves on."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.gateway import CALL_S, Answer, Gateway, fetch

MEGABYTE = 1 << 20
PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "google": "/v1beta/models/to-openai:generateContent",
}
GOOD: dict[str, dict[str, Any]] = {
    "openai": {"model": "to-openai", "messages": [{"role": "user", "content": "hi"}]},
    "anthropic": {"model": "to-openai", "max_tokens": 20, "messages": [{"role": "user", "content": "hi"}]},
    "google": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}
# where the text of the conversation is
TEXT = {"openai": "messages", "anthropic": "messages", "google": "contents"}
each = pytest.mark.parametrize("dialect", PATHS)


def broken(dialect: str) -> dict[str, bytes]:
    """Bodies that are no request, by what is wrong with them."""
    good = json.dumps(GOOD[dialect]).encode()
    deep = b"[" * 100_000 + b"]" * 100_000
    return {
        "empty": b"",
        "cut": good[:-5],
        "trailing": good + b"x",
        "array": b"[]",
        "number": b"7",
        "text": b"hello",
        "invalid-utf8": good.replace(b"hi", b"h\xff\xfe"),
        "lone-surrogate": good.replace(b"hi", b"\\ud800"),
        "nul": b"\x00" * 100,
        "nan": good[:-1] + b', "temperature": NaN}',
        "wrong-type": json.dumps({**GOOD[dialect], TEXT[dialect]: "hi"}).encode(),
        "wrong-inner-type": json.dumps({**GOOD[dialect], TEXT[dialect]: [7]}).encode(),
        "missing": b"{}" if dialect != "google" else b'{"contents": 7}',
        "deep": good[:-1] + b', "tools": ' + deep + b"}",
        "deep-objects": good[:-1] + b', "x": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
        "huge-number": good[:-1] + b', "max_tokens": ' + b"9" * 5000 + b"}",
    }


# JSON knows lone surrogates, and NaN is a matter of the decoder: what reads them may refuse or pass them on
MAY_PASS = ("lone-surrogate",)


@pytest.fixture(autouse=True)
def serves_on(gateway: Gateway) -> Iterator[None]:
    """After each test a good call is answered, by the same worker."""
    worker = gateway.worker()
    yield
    assert gateway.ask(GOOD["openai"]).status == 200
    assert gateway.worker() == worker


def check_form(dialect: str, answer: Answer) -> str:
    """The error's message, after a look at the form that the dialect's SDK expects."""
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    error = told["error"]
    if dialect == "openai":
        assert {"message", "type", "code", "param"} <= set(error)
    elif dialect == "anthropic":
        assert told["type"] == "error"
        assert error["type"].endswith("_error")
    else:
        assert error["code"] == answer.status
        assert error["status"].isupper()
    assert error["message"]
    return error["message"]


@each
@pytest.mark.parametrize("what", broken("openai"))
def test_a_body_that_is_no_request(gateway: Gateway, dialect: str, what: str) -> None:
    answer = gateway.ask(broken(dialect)[what], PATHS[dialect])
    if answer.status == 200 and what in MAY_PASS:
        return
    assert answer.status == 400, answer.body[:500]
    message = check_form(dialect, answer)
    assert len(message) < 400
    assert answer.headers["x-should-retry"] == "false"
    record = gateway.record(answer.headers["x-headgate-call-id"])
    assert record["call"]["status"] == 400
    assert record["call"]["outcome"] in ("refused", "failed")


@each
def test_a_compressed_body_is_not_unpacked(gateway: Gateway, dialect: str) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    headers = {"authorization": f"Bearer {gateway.key}", "content-encoding": "gzip"}
    answer = fetch(gateway.url + PATHS[dialect], bomb, headers)
    assert answer.status == 415
    assert "content-encoding" in check_form(dialect, answer)
    assert gateway.record(answer.headers["x-headgate-call-id"])["call"]["outcome"] == "refused"


@pytest.mark.parametrize(
    "unit",
    ["\ufdfa", "e" + "\u0301" * 50, "\u200b", "\u202e", "\U0010ffff", "\U0001f468\u200d", "\ufeff"],
    ids=["grows-when-normalized", "marks", "no-width", "right-to-left", "last-plane", "joined", "byte-order-mark"],
)
def test_text_that_is_made_to_be_slow_passes_the_checks(gateway: Gateway, unit: str) -> None:
    """Through checks on what goes in: one of these grows 18 times where it is normalized."""
    said = [{"role": "user", "content": unit * (100_000 // len(unit))}]
    answer = gateway.ask({"model": "guarded-openai", "messages": said})
    assert answer.status == 200, answer.body[:500]


@each
def test_an_unknown_model(gateway: Gateway, dialect: str) -> None:
    path = PATHS[dialect].replace("to-openai", "no-such-model")
    answer = gateway.ask({**GOOD[dialect], **({} if dialect == "google" else {"model": "no-such-model"})}, path)
    assert answer.status == 404
    assert "no-such-model" in check_form(dialect, answer)
    record = gateway.record(answer.headers["x-headgate-call-id"])
    assert (record["call"]["outcome"], record["call"]["error"]) == ("refused", "model_not_found")
    assert record["call"]["model_asked"] == "no-such-model"


@each
@pytest.mark.parametrize("model", ["../../etc/passwd", "openai/../x", "a\r\nx-evil: 1", "m" * 5000, "é", "", "a b"])
def test_a_model_name_that_would_lead_elsewhere(gateway: Gateway, dialect: str, model: str) -> None:
    path, body = PATHS[dialect], GOOD[dialect]
    if dialect == "google":
        path = f"/v1beta/models/{quote(model, safe='')}:generateContent"
    else:
        body = {**body, "model": model}
    answer = gateway.ask(body, path)
    assert answer.status in (400, 404)
    check_form(dialect, answer)
    assert "x-evil" not in answer.headers


@each
def test_missing_and_wrong_variables_of_a_prompt(gateway: Gateway, dialect: str) -> None:
    path = PATHS[dialect].replace("to-openai", "kettle-openai")
    body = {**GOOD[dialect], **({} if dialect == "google" else {"model": "kettle-openai"})}
    for extra in ({}, {"headgate": {"variables": {"product": 7}}}, {"headgate": {"variables": {"other": "x"}}}):
        answer = gateway.ask({**body, **extra}, path)
        assert answer.status == 400
        assert "product" in check_form(dialect, answer) or "other" in check_form(dialect, answer)


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/nothing", "/v1/messages/x/y", "/v1beta/models/x:explode", "/%00", "/v1//messages"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
def test_unknown_paths_and_methods(gateway: Gateway, path: str, method: str) -> None:
    answer = fetch(
        gateway.url + path, b"{}" if method != "GET" else None, {"authorization": f"Bearer {gateway.key}"}, method
    )
    assert answer.status in (404, 405)
    assert answer.json()["error"]


@each
def test_a_method_that_a_path_does_not_take(gateway: Gateway, dialect: str) -> None:
    answer = fetch(gateway.url + PATHS[dialect], None, {"authorization": f"Bearer {gateway.key}"}, "GET")
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    check_form(dialect, answer)


# -- raw bytes


def raw(gateway: Gateway, data: bytes | Iterator[bytes]) -> bytes:
    """Everything the gateway answers to these bytes until it closes or has answered once."""
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), CALL_S) as sock:
        sock.settimeout(CALL_S)
        with contextlib.suppress(OSError):  # refused before all was sent; the answer is there to read
            for part in [data] if isinstance(data, bytes) else data:
                sock.sendall(part)
            sock.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while True:
                piece = sock.recv(65536)
                if not piece:
                    return got
                got += piece
        except (ConnectionResetError, TimeoutError):
            return got


def parsed(got: bytes) -> list[Answer]:
    """The answers in a byte string."""
    found = []
    while got:
        head, _, rest = got.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        size = int(headers["content-length"])
        found.append(Answer(int(lines[0].split()[1]), headers, rest[:size]))
        got = rest[size:]
    return found


def head_of(gateway: Gateway, dialect: str, *lines: str) -> bytes:
    said = [f"POST {PATHS[dialect]} HTTP/1.1", "host: gateway", f"authorization: Bearer {gateway.key}", *lines]
    return ("\r\n".join(said) + "\r\n\r\n").encode()


@each
def test_a_body_over_the_limit_said_and_chunked(gateway: Gateway, dialect: str) -> None:
    size = 33 * MEGABYTE
    (said,) = parsed(raw(gateway, head_of(gateway, dialect, f"content-length: {size}")))

    def chunks() -> Iterator[bytes]:
        yield head_of(gateway, dialect, "transfer-encoding: chunked")
        for _ in range(33):
            yield b"%x\r\n" % MEGABYTE + b" " * MEGABYTE + b"\r\n"
        yield b"0\r\n\r\n"

    (sent,) = parsed(raw(gateway, chunks()))
    for answer in (said, sent):
        assert answer.status == 413
        assert "32" in check_form(dialect, answer) or "33554432" in check_form(dialect, answer)


def test_a_body_just_below_the_limit_is_read(gateway: Gateway) -> None:
    body = json.dumps({**GOOD["openai"], "model": "no-such-model", "pad": "x" * (31 * MEGABYTE)})
    assert gateway.ask(body.encode()).status == 404


@each
def test_a_hundred_thousand_headers(gateway: Gateway, dialect: str) -> None:
    many = [f"x-{number}: 1" for number in range(100_000)]
    (answer,) = parsed(raw(gateway, head_of(gateway, dialect, *many)))
    assert answer.status == 431
    check_form(dialect, answer)


@each
@pytest.mark.parametrize(
    ("what", "lines", "status"),
    [
        ("both-lengths", ["content-length: 5", "transfer-encoding: chunked"], 400),
        ("two-lengths", ["content-length: 5", "content-length: 6"], 400),
        ("bad-length", ["content-length: +5"], 400),
        ("negative", ["content-length: -1"], 400),
        ("obscured", ["transfer-encoding: xchunked"], 400),
        ("twice", ["transfer-encoding: chunked, chunked"], 400),
        ("space-in-name", ["content-length : 5"], 400),
        ("two-hosts", ["host: other", "content-length: 5"], 400),
        ("folded", ["x-a: 1", " content-length: 5"], 400),
        ("control", ["x-a: 1\x01", "content-length: 5"], 400),
    ],
)
def test_smuggling(gateway: Gateway, dialect: str, what: str, lines: list[str], status: int) -> None:
    hidden = b"0\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
    answers = parsed(raw(gateway, head_of(gateway, dialect, *lines) + hidden))
    assert [answer.status for answer in answers] == [status]  # one answer: what was hidden was never a request
    assert answers[0].headers["connection"] == "close"
    check_form(dialect, answers[0])


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
        b"GET / HTTP/9.9\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"BREW /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v1/models HTTP/1.1\n\n",
        b"\r\n\r\n\r\n\r\n" * 50 + b"nonsense\r\n\r\n",
        b"GET " + b"/a" * 100_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["tls", "http9", "http2", "brew", "bare-lf", "nonsense", "long-target"],
)
def test_what_is_not_http(gateway: Gateway, data: bytes) -> None:
    got = raw(gateway, data)
    if got:
        (answer,) = parsed(got)
        assert 400 <= answer.status <= 505
        assert answer.status != 500
