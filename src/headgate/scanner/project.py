"""Scans a file or folder: which files, within which limits, and what their yields say together."""

from __future__ import annotations

import os
import tokenize
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import cast

import msgspec

from headgate.core.errors import ConfigError
from headgate.scanner.finding import CONFIDENCES, Confidence, Draft, Finding, Message, Prompt, Skipped, finding
from headgate.scanner.gathered import Gathered
from headgate.scanner.judge import judged, reached
from headgate.scanner.python import read_python
from headgate.scanner.text import Text, filled

FILE_BYTES_MAX = 2 * 1024 * 1024
FILES_MAX = 50_000
FINDINGS_MAX = 50_000
PYTHON = (".py", ".pyi")
SCRIPTS = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")
SCRIPT_READER = "headgate.scanner.script"
IGNORED = frozenset({
    ".git", ".hg", ".svn", "node_modules", ".venv", "venv", ".tox", ".nox", "__pycache__", "site-packages", "build",
    "dist", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".eggs", "vendor", ".next", "coverage",
})  # fmt: skip


class Scan(msgspec.Struct):
    """What a scan found. `lines` counts the lines that were read, `scripts_unread` JS and TS files left out."""

    root: str
    findings: list[Finding]
    skipped: list[Skipped]
    files: int = 0
    lines: int = 0
    scripts_unread: int = 0


def scan(path: Path, exclude: Sequence[str] = ()) -> Scan:
    """Scans a file, or every source file below a folder. `exclude` are shell patterns over relative paths.

    Raises ConfigError where there is nothing to scan.
    """
    if not path.exists():
        raise ConfigError(str(path), "there is no such file or folder", "name the folder that holds the code")
    root = path if path.is_dir() else path.parent
    out = Scan(str(path), [], [])
    script = _script_reader()
    gathered: list[Gathered] = []
    for file in _files(path, out):
        name = file.relative_to(root).as_posix()
        if any(fnmatch(name, pattern) for pattern in exclude):
            continue
        if file.suffix in SCRIPTS and script is None:
            out.scripts_unread += 1
            continue
        source = _source(file, name, root, out)
        if source is None:
            continue
        one = read_python(name, source) if file.suffix in PYTHON else cast("_Reader", script)(name, source)
        out.files += 1
        out.lines += one.lines
        if one.skipped is not None:
            out.skipped.append(one.skipped)
        gathered.append(one)
    out.findings = settled(gathered)
    return out


_Reader = Callable[[str, str], Gathered]


def _script_reader() -> _Reader | None:
    """The reader of JavaScript and TypeScript, where the extra `scan` is installed."""
    try:
        return cast("_Reader", import_module(SCRIPT_READER).read_script)
    except ImportError:
        return None


def _files(path: Path, out: Scan) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    count = 0
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(f for f in folders if f not in IGNORED and not f.endswith(".egg-info"))
        for name in sorted(names):
            if not name.endswith((*PYTHON, *SCRIPTS)) or name.endswith((".min.js", ".d.ts")):
                continue
            count += 1
            if count > FILES_MAX:
                out.skipped.append(Skipped(".", f"more than {FILES_MAX} source files; the rest was left out"))
                return
            yield Path(folder) / name


def _source(file: Path, name: str, root: Path, out: Scan) -> str | None:
    """The text of a file; None, and an entry in `skipped`, where it is not to be read."""
    try:
        if file.is_symlink() and not file.resolve().is_relative_to(root.resolve()):
            out.skipped.append(Skipped(name, "a link to a file outside the folder"))
            return None
        if file.stat().st_size > FILE_BYTES_MAX:
            out.skipped.append(Skipped(name, f"larger than {FILE_BYTES_MAX // 1024 // 1024} MB"))
            return None
        raw = file.read_bytes()
        encoding = tokenize.detect_encoding(BytesIO(raw).readline)[0] if file.suffix in PYTHON else "utf-8-sig"
        return raw.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1  # pyright: ignore[reportPossiblyUnboundVariable] - decoding follows reading
        out.skipped.append(Skipped(name, "not UTF-8 text", line))
    except (SyntaxError, LookupError):
        out.skipped.append(Skipped(name, "names an encoding that does not exist or is not UTF-8", 1))
    except OSError as error:
        out.skipped.append(Skipped(name, error.strerror or "cannot be read"))
    return None


def settled(gathered: list[Gathered]) -> list[Finding]:
    """Every finding of all files, names looked up across them, in the order of paths and lines."""
    look_up = _constants(gathered)
    levels = reached(gathered)
    out: list[Finding] = []
    for one in gathered:
        drafts = list(one.drafts)
        for candidate in one.candidates:
            confidence = judged(candidate, one.path, levels)
            if confidence is not None:
                candidate.draft.confidence = confidence
                said = Message("system", candidate.draft.text)
                candidate.draft.prompt = Prompt((said,), candidate.slot or candidate.function)
                drafts.append(candidate.draft)
        for draft in drafts:
            _settle(draft, look_up)
            out.append(finding(one.path, draft))
    out.sort(key=lambda f: (f.path, f.line, f.column, f.kind))
    return out[:FINDINGS_MAX]


def _settle(draft: Draft, look_up: Callable[[str], Text | None]) -> None:
    draft.text = filled(draft.text, look_up)
    if draft.prompt is not None:
        said = tuple(Message(m.role, filled(m.text, look_up)) for m in draft.prompt.messages)
        draft.prompt = msgspec.structs.replace(draft.prompt, messages=said)


def _constants(gathered: list[Gathered]) -> Callable[[str], Text | None]:
    """Looks a dotted name up as importers write it: `pkg.prompts.NAME`, whatever folder `pkg` stands in."""
    exact: dict[str, Text] = {}
    short: dict[str, Text | None] = {}
    for one in gathered:
        for name, text in one.constants.items():
            exact[name] = text
            words = name.split(".")
            for start in range(1, len(words) - 1):
                tail = ".".join(words[start:])
                short[tail] = None if tail in short else text  # two of a name: neither

    def look_up(name: str) -> Text | None:
        return exact.get(name) or short.get(name)

    return look_up


def at_least(findings: list[Finding], confidence: Confidence) -> list[Finding]:
    """The findings that are as sure as `confidence` or surer."""
    wanted = CONFIDENCES[: CONFIDENCES.index(confidence) + 1]
    return [one for one in findings if one.confidence in wanted]
