"""`headgate export`: the running registry as a workspace folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import say
from headgate.core.errors import ConfigError
from headgate.registry import write_yaml


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("export", help="write the running registry as a workspace folder")
    parser.add_argument("folder", type=Path, help="an empty or new folder")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """One file for each name, its versions one below the other."""
    folder: Path = options.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(str(folder), "there is something in it", "an empty or new folder")
    documents = Client.of(options).get("/api/registry/export")["documents"]
    files: dict[Path, list[dict[str, Any]]] = {}
    for one in documents:
        files.setdefault(Path(f"{one['kind']}s") / f"{one['name']}.yaml", []).append(_fields(one))
    for path, rows in sorted(files.items()):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(write_yaml(rows), encoding="utf-8")
    say(f"{len(documents)} documents in {len(files)} files: {folder}")
    return 0


def _fields(one: dict[str, Any]) -> dict[str, Any]:
    """A document as people write it: what it is, who answers for it, then its content."""
    about = {key: one[key] for key in ("kind", "name", "version", "owner", "author", "message") if one.get(key)}
    return {**about, **one["content"]}
