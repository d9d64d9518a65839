"""`headgate prompt run`: what is sent, what is shown, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headgate.cli.client import Client
from headgate.cli.main import main

REACH = ["--url", "http://localhost:1", "--admin-key", "k"]


def side(version: str, **more: Any) -> dict[str, Any]:
    return {
        "version": f"prompt/{version}", "digest": "d", "kept": True, "left_out": [], "wrong": None, "answer": None,
        "messages": [{"role": "system", "text": "Sell tea.\n  Kindly."}], **more,
    }  # fmt: skip


def answer(text: str, **more: Any) -> dict[str, Any]:
    return {
        "call": "call_1", "outcome": "ok", "text": text, "finish": "stop", "declined": False, "error": None,
        "message": None, "model": "m", "provider": "openai", "attempts": 1, "input_tokens": 9, "output_tokens": 4,
        "cost_usd": 0.5, "seconds": 0.25, "verdicts": [], **more,
    }  # fmt: skip


class Api:
    """Takes the place of the management API: keeps what is sent, answers what it is told to."""

    def __init__(self) -> None:
        self.sent: dict[str, Any] = {}
        self.sides = [side("kettle@1.0.0", answer=answer("Two litres."))]

    def post(self, body: dict[str, Any]) -> Any:
        self.sent = body
        return {
            "sides": self.sides, "app": "support", "route": "main@1.0.0", "guardrail": None, "spent_usd": 0.5,
            "max_usd": 1.0,
        }  # fmt: skip


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    made = Api()
    monkeypatch.setattr(Client, "post", lambda _self, _path, body, _wait: made.post(body))
    monkeypatch.setenv("COLUMNS", "80")
    return made


def test_what_is_typed_is_sent_as_text_and_a_file_as_values(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "v.yaml"
    file.write_text("rows: [1, {a: b}]\nname: no\n")
    arguments = ["--var", "n=3", "--var", "q=a=b", "--vars", str(file), "--user", "hi", "--against", "1.0.0"]
    assert main(["prompt", "run", "kettle@1", *arguments, "--max-usd", "2", *REACH]) == 0
    assert api.sent == {
        "prompt": "kettle@1", "against": "1.0.0", "texts": {"n": "3", "q": "a=b"}, "user": "hi", "max_usd": 2.0,
        "variables": {"rows": [1, {"a": "b"}], "name": "no"}, "render_only": False, "unpriced": False,
    }  # fmt: skip


def test_a_file_is_sent_with_its_partials_and_nothing_else(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "k.yaml"
    file.write_text(
        "kind: prompt\nname: k\nversion: 1.0.0\nmessages: []\n---\nkind: partial\nname: p\nversion: 1.0.0\ncontent: x\n"
        "---\nkind: app\nname: a\nowners: [x]\n"
    )
    assert main(["prompt", "run", str(file), *REACH]) == 0
    assert [(one["kind"], one["name"], one["file"]) for one in api.sent["documents"]] == [
        ("prompt", "k", str(file)), ("partial", "p", str(file)),
    ]  # fmt: skip
    assert "prompt" not in api.sent


def test_one_side_is_shown_whole(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prompt", "run", "kettle", *REACH]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "          kettle@1.0.0",
        "system    Sell tea.",
        "            Kindly.",
        "answer    Two litres.",
        "model     openai/m",
        "tokens    9 in, 4 out",
        "cost      $0.5",
        "time      0.25 s",
        "verdicts  none",
        "call      call_1",
        "",
        "asked over main@1.0.0 under the gateway's own policy (of app support); $0.5 of $1.00",
    ]


def test_sides_stand_beside_each_other_and_control_characters_are_not_obeyed(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = answer("", outcome="blocked", error="policy_blocked", message="by rule card", input_tokens=None,
                     output_tokens=None, cost_usd=None, attempts=3)  # fmt: skip
    api.sides = [
        side("kettle@1.0.0", answer=answer("\x1b[31mred " + "long " * 12), kept=False),
        side("kettle@1.1.0", answer=blocked, left_out=["n"]),
    ]
    assert main(["prompt", "run", "kettle", "--against", "1.1.0", *REACH]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "\x1b" not in "".join(lines)
    assert lines[0].split("  ")[-1].strip() == "kettle@1.1.0"
    assert "from the file" in lines[0]
    at = lines[0].index("kettle@1.1.0")
    assert [line[at:] for line in lines if line.startswith("answer")] == ["[blocked: policy_blocked] by rule"]
    assert [line[at:] for line in lines if line.startswith(("tokens", "cost"))] == ["-", "-"]
    assert [line[at:] for line in lines if line.startswith("note")] == ["left out: n"]
    assert max(map(len, lines[:-1])) <= 80


def test_a_side_that_could_not_be_rendered_makes_the_status_1(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.sides = [side("kettle@1.0.0", messages=[], wrong="it needs the variable `n`")]
    assert main(["prompt", "run", "kettle", "--render-only", *REACH]) == 1
    assert "not rendered  it needs the variable `n`" in capsys.readouterr().out


def test_json_is_what_the_api_told(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prompt", "run", "kettle", "--json", *REACH]) == 0
    assert json.loads(capsys.readouterr().out)["sides"] == api.sides


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.yaml"], "there is no such file"),
        (["kettle", "--var", "n"], "--var product=kettle"),
        (["kettle", "--vars", "nowhere.yaml"], "there is no such file"),
    ],
)
def test_wrong_use_says_what_would_be_right(
    api: Api, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["prompt", "run", *arguments, *REACH]) == 2
    assert words in capsys.readouterr().err
    assert api.sent == {}


@pytest.mark.parametrize("text", ["- a\n- b\n", "", "a: [\n"])
def test_a_file_of_variables_is_a_mapping(api: Api, tmp_path: Path, text: str) -> None:
    file = tmp_path / "v.yaml"
    file.write_text(text)
    assert main(["prompt", "run", "kettle", "--vars", str(file), *REACH]) == 2
    assert api.sent == {}
