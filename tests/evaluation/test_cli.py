"""`headgate drill outage`: exit status, text, JSON, and the same bytes in every process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from headgate.cli.main import main

SHORT = ["--hours", "0.02", "--rate", "0.4"]


def drill(*arguments: str) -> int:
    return main(["drill", "outage", *SHORT, *arguments])


def test_nobody_noticed_is_0_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert drill("--provider", "anthropic", "--mode", "reset") == 0
    out, err = capsys.readouterr()
    assert "Everyone got the whole, right answer" in out
    assert "connections are reset before the answer" in out
    assert "CPU seconds" in err


def test_a_user_noticed_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    everyone = ("--provider", "openai", "--also", "anthropic", "--also", "google")
    assert drill(*everyone) == 1
    out = capsys.readouterr().out
    assert "HTTP 503: overloaded" in out
    assert "users noticed" in out
    assert "There was nowhere else to go." in out
    assert "went elsewhere" not in out
    assert "detect" not in out
    assert drill(*everyone, "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert report["failed"] == sum(report["failures"].values()) > 0


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--provider", "acme"],
        ["--provider", "openai", "--mode", "gremlins"],
        ["--provider", "openai", "--share", "1.5"],
        ["--provider", "openai", "--hours", "0"],
        ["--provider", "openai", "--rate", "nan"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["drill", "outage", *arguments])
    assert ended.value.code == 2
    capsys.readouterr()


def test_a_drill_that_contradicts_itself_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert drill("--provider", "openai", "--also", "openai") == 2
    assert drill("--provider", "openai", "--hours", "100000", "--rate", "100") == 2
    assert "would be right" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [["outage", "--provider", "openai"], ["fault", "F7"]])
def test_a_folder_for_evidence_that_cannot_be_written_is_told_before_the_drill(
    verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["drill", *verb, "--evidence", str(tmp_path / "file")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "cannot be written" in err


def test_with_a_configuration_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(Path(str(files("headgate"))) / "data" / "drill", tmp_path / "drill")
    config = tmp_path / "drill" / "headgate.yaml"
    route = tmp_path / "drill" / "workspace" / "routes" / "default.yaml"
    route.write_text(route.read_text().replace("attempts: 3", "attempts: 1"))
    assert drill("--provider", "openai", "--config", str(config)) == 1
    assert "users noticed" in capsys.readouterr().out
    assert drill("--provider", "openai", "--config", str(config), "--live") == 2
    config.write_text(config.read_text().replace("http://127.0.0.1:9103", "https://vendor.example"))
    assert drill("--provider", "openai", "--config", str(config)) == 2
    assert "`google`" in capsys.readouterr().err
    config.write_text(config.read_text().replace("  google:", "  gemini:"))
    assert drill("--provider", "openai", "--config", str(config)) == 2
    assert drill("--provider", "openai", "--config", str(tmp_path / "none.yaml")) == 2


def test_the_same_bytes_whatever_the_process_hashes_by() -> None:
    command = [sys.executable, "-m", "headgate.cli", "drill", "outage", *SHORT, "--json"]
    command += ["--provider", "google", "--mode", "partial", "--share", "0.5"]
    runs = [
        subprocess.run(command, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert json.loads(runs[0])["share"] == 0.5
