"""`headgate cache`: how often an app's calls got an answer that was given before."""

from __future__ import annotations

import argparse

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import number, print_json, table, usd
from headgate.cli.times import moment, said

HEAD = ["APP", "HITS", "MISSES", "HIT RATE", "STALE", "FIXED", "SAVED"]


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("cache", help="answers given again: hit rate and money saved per app")
    parser.add_argument("--since", type=moment, metavar="TIME", help="24h by default; 90m, 7d, or an ISO 8601 time")
    parser.add_argument("--until", type=moment, metavar="TIME")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the table."""
    answer = Client.of(options).get("/api/cache", {"since": said(options.since), "until": said(options.until)})
    if options.json:
        print_json(answer)
        return 0
    if not answer["apps"]:
        print("no app with `cache` or `when_down` was called in this time")
        return 0
    rows = [
        [
            line["app"], number(line["hits"]), number(line["misses"]),
            "-" if line["hit_rate"] is None else f"{line['hit_rate']:.1%}",
            number(line["stale"]), number(line["fixed"]), usd(line["saved_usd"]),
        ]
        for line in answer["apps"]
    ]  # fmt: skip
    print(table(HEAD, rows))
    return 0
