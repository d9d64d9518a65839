"""`headgate owners`: who answers for prompts, retrieval and policy of each app, and what nobody answers for."""

from __future__ import annotations

import argparse

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import print_json, say, table


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("owners", help="who answers for prompts, retrieval and policy of each app")
    parser.description = "Exits 1 where something has no owner."
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 where everything is owned, 1 where there are gaps."""
    apps = Client.of(options).get("/api/owners")["apps"]
    gaps = [app for app in apps if app["gaps"]]
    if options.json:
        print_json(apps)
        return 1 if gaps else 0
    parts = ("prompt", "retrieval", "policy")
    rows = [
        [app["app"], *(", ".join(app[part]) or "nobody" for part in parts), ", ".join(app["gaps"]) or "-"]
        for app in apps
    ]
    print(table(["APP", "PROMPTS", "RETRIEVAL", "POLICY", "GAPS"], rows))
    for app in gaps:
        say(f"{app['app']}: nobody answers for {' and '.join(app['gaps'])}; name them under `owners` in its document")
    return 1 if gaps else 0
