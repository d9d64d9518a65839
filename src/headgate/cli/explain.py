"""`headgate explain CALL`: one call in words."""

from __future__ import annotations

import argparse
from urllib.parse import quote

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import print_json, say


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("explain", help="tell what happened to one call and why")
    parser.add_argument("call", help="call_..., from `headgate calls` or the header x-headgate-call-id")
    parser.add_argument("--json", action="store_true", help="print everything known as JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Explain one call."""
    detail = Client.of(options).get(f"/api/calls/{quote(options.call, safe='')}")
    if options.json:
        print_json(detail)
        return 0
    for line in detail["explanation"]:
        say(line)
    for score in detail["scores"]:
        for what in ("comment", "correction"):
            if score[what] is not None:
                say(f"  {what} of {score['author']} ({score['name']}): {score[what]}")
    return 0
