"""Drills' results kept as evidence, and `headgate drill list`, which lists and verifies them."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

import headgate
from headgate.cli.commands import Commands
from headgate.cli.tables import UNKNOWN, print_json, say, table, word
from headgate.core.errors import ConfigError
from headgate.evaluation import Evidence, Found, list_evidence, store_evidence, told_utc
from headgate.wire.clock import SystemClock

FOLDER = Path("evidence")
COMMIT = "HEADGATE_COMMIT"
_GIT_S = 5.0


class Drilled(msgspec.Struct, frozen=True):
    """A drill that is over: its name, whether it passed, and what evidence of it holds (`evaluation.Evidence`)."""

    drill: str
    passed: bool
    seed: int | None
    configuration: str | None
    options: dict[str, Any]
    report: Any


def add_evidence_option(parser: argparse.ArgumentParser) -> None:
    """`--evidence FOLDER`; without it nothing is kept."""
    parser.add_argument("--evidence", type=Path, metavar="FOLDER", help="keep the result there, as a dated JSON file")


def check_evidence(options: argparse.Namespace) -> None:
    """Before a drill that may take long: makes the folder. Raises ConfigError where nothing can be written there."""
    folder = options.evidence
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from error


def keep(options: argparse.Namespace, drilled: Drilled) -> None:
    """Stores the result where that is asked for; says where, on stderr. Raises ConfigError where it cannot."""
    if options.evidence is None:
        return
    evidence = Evidence(
        drill=drilled.drill,
        at=told_utc(SystemClock.now_ns()),
        passed=drilled.passed,
        seed=drilled.seed,
        headgate=headgate.__version__,
        commit=commit(),
        configuration=drilled.configuration,
        options=drilled.options,
        report=drilled.report,
    )
    try:
        file = store_evidence(options.evidence, evidence)
    except OSError as error:
        raise _unwritable(options.evidence, error) from error
    print(f"evidence: {file}", file=sys.stderr)


def _unwritable(folder: Path, error: OSError) -> ConfigError:
    wrong = f"cannot be written: {error.strerror or type(error).__name__}"
    return ConfigError(str(folder), wrong, "a folder that may be written")


def commit() -> str | None:
    """The commit that runs: HEADGATE_COMMIT, else that of the checkout this package lies in, `-dirty` behind it where
    files differ from it; None where neither is."""
    said = os.environ.get(COMMIT)
    root = Path(headgate.__file__).parents[2]
    if said or not (root / ".git").exists():
        return said or None
    asked = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=_GIT_S)  # noqa: S603 - no outside input
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def register(verbs: Commands) -> None:
    """Adds `list`."""
    parser = verbs.add_parser("list", help="list and verify the evidence of drills; exit 1 where one proves nothing")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, metavar="FOLDER", help=f"({FOLDER})")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 where every file is as it was written. Raises ConfigError where there is no such folder."""
    found = list_evidence(options.folder)
    if options.json:
        print_json([msgspec.to_builtins(one) for one in found])
    else:
        for line in told(found):
            say(line)
    return 1 if any(one.trouble for one in found) else 0


def told(found: Sequence[Found]) -> list[str]:
    """The table's lines, or that there is nothing."""
    if not found:
        return ["No evidence here."]
    head = ["WHEN", "DRILL", "SEED", "PASSED", "HEADGATE", "COMMIT", "FILE", "AS WRITTEN"]
    return table(head, [_row(one) for one in found]).splitlines()


def _row(found: Found) -> list[str]:
    one = found.evidence
    if one is None:
        return [UNKNOWN] * 6 + [found.file, f"NO: {found.trouble}"]
    return [
        one.at, one.drill, word(one.seed), "yes" if one.passed else "NO", one.headgate, _short(one.commit),
        found.file, "yes" if found.trouble is None else f"NO: {found.trouble}",
    ]  # fmt: skip


def _short(commit: str | None) -> str:
    """Twelve signs of a commit, and whether files differed from it."""
    name, mark, _ = (commit or UNKNOWN).partition("-dirty")
    return name[:12] + mark
