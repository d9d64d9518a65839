"""`headgate providers`: success, latency and cost of every target that was asked."""

from __future__ import annotations

import argparse
from typing import Any

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import number, print_json, say, table, usd
from headgate.cli.times import moment, ms, said, shown

HEAD = ["TARGET", "TRIES", "SUCCESS", "P50 MS", "P95 MS", "TTFT P50", "TTFT P95", "TOKENS IN", "OUT", "COST", "ERRORS"]


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("providers", help="success, latency and cost per target")
    parser.add_argument("--since", type=moment, metavar="TIME", help="24h by default; 90m, 7d, or an ISO 8601 time")
    parser.add_argument("--until", type=moment, metavar="TIME")
    parser.add_argument("--app")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the table."""
    query: dict[str, object] = {"since": said(options.since), "until": said(options.until), "app": options.app}
    answer = Client.of(options).get("/api/providers", query)
    if options.json:
        print_json(answer)
        return 0
    for line in Client.of(options).get("/api/trouble", {})["troubled"]:
        say(f"{line['subject']} is in trouble since {shown(line['since_ns'])}: {line['text']}")
    _retiring(options)
    if not answer["providers"]:
        print("no provider was asked in this time")
        return 0
    print(table(HEAD, [_row(line) for line in answer["providers"]]))
    unpriced = sum(line["unpriced"] for line in answer["providers"])
    if unpriced:
        print(f"{unpriced} calls have no known price and are not in the sums; state one under `models` of the provider")
    return 0


def _retiring(options: argparse.Namespace) -> None:
    """What retires among the models in use, those that go first at the top."""
    for line in Client.of(options).get("/api/models", {})["models"]:
        if line["days"] is None:
            continue
        when = (
            f"retires {line['retires']}, in {line['days']} days" if line["days"] > 0 else f"retired {line['retires']}"
        )
        follows = f"; {line['successor']} follows it" if line["successor"] else "; no successor is named"
        say(f"{line['target']} {when}{follows}")


def _row(line: dict[str, Any]) -> list[str]:
    rate = line["success_rate"]
    errors = ", ".join(f"{error['count']} {error['error']}" for error in line["top_errors"])
    known = line["calls"] > line["unpriced"] and line["input_tokens"] + line["output_tokens"] > 0
    return [
        f"{line['provider']}/{line['model']}", number(line["attempts"]), "-" if rate is None else f"{rate:.1%}",
        *(number(ms(line[name])) for name in ("latency_p50_us", "latency_p95_us", "ttft_p50_us", "ttft_p95_us")),
        number(line["input_tokens"]), number(line["output_tokens"]), usd(line["cost_usd"] if known else None),
        errors or "none",
    ]  # fmt: skip
