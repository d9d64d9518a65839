"""`headgate coverage`: how many calls used a registered prompt, and who did not."""

from __future__ import annotations

import argparse
import math
from typing import Any

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import UNKNOWN, number, print_json, say, table
from headgate.cli.times import moment, said, shown

TEXT_CHARS = 60
PERCENT = 100
NO_APP = "(no app)"


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("coverage", help="the share of calls that used a registered prompt, and who did not")
    parser.description = "The share of calls that reached a model with a registered prompt. Exits 1 below --min."
    parser.add_argument("--since", type=moment, metavar="TIME", help="7d by default; 90m, 24h, or an ISO 8601 time")
    parser.add_argument("--until", type=moment, metavar="TIME")
    parser.add_argument("--min", type=_percent, default=100.0, metavar="PERCENT", help="the bar: 100 by default")
    parser.add_argument("--app")
    parser.add_argument("--limit", type=int, default=20, help="how many offenders are listed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 where the bar is reached; 1 below it, and where there was no call to judge by."""
    query: dict[str, object] = {
        "since": said(options.since), "until": said(options.until), "app": options.app, "limit": options.limit,
    }  # fmt: skip
    found = Client.of(options).get("/api/coverage", query)
    calls, registered = found["calls"], found["registered"]
    reached = calls > 0 and registered * PERCENT >= options.min * calls
    if options.json:
        print_json({**found, "min": options.min, "reached": reached})
        return 0 if reached else 1
    since = shown(found["since_ns"])
    if not calls:
        say(f"no call reached a model since {since}: there is nothing to judge by")
        return 1
    verdict = "reached" if reached else "missed"
    say(
        f"{share(registered, calls)} of {number(calls)} calls that reached a model since {since} used a registered "
        f"prompt; the bar of {options.min:g}% is {verdict}"
    )
    print()
    apps = [
        [one["app"] or NO_APP, number(one["calls"]), number(one["registered"]), share(one["registered"], one["calls"])]
        for one in found["apps"]
    ]
    print(table(["APP", "CALLS", "REGISTERED", "SHARE"], apps))
    if found["offenders"]:
        print()
        print(table(["CALLS", "ASKED", "KEY", "LAST SEEN", "LAST CALL", "ADOPT", "PROMPT"], _offenders(found)))
    if found["more"]:
        say(f"and {number(found['more'])} more with {number(found['more_calls'])} calls: --limit")
    if any(one["fingerprint"] for one in found["offenders"]):
        say("`headgate adopt FINGERPRINT` drafts a prompt file for one of them")
    return 0 if reached else 1


def share(part: int, whole: int) -> str:
    """A percentage that is never rounded up to a bar: 100% is all of them."""
    tenths = math.floor(part * 1000 / whole)
    return f"{tenths / 10:g}%"


def _offenders(found: dict[str, Any]) -> list[list[str]]:
    return [
        [
            number(one["calls"]), one["model"], one["key"] or one["key_id"], shown(one["last_ns"]), one["call"],
            one["fingerprint"] or UNKNOWN, _text(one),
        ]
        for one in found["offenders"]
    ]  # fmt: skip


def _text(one: dict[str, Any]) -> str:
    if one["kind"] != "grouped":
        return f"({one['kind']})"
    text = one["text"] or "(not for your role)"
    text = text if len(text) <= TEXT_CHARS else text[: TEXT_CHARS - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return text if one["fingerprints"] == 1 else f"{text} ({number(one['fingerprints'])} texts)"


def _percent(text: str) -> float:
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 0 <= value <= PERCENT:
        raise argparse.ArgumentTypeError(f"`{text}` is no percentage: 95, 99.5, 100")
    return value
