"""`headgate drill`: what fails here, fails on purpose; `outage` lets a provider fail for hours, in seconds."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import msgspec

from headgate.app.drills import configuration_digest, run_outage
from headgate.cli import drill_evidence, drill_fault
from headgate.cli.amounts import positive, share, whole
from headgate.cli.commands import Commands
from headgate.cli.drill_evidence import Drilled, add_evidence_option, check_evidence, keep
from headgate.cli.drill_live import compressed, run_live
from headgate.cli.drill_report import overview, told
from headgate.cli.tables import print_json
from headgate.core.errors import ConfigError
from headgate.evaluation import MODES, PROVIDERS, Mode, Outage, Report

EVERY = "all"
HOURS = 4.0
MINUTES = 5.0  # of a live drill
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
    outage.add_argument("--hours", type=positive, help="for how long (4)")
    outage.add_argument("--rate", type=positive, default=5.0, help="calls per second (5)")
    outage.add_argument("--seed", type=int, default=1, help="same seed, same report")
    outage.add_argument("--share", type=share, help="the part of its calls that is struck, above 0, at most 1")
    outage.add_argument("--config", type=Path, metavar="FILE", help="a headgate.yaml in place of the shipped one")
    outage.add_argument("--live", action="store_true", help="over real sockets, within minutes instead of hours")
    outage.add_argument("--minutes", type=positive, help="with --live: the whole drill, two fifths of it outage (5)")
    outage.add_argument("--workers", type=whole(1), help="with --live: worker processes (1)")
    outage.add_argument("--json", action="store_true", help="print JSON")
    add_evidence_option(outage)
    outage.set_defaults(run=run)
    drill_fault.register(verbs)
    drill_evidence.register(verbs)


def run(options: argparse.Namespace) -> int:
    """0 where no user noticed, 1 where one did."""
    check_evidence(options)
    modes = list(MODES.values()) if options.mode == EVERY else [MODES[options.mode]]
    reports = [_live(options, mode) if options.live else _drill(options, mode) for mode in modes]
    if options.json:
        built = msgspec.to_builtins(reports)
        print_json(built if options.mode == EVERY else built[0])
    elif options.mode == EVERY:
        print(overview(reports))
    else:
        print(told(reports[0]))
    for report in reports:
        keep(options, _drilled(report, options))
    return 1 if any(report.noticed for report in reports) else 0


def _drilled(report: Report, options: argparse.Namespace) -> Drilled:
    """What evidence of an outage drill holds."""
    told = msgspec.to_builtins(report)
    asked = {name: told[name] for name in ("providers", "mode", "hours", "seed", "rate", "share")}
    if options.live:
        asked |= {"minutes": _minutes(options), "workers": options.workers or 1}
    name = f"outage{'-live' if options.live else ''}-{'-'.join(report.providers)}-{report.mode}"
    return Drilled(name, not report.noticed, report.seed, configuration_digest(options.config), asked, told)


def _drill(options: argparse.Namespace, mode: Mode) -> Report:
    """Runs one drill; how much work it was goes to stderr, since it is not part of the report."""
    outage = _outage(options, mode)
    began = time.process_time()
    report = run_outage(outage, options.config)
    spent = time.process_time() - began
    print(f"{outage.mode.name}: {report.calls_total:,} calls in {spent:.1f} CPU seconds", file=sys.stderr)
    return report


def _live(options: argparse.Namespace, mode: Mode) -> Report:
    """Runs one drill over real sockets. Raises ConfigError."""
    if options.hours is not None:
        raise ConfigError("--hours", "a live drill takes as long as it says", "--minutes M")
    if options.config is not None:
        raise ConfigError("--config", "a live drill has a configuration of its own", "--config without --live")
    outage = _outage(options, mode)
    report = run_live(outage, options.workers or 1)
    print(
        f"{mode.name}, live: {outage.lead_s:g} s of calm, {outage.outage_s:g} s of outage, {outage.tail_s:g} s after; "
        f"{report.calls_total:,} calls over real sockets", file=sys.stderr,
    )  # fmt: skip
    return report


def _minutes(options: argparse.Namespace) -> float:
    return MINUTES if options.minutes is None else options.minutes


def _outage(options: argparse.Namespace, mode: Mode) -> Outage:
    """Raises ConfigError for a drill that says one thing twice or is too long."""
    if not options.live and (options.minutes is not None or options.workers is not None):
        raise ConfigError("--minutes, --workers", "say how a live drill runs", "--live as well")
    providers = (options.provider, *options.also)
    if len(set(providers)) < len(providers):
        raise ConfigError("--also", f"{providers[-1]} is named twice", "another provider, or no --also")
    hours = options.hours or HOURS
    outage = Outage(
        providers=providers, mode=mode, hours=hours, seed=options.seed, rate=options.rate, share=options.share
    )
    if options.live:
        outage = compressed(outage, _minutes(options))
    calls = outage.rate * (outage.lead_s + outage.outage_s + outage.tail_s)
    if calls > CALLS_MAX:
        wrong = f"{outage.hours:g} hours at {outage.rate:g} calls a second are {calls:,.0f} calls"
        raise ConfigError("--rate", wrong, f"at most {CALLS_MAX:,} calls")
    return outage
