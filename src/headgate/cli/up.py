"""`headgate up`: serve."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

from headgate.app import Address, Config, load_config, up
from headgate.app.config import PORT_MAX, WORKERS_MAX
from headgate.cli.amounts import whole
from headgate.cli.commands import Commands
from headgate.core.types import Json


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("up", help="start the gateway and serve until Ctrl-C")
    add_config_options(parser)
    parser.add_argument(
        "--port", type=whole(0, PORT_MAX),
        help="listen on 127.0.0.1:PORT; the management API takes the next port, unless the file names one",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=whole(1, WORKERS_MAX), metavar="N", help="processes that serve calls, 1 by default"
    )
    parser.add_argument("--log", choices=("info", "warning"), default="info", help="what is logged: this and graver")
    parser.set_defaults(run=run)


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Which configuration."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="headgate.yaml by default; without one, the providers whose "
        "OPENAI_API_KEY, ANTHROPIC_API_KEY or GOOGLE_API_KEY is set",
    )  # fmt: skip
    parser.add_argument("--state", metavar="DIR", help="the state folder; .headgate beside the configuration")


def configured(options: argparse.Namespace) -> Config:
    """The configuration that the options mean. Raises ConfigError."""
    said: dict[str, Json] = {}
    if options.state is not None:
        said["state"] = options.state
    if getattr(options, "port", None) is not None:
        said["listen"] = f"127.0.0.1:{options.port}"
    if getattr(options, "workers", None) is not None:
        said["workers"] = options.workers
    return load_config(options.config, os.environ, Path.cwd(), said)


def run(options: argparse.Namespace) -> int:
    """Serve."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=options.log.upper())
    logging.getLogger("alembic").setLevel(logging.WARNING)  # a migration that goes well is no news
    config = configured(options)
    return up(config, lambda address: banner(config, address), lambda: configured(options))


def banner(config: Config, address: Address) -> None:
    """What an operator needs to know, once."""
    print(f"Headgate serves {', '.join(settings.name for settings in config.providers)}")
    print(f"  calls       {address.data}")
    print(f"  management  {address.management}")
    if config.workers > 1:
        print(f"  workers     {config.workers}")
    print(f"  state       {config.state}")
    if address.secret is not None:
        print(f"  admin key   {address.secret}")
        print("              shown this once; `headgate keys create NAME` makes keys for applications")
    if address.trouble is not None:
        said = address.trouble
        print(f"  no management API: {said.where}: {said.wrong}")
        print(f"    would be right: {said.right}; calls are served from what was good last, and it is tried again")
    print("Ctrl-C stops.", flush=True)
