"""Evidence of drills: written once and whole, never over another, and no change goes unseen."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headgate
from headgate.cli.drill_evidence import commit
from headgate.cli.main import main
from headgate.core.errors import ConfigError
from headgate.evaluation import Evidence, list_evidence, read_evidence, store_evidence, told_utc

ONE = Evidence(
    drill="outage-openai-503", at="2026-11-25T06:20:00Z", passed=True, seed=1, headgate="0.1.0", commit=None,
    configuration="ab" * 32, options={"hours": 4.0}, report={"failed": 0, "added_ms": {"p99": 0.5, "max": None}},
)  # fmt: skip


def test_what_is_stored_is_read_back_and_verified(tmp_path: Path) -> None:
    file = store_evidence(tmp_path / "new" / "folder", ONE)
    assert file.name == "20261125T062000Z-outage-openai-503-seed1.drill.json"
    found = read_evidence(file)
    assert (found.trouble, found.file) == (None, file.name)
    assert found.evidence is not None
    assert msgspec.structs.replace(found.evidence, sha256="") == ONE
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_second_run_of_the_same_second_takes_another_name(tmp_path: Path) -> None:
    first, second = store_evidence(tmp_path, ONE), store_evidence(tmp_path, ONE)
    assert second.name == "20261125T062000Z-outage-openai-503-seed1-2.drill.json"
    assert first.read_bytes() == second.read_bytes()


def test_a_drill_without_chance_has_no_seed_in_its_name(tmp_path: Path) -> None:
    file = store_evidence(tmp_path, msgspec.structs.replace(ONE, drill="fault-all", seed=None))
    assert file.name == "20261125T062000Z-fault-all.drill.json"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("passed", False),
        ("seed", 2),
        ("at", "2026-11-25T06:20:01Z"),
        ("commit", "c0ffee"),
        ("added", 1),
        ("report", {}),
    ],
)
def test_no_change_goes_unseen(tmp_path: Path, name: str, value: object) -> None:
    file = store_evidence(tmp_path, ONE)
    file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))
    assert "changed since it was written" in (read_evidence(file).trouble or "")


def test_layout_is_not_content(tmp_path: Path) -> None:
    """Order of keys, spaces, and 4.0 for 4 are one content."""
    file = store_evidence(tmp_path, ONE)
    fields = json.loads(file.read_text())
    fields["options"]["hours"] = 4
    file.write_text(json.dumps(dict(reversed(fields.items())), separators=(",", ":")))
    assert read_evidence(file).trouble is None


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_file_is_told_and_never_raises(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "x.drill.json"
    file.write_bytes(body)
    assert read_evidence(file).trouble is not None


def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    file = store_evidence(tmp_path, ONE)
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 2, "passed": "whatever that means then"}))
    assert read_evidence(file).trouble == "of format 2; this version reads format 1"


def test_the_command_lists_and_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = store_evidence(tmp_path, ONE)
    assert main(["drill", "list", str(tmp_path)]) == 0
    assert file.name in capsys.readouterr().out
    file.write_text(file.read_text().replace('"passed": true', '"passed": false'))
    assert main(["drill", "list", str(tmp_path), "--json"]) == 1
    (told,) = json.loads(capsys.readouterr().out)
    assert "changed" in told["trouble"]
    assert main(["drill", "list", str(tmp_path / "nowhere")]) == 2
    with pytest.raises(ConfigError):
        list_evidence(tmp_path / "nowhere")


def test_a_drill_keeps_its_result_only_where_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    drill = ["drill", "outage", "--provider", "google", "--hours", "0.02", "--rate", "0.2"]
    assert main(drill) == 0
    assert list(tmp_path.iterdir()) == []
    assert main([*drill, "--evidence", "kept", "--json"]) == 0
    (found,) = list_evidence(tmp_path / "kept")
    assert found.trouble is None
    assert found.evidence is not None
    assert (found.evidence.drill, found.evidence.seed, found.evidence.passed) == ("outage-google-503", 1, True)
    assert found.evidence.report["failed"] == 0
    assert len(found.evidence.configuration or "") == 64


def test_times_are_utc() -> None:
    assert told_utc(0) == "1970-01-01T00:00:00Z"
    assert told_utc(1_764_051_600_999_999_999) == "2025-11-25T06:20:00Z"


def test_the_commit_that_is_said_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_COMMIT", "c0ffee")
    assert commit() == "c0ffee"


def test_a_package_outside_of_a_checkout_has_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HEADGATE_COMMIT", raising=False)
    monkeypatch.setattr(headgate, "__file__", str(tmp_path / "lib" / "headgate" / "__init__.py"))
    assert commit() is None
