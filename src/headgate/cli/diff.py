"""`headgate diff A B`: what differs between two versions, and which step of the version that needs."""

from __future__ import annotations

import argparse

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import print_json, say


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("diff", help="what differs between two versions, and which step that needs")
    parser.description = "Exits 0 where they are the same, 1 where they differ."
    parser.add_argument("a", metavar="A", help="kind/name@1.4.2; without a kind, a prompt")
    parser.add_argument("b", metavar="B")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 the same, 1 different."""
    found = Client.of(options).get("/api/registry/diff", {"a": options.a, "b": options.b})
    if options.json:
        print_json(found)
        return 0 if found["same"] else 1
    for line in found["text"]:
        say(line)
    for heading, rows in (("settings", found["settings"]), ("contract", found["contract"])):
        if rows:
            say(f"{heading}:")
            for row in rows:
                say(f"  {row}")
    if found["same"]:
        say(f"{found['a']} and {found['b']} have the same content")
        return 0
    why = f": {'; '.join(found['reasons'])}" if found["reasons"] else ""
    say(f"{found['a']} to {found['b']} needs a {found['needs']} step{why}")
    return 1
