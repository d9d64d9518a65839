"""`headgate simulate`: the three vendors' APIs on this machine, with faults on demand."""

from __future__ import annotations

import argparse

from headgate.cli.commands import Commands
from headgate.simulator import CATALOGUE, SimulatorSettings
from headgate.simulator import run as run_simulator


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("simulate", help="play OpenAI, Anthropic and Google, faults included")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8486)
    parser.add_argument("--seed", type=int, default=1, help="same seed, same answers")
    parser.add_argument("--ttft-ms", type=float, default=0, help="time to the first token")
    parser.add_argument("--interval-ms", type=float, default=0, help="time between two chunks of a stream")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="[VENDOR:]SHAPE[@SHARE]", help="such as openai:f1-503@0.25"
    )
    parser.add_argument("--list-faults", action="store_true", help="list the shapes and stop")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    if options.list_faults:
        for fault in CATALOGUE:
            print(f"{fault.name:24} {fault.summary}")
        return 0
    settings = SimulatorSettings(
        host=options.host, port=options.port, seed=options.seed, ttft_ms=options.ttft_ms,
        interval_ms=options.interval_ms, faults=tuple(options.fault),
    )  # fmt: skip
    return run_simulator(settings)
