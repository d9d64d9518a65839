"""`headgate keys create|list|revoke`."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from headgate.cli.amounts import amount
from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import number, print_json, say, table, usd, word
from headgate.core.roles import ROLES


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("keys", help="make, list and revoke API keys")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _create(verbs)
    listing = verbs.add_parser("list", help="all keys with their limits and what they have spent")
    listing.set_defaults(run=list_keys)
    revoking = verbs.add_parser("revoke", help="revoke a key: it stops working within seconds")
    revoking.add_argument("id", help="as `headgate keys list` shows it: key_...")
    revoking.set_defaults(run=revoke)
    for verb in (listing, revoking):
        _finish(verb)


def _create(verbs: Commands) -> None:
    making = verbs.add_parser("create", help="make a key and print it once")
    making.add_argument("name", help="whom or what it is for")
    making.add_argument("--tenant", default="default")
    making.add_argument(
        "--team", metavar="NAME", help="a team of the tenant: its limits hold for all its keys together"
    )
    making.add_argument(
        "--role", action="append", dest="roles", choices=ROLES, default=[], metavar="ROLE",
        help=f"what it may do on the management API: {', '.join(ROLES)}; repeat. None: it is for calls only",
    )  # fmt: skip
    making.add_argument("--admin", action="store_true", help="the same as --role admin: everything")
    making.add_argument(
        "--model", action="append", dest="models", default=[], metavar="NAME", help="only these; repeat"
    )
    making.add_argument("--expires", metavar="TIME", help="RFC 3339, such as 2027-01-31T00:00:00Z")
    making.add_argument("--rpm", type=int, metavar="N", help="requests per minute")
    making.add_argument("--tpm", type=int, metavar="N", help="tokens per minute")
    making.add_argument("--concurrency", type=int, metavar="N", help="calls at once")
    making.add_argument("--budget", type=amount, dest="budget_usd", metavar="USD", help="US dollars per period")
    making.add_argument("--period", dest="budget_period", choices=("day", "month", "total"), default="month")
    making.add_argument(
        "--unpriced", choices=("deny", "allow"), default="deny", help="calls of unknown price under the budget"
    )
    making.add_argument(
        "--criticality", choices=("critical", "default", "sheddable"), default="default",
        help="which calls are turned away first where there are too many",
    )  # fmt: skip
    making.set_defaults(run=create)
    _finish(making)


def _finish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)


def create(options: argparse.Namespace) -> int:
    """Make a key."""
    fields = (
        "name",
        "tenant",
        "admin",
        "models",
        "expires",
        "rpm",
        "tpm",
        "concurrency",
        "budget_usd",
        "budget_period",
        "team",
        "unpriced",
        "criticality",
        "roles",
    )
    made = Client.of(options).post("/api/keys", {name: getattr(options, name) for name in fields})
    if options.json:
        print_json(made)
        return 0
    print(made["secret"])
    key = made["key"]
    roles = f", with {', '.join(key['roles'])} on the management API" if key["roles"] else ""
    say(f"{key['id']} for {key['name']}{roles}. This is the only time the key is shown.")
    return 0


def list_keys(options: argparse.Namespace) -> int:
    """List keys."""
    answer = Client.of(options).get("/api/keys")
    if options.json:
        print_json(answer)
        return 0
    rows = [
        [
            key["id"], key["shown"], key["name"], _owner(key), ", ".join(key["roles"]) or "calls", key["state"],
            number(key["rpm"]), number(key["tpm"]), number(key["concurrency"]),
            word(None if key["budget_usd"] is None else f"{usd(key['budget_usd'])}/{key['budget_period']}"),
            usd(key["spent_usd"]),
        ]
        for key in answer["keys"]
    ]  # fmt: skip
    print(table(["ID", "KEY", "NAME", "TENANT/TEAM", "FOR", "STATE", "RPM", "TPM", "AT ONCE", "BUDGET", "SPENT"], rows))
    return 0


def _owner(key: dict[str, Any]) -> str:
    return key["tenant"] if key.get("team") is None else f"{key['tenant']}/{key['team']}"


def revoke(options: argparse.Namespace) -> int:
    """Revoke a key."""
    key = Client.of(options).post(f"/api/keys/{quote(options.id, safe='')}/revoke", {})
    if options.json:
        print_json(key)
    else:
        say(f"{key['id']} ({key['name']}) is revoked.")
    return 0
