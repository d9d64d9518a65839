"""A baseline: what was found before, so that CI fails only on what is new. It holds no text of the project."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from headgate.core.errors import ConfigError
from headgate.scanner.finding import Finding

FORMAT = 1
FILE_BYTES_MAX = 32 * 1024 * 1024


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """How often a fingerprint was found. `path` and `kind` are for people who read the file."""

    fingerprint: str
    path: str
    kind: str
    count: int


class Baseline(msgspec.Struct, forbid_unknown_fields=True):
    """The file. Fingerprints do not change when lines move; the same text twice in a file counts two."""

    format: int
    entries: list[Entry]


def baseline_of(findings: list[Finding]) -> Baseline:
    """The baseline that makes none of the findings new."""
    counts = Counter((one.path, one.kind, one.fingerprint) for one in findings)
    return Baseline(FORMAT, [Entry(mark, path, kind, n) for (path, kind, mark), n in sorted(counts.items())])


def read_baseline(file: Path) -> Baseline:
    """Reads a baseline. Raises ConfigError where it is missing, too large or not one."""
    right = "write one with --write-baseline"
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(str(file), f"larger than {FILE_BYTES_MAX // 1024 // 1024} MB", right)
        found = msgspec.json.decode(file.read_bytes(), type=Baseline)
    except OSError as error:
        raise ConfigError(str(file), error.strerror or "cannot be read", right) from error
    except msgspec.DecodeError as error:
        raise ConfigError(str(file), f"not a baseline: {error}", right) from error
    if found.format != FORMAT:
        raise ConfigError(str(file), f"a baseline of format {found.format}", right)
    return found


def baseline_bytes(baseline: Baseline) -> bytes:
    """The file's content: sorted, one entry a line, so that version control shows what changed."""
    lines = ",\n".join(msgspec.json.encode(entry).decode() for entry in baseline.entries)
    return f'{{"format": {baseline.format}, "entries": [\n{lines}\n]}}\n'.encode()


def new_since(findings: list[Finding], baseline: Baseline) -> list[Finding]:
    """The findings that the baseline does not hold; of one text found more often than before, the last ones."""
    left = Counter({entry.fingerprint: entry.count for entry in baseline.entries})
    out: list[Finding] = []
    for one in findings:
        if left[one.fingerprint] > 0:
            left[one.fingerprint] -= 1
        else:
            out.append(one)
    return out
