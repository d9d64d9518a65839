"""`headgate test APP --cases FILE`: the real pipeline on cases, and how many of them hold."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from headgate.cli.amounts import positive, release_number, share, whole
from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.suite_files import read_suite
from headgate.cli.tables import legible, print_json, say, table, usd
from headgate.core.errors import ConfigError

LOOK_S = 0.3


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("test", help="run cases against a release of an app, as its users would call it")
    parser.description = (
        "Runs each case through the real pipeline, never out of a cache, and keeps the result as evidence for the "
        "release. Exits 0 where the pass rate is not below the bar, 1 where it is or not all was run, 2 for wrong use."
    )
    parser.add_argument("app")
    parser.add_argument("--cases", type=Path, required=True, metavar="FILE", help="cases in YAML, JSON or JSONL")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--channel", help="the release it points at now (the app's default channel)")
    which.add_argument("--release", type=release_number, metavar="N", help="a release that need not be live")
    parser.add_argument("--repeat", type=whole(1, 100), default=1, metavar="N", help="run each case so often (1)")
    parser.add_argument(
        "--min-pass", type=share, default=1.0, metavar="RATE", help="the bar, such as 0.9 (1: all pass)"
    )
    parser.add_argument("--max-usd", type=positive, default=1.0, help="what answers and judges may cost at worst (1)")
    parser.add_argument("--unpriced", action="store_true", help="allow models whose price is not known")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 the bar is met, 1 it is not."""
    suite = read_suite(options.cases)
    client = Client.of(options)
    body: dict[str, object] = {
        "content": suite.content, "name": suite.name, "file": str(options.cases), "lines": suite.lines,
        "release": options.release, "channel": options.channel, "repeat": options.repeat,
        "min_pass": options.min_pass, "max_usd": options.max_usd, "unpriced": options.unpriced,
    }  # fmt: skip
    state = client.post(f"/api/apps/{quote(options.app, safe='')}/tests", body)
    try:
        state = _awaited(client, state)
    except KeyboardInterrupt:
        client.post(f"/api/tests/{state['id']}/stop", {})
        raise
    report = state["report"]
    if report is None:
        raise ConfigError(f"test of {state['release']}", str(state["wrong"]), "")
    if options.json:
        print_json(report)
    else:
        _show(report)
    return 0 if report["passed"] else 1


def _awaited(client: Client, state: dict[str, Any]) -> dict[str, Any]:
    """The test once it is over; how far it is goes to a terminal meanwhile."""
    shown = sys.stderr.isatty()
    while not state["over"]:
        if shown:
            far = f"{state['done']} of {state['total']} runs of {state['release']}, {usd(state['spent_usd'])}"
            print(f"\r{legible(far)}  ", end="", file=sys.stderr, flush=True)
        time.sleep(LOOK_S)
        state = client.get(f"/api/tests/{state['id']}")
    if shown:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return state


def _show(report: dict[str, Any]) -> None:
    added = report["tally"]
    rows = [
        [one["name"], f"{one['passes']}/{one['runs']}", _interval(one), _state(one)] for one in added["cases"]
    ]  # fmt: skip
    print(table(["CASE", "PASSED", "RATE (95%)", ""], rows))
    for one in added["cases"]:
        _failures(one)
    say("")
    if added["flaky"]:
        say(f"flaky: {', '.join(added['flaky'])} passed some of {report['repeat']} runs, not all")
    _verdict(report)


def _failures(one: dict[str, Any]) -> None:
    """The failures kept of a case; those alike are told once, with the first of their calls."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for failure in one["failures"]:
        alike.setdefault((*failure["why"], failure["answer"]), []).append(failure["call"])
    for (*why, answer), calls in alike.items():
        again = f" and {len(calls) - 1} more alike" if len(calls) > 1 else ""
        say("")
        say(f"{one['name']} ({calls[0]}{again})")
        for line in why:
            say(f"  {line}")
        if answer:
            say(f"  said: {answer}")


def _verdict(report: dict[str, Any]) -> None:
    added = report["tally"]
    judge = f", of which {usd(added['judge_usd'])} for the judge ({report['judge']})" if report["judge"] else ""
    total = added["cost_usd"] + added["judge_usd"]
    more = f" and {added['unpriced']} runs of unknown cost" if added["unpriced"] else ""
    say(f"cost {usd(total)}{judge}{more}, {report['seconds']:.1f} s")
    if added["runs"]:
        undecided = f", {added['undecided']} undecided" if added["undecided"] else ""
        say(
            f"{report['release']}: {added['passes']} of {added['runs']} runs passed{undecided}: {added['rate']:.1%}, "
            f"at 95% between {added['low']:.1%} and {added['high']:.1%} for these cases"
        )
    if report["stopped"]:
        say(f"not all was run, so this proves nothing: {report['stopped']}", error=True)
        return
    word = "meets" if report["passed"] else "is below"
    kept = "kept as evidence" if report["evidence"] else "could not be kept as evidence (the registry is down)"
    say(f"{word} the bar of {report['min_pass']:.1%}; {kept}, cases {report['cases']} ({report['digest'][:12]})")


def _interval(one: dict[str, Any]) -> str:
    return f"{one['low']:.0%} to {one['high']:.0%}" if one["runs"] else "-"


def _state(one: dict[str, Any]) -> str:
    if not one["runs"]:
        return "not run"
    if one["passes"] == one["runs"]:
        return "ok"
    if one["flaky"]:
        return "FLAKY"
    return "UNDECIDED" if one["undecided"] == one["runs"] else "FAILED"
