"""`headgate apps [APP]`: apps, where their channels point, and their releases."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import print_json, say, table, word


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("apps", help="apps, where their channels point, and their releases")
    parser.add_argument("app", nargs="?", help="this one with its releases")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """A line for each channel; of one app also its releases."""
    client = Client.of(options)
    found = [client.get(f"/api/apps/{quote(options.app, safe='')}")] if options.app else client.get("/api/apps")["apps"]
    if options.json:
        print_json(found[0] if options.app else found)
        return 0
    if not found:
        say("no app yet: `headgate apply FOLDER` brings some")
        return 0
    rows = [
        [app["app"], one["channel"], one["told"], one["since"], one["by"]] for app in found for one in app["channels"]
    ]
    print(table(["APP", "CHANNEL", "RELEASE", "SINCE", "BY"], rows))
    if options.app:
        print()
        print(table(["RELEASE", "PROMPTS", "ROUTE", "GUARDRAIL", "LIVE ON", "MISSES", "MESSAGE"], _releases(found[0])))
    return 0


def _releases(app: dict[str, Any]) -> list[list[str]]:
    return [
        [
            one["release"], ", ".join(one["prompts"].values()) or "-", one["route"], word(one["guardrail"]),
            ", ".join(one["live"]) or "-", "; ".join(one["missing"]) or "-", word(one["message"]),
        ]
        for one in app["releases"]
    ]  # fmt: skip
