"""`headgate limits [list]`, `headgate limits set SCOPE`: what keys, teams, tenants and apps may use, and have used."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, TypeVar

from headgate.cli.amounts import amount
from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import UNKNOWN, number, print_json, say, table, usd

T = TypeVar("T")
NONE = "none"
PERIODS = ("day", "month", "total")


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("limits", help="what keys, teams, tenants and apps may use, and what they have used")
    _finish(parser)
    parser.set_defaults(run=list_limits)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    listing = verbs.add_parser("list", help="every limit with what is used, held and left (also without a verb)")
    listing.set_defaults(run=list_limits)
    _finish(listing)
    _set(verbs)


def _set(verbs: Commands) -> None:
    setting = verbs.add_parser("set", help="change limits of a tenant, a team or an app; those not named stay")
    setting.description = "Change limits; those not named stay as they are, `none` takes one away."
    setting.add_argument("scope", help="tenant/NAME, team/TENANT/TEAM or app/NAME")
    setting.add_argument("--rpm", type=_or_none(int), metavar="N", help="requests per minute")
    setting.add_argument("--tpm", type=_or_none(int), metavar="N", help="tokens per minute")
    setting.add_argument("--concurrency", type=_or_none(int), metavar="N", help="calls at once")
    setting.add_argument("--budget", type=_or_none(_budget), metavar="USD[/PERIOD]", help="such as 500/month, 20/day")
    setting.add_argument("--unpriced", choices=("deny", "allow"), help="calls of unknown price under the budget")
    setting.set_defaults(run=set_limits)
    _finish(setting)


def _finish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)


def _or_none(read: Callable[[str], T]) -> Callable[[str], T | str]:
    """For argparse: `none`, or what `read` makes of the text."""

    def reading(text: str) -> T | str:
        if text == NONE:
            return NONE
        try:
            return read(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"`{text}` is no number, and not `{NONE}`") from None

    return reading


def _budget(text: str) -> tuple[float, str | None]:
    dollars, slash, period = text.partition("/")
    if slash and period not in PERIODS:
        raise argparse.ArgumentTypeError(f"`{period}` is none of {', '.join(PERIODS)}")
    return amount(dollars), period or None


def set_limits(options: argparse.Namespace) -> int:
    """Change the limits of a scope."""
    body: dict[str, object] = {"scope": options.scope}
    for name in ("rpm", "tpm", "concurrency", "unpriced"):
        value = getattr(options, name)
        if value is not None:
            body[name] = None if value == NONE else value
    if options.budget == NONE:
        body["budget_usd"] = None
    elif options.budget is not None:
        dollars, period = options.budget
        body["budget_usd"] = dollars
        if period is not None:
            body["budget_period"] = period
    if len(body) == 1:
        say("headgate: say which limit: --rpm, --tpm, --concurrency, --budget or --unpriced", error=True)
        return 2
    made = Client.of(options).post("/api/limits", body)
    if options.json:
        print_json(made)
        return 0
    limits = [
        f"{number(made[name])} {unit}"
        for name, unit in (("rpm", "requests/min"), ("tpm", "tokens/min"), ("concurrency", "calls at once"))
        if made[name] is not None
    ]
    if made["budget_usd"] is not None:
        limits.append(f"{usd(made['budget_usd'])}/{made['budget_period']}")
    say(f"{made['scope']}: {', '.join(limits) or 'no limits'}")
    return 0


def list_limits(options: argparse.Namespace) -> int:
    """List limits and how they stand."""
    answer = Client.of(options).get("/api/limits")
    if options.json:
        print_json(answer)
        return 0
    rows = [
        [
            one["scope"], one["name"] or UNKNOWN,
            _of(one, "requests", "rpm"), _of(one, "tokens", "tpm"), _of(one, "in_flight", "concurrency"),
            _budget_of(one), usd(one["spent_usd"]), usd(one["held_usd"]), usd(one["left_usd"]),
            UNKNOWN if one["resets"] is None else one["resets"][:10],
        ]
        for one in answer["limits"]
    ]  # fmt: skip
    head = ["SCOPE", "NAME", "REQUESTS/MIN", "TOKENS/MIN", "AT ONCE", "BUDGET", "SPENT", "HELD", "LEFT", "RESETS"]
    print(table(head, rows))
    return 0


def _of(one: dict[str, Any], used: str, limit: str) -> str:
    return UNKNOWN if one[limit] is None else f"{number(one[used])} of {number(one[limit])}"


def _budget_of(one: dict[str, Any]) -> str:
    return UNKNOWN if one["budget_usd"] is None else f"{usd(one['budget_usd'])}/{one['budget_period']}"
