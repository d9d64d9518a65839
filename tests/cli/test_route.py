"""`headgate route`: what it writes is an artifact of the workspace, and what it says is in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headgate.cli.main import main
from headgate.registry import load_workspace
from headgate.routing import compile_model
from tests.routing.test_learned import graded, rows, saved


def trained(folder: Path, *more: str) -> Path:
    out = folder / "router.yaml"
    data = saved(folder, "data.jsonl", rows(60))
    assert main(["route", "train", str(data), "--out", str(out), "--owner", "platform", *more]) == 0
    return out


def test_training_writes_an_artifact_that_the_workspace_reads(tmp_path: Path) -> None:
    trained(tmp_path)
    workspace = load_workspace(tmp_path)
    assert workspace.faults == []
    artifact = workspace.find("model", "router@1.0.0")
    assert artifact is not None
    assert artifact.owner == "platform"
    assert compile_model(artifact).classes == ("code", "words")


def test_the_file_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    out = trained(tmp_path)
    once = out.read_bytes()
    out.unlink()
    trained(tmp_path)
    assert out.read_bytes() == once
    out.unlink()
    trained(tmp_path, "--seed", "2")
    assert out.read_bytes() != once
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".new"] == []


def test_a_version_never_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = trained(tmp_path)
    once = out.read_bytes()
    trained(tmp_path)
    again = ["route", "train", str(tmp_path / "data.jsonl"), "--out", str(out), "--seed", "2"]
    assert main(again) == 2
    assert out.read_bytes() == once
    assert "model/router@1.0.0 is there" in capsys.readouterr().err
    assert main([*again, "--version", "1.0.1"]) == 0
    out.write_text("notes: mine\n")
    assert main([*again, "--version", "1.0.2"]) == 2
    assert out.read_text() == "notes: mine\n"


def test_metrics_on_other_data_are_kept_in_the_artifact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unseen = saved(tmp_path, "unseen.jsonl", rows(40, shift=3))
    out = trained(tmp_path, "--eval", str(unseen))
    metrics = json.loads(out.read_text())["metrics"]
    assert metrics["accuracy"][0] == 1.0
    assert metrics["data"][0]["rows"] == 80
    assert load_workspace(tmp_path).faults == []
    assert "model/router@1.0.0 on 80 labelled calls (40 code, 40 words)" in capsys.readouterr().out


def test_evaluation_says_no_where_it_is_no_better(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = trained(tmp_path)
    assert main(["route", "evaluate", str(out), str(tmp_path / "data.jsonl")]) == 1
    told = capsys.readouterr().out
    assert "does NOT beat both baselines" in told  # here length tells the classes apart as well
    assert "confidence is off by" in told


def test_money_saved_and_quality_lost_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = trained(tmp_path)
    both = [{**row, "label": plain["label"]} for row, plain in zip(graded(60), rows(60), strict=True)]
    data = saved(tmp_path, "graded.jsonl", both)
    main(["route", "evaluate", str(out), str(data), "--send", "code=strong,words=cheap"])
    told = capsys.readouterr().out
    assert "quality lost" in told
    assert "50% cheap, 50% strong" in told
    assert "45.0%" in told


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["evaluate", "missing.yaml", "data.jsonl"], "missing.yaml: cannot be read"),
        (["evaluate", "data.jsonl", "data.jsonl"], "not valid YAML"),
        (["evaluate", "router.yaml", "missing.jsonl"], "missing.jsonl: cannot be read"),
        (["evaluate", "router.yaml", "data.jsonl", "--send", "code=gold"], "no tier `gold`"),
        (["train", "data.jsonl", "--out", "no/such/folder.yaml"], "cannot be written"),
    ],
)
def test_mistakes_are_told(
    tmp_path: Path,
    arguments: list[str],
    wrong: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["route", *arguments]) == 2
    assert wrong in capsys.readouterr().err
