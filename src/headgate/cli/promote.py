"""`headgate promote APP CHANNEL RELEASE`: point a channel at a release."""

from __future__ import annotations

import argparse
from urllib.parse import quote

from headgate.cli.amounts import release_number
from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.release import told_in_force
from headgate.cli.tables import print_json, say


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
    body = {"channel": options.channel, "release": options.release, "reason": options.reason}
    moved = Client.of(options).post(f"/api/apps/{quote(options.app, safe='')}/promote", body)
    if options.json:
        print_json(moved)
    else:
        say(f"{moved['app']}:{moved['channel']} {moved['before']} -> {moved['after']}{told_in_force(moved['swapped'])}")
    return 1 if moved["swapped"]["behind"] else 0
