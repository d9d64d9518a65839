"""Writes small projects and scans them."""

from __future__ import annotations

import textwrap
from pathlib import Path

from headgate.scanner import Finding, Scan, scan


def scanned(folder: Path, **files: str) -> Scan:
    """Scans a project of the given files; `a__b` is the file `a/b.py`, a name with a dot is taken as it is."""
    for name, source in files.items():
        path = folder / (name if "." in name else f"{name.replace('__', '/')}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source).lstrip("\n"))
    return scan(folder)


def found(folder: Path, **files: str) -> list[tuple[str, int]]:
    """Kind and line of every finding, in order."""
    return [(one.kind, one.line) for one in scanned(folder, **files).findings]


def only(folder: Path, kind: str, **files: str) -> Finding:
    """The only finding of a kind."""
    [one] = [one for one in scanned(folder, **files).findings if one.kind == kind]
    return one
