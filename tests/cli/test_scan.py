"""What `headgate scan` prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headgate.cli.main import main

PROMPT = 'PROMPT = "Answer {question} in one short sentence."\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text(PROMPT)
    return tmp_path / "src"


def test_text_says_what_is_where(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "b.py").write_text("def f(:\n")
    assert main(["scan", str(folder)]) == 1
    out = capsys.readouterr().out
    assert out.splitlines()[:2] == [
        "a.py", "      1  prompt_string (medium)   Answer {question} in one short sentence.  {question}",
    ]  # fmt: skip
    assert "not read: b.py:1: not Python" in out
    assert "1 places in 2 files" in out


def test_nothing_found_is_zero(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", str(folder), "--min-confidence", "high"]) == 0
    assert main(["scan", str(folder), "--exclude", "a*"]) == 0
    assert capsys.readouterr().out.count("0 places in") == 2


def test_wrong_usage_is_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", str(tmp_path / "nowhere")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["scan", str(tmp_path), "--format", "xml"])
    assert ended.value.code == 2


def test_json_is_one_document_without_hidden_fields(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", str(folder), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["files"] == 1
    [one] = document["findings"]
    assert one["kind"] == "prompt_string"
    assert one["variables"] == ["question"]
    assert set(one) == {
        "path", "line", "column", "end_line", "kind", "confidence", "provider", "model", "variables", "digest",
        "fingerprint", "excerpt",
    }  # fmt: skip


def test_a_baseline_survives_moved_lines_and_shows_what_is_new(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = tmp_path / "scan.json"
    assert main(["scan", str(folder), "--write-baseline", str(baseline)]) == 0
    assert "Answer" not in baseline.read_text()
    (folder / "a.py").write_text("import os\n\n\n" + PROMPT)
    assert main(["scan", str(folder), "--baseline", str(baseline)]) == 0
    (folder / "a.py").write_text(PROMPT + "\n" + PROMPT)
    capsys.readouterr()
    assert main(["scan", str(folder), "--baseline", str(baseline), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["known"] == 1
    assert [one["line"] for one in document["findings"]] == [3]


@pytest.mark.parametrize(
    "content", ["", "{}", "[1]", '{"format": 9, "entries": []}', '{"format": 1, "entries": [{"x": 1}]}']
)
def test_a_baseline_that_is_none_is_refused(
    folder: Path, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scan.json").write_text(content)
    assert main(["scan", str(folder), "--baseline", str(tmp_path / "scan.json")]) == 2
    assert "write one with --write-baseline" in capsys.readouterr().err


def test_names_in_a_project_are_shown_and_never_obeyed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a\x1b[2J.py").write_text('PROMPT = "Clear the \\x1b[2J screen and then answer."\n')
    assert main(["scan", str(tmp_path)]) == 1
    assert "\x1b" not in capsys.readouterr().out
