"""`headgate review`: what waits for approval; approve, reject, ask for changes, comment."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import print_json, say, table, word
from headgate.core.errors import ConfigError

VERBS = {
    "approve": "let it go live",
    "reject": "keep it from going live",
    "request-changes": "keep it from going live until something is changed",
    "comment": "say something that decides nothing",
}


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("review", help="what waits for approval; approve, reject, ask for changes, comment")
    _finish(parser)
    parser.set_defaults(run=waiting)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    listing = verbs.add_parser("list", help="releases that miss something (also without a verb)")
    listing.set_defaults(run=waiting)
    _finish(listing)
    for verb, meaning in VERBS.items():
        one = verbs.add_parser(verb, help=meaning)
        one.add_argument("release", help="such as support#3")
        one.add_argument("--reason", default="", help="kept with it; needed but for an approval")
        one.set_defaults(run=decide, verdict=verb.replace("-", "_"))
        _finish(one)


def _finish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)


def waiting(options: argparse.Namespace) -> int:
    """Releases that are newer than what is live and miss something."""
    apps = Client.of(options).get("/api/apps")["apps"]
    found = [one for app in apps for one in _after(app["releases"]) if one["missing"]]
    if options.json:
        print_json(found)
        return 0
    if not found:
        say("nothing waits for a review")
        return 0
    rows = [
        [
            one["release"], ", ".join(one["prompts"].values()), one["created_by"], ", ".join(one["approved_by"]) or "-",
            "; ".join(one["missing"]), word(one["message"]),
        ]
        for one in found
    ]  # fmt: skip
    print(table(["RELEASE", "PROMPTS", "MADE BY", "APPROVED BY", "MISSES", "MESSAGE"], rows))
    return 0


def _after(releases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The releases made after the newest one that is live and misses nothing."""
    newest = max((one["number"] for one in releases if one["live"] and not one["missing"]), default=0)
    return [one for one in releases if one["number"] > newest]


def decide(options: argparse.Namespace) -> int:
    """Keep what the reviewer says."""
    app, mark, number = options.release.rpartition("#")
    if not mark or not number.isdigit():
        raise ConfigError(options.release, "is no release", "APP#NUMBER, such as support#3")
    path = f"/api/apps/{quote(app, safe='')}/releases/{number}/decisions"
    done = Client.of(options).post(path, {"verdict": options.verdict, "reason": options.reason})
    if options.json:
        print_json(done)
        return 0
    rest = (
        f"it still misses {'; '.join(done['missing'])}" if done["missing"] else "nothing is missing for it to go live"
    )
    say(f"{options.release}: {done['verdict'].replace('_', ' ')} by {done['actor']}; {rest}")
    return 0
