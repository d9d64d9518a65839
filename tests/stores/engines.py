"""The engines every conformance test runs on. A new engine is one more entry of CALL_STORES."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from headgate.stores.calls_sqlite import SqliteCalls
from headgate.telemetry import CallStore, fold


def sqlite_calls(folder: Path) -> CallStore:
    """SQLite, in files of its own in the folder; opened again on the same folder it finds what was written."""
    return SqliteCalls(folder, fold)


CALL_STORES: dict[str, Callable[[Path], CallStore]] = {"sqlite": sqlite_calls}
