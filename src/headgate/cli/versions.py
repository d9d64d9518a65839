"""`headgate versions`: every version that is kept; show one, retire or revoke it, take it back."""

from __future__ import annotations

import argparse

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import print_json, say, table, word
from headgate.core.artifact import KINDS

FATES = {
    "retire": ("retired", "keep it out of new releases; a channel that serves it must point elsewhere first"),
    "revoke": ("revoked", "never serve it again, not by a rollback either"),
    "restore": ("active", "take it back into use"),
}


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("versions", help="every version of prompts, routes, policies; retire or revoke one")
    _list_options(parser)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    listing = verbs.add_parser("list", help="every version (also without a verb)")
    _list_options(listing)
    showing = verbs.add_parser("show", help="one version with its content")
    showing.add_argument("address", help="kind/name@1.4.2; `support` means the newest prompt of that name")
    showing.set_defaults(run=show)
    add_options(showing)
    for verb, (fate, meaning) in FATES.items():
        one = verbs.add_parser(verb, help=meaning)
        one.add_argument("address", help="kind/name@1.4.2")
        one.add_argument("--reason", default="", help="kept with it")
        one.add_argument("--json", action="store_true", help="print JSON")
        one.set_defaults(run=change, fate=fate)
        add_options(one)


def _list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--name")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=list_versions)
    add_options(parser)


def list_versions(options: argparse.Namespace) -> int:
    """A line for each."""
    query: dict[str, object] = {"kind": options.kind, "name": options.name}
    found = Client.of(options).get("/api/registry/versions", query)["versions"]
    if options.json:
        print_json(found)
        return 0
    if not found:
        say("no version yet: `headgate apply FOLDER` brings some")
        return 0
    rows = [
        [
            one["address"],
            one["digest"][:12],
            one["owner"],
            one["fate"],
            one["created"],
            one["created_by"],
            word(one["message"]),
        ]
        for one in found
    ]  # fmt: skip
    print(table(["VERSION", "DIGEST", "OWNER", "STATE", "SINCE", "BY", "MESSAGE"], rows))
    return 0


def show(options: argparse.Namespace) -> int:
    """One version, as JSON."""
    print_json(Client.of(options).get("/api/registry/version", {"address": options.address}))
    return 0


def change(options: argparse.Namespace) -> int:
    """Retire, revoke, restore."""
    body = {"address": options.address, "fate": options.fate, "reason": options.reason}
    done = Client.of(options).post("/api/registry/fate", body)
    if options.json:
        print_json(done)
    else:
        say(f"{done['address']} is {done['fate']}")
    return 0
