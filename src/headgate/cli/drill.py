"""`headgate drill`: what fails here, fails on purpose; `outage` lets a provider fail for hours, in seconds."""

from __future__ import annotations

import argparse
import sys
import time

import msgspec

from headgate.app.drills import configuration_digest, run_outage
from headgate.cli import drill_evidence, drill_fault
from headgate.cli.commands import Commands
from headgate.cli.drill_evidence import Drilled, add_evidence_option, keep
from headgate.cli.drill_report import overview, told
from headgate.cli.tables import print_json
from headgate.core.errors import ConfigError
from headgate.evaluation import MODES, PROVIDERS, Mode, Outage, Report

EVERY = "all"
CALLS_MAX = 2_000_000  # a drill keeps a short line for each call


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("drill", help="let a provider fail for hours, in seconds, and see who notices")
    verbs = parser.add_subparsers(title="drills", metavar="DRILL", required=True)
    outage = verbs.add_parser("outage", help="one provider or several fail; exit 1 where a user noticed")
    outage.formatter_class = argparse.RawDescriptionHelpFormatter
    outage.epilog = "modes:\n" + "\n".join(f"  {mode.name:<11} {mode.summary}" for mode in MODES.values())
    outage.add_argument("--provider", choices=PROVIDERS, required=True, help="who fails")
    outage.add_argument(
        "--also", choices=PROVIDERS, action="append", default=[], help="who fails at the same time; repeat"
    )
    outage.add_argument("--mode", choices=[*MODES, EVERY], default="503", metavar="MODE", help="how (503); or `all`")
    outage.add_argument("--hours", type=_positive, default=4.0, help="for how long (4)")
    outage.add_argument("--rate", type=_positive, default=5.0, help="calls per second (5)")
    outage.add_argument("--seed", type=int, default=1, help="same seed, same report")
    outage.add_argument("--share", type=_share, help="the part of its calls that is struck, above 0, at most 1")
    outage.add_argument("--json", action="store_true", help="print JSON")
    add_evidence_option(outage)
    outage.set_defaults(run=run)
    drill_fault.register(verbs)
    drill_evidence.register(verbs)


def run(options: argparse.Namespace) -> int:
    """0 where no user noticed, 1 where one did."""
    modes = list(MODES.values()) if options.mode == EVERY else [MODES[options.mode]]
    reports = [_drill(_outage(options, mode)) for mode in modes]
    if options.json:
        built = msgspec.to_builtins(reports)
        print_json(built if options.mode == EVERY else built[0])
    elif options.mode == EVERY:
        print(overview(reports))
    else:
        print(told(reports[0]))
    for report in reports:
        keep(options, _drilled(report))
    return 1 if any(report.noticed for report in reports) else 0


def _drilled(report: Report) -> Drilled:
    """What evidence of an outage drill holds."""
    told = msgspec.to_builtins(report)
    asked = {name: told[name] for name in ("providers", "mode", "hours", "seed", "rate", "share")}
    name = f"outage-{'-'.join(report.providers)}-{report.mode}"
    return Drilled(name, not report.noticed, report.seed, configuration_digest(), asked, told)


def _drill(outage: Outage) -> Report:
    """Runs one drill; how much work it was goes to stderr, since it is not part of the report."""
    began = time.process_time()
    report = run_outage(outage)
    spent = time.process_time() - began
    print(f"{outage.mode.name}: {report.calls_total:,} calls in {spent:.1f} CPU seconds", file=sys.stderr)
    return report


def _outage(options: argparse.Namespace, mode: Mode) -> Outage:
    """Raises ConfigError for a drill that says one thing twice or is too long."""
    providers = (options.provider, *options.also)
    if len(set(providers)) < len(providers):
        raise ConfigError("--also", f"{providers[-1]} is named twice", "another provider, or no --also")
    outage = Outage(
        providers=providers, mode=mode, hours=options.hours, seed=options.seed, rate=options.rate, share=options.share
    )
    calls = outage.rate * (outage.lead_s + outage.outage_s + outage.tail_s)
    if calls > CALLS_MAX:
        wrong = f"{outage.hours:g} hours at {outage.rate:g} calls a second are {calls:,.0f} calls"
        raise ConfigError("--rate", wrong, f"at most {CALLS_MAX:,} calls")
    return outage


def _positive(text: str) -> float:
    """For argparse: raises its type error."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}` is not a number above 0")
    return value


def _share(text: str) -> float:
    """For argparse: raises its type error."""
    value = _positive(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"`{text}` is above 1")
    return value
