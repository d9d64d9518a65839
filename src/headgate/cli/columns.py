"""Long text side by side, wrapped to the terminal: what does not fit into a table's cells."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

from headgate.cli.tables import legible

WIDTH_MAX = 160
COLUMN_MIN = 24
GAP = "  "


def beside(rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Rows of a name and one cell for each column. Line ends in cells stay; what a terminal would obey is escaped."""
    names = max(len(name) for name, _ in rows)
    columns = max(len(cells) for _, cells in rows)
    width = max((_terminal() - names) // columns - len(GAP), COLUMN_MIN)
    lines: list[str] = []
    for name, cells in rows:
        wrapped = [_wrapped(cell, width) for cell in cells]
        for at in range(max(len(cell) for cell in wrapped)):
            parts = [cell[at] if at < len(cell) else "" for cell in wrapped]
            told = [(name if at == 0 else "").ljust(names), *(part.ljust(width) for part in parts)]
            lines.append(GAP.join(told).rstrip())
    return "\n".join(lines)


def block(rows: Sequence[tuple[str, str]]) -> str:
    """A name and its text on each row; the same as `beside` with one column."""
    return beside([(name, [text]) for name, text in rows])


def _terminal() -> int:
    return min(shutil.get_terminal_size((100, 24)).columns, WIDTH_MAX)


def _wrapped(text: str, width: int) -> list[str]:
    lines: list[str] = []
    for line in text.rstrip("\n").split("\n"):
        shown = legible(line.expandtabs(4))
        indent = " " * min(len(shown) - len(shown.lstrip(" ")), width // 2)
        lines += textwrap.wrap(
            shown, width, subsequent_indent=indent, drop_whitespace=True, replace_whitespace=False,
            break_on_hyphens=False,
        ) or [""]  # fmt: skip
    return lines
