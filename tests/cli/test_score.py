"""`headgate score`: one call, a CSV file with good rows and bad ones, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headgate.cli.client import Client
from headgate.cli.main import main

REACH = ["--url", "http://localhost:1", "--admin-key", "k"]
HEAD = "call_id,name,value,source,comment,at\n"


class Api:
    """Takes the place of the management API: keeps what is sent, refuses calls named `call_bad`."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def post(self, path: str, body: Any) -> Any:
        rows = body["scores"] if path.endswith("/batch") else [body]
        self.sent += rows
        answers = [
            {"fate": None, "message": "is no call's id"}
            if row["call"] == "call_bad"
            else {"id": "s", "fate": "new", "waits": row["call"] == "call_new", "message": None}
            for row in rows
        ]
        return {"scores": answers} if path.endswith("/batch") else answers[0]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    made = Api()
    monkeypatch.setattr(Client, "post", lambda _self, path, body: made.post(path, body))
    return made


@pytest.mark.parametrize(
    ("said", "value"),
    [("up", True), ("Down", False), ("yes", True), ("no", False), ("0.8", 0.8), ("-3", -3.0), ("resolved", "resolved")],
)
def test_values_are_thumbs_numbers_or_labels(api: Api, said: str, value: object) -> None:
    assert main(["score", "call_1", "--name", "thumbs", f"--value={said}", *REACH]) == 0
    assert api.sent == [{"call": "call_1", "name": "thumbs", "value": value, "source": "user"}]


def test_everything_that_can_be_said_is_sent(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--comment", "late", "--correction", "No.", "--source", "label", "--by", "ann", "--id", "7"]
    assert main(["score", "call_new", "--name", "better", *more, "--at", "2026-11-25T12:00:00Z", *REACH]) == 0
    assert api.sent == [{
        "call": "call_new", "name": "better", "source": "label", "author": "ann", "comment": "late", "id": "7",
        "correction": "No.", "at": "2026-11-25T12:00:00+00:00",
    }]  # fmt: skip
    assert "better correction: recorded" in (out := capsys.readouterr().out)
    assert "not known yet" in out


@pytest.mark.parametrize(
    "wrong", [[], ["call_1"], ["call_1", "--name", "x"], ["call_1", "--csv", "f.csv"], ["--name", "x", "--value", "1"]]
)
def test_half_a_command_says_what_would_be_right(
    api: Api, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", *wrong, *REACH]) == 2
    assert "would be right: headgate score call_... --name thumbs --value up" in capsys.readouterr().err
    assert api.sent == []


def test_a_file_keeps_good_rows_and_tells_bad_ones_by_line(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scores.csv"
    file.write_text(
        HEAD + 'call_1,thumbs,up,user,"two\nlines",2026-11-25\n'
        "call_2,thumbs,,user,,\n"
        "call_3,quality,0.8,judge,,\n"
        "call_bad,quality,0.8,,,\n"
        "\n"
        "call_4,quality,0.8,evaluator,,soon\n"
        "call_5,quality\n"
        ",quality,1,,,\n"
        "call_new,quality,0.8,evaluator,,\n"
    )
    assert main(["score", "--csv", str(file), *REACH]) == 1
    said = capsys.readouterr()
    lines = [line.removeprefix(str(file)) for line in said.err.splitlines()]
    assert lines == [
        ":4: `value` is empty, and there is no correction",
        ":5: source `judge` is none of user, evaluator, label",
        ":6: is no call's id",
        ":8: `soon` is no time: 90m, 24h, 7d, or 2026-11-25T12:00:00Z",
        ":9: 2 cells under 6 columns",
        ":10: `call_id` and `name` are not empty",
    ]
    assert said.out == "2 kept, 1 wait for calls that are not known yet, 6 refused\n"
    assert [row["call"] for row in api.sent] == ["call_1", "call_bad", "call_new"]
    assert api.sent[0]["comment"] == "two\nlines"
    assert main(["score", "--csv", str(file), "--json", *REACH]) == 1
    assert [row["line"] for row in json.loads(capsys.readouterr().out)["refused"]] == [4, 5, 6, 8, 9, 10]


def test_a_long_file_goes_in_portions(api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "scores.csv"
    file.write_text("call_id,name,value\n" + "".join(f"call_{n},thumbs,up\n" for n in range(1001)))
    assert main(["score", "--csv", str(file), *REACH]) == 0
    assert [row["call"] for row in api.sent] == [f"call_{n}" for n in range(1001)]
    assert capsys.readouterr().out == "1001 kept, 0 refused\n"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "no column `call_id`"),
        ("call_id,name,value,mood\n", "unknown column `mood`"),
        ("call_id,value\n", "no column `name`"),
        ("call_id,name,name\n", "the same column twice"),
    ],
)
def test_a_wrong_head_is_told(
    api: Api, text: str, wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scores.csv"
    file.write_text(text)
    assert main(["score", "--csv", str(file), *REACH]) == 2
    assert f"scores.csv:1: {wrong}" in capsys.readouterr().err


def test_a_file_that_is_none_is_told(api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "--csv", str(tmp_path / "none.csv"), *REACH]) == 2
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    assert main(["score", "--csv", str(tmp_path / "binary.csv"), *REACH]) == 2
    err = capsys.readouterr().err
    assert "there is no such file" in err
    assert "UTF-8" in err
