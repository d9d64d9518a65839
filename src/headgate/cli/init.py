"""`headgate init`: a commented configuration and workspace to start from."""

from __future__ import annotations

import argparse
import os
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from headgate.app.config import FILE, VENDOR_KEYS
from headgate.cli.commands import Commands
from headgate.core.errors import ConfigError
from headgate.routing import TierTable

ROUTE = "workspace/default-route.yaml"
TIER = "small"


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("init", help="write a commented headgate.yaml and workspace to start from")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="where to; the current folder")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the files. Nothing that exists is overwritten."""
    folder: Path = options.folder
    found = [name for name, variable in VENDOR_KEYS.items() if os.environ.get(variable)]
    chosen = found or ["openai"]
    texts = {path: text for path, text in _shipped(files("headgate") / "data" / "init", "")}
    texts[FILE] += "".join(_provider(name, name in chosen) for name in VENDOR_KEYS)
    texts[ROUTE] = _route(chosen)
    for path in texts:
        if (folder / path).exists():
            raise ConfigError(str(folder / path), "is there already", "an empty folder: `headgate init FOLDER`")
    for path, text in sorted(texts.items()):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        print(folder / path)
    if not found:
        print(f"No provider key is set: export {VENDOR_KEYS['openai']}=... before `headgate up`.")
    print("Next: headgate check, then headgate up.")
    return 0


def _shipped(folder: Traversable, at: str) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            out += _shipped(entry, f"{at}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            out.append((at + entry.name, entry.read_text()))
    return out


def _provider(name: str, active: bool) -> str:
    lines = [f"  {name}:", f"    type: {name}", f"    key_env: {VENDOR_KEYS[name]}"]
    return "".join((line if active else f"  # {line[2:]}") + "\n" for line in lines)


def _route(providers: list[str]) -> str:
    """The shipped tier's model of each provider, in order."""
    peers = next(tier.peers for tier in TierTable.load().tiers if tier.name == TIER)
    targets = "".join(f"  - {name}/{peers[name]}\n" for name in providers)
    return (
        "# Whom to ask, in order: the next one answers where one fails. See docs/routing.md.\n"
        "kind: route\nname: default\nversion: 1.0.0\nowner: your-platform-team\nmessage: First version.\n"
        f"targets:\n{targets}"
        "deadlines: {connect_s: 3, first_token_s: 20, idle_s: 30, total_s: 120}\n"
        "attempts: 3\n"
    )
