"""Workspace folders on their way to a running registry and back, and how plans are told."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from headgate.cli.client import CONFIG_FILE, Client
from headgate.cli.tables import print_json, say, table
from headgate.core.errors import ConfigError
from headgate.core.types import as_object, as_text
from headgate.registry import Workspace, load_workspace, offer, read_yaml

WORKSPACE = "workspace"


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Which folder."""
    where = f"a workspace folder (what {CONFIG_FILE} here says, else {WORKSPACE})"
    parser.add_argument("folder", nargs="?", type=Path, help=where)


def load(options: argparse.Namespace) -> tuple[Workspace, Path]:
    """The folder of a command. Raises ConfigError where there is none."""
    folder = options.folder or _configured()
    return load_workspace(folder), folder


def offers(workspace: Workspace, folder: Path) -> list[Any]:
    """Its documents as the management API takes them; files are named from the folder's parent."""
    base = folder.resolve().parent
    return [msgspec.to_builtins(offer(one, _shown(Path(one.file), base))) for one in workspace.documents()]


def offered(options: argparse.Namespace, path: str, **more: object) -> tuple[dict[str, Any], Path]:
    """What the API at `path` makes of the folder of a command, and the folder. One with mistakes is not sent."""
    workspace, folder = load(options)
    if workspace.faults:
        return refused(workspace.faults), folder
    return Client.of(options).post(path, {"documents": offers(workspace, folder), **more}), folder


def tell_outcome(options: argparse.Namespace, outcome: dict[str, Any], folder: Path, done: str) -> None:
    """The changes and what is held, closed by `done`; or the mistakes; or that there is nothing to do."""
    if options.json:
        print_json(outcome)
    elif outcome["faults"]:
        tell_faults(outcome["faults"])
    elif not outcome["changes"]:
        say(f"nothing to change: the registry holds all of {folder}")
    else:
        tell_changes(outcome)
        tell_held(outcome["held"])
        say(f"{len(outcome['changes'])} changes{done}")


def tell_faults(faults: list[dict[str, str]]) -> None:
    """Every mistake: where, what, what would be right."""
    for fault in faults:
        say(f"{fault['where']}: {fault['wrong']}", error=True)
        say(f"  would be right: {fault['right']}", error=True)
    say(f"{len(faults)} to mend; nothing was changed", error=True)


def refused(faults: list[ConfigError]) -> dict[str, Any]:
    """Mistakes found before anything was sent, as the API tells its own."""
    rows = [{"where": fault.where, "wrong": fault.wrong, "right": fault.right} for fault in faults]
    return {"changes": [], "faults": rows, "held": {}, "serial": None, "applied": False, "swapped": None}


def tell_changes(outcome: dict[str, Any]) -> None:
    """One line for each change; why a step is needed, and what is held, below."""
    rows = [
        [one["action"], one["subject"], one["what"], _step(one), ", ".join(one["apps"]) or "-", one["review"] or "-"]
        for one in outcome["changes"]
    ]
    print(table(["CHANGE", "WHAT", "HOW", "STEP", "APPS", "REVIEW"], rows))
    for one in outcome["changes"]:
        if one["needs"] in ("major", "minor"):
            say(f"{one['subject']} needs a {one['needs']} step: {'; '.join(one['reasons'])}")


def tell_held(held: dict[str, list[str]]) -> None:
    """Channels that wait for somebody."""
    for channel, missing in held.items():
        say(f"held: {channel} stays where it is until it has {'; '.join(missing)}")


def _step(one: dict[str, Any]) -> str:
    if one["makes"] is None:
        return "-"
    return one["makes"] if one["makes"] == one["needs"] else f"{one['makes']} (needs {one['needs']})"


def _shown(file: Path, base: Path) -> str:
    try:
        return str(file.resolve().relative_to(base))
    except ValueError:
        return str(file)


def _configured() -> Path:
    """The workspace of the configuration in the current folder."""
    file = Path(CONFIG_FILE)
    if not file.is_file():
        return Path(WORKSPACE)
    tree = next(read_yaml(file.read_text(encoding="utf-8"), CONFIG_FILE), None)
    fields = None if tree is None else as_object(tree.value)
    return Path(as_text((fields or {}).get("workspace")) or WORKSPACE)
