"""`headgate promote APP CHANNEL RELEASE`: point a channel at a release."""

from __future__ import annotations

import argparse

from headgate.cli.amounts import release_number
from headgate.cli.client import add_options
from headgate.cli.commands import Commands
from headgate.cli.release import move


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("promote", help="point a channel of an app at a release")
    parser.add_argument("app")
    parser.add_argument("channel")
    parser.add_argument("release", type=release_number, help="its number, such as 3 or support#3")
    parser.add_argument("--reason", default="", help="kept with the change")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 where every worker is on it, 1 where one is behind."""
    body: dict[str, object] = {"channel": options.channel, "release": options.release, "reason": options.reason}
    return move(options, "promote", body)
