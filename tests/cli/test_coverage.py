"""`headgate coverage` and `headgate adopt`: what they print, what they exit with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headgate.cli.client import Client
from headgate.cli.coverage import share
from headgate.cli.main import main

REACH = ["--url", "http://localhost:1", "--admin-key", "k"]
OFFENDER: dict[str, Any] = {
    "kind": "grouped", "fingerprint": "f" * 16, "text": "You help… with…\x1b[2J", "fingerprints": 2, "app": None,
    "model": "gpt-5", "key_id": "key_1", "key": "checkout", "tenant": "acme", "calls": 40, "last_ns": 0,
    "call": "call_1",
}  # fmt: skip


def report(calls: int, registered: int, *offenders: dict[str, Any], more: int = 0) -> dict[str, Any]:
    apps = [{"app": None, "calls": calls, "registered": registered, "share": 0}] if calls else []
    return {
        "since_ns": 0, "until_ns": 1, "calls": calls, "registered": registered, "share": None, "apps": apps,
        "offenders": list(offenders), "more": more, "more_calls": more,
    }  # fmt: skip


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the management API says; the paths and queries that it was asked are under `asked`."""
    said: dict[str, Any] = {"asked": []}

    def get(_self: Client, path: str, query: dict[str, object] | None = None) -> Any:
        said["asked"].append((path, query))
        return said["body"]

    monkeypatch.setattr(Client, "get", get)
    return said


@pytest.mark.parametrize(
    ("calls", "registered", "bar", "status"),
    [
        (100, 100, "100", 0),
        (100_000, 99_999, "100", 1),
        (100, 95, "95", 0),
        (100, 94, "95%", 1),
        (100, 0, "0", 0),
        (0, 0, "0", 1),
    ],
)
def test_the_bar_is_held_to_counts_and_not_to_rounded_shares(
    answer: dict[str, Any], calls: int, registered: int, bar: str, status: int
) -> None:
    answer["body"] = report(calls, registered)
    assert main(["coverage", "--min", bar, *REACH]) == status


def test_a_share_is_never_rounded_up() -> None:
    assert [share(99_999, 100_000), share(1, 1), share(0, 7), share(1, 3)] == ["99.9%", "100%", "0%", "33.3%"]


def test_offenders_are_shown_with_what_can_be_done(answer: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    nameless = {**OFFENDER, "kind": "no system prompt", "fingerprint": None, "text": None, "key": None, "calls": 2}
    hidden = {**OFFENDER, "text": None, "fingerprints": 1, "calls": 1}
    answer["body"] = report(1000, 957, OFFENDER, nameless, hidden, more=3)
    assert main(["coverage", "--app", "support", *REACH]) == 1
    out = capsys.readouterr().out
    assert out.startswith("95.7% of 1,000 calls that reached a model since ")
    assert "the bar of 100% is missed\n" in out
    assert "You help… with…\\x1b[2J (2 texts)" in out
    assert "(no system prompt)" in out
    assert "(not for your role)" in out
    assert "and 3 more with 3 calls: --limit" in out
    assert "headgate adopt FINGERPRINT" in out
    assert answer["asked"][0][1]["app"] == "support"
    assert main(["coverage", "--json", "--min", "95", *REACH]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["reached"], said["min"], len(said["offenders"])) == (True, 95.0, 3)


@pytest.mark.parametrize("bar", ["101", "-1", "all", "nan"])
def test_a_bar_that_is_none_is_told(bar: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["coverage", f"--min={bar}", *REACH])
    assert "is no percentage" in capsys.readouterr().err


def test_a_draft_is_printed_or_written_into_a_new_file(
    answer: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = [
        {"name": "plan", "type": "string", "enum": ["free", "paid"], "values": 2},
        {"name": "part_2", "type": "integer", "enum": None, "values": 6},
    ]
    answer["body"] = {"name": "helper", "file": "kind: prompt\n", "inputs": inputs, "texts": 6, "others": 2}
    assert main(["adopt", "a/b", "--name", "helper", *REACH]) == 0
    assert answer["asked"] == [("/api/adopt/a%2Fb", {"name": "helper", "owner": None})]
    said = capsys.readouterr()
    assert said.out == "kind: prompt\n", "nothing but the file, so that it can go into a pipe"
    assert "# renders all 6 observed texts exactly; of 2 more the text is not kept" in said.err
    file = tmp_path / "helper.yaml"
    assert main(["adopt", "ab", "--into", str(file), *REACH]) == 0
    assert file.read_text() == "kind: prompt\n"
    out = capsys.readouterr().out
    assert "input plan: free | paid (2 different values seen)" in out
    assert "next: give it an owner, name its inputs, pin helper@1.0.0 in a release" in out
    assert "input part_2: integer (6 different values seen)" in out
    assert main(["adopt", "ab", "--into", str(file), *REACH]) == 2
    assert main(["adopt", "ab", "--into", str(tmp_path / "no" / "x.yaml"), *REACH]) == 2
    err = capsys.readouterr().err
    assert "is there already" in err
    assert "cannot be written: No such file or directory" in err
