"""Scores in a CSV file: rows with their lines, bad ones with the reason."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from headgate.cli.times import moment
from headgate.core.errors import ConfigError

COLUMNS = ("call_id", "name", "value", "source", "comment", "at")
MORE = ("correction", "by", "id")
NEEDED = ("call_id", "name")
ROWS_MAX = 1_000_000
SOURCES = ("user", "evaluator", "label")


class Reader(Protocol):
    """What `csv.reader` makes: rows of cells, and how many lines were read."""

    line_num: int

    def __next__(self) -> list[str]:
        """The next row."""
        ...

    def __iter__(self) -> Iterator[list[str]]:
        """Itself."""
        ...


class Row(NamedTuple):
    """A row that can be sent. Empty cells are None."""

    line: int
    call_id: str
    name: str
    value: str | None
    source: str
    comment: str | None
    at: datetime | None
    correction: str | None
    by: str | None
    id: str | None


class BadRow(NamedTuple):
    """A row that cannot: its line from 1, and why."""

    line: int
    why: str


def read_rows(file: Path) -> Iterator[Row | BadRow]:
    """The rows of a CSV file with a head. Raises ConfigError for a file that is none, or whose head is wrong."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            yield from _rows(file, csv.reader(stream, strict=True))
    except FileNotFoundError:
        raise ConfigError(str(file), "there is no such file", f"a CSV file: {','.join(COLUMNS)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), f"cannot be read: {type(error).__name__}", "a UTF-8 CSV file") from error


def _rows(file: Path, reader: Reader) -> Iterator[Row | BadRow]:
    first = next(reader, None)
    head = [cell.strip() for cell in first or ()]
    unknown = [name for name in head if name not in (*COLUMNS, *MORE)]
    missing = [name for name in NEEDED if name not in head]
    if unknown or missing or len(set(head)) != len(head):
        wrong = "the same column twice"
        if unknown or missing:
            wrong = f"unknown column `{unknown[0]}`" if unknown else f"no column `{missing[0]}`"
        raise ConfigError(f"{file}:1", wrong, f"{','.join(COLUMNS)}, and {', '.join(MORE)} where wanted")
    count = 0
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield BadRow(line, f"no CSV: {error}")
            continue
        if cells is None:
            return
        if not cells:
            continue
        count += 1
        if count > ROWS_MAX:
            yield BadRow(line, f"more than {ROWS_MAX} rows; what follows was not read")
            return
        yield _row(line, head, cells)


def _row(line: int, head: list[str], cells: list[str]) -> Row | BadRow:
    if len(cells) != len(head):
        return BadRow(line, f"{len(cells)} cells under {len(head)} columns")
    said = {name: cell.strip() or None for name, cell in zip(head, cells, strict=True)}
    call_id, name, source = said["call_id"], said["name"], said.get("source") or "user"
    if call_id is None or name is None:
        return BadRow(line, "`call_id` and `name` are not empty")
    if source not in SOURCES:
        return BadRow(line, f"source `{source}` is none of {', '.join(SOURCES)}")
    if said.get("value") is None and said.get("correction") is None:
        return BadRow(line, "`value` is empty, and there is no correction")
    at = said.get("at")
    try:
        when = None if at is None else moment(at)
    except argparse.ArgumentTypeError as error:
        return BadRow(line, str(error))
    return Row(
        line, call_id, name, said.get("value"), source, said.get("comment"), when, said.get("correction"),
        said.get("by"), said.get("id"),
    )  # fmt: skip
