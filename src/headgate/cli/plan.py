"""`headgate plan`: what a workspace folder would change in the running registry."""

from __future__ import annotations

import argparse

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.documents import add_folder, load, offers, refused, tell_changes, tell_faults, tell_held
from headgate.cli.tables import print_json, say


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("plan", help="show what a workspace folder would change in the running registry")
    parser.description = "Exits 0 where nothing would change, 1 where something would, 2 where it would be refused."
    add_folder(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 nothing would change, 1 something would, 2 it would be refused."""
    workspace, folder = load(options)
    if workspace.faults:
        outcome = refused(workspace.faults)
    else:
        outcome = Client.of(options).post("/api/registry/plan", {"documents": offers(workspace, folder)})
    if options.json:
        print_json(outcome)
    elif outcome["faults"]:
        tell_faults(outcome["faults"])
    elif not outcome["changes"]:
        say(f"nothing to change: the registry holds all of {folder}")
    else:
        tell_changes(outcome)
        tell_held(outcome["held"])
        say(f"{len(outcome['changes'])} changes. `headgate apply --base {outcome['serial']}` makes just these.")
    if outcome["faults"]:
        return 2
    return 1 if outcome["changes"] else 0
