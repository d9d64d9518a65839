"""`make` on a machine that lacks something says what, in one line, before it does anything."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    fake = folder / "python"
    fake.write_text("#!/bin/sh\n" + python)
    fake.chmod(0o755)
    return subprocess.run(["make", "run", f"PYTHON={fake}"], cwd=folder, capture_output=True, text=True, check=False)


def test_an_old_python_is_named(tmp_path: Path) -> None:
    done = make(tmp_path, 'if [ "$1" = --version ]; then echo Python 3.9.1; else exit 1; fi\n')
    assert done.returncode != 0
    assert "Headgate needs Python 3.11 or newer" in done.stdout
    assert "Python 3.9.1" in done.stdout


def test_a_missing_venv_module_says_which_package_to_install(tmp_path: Path) -> None:
    done = make(tmp_path, f'case "$2" in *ensurepip*) exit 1;; *) exec {sys.executable} "$@";; esac\n')
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stdout
    assert not (tmp_path / ".venv").exists()
