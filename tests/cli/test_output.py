"""What commands print of names that callers chose, and what they say to numbers and times that cannot be."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
from email.message import Message
from typing import Any

import pytest

from headgate.cli.client import Client
from headgate.cli.main import main
from headgate.cli.tables import legible, table
from headgate.edge.headers import value

NASTY = "gpt\x1b[2J\x9b1m\r\nok \u202egnol\u2066\x00\x7f\ud800"
SHOWN = "gpt\\x1b[2J\\x9b1m\\r\\nok \\u202egnol\\u2066\\x00\\x7f\\ud800"
CALL: dict[str, Any] = {
    "received_ns": 0, "id": "call_1", "outcome": "ok", "error": None, "model_asked": NASTY, "release": NASTY,
    "provider": NASTY, "model": NASTY, "prompt": NASTY, "input_tokens": 1, "output_tokens": 1,
    "tokens_estimated": False, "cost_usd": 0.1, "latency_us": 5, "attempts": 1,
    "scores": [{"name": "end", "value": NASTY}],
}  # fmt: skip
GAP = {"lost": 1, "since_ns": 0, "until_ns": 0, "why": NASTY}
ANSWERS: dict[str, Any] = {
    "calls": {"calls": [CALL], "cursor": NASTY, "gaps": [GAP]},
    "explain": {
        "explanation": [f"asked for {NASTY}"],
        "scores": [{"author": NASTY, "name": "end", "comment": NASTY, "correction": NASTY}],
    },
}
REACH = ["--url", "http://localhost:1", "--admin-key", "k"]


def test_text_is_shown_and_never_obeyed() -> None:
    assert legible(NASTY) == SHOWN
    assert legible("Modell für 日本 😀") == "Modell für 日本 😀"
    assert table(["NAME"], [["a\nb"]]).count("\n") == 1


@pytest.mark.parametrize("command", [["calls"], ["explain", "call_1"]])
def test_names_from_callers_cannot_drive_the_terminal(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Client, "get", lambda *_: ANSWERS[command[0]])
    assert main([*command, *REACH]) == 0
    out = capsys.readouterr().out
    assert SHOWN in out
    assert out.replace("\n", "").isprintable()
    clean = json.loads(json.dumps(ANSWERS[command[0]]).replace("\\ud800", ""))
    monkeypatch.setattr(Client, "get", lambda *_: clean)
    assert main([*command, "--json", *REACH]) == 0
    assert json.loads(capsys.readouterr().out) == clean


def test_a_header_holds_one_line_of_plain_characters() -> None:
    told = value(NASTY)
    assert told.isascii()
    assert told.isprintable()


@pytest.mark.parametrize(
    "given",
    [
        ["calls", "--since", "99999999999d"],
        ["calls", "--since", "9" * 400 + "w"],
        ["calls", "--min-cost", "nan"],
        ["calls", "--min-latency", "1e400"],
        ["keys", "create", "x", "--budget", "nan"],
        ["keys", "create", "x", "--budget", "-1"],
        ["keys", "create", "x", "--budget", "ten"],
    ],
)
def test_what_cannot_be_is_told_before_anybody_is_asked(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*given, *REACH])
    assert caught.value.code == 2
    assert f"`{given[-1]}` is no " in capsys.readouterr().err


def test_the_code_of_a_refusal_stands_beside_its_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = b'{"error": {"code": "not_found", "message": "there is no call `\\u001b[2J`"}}'
    asked: list[str] = []

    def refuse(request: urllib.request.Request, **_: object) -> object:
        asked.append(request.full_url)
        raise urllib.error.HTTPError(request.full_url, 404, "", Message(), io.BytesIO(body))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert main(["explain", "a/../\n b", *REACH]) == 2
    assert asked == ["http://localhost:1/api/calls/a%2F..%2F%0A%20b"]
    told = "headgate: http://localhost:1: there is no call `\\x1b[2J` (not_found, HTTP 404)\n"
    assert capsys.readouterr().err == told
