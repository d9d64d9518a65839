"""`headgate drill fault`: a shape of the fault catalogue strikes a provider, over real sockets."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import msgspec
import uvloop

from headgate.app.drills.cases import VENDORS, Choice, cases
from headgate.app.drills.fault import Finding, run_faults
from headgate.app.drills.shapes import SHAPES, Expected, find
from headgate.cli.commands import Commands
from headgate.cli.drill_evidence import Drilled, add_evidence_option, check_evidence, keep
from headgate.cli.tables import UNKNOWN, print_json, table
from headgate.core.errors import ConfigError
from headgate.wire.clock import SystemClock, SystemEntropy

_HEAD = ["SHAPE", "CLIENT", "STRUCK", "SAW", "ASKED", "HELD AGAINST IT", "AS TABLED"]


def register(verbs: Commands) -> None:
    """Adds the command."""
    parser = verbs.add_parser("fault", help="one shape of the catalogue over real sockets; exit 1 where not as tabled")
    parser.add_argument("shape", nargs="?", metavar="SHAPE", help="F14, f14-hang, ... or all")
    parser.add_argument("--dialect", choices=VENDORS, help="of the client; all three where left out")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--plain", action="store_true", help="only whole answers")
    kinds.add_argument("--stream", action="store_true", help="only streamed answers")
    parser.add_argument("--list", action="store_true", help="print the shapes and what must happen")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_evidence_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 where every case is as tabled. Raises ConfigError for a shape that is not known."""
    if options.list:
        print(listed())
        return 0
    if options.shape is None:
        raise ConfigError("SHAPE", "no shape is named", "all, F1 to F38, or a name that `--list` prints")
    streams = (False,) if options.plain else (True,) if options.stream else (False, True)
    dialects = VENDORS if options.dialect is None else (options.dialect,)
    chosen = cases(find(options.shape), Choice(dialects, streams))
    if not chosen:
        raise ConfigError("SHAPE", f"`{options.shape}` is no shape of such an answer", "see `drill fault --list`")
    check_evidence(options)
    began = time.monotonic()
    found = uvloop.run(run_faults(chosen, SystemClock(), SystemEntropy()))
    took = time.monotonic() - began
    wrong = [one for one in found if one.wrong]
    if options.json:
        print_json(msgspec.to_builtins(found))
    else:
        print(told(found))
    print(f"{len(found)} cases in {took:.0f} s", file=sys.stderr)
    asked = {"shape": options.shape, "dialects": list(dialects), "streams": list(streams)}
    report = {"cases": len(found), "as_tabled": len(found) - len(wrong), "findings": msgspec.to_builtins(found)}
    keep(options, Drilled(f"fault-{options.shape.lower()}", not wrong, None, None, asked, report))
    return 1 if wrong else 0


def told(found: Sequence[Finding]) -> str:
    """A line for each case, and what they come to."""
    rows = [
        [
            one.shape,
            f"{one.dialect}, {'streamed' if one.stream else 'whole'}",
            one.struck,
            one.seen,
            " > ".join(f"{attempt.target} {attempt.outcome}" for attempt in one.attempts),
            one.against,
            "yes" if not one.wrong else f"NO: {', '.join(one.wrong)}; tabled: {one.expected}",
        ]
        for one in found
    ]
    wrong = sum(bool(one.wrong) for one in found)
    end = f"All {len(found)} cases are as tabled." if not wrong else f"{wrong} of {len(found)} cases are not as tabled."
    return f"{table(_HEAD, rows)}\n\n{end}"


def listed() -> str:
    """Every shape, and what must happen."""
    rows = [
        [shape.family, shape.name, shape.told, _must(shape.whole), _must(shape.stream)] for shape in SHAPES.values()
    ]
    return table(["FAMILY", "NAME", "WHAT", "WHOLE ANSWER", "STREAMED ANSWER"], rows)


def _must(expected: Expected | None) -> str:
    return UNKNOWN if expected is None else expected.told
