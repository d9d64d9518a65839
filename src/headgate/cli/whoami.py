"""`headgate whoami`: who the running gateway takes us for, and what we may do there."""

from __future__ import annotations

import argparse
from typing import Any

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import print_json, say
from headgate.core.keys import EVERY_TENANT
from headgate.core.roles import ROLES


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("whoami", help="who the running gateway takes us for, and what we may do")
    parser.add_argument(
        "--role", action="append", dest="roles", choices=ROLES, default=[], metavar="ROLE",
        help=f"exit 1 where this role is not included: {', '.join(ROLES)}; repeat",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0, or 1 where a role that was asked for is not included."""
    who = Client.of(options).get("/api/whoami")
    if options.json:
        print_json(who)
    else:
        _tell(who)
    missing = [role for role in options.roles if role not in who["includes"]]
    if missing:
        what = "role" if len(missing) == 1 else "roles"
        say(f"headgate: {who['id']} does not have the {what} {', '.join(missing)}", error=True)
    return 1 if missing else 0


def _tell(who: dict[str, Any]) -> None:
    say(who["id"] if who["name"] == who["id"] else f"{who['id']} ({who['name']})")
    more = [role for role in who["includes"] if role not in who["roles"]]
    say(f"roles   {', '.join(who['roles'])}" + (f" (including {', '.join(more)})" if more else ""))
    say(f"sees    {'every tenant' if who['scope'] == EVERY_TENANT else 'tenant ' + who['scope']}")
