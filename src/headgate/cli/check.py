"""`headgate check`: every mistake in a configuration and its workspace."""

from __future__ import annotations

import argparse

from headgate.app import check
from headgate.cli.commands import Commands
from headgate.cli.tables import print_json, say
from headgate.cli.up import add_config_options, configured


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("check", help="check a configuration and its workspace without serving")
    add_config_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 where all is sound, 1 where something is wrong."""
    compiled = check(configured(options))
    if options.json:
        print_json({"faults": [{"where": f.where, "wrong": f.wrong, "right": f.right} for f in compiled.faults]})
        return 1 if compiled.faults else 0
    for fault in compiled.faults:
        say(f"{fault.where}: {fault.wrong}")
        say(f"  would be right: {fault.right}")
    if compiled.faults:
        print(f"{len(compiled.faults)} to mend")
        return 1
    snapshot = compiled.snapshot
    assert snapshot is not None
    kinds = ", ".join(f"{len(v)} of {k[0]}/{k[1]}" for k, v in sorted(compiled.workspace.artifacts.items())) or "none"
    say(f"all sound. apps: {', '.join(snapshot.apps) or 'none'}. versions: {kinds}")
    return 0
