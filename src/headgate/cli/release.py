"""`headgate release`: a new release of an app, out of the one that is live, with some pins others."""

from __future__ import annotations

import argparse
from typing import Any
from urllib.parse import quote

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import print_json, say
from headgate.core.apps import DEFAULT_PROMPT


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("release", help="make a release of an app: what is live, with some pins others")
    parser.add_argument("app")
    parser.add_argument(
        "--prompt", action="append", default=[], metavar="[SLOT=]NAME@VERSION",
        help="the prompt, or the one of that name within the app; `support` or `support@1` means its newest; repeat",
    )  # fmt: skip
    parser.add_argument("--route", metavar="NAME@VERSION")
    parser.add_argument("--guardrail", metavar="NAME@VERSION")
    parser.add_argument("--message", default="", help="what it is for")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make it; no channel points at it yet."""
    prompts = dict(_slot(one) for one in options.prompt)
    pins = {"prompts": prompts, "route": options.route, "guardrail": options.guardrail}
    body = {"pins": pins, "message": options.message}
    made = Client.of(options).post(f"/api/apps/{quote(options.app, safe='')}/releases", body)
    if options.json:
        print_json(made)
        return 0
    pinned = [*made["prompts"].values(), made["route"], *([made["guardrail"]] if made["guardrail"] else [])]
    say(f"{made['release']} pins {', '.join(pinned)}")
    if made["missing"]:
        say(f"before it goes live it needs {'; '.join(made['missing'])}: `headgate review approve {made['release']}`")
    else:
        say(f"`headgate promote {options.app} CHANNEL {made['number']}` makes it live")
    return 0


def told_in_force(swapped: dict[str, Any] | None) -> str:
    """How a change came into force, to follow a sentence."""
    if swapped is None or not swapped["workers"]:
        return "; what is served stays as it is"
    behind = swapped["behind"]
    late = f", but for {', '.join(map(str, behind))}" if behind else ""
    workers = "1 worker" if swapped["workers"] == 1 else f"{swapped['workers']} workers"
    return f": in force on {workers} after {swapped['seconds']:g} s{late}"


def move(options: argparse.Namespace, verb: str, body: dict[str, object]) -> int:
    """Point a channel of `options.app` elsewhere and tell how. 0 where every worker is on it, 1 where one is behind."""
    moved = Client.of(options).post(f"/api/apps/{quote(options.app, safe='')}/{verb}", body)
    if options.json:
        print_json(moved)
    else:
        say(f"{moved['app']}:{moved['channel']} {moved['before']} -> {moved['after']}{told_in_force(moved['swapped'])}")
    return 1 if moved["swapped"]["behind"] else 0


def _slot(text: str) -> tuple[str, str]:
    name, mark, wanted = text.partition("=")
    return (name, wanted) if mark else (DEFAULT_PROMPT, text)
