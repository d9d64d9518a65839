"""Plain tables, money, times: how commands print. Names come from callers and providers and may hold anything."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

UNKNOWN = "-"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns; numbers (by their look) to the right. What is not printable is escaped."""
    lines = [list(head), *[[legible(cell) for cell in row] for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    right = [bool(rows) and all(_numeric(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _numeric(cell: str) -> bool:
    return cell == UNKNOWN or (bool(cell) and cell.lstrip("$").replace(".", "").replace(",", "").rstrip("%").isdigit())


def legible(text: str) -> str:
    """Text that a terminal shows and does not obey: control and format characters (line ends, ESC, marks of writing
    direction) are written as escapes."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def say(text: str, error: bool = False) -> None:
    """One line of output, or of error output."""
    print(legible(text), file=sys.stderr if error else sys.stdout)


def usd(value: float | None) -> str:
    """US dollars, with as many digits as small amounts need; `-` where unknown."""
    if value is None:
        return UNKNOWN
    return f"${value:.2f}" if value >= 1 else f"${value:.6f}".rstrip("0").rstrip(".")


def number(value: float | None, unit: str = "") -> str:
    """A count or a measure; `-` where unknown."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}{unit}" if value >= 100 or value == int(value) else f"{value:.1f}{unit}"


def word(value: object) -> str:
    """Text as it is; `-` for none."""
    return UNKNOWN if value is None or value == "" else str(value)


def print_json(value: Any) -> None:
    """One JSON document, for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
