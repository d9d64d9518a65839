"""`headgate init` writes a workspace that is sound as it stands, and overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.app import check, load_config
from headgate.cli.main import main

KEYS = {"OPENAI_API_KEY": "sk-a", "ANTHROPIC_API_KEY": "sk-b", "GOOGLE_API_KEY": "g-c"}


@pytest.mark.parametrize("present", [["OPENAI_API_KEY"], ["ANTHROPIC_API_KEY", "GOOGLE_API_KEY"], list(KEYS)])
def test_what_is_written_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: list[str]) -> None:
    for name, value in KEYS.items():
        if name in present:
            monkeypatch.setenv(name, value)
        else:
            monkeypatch.delenv(name, raising=False)
    assert main(["init", str(tmp_path / "new")]) == 0
    config = load_config(tmp_path / "new" / "headgate.yaml", KEYS, tmp_path)
    assert [s.name.upper() + "_API_KEY" for s in config.providers] == present
    compiled = check(config)
    assert compiled.faults == []
    assert compiled.snapshot is not None
    route = compiled.snapshot.apps["support"].channels["production"].route
    assert [target.provider.upper() + "_API_KEY" for target in route.targets] == present
    assert "sk-" not in "".join(path.read_text() for path in (tmp_path / "new").rglob("*.yaml"))


def test_without_any_key_it_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    assert main(["init", str(tmp_path)]) == 0
    assert "export OPENAI_API_KEY=... before `headgate up`" in capsys.readouterr().out


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "headgate.yaml").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "headgate.yaml").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["headgate.yaml"]
