"""`headgate plan`: what a workspace folder would change in the running registry."""

from __future__ import annotations

import argparse

from headgate.cli.client import add_options
from headgate.cli.commands import Commands
from headgate.cli.documents import add_folder, offered, tell_outcome


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
    outcome, folder = offered(options, "/api/registry/plan")
    tell_outcome(options, outcome, folder, f". `headgate apply --base {outcome['serial']}` makes just these.")
    if outcome["faults"]:
        return 2
    return 1 if outcome["changes"] else 0
