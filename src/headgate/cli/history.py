"""`headgate history [APP]`: every change of the registry, newest first."""

from __future__ import annotations

import argparse
from typing import Any

from headgate.cli.amounts import whole
from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import print_json, table, word


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("history", help="who changed what in the registry, newest first")
    parser.add_argument("app", nargs="?", help="of this app alone")
    parser.add_argument("--subject", help="of this alone: support:production, support#3, prompt/support@1.0.0")
    parser.add_argument("--limit", type=whole(1, 1000), default=30, metavar="N")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """A line for each change."""
    query: dict[str, object] = {"app": options.app, "subject": options.subject, "limit": options.limit}
    found = Client.of(options).get("/api/registry/history", query)["entries"]
    if options.json:
        print_json(found)
        return 0
    rows = [
        [one["at"], one["name"], one["action"], one["subject"], _move(one["detail"]), word(one["reason"])]
        for one in found
    ]
    print(table(["AT", "WHO", "DID", "TO", "HOW", "WHY"], rows))
    return 0


def _move(detail: dict[str, Any]) -> str:
    """Where a channel pointed before and after, how many runs of a test passed; nothing for other changes."""
    if "passes" in detail and "runs" in detail:
        return f"{detail['passes']} of {detail['runs']} passed"
    if "after" not in detail:
        return "-"
    return f"{_told(detail.get('before'))} -> {_told(detail['after'])}"


def _told(target: Any) -> str:
    if target is None:
        return "nothing"
    return f"#{target}" if isinstance(target, int) else f"split {target['experiment']}" if "arms" in target else target
