"""`headgate prompt export`: a prompt of a workspace in the form of another tool."""

from __future__ import annotations

import argparse
from pathlib import Path

from headgate.cli.client import CONFIG_FILE
from headgate.cli.commands import Commands
from headgate.cli.documents import WORKSPACE, load
from headgate.cli.tables import print_json, say
from headgate.core.errors import ConfigError
from headgate.core.types import Json
from headgate.prompts import Partials, compile_prompt
from headgate.prompts.translate.draft import Exported
from headgate.prompts.translate.loading import find, names
from headgate.registry import write_yaml
from headgate.routing.learned.document import write_document


def add(verbs: Commands) -> None:
    """Adds the verb."""
    parser = verbs.add_parser("export", help="write a prompt of the workspace for another tool")
    parser.add_argument("name", metavar="NAME[@VERSION]", help="the prompt; its newest version where none is said")
    parser.add_argument("--as", dest="format", required=True, choices=names(), help="the form")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="write there; else print")
    where = f"the workspace folder (what {CONFIG_FILE} here says, else {WORKSPACE})"
    parser.add_argument("--workspace", dest="folder", type=Path, metavar="FOLDER", help=where)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 where it was written. What the form has no place for is told."""
    workspace, _ = load(options)
    artifact = workspace.find("prompt", options.name)
    if artifact is None:
        known = ", ".join(workspace.known("prompt")) or "none yet"
        raise ConfigError(options.name, "there is no such prompt in the workspace", f"one of: {known}")
    compile_prompt(artifact, Partials(lambda pinned: workspace.find("partial", pinned)).look)
    found = find(options.format)
    assert found is not None
    made = found.write(Exported(artifact, lambda pinned: workspace.find("partial", pinned), _yaml))
    if options.into is not None:
        _write(options.into, made.files)
    if options.json:
        print_json({"files": made.files, "remarks": made.remarks})
        return 0
    for name, text in made.files.items():
        if options.into is not None:
            say(f"wrote {options.into / name}")
        else:
            if len(made.files) > 1:
                say(f"# {name}")
            print(text, end="" if text.endswith("\n") else "\n")
    for remark in made.remarks:
        say(remark, error=True)
    return 0


def _yaml(value: Json) -> str:
    return write_yaml([value])


def _write(into: Path, files: dict[str, str]) -> None:
    for name in files:
        if (into / name).exists():
            raise ConfigError(str(into / name), "is there already", "another folder")
    for name, text in files.items():
        try:
            into.mkdir(parents=True, exist_ok=True)
            write_document(into / name, text)
        except OSError as error:
            raise ConfigError(
                str(into / name), f"cannot be written: {error.strerror}", "a folder of your own"
            ) from error
