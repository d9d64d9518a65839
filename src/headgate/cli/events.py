"""`headgate events`: what operators should have heard of."""

from __future__ import annotations

import argparse

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import legible, print_json, table
from headgate.cli.times import moment, said, shown
from headgate.core.events import KINDS

HEAD = ["TIME", "SEVERITY", "EVENT", "ABOUT", "WHAT"]


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("events", help="what operators should have heard of, newest first")
    parser.add_argument("--since", type=moment, metavar="TIME", help="7d by default; 90m, 24h, or an ISO 8601 time")
    parser.add_argument("--kind", choices=KINDS, metavar="KIND", help="such as breaker_opened")
    parser.add_argument("--severity", choices=("info", "warning", "critical"), help="this one and graver")
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the table."""
    query: dict[str, object] = {
        "since": said(options.since), "kind": options.kind, "severity": options.severity, "limit": options.limit,
    }  # fmt: skip
    answer = Client.of(options).get("/api/events", query)
    if options.json:
        print_json(answer)
        return 0
    if not answer["events"]:
        print("nothing to tell in this time")
        return 0
    rows = [
        [shown(one["at_ns"]), one["severity"], one["kind"], legible(one["subject"]), legible(one["text"])]
        for one in answer["events"]
    ]
    print(table(HEAD, rows))
    if answer["more"]:
        print("there are more: --limit, or a later --since")
    return 0
