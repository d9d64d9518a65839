"""A drill's result as dated evidence: one JSON file that tells what ran, when, and what came of it, and its own digest.

The digest shows damage and careless edits. It is no signature: whoever can write the folder can write a new file.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import msgspec

from headgate.core.artifact import digest
from headgate.core.errors import ConfigError
from headgate.core.types import Json

FORMAT = 1
FILE_BYTES_MAX = 16 << 20
SUFFIX = ".drill.json"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What one drill was and found. `at` is when it ended, UTC. None is unknown, or does not apply: `seed` of a drill
    without chance, `commit` of an installed package, `configuration` (a snapshot's digest) of a drill that makes its
    own. `sha256` is over the canonical JSON (sorted keys, no spaces, UTF-8) of all other fields."""

    format: int = FORMAT
    drill: str
    at: str
    passed: bool
    seed: int | None
    headgate: str
    commit: str | None
    configuration: str | None
    options: dict[str, Any]
    report: Any
    sha256: str = ""


class Found(msgspec.Struct, frozen=True):
    """A file of evidence. `trouble` says why it proves nothing; None where it is as it was written."""

    file: str
    evidence: Evidence | None
    trouble: str | None


def told_utc(at_ns: int) -> str:
    """`2026-11-25T06:20:00Z`, from nanoseconds since the Unix epoch."""
    moment = dt.datetime.fromtimestamp(at_ns // 1_000_000_000, tz=dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def sealed(evidence: Evidence) -> Evidence:
    """The evidence with its digest."""
    return msgspec.structs.replace(evidence, sha256=_digest(msgspec.to_builtins(evidence)))


def store_evidence(folder: Path, evidence: Evidence) -> Path:
    """Writes it under its date, drill and seed; never over a file that is there. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = evidence.at.replace("-", "").replace(":", "")
    name = f"{stamp}-{evidence.drill}" + ("" if evidence.seed is None else f"-seed{evidence.seed}")
    body = msgspec.json.format(msgspec.json.encode(sealed(evidence)), indent=2) + b"\n"
    scratch = folder / f".{name}.{os.getpid()}.new"
    with scratch.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    try:
        number = 1
        while True:
            target = folder / (name + (f"-{number}" if number > 1 else "") + SUFFIX)
            try:
                os.link(scratch, target)  # unlike a rename it fails where the name is taken
                break
            except FileExistsError:
                number += 1
    finally:
        scratch.unlink()
    _sync(folder)
    return target


def list_evidence(folder: Path) -> list[Found]:
    """Every file of evidence in a folder, oldest first, each held against its digest. Raises ConfigError."""
    if not folder.is_dir():
        raise ConfigError(str(folder), "there is no such folder", "the folder that `--evidence` was given")
    return [read_evidence(file) for file in sorted(folder.glob(f"*{SUFFIX}"))]


def read_evidence(file: Path) -> Found:
    """One file, held against its digest."""
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            return Found(file.name, None, f"larger than {FILE_BYTES_MAX} bytes")
        body = file.read_bytes()
        version = msgspec.json.decode(body, type=_Versioned).format
        if version != FORMAT:
            return Found(file.name, None, f"of format {version}; this version reads format {FORMAT}")
        evidence = msgspec.json.decode(body, type=Evidence)
        fields = msgspec.json.decode(body, type=dict[str, Any])  # an added field is a change, too
    except OSError as error:
        return Found(file.name, None, f"cannot be read: {error.strerror or type(error).__name__}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Found(file.name, None, "not evidence of a drill")
    if evidence.sha256 != _digest(fields):
        return Found(file.name, evidence, "changed since it was written: its digest does not fit")
    return Found(file.name, evidence, None)


class _Versioned(msgspec.Struct):
    format: int


def _digest(fields: dict[str, Json]) -> str:
    return digest({name: value for name, value in fields.items() if name != "sha256"})


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
