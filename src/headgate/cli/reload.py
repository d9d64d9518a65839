"""`headgate reload`: have the running gateway read its configuration again."""

from __future__ import annotations

import argparse
from typing import Any

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import print_json, say


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("reload", help="have the running gateway read its configuration again")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 where every worker is on the new configuration, 2 where it has mistakes, 1 where a worker is behind."""
    answer = Client.of(options).post("/api/reload", {})
    if options.json:
        print_json(answer)
    else:
        _tell(answer)
    if answer["faults"]:
        return 2
    return 1 if answer["behind"] else 0


def _tell(answer: dict[str, Any]) -> None:
    faults, restart, behind = answer["faults"], answer["restart"], answer["behind"]
    for fault in faults:
        say(f"{fault['where']}: {fault['wrong']}", error=True)
        say(f"  would be right: {fault['right']}", error=True)
    if faults:
        say(f"nothing changed: {str(answer['digest'])[:12]} stays in force", error=True)
        return
    say(f"{answer['workers']} workers are on {str(answer['digest'])[:12]} after {answer['seconds']} s")
    if restart:
        say(f"held until a restart: {', '.join(restart)}")
    if behind:
        say(f"still on the one before: workers {', '.join(map(str, behind))}", error=True)
