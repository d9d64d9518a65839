"""`headgate scan --rewrite`: call sites that go through Headgate, first as a diff."""

from __future__ import annotations

import difflib
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from headgate.cli.tables import legible, say
from headgate.core.errors import ConfigError
from headgate.scanner import Extracted

if TYPE_CHECKING:
    from headgate.scanner.rewrite import Rewritten

NEXT = "set OPENAI_BASE_URL to the gateway's address with /v1 and OPENAI_API_KEY to one of its keys; the SDK reads both"


def rewrite(root: Path, prompts: Sequence[Extracted], write: bool) -> None:
    """Shows what would change below `root`, and changes it where `write` says so. Raises ConfigError."""
    change = _rewriter()
    folder = root if root.is_dir() else root.parent
    by_path: dict[str, list[Extracted]] = defaultdict(list)
    for one in prompts:
        by_path[one.finding.path].append(one)
    calls = 0
    for path, found in sorted(by_path.items()):
        if not path.endswith(".py"):
            say(f"left as it is: {path}: only Python is rewritten")
            continue
        file = folder / path
        try:
            with file.open(encoding="utf-8", newline="") as stream:
                before = stream.read()
            made = change(before, found)
        except (OSError, ValueError) as error:
            say(f"left as it is: {path}: {error}")
            continue
        for line in difflib.unified_diff(before.split("\n"), made.source.split("\n"), path, path, lineterm=""):
            print(legible(line))
        for kept in made.kept:
            say(f"left as it is: {path}:{kept.line}: {kept.why}")
        if write and made.calls:
            _replace(file, made.source)
        calls += made.calls
    say(f"{calls} calls {'rewritten' if write else 'would be rewritten; --write does it'}")
    if calls:
        say(f"next: {NEXT}")


def _rewriter() -> Callable[[str, Sequence[Extracted]], Rewritten]:
    try:
        module = import_module("headgate.scanner.rewrite")
    except ImportError as error:
        raise ConfigError("--rewrite", "libcst is not installed", "pip install 'headgate[scan]'") from error
    return cast("Callable[[str, Sequence[Extracted]], Rewritten]", module.rewritten)


def _replace(file: Path, source: str) -> None:
    """The file's new content, whole or not at all; its mode stays."""
    made = file.with_name(f".{file.name}.headgate")
    try:
        with made.open("x", encoding="utf-8", newline="") as stream:
            stream.write(source)
            stream.flush()
            os.fsync(stream.fileno())
        made.chmod(file.stat().st_mode & 0o7777)
        made.replace(file)
    except OSError as error:
        raise ConfigError(str(file), f"cannot be written: {error.strerror}", "a file that can be") from error
