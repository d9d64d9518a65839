"""`headgate apply`: take a workspace folder over into the running registry, all of it or nothing."""

from __future__ import annotations

import argparse

from headgate.cli.client import add_options
from headgate.cli.commands import Commands
from headgate.cli.documents import add_folder, offered, tell_outcome
from headgate.cli.release import told_in_force


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("apply", help="take a workspace folder over into the running registry")
    parser.description = (
        "All of it or nothing. Applying twice changes nothing. Exits 0 where all of it is in force, 1 where a channel "
        "waits for a review, 2 where it was refused."
    )
    add_folder(parser)
    parser.add_argument("--base", type=int, metavar="SERIAL", help="only if the registry is as it was when planned")
    parser.add_argument("--reason", default="", help="kept with every change")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 all is in force, 1 a channel waits, 2 refused."""
    outcome, folder = offered(options, "/api/registry/apply", base=options.base, reason=options.reason)
    tell_outcome(options, outcome, folder, f" applied{told_in_force(outcome['swapped'])}")
    if outcome["faults"]:
        return 2
    return 1 if outcome["held"] else 0
