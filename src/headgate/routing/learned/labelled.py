"""Labelled calls: a JSONL file of requests and what would have been right for them.

One JSON object a line: `text`, or `messages` ([{role, content}]) with `tools` (true or false); and `label`, the right
class, or `quality`: how good each tier's answer was ({cheap: 0.4, strong: 1}), with `cost`, what it cost in US dollars.
With both, `label` is the class, and `quality` and `cost` tell what sending classes to tiers would come to. Other fields
are passed over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from headgate.core.errors import ConfigError
from headgate.routing.learned.features import Facts

FILE_BYTES_MAX = 512 * 1024 * 1024
ROWS_MAX = 200_000


class Turn(msgspec.Struct):
    """One message of a row."""

    role: str
    content: str = ""


class Row(msgspec.Struct):
    """One line of the file."""

    text: str | None = None
    messages: list[Turn] = []
    tools: bool = False
    label: str | None = None
    quality: dict[str, float] = {}
    cost: dict[str, float] = {}


class Labelled(msgspec.Struct, frozen=True):
    """One labelled call. `quality` and `cost` are per tier, empty where the file gives a label alone."""

    facts: Facts
    label: str
    quality: Mapping[str, float] = {}
    cost: Mapping[str, float] = {}


class DataSet(msgspec.Struct, frozen=True):
    """The rows of one or more files. `tiers` are the tiers, the cheapest first; empty where no row has a `quality`.

    `sources` are (SHA-256 in hex, number of rows) of the files; `tolerance` is what labels allow for.
    """

    rows: tuple[Labelled, ...]
    tiers: tuple[str, ...]
    sources: tuple[tuple[str, int], ...]
    tolerance: float = 0.0

    @property
    def classes(self) -> list[str]:
        """The classes that occur, sorted; where they are tiers, all of those, the cheapest first."""
        found = {row.label for row in self.rows}
        return [*self.tiers] if found <= set(self.tiers) else sorted(found)


def read_labelled(paths: Sequence[Path], tolerance: float = 0.0, tiers: Sequence[str] = ()) -> DataSet:
    """The rows of the files. Raises ConfigError naming file and line.

    Where rows give `quality`, the label is the cheapest tier whose quality is at most `tolerance` below the best.
    Tiers are put in order by their mean cost; where costs are unknown `tiers` says the order.
    """
    rows: list[Row] = []
    sources: list[tuple[str, int]] = []
    for path in paths:
        found, digest = _rows(path, ROWS_MAX - len(rows))
        rows += found
        sources.append((digest, len(found)))
    if not rows:
        raise ConfigError(str(paths[0]) if paths else "data", "no labelled calls", '{"text": ..., "label": ...}')
    graded = [row for row in rows if row.quality]
    if 0 < len(graded) < len(rows) or 0 < sum(row.label is None for row in rows) < len(rows):
        raise ConfigError(str(paths[0]), "rows are labelled in different ways", "the same fields in every row")
    order = _order(graded, tiers, str(paths[0])) if graded else ()
    made = [Labelled(_facts(row), _label(row, order, tolerance), row.quality, row.cost) for row in rows]
    return DataSet(tuple(made), order, tuple(sources), tolerance)


def _rows(path: Path, room: int) -> tuple[list[Row], str]:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(str(path), f"larger than {FILE_BYTES_MAX:,} bytes", "a part of it")
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}", "a JSONL file") from error
    decoder = msgspec.json.Decoder(Row)
    rows: list[Row] = []
    for number, line in enumerate(raw.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = decoder.decode(line)
        except msgspec.MsgspecError as error:
            raise ConfigError(f"{path}:{number}", str(error), '{"text": ..., "label": ...}') from error
        if (row.text is None) == (not row.messages) or (row.label is None and not row.quality):
            right = "`text` or `messages`, and `label` or `quality`"
            raise ConfigError(f"{path}:{number}", "a row says too little, or its text twice", right)
        rows.append(row)
        if len(rows) > room:
            raise ConfigError(f"{path}:{number}", f"more than {ROWS_MAX:,} rows", "a sample of them")
    return rows, hashlib.sha256(raw).hexdigest()


def _order(rows: Sequence[Row], stated: Sequence[str], where: str) -> tuple[str, ...]:
    names = sorted({name for row in rows for name in row.quality})
    if any(len(row.quality) < len(names) for row in rows) or len(names) < 2:
        raise ConfigError(where, "not every row has the quality of every tier", f"of {', '.join(names)} and another")
    if stated:
        if sorted(stated) != names:
            raise ConfigError("--tiers", f"{', '.join(stated)}", f"all of {', '.join(names)}, the cheapest first")
        return tuple(stated)
    if any(name not in row.cost for row in rows for name in names):
        raise ConfigError(
            where, "which tier is cheaper is not known", f"`cost` in every row, or --tiers {','.join(names)}"
        )
    mean = {name: sum(row.cost[name] for row in rows) for name in names}
    return tuple(sorted(names, key=lambda name: mean[name]))


def _label(row: Row, tiers: Sequence[str], tolerance: float) -> str:
    if row.label is not None:
        return row.label
    best = max(row.quality.values())
    return next(name for name in tiers if row.quality[name] >= best - tolerance)


def _facts(row: Row) -> Facts:
    if row.text is not None:
        return Facts(row.text, 1, row.tools, len(row.text))
    said = [turn.content for turn in row.messages if turn.role == "user"]
    return Facts(said[-1] if said else "", len(said), row.tools, sum(len(turn.content) for turn in row.messages))
