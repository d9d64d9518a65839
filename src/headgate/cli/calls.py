"""`headgate calls`: what was asked, who answered, what it cost."""

from __future__ import annotations

import argparse
from typing import Any

from headgate.cli.amounts import amount
from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import number, print_json, say, table, usd, word
from headgate.cli.times import moment, ms, said, shown

HEAD = ["TIME", "CALL", "OUTCOME", "ASKED", "ANSWERED BY", "PROMPT", "TOKENS", "COST", "MS", "TRIES"]
SCORES_SHOWN = 3
FILTERS = ("app", "release", "provider", "model", "outcome", "key", "prompt", "error")


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("calls", help="list calls, newest first")
    parser.add_argument("--since", type=moment, metavar="TIME", help="90m, 24h, 7d, or an ISO 8601 time")
    parser.add_argument("--until", type=moment, metavar="TIME")
    parser.add_argument("--app")
    parser.add_argument("--release", help="such as support#2")
    parser.add_argument("--provider")
    parser.add_argument("--model", help="asked for or answered by")
    parser.add_argument(
        "--outcome", choices=("ok", "refused", "blocked", "failed", "cancelled", "aborted", "in_flight")
    )
    parser.add_argument("--key", metavar="ID", help="key_..., as `headgate keys list` shows it")
    parser.add_argument("--prompt", help="prompt/support or prompt/support@1.0.0")
    parser.add_argument("--error", help="part of an error code")
    parser.add_argument("--min-cost", dest="min_cost_usd", type=amount, metavar="USD")
    parser.add_argument("--min-latency", dest="min_latency_ms", type=amount, metavar="MS")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--cursor", help="where the last page ended")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List calls."""
    query: dict[str, object] = {name: getattr(options, name) for name in FILTERS}
    query |= {name: getattr(options, name) for name in ("min_cost_usd", "min_latency_ms", "limit", "cursor")}
    query |= {"since": said(options.since), "until": said(options.until)}
    answer = Client.of(options).get("/api/calls", query)
    if options.json:
        print_json(answer)
        return 0
    for gap in answer["gaps"]:
        say(f"gap: {gap['lost']} records lost {shown(gap['since_ns'])} - {shown(gap['until_ns'])}: {gap['why']}")
    if not answer["calls"]:
        print("no calls")
        return 0
    scored = any(call["scores"] for call in answer["calls"])
    rows = [_row(call) + ([_scores(call)] if scored else []) for call in answer["calls"]]
    print(table([*HEAD, "SCORES"] if scored else HEAD, rows))
    if answer["cursor"]:
        say(f"more: --cursor {answer['cursor']}")
    return 0


def _row(call: dict[str, Any]) -> list[str]:
    target = call["provider"] and f"{call['provider']}/{call['model']}"
    asked = call["model_asked"] + (f" ({call['release']})" if call["release"] else "")
    prompt = (call["prompt"] or "").removeprefix("prompt/")
    tokens = "-"
    if call["input_tokens"] is not None or call["output_tokens"] is not None:
        about = "~" if call["tokens_estimated"] else ""
        tokens = f"{about}{number(call['input_tokens'])}+{number(call['output_tokens'])}"
    outcome = call["outcome"] + (f" ({call['error']})" if call["error"] else "")
    return [
        shown(call["received_ns"]), call["id"], outcome, word(asked), word(target), word(prompt), tokens,
        usd(call["cost_usd"]), number(ms(call["latency_us"])), number(call["attempts"]),
    ]  # fmt: skip


def _scores(call: dict[str, Any]) -> str:
    shown = [f"{score['name']}={score['value']}" for score in call["scores"][:SCORES_SHOWN]]
    more = len(call["scores"]) - len(shown)
    return word(" ".join(shown) + (f" +{more}" if more else ""))
