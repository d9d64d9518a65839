"""Writes the table of `docs/roles.md` anew from the operations there are: `python -m scripts.write_roles`."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from tests.support.management import control_in, roles_table

PAGE = Path(__file__).parents[1] / "docs" / "roles.md"
TABLE = re.compile(r"^\| operation \|.*\n(?:\|.*\n)*", re.MULTILINE)


def main() -> None:
    """Replace the table; the rest of the page stays."""
    with tempfile.TemporaryDirectory() as folder:
        control = control_in(Path(folder))
        table = roles_table(control.handlers())
        control.close()
    text, found = TABLE.subn(lambda _: table, PAGE.read_text())
    if found != 1:
        raise SystemExit(f"{PAGE}: found {found} tables that begin with `| operation |`, not one")
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
