"""`headgate rollback APP`: point a channel back at the release that was live before."""

from __future__ import annotations

import argparse

from headgate.cli.amounts import release_number
from headgate.cli.client import add_options
from headgate.cli.commands import Commands
from headgate.cli.release import move


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("rollback", help="point a channel back at the release that was live before")
    parser.add_argument("app")
    parser.add_argument("--channel", default="production", help="production where it is left out")
    parser.add_argument("--to", type=release_number, metavar="RELEASE", help="one that was live there earlier")
    parser.add_argument("--reason", default="", help="kept with the change")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 where every worker is on it, 1 where one is behind."""
    body: dict[str, object] = {"channel": options.channel, "release": options.to, "reason": options.reason}
    return move(options, "rollback", body)
