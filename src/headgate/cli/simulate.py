"""`headgate simulate`: the three vendors' APIs on this machine, with faults on demand."""

from __future__ import annotations

import argparse

from headgate.cli.commands import Commands
from headgate.cli.tables import table
from headgate.core.errors import ConfigError
from headgate.simulator import CATALOGUE, Simulator, SimulatorSettings
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
        print(table(["SHAPE", "WHAT HAPPENS"], [[fault.name, fault.summary] for fault in CATALOGUE.values()]))
        return 0
    settings = SimulatorSettings(
        host=options.host,
        port=options.port,
        seed=options.seed,
        first_s=options.ttft_ms / 1000,
        interval_s=options.interval_ms / 1000,
        faults=tuple(options.fault),
    )
    try:
        run_simulator(settings, _tell)
    except ValueError as error:
        raise ConfigError("--fault", str(error), "[VENDOR:]SHAPE[@SHARE]; --list-faults lists the shapes") from error
    except OSError as error:
        wrong = f"cannot listen: {error.strerror}"
        raise ConfigError(
            f"{options.host}:{options.port}", wrong, "another --port, or stop what listens there"
        ) from error
    return 0


def _tell(simulator: Simulator) -> None:
    print(
        f"OpenAI, Anthropic and Google are played on {simulator.url}; any key that begins with sim- is good.",
        flush=True,
    )
