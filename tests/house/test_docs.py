"""The documentation keeps up: links lead somewhere, every command, setting and file of a room is told of."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import msgspec
import pytest

from headgate.app.config import ModelSource, PriceSource, ProviderSource, Source
from headgate.cli.main import COMMANDS
from headgate.core.events import KINDS
from tests.support.management import control_in, roles_table

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "headgate"
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(SRC.rglob("README.md")),
]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


def test_every_page_of_the_docs_is_linked_from_the_readme() -> None:
    linked = set(LINK.findall((ROOT / "README.md").read_text()))
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"docs/{page.name}" not in linked] == []


def test_every_command_is_told_of() -> None:
    text = "".join(page.read_text() for page in PAGES)
    assert [name for name in COMMANDS if f"headgate {name}" not in text] == []


def test_every_kind_of_event_is_told_of() -> None:
    told = re.findall(r"^\| (`[a-z_`, ]+`) \|", (ROOT / "docs" / "events.md").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(told))) == sorted(KINDS)


def test_who_may_do_what_is_told_as_the_code_has_it(tmp_path: Path) -> None:
    """`python -m scripts.write_roles` writes it anew."""
    control = control_in(tmp_path)
    table = roles_table(control.handlers())
    control.close()
    assert table in (ROOT / "docs" / "roles.md").read_text()


def test_every_setting_is_told_of() -> None:
    text = (ROOT / "docs" / "providers.md").read_text()
    names = {
        f.encode_name for s in (Source, ProviderSource, ModelSource, PriceSource) for f in msgspec.structs.fields(s)
    }
    assert sorted(name for name in names if f"{name}" not in text) == []


@pytest.mark.parametrize("room", sorted(p.parent for p in SRC.rglob("README.md")), ids=lambda room: room.name)
def test_a_rooms_readme_names_every_file(room: Path) -> None:
    """By its name, by a pattern such as `*_types.py`, or by its folder, `checks/`."""
    named = re.findall(r"`([\w*./]+)`", (room / "README.md").read_text())
    files = [path.relative_to(room).as_posix() for path in room.rglob("*.py") if path.name != "__init__.py"]
    patterns = [name + "*" if name.endswith("/") else name for name in named]
    assert [file for file in sorted(files) if not any(fnmatch.fnmatch(file, pattern) for pattern in patterns)] == []
