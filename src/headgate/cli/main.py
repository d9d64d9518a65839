"""`headgate`: finds the command, prints what went wrong in one line, sets the exit status.

0 done, 1 the answer is no or the call failed, 2 wrong usage or configuration.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword

import headgate
from headgate.cli.tables import say
from headgate.core.errors import ConfigError

COMMANDS = (
    "init", "up", "reload", "check", "plan", "apply", "export", "import", "apps", "release", "promote", "rollback",
    "history", "review", "prompt", "test", "versions", "diff", "owners", "keys", "limits", "calls", "explain",
    "score", "coverage", "adopt", "providers", "route", "cache", "events", "catalogue", "scan", "simulate", "drill",
    "demo", "whoami",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser(given[0] if given else "").parse_args(given)
    try:
        return options.run(options)
    except ConfigError as error:
        say(f"headgate: {error.where}: {error.wrong}", error=True)
        if error.right:
            say(f"  would be right: {error.right}", error=True)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left (`| head`); nothing is left to tell it
        return 0


def _parser(wanted: str) -> argparse.ArgumentParser:
    """Only the wanted command's module is loaded in full: `--help` of one must not wait for all."""
    parser = argparse.ArgumentParser(
        prog="headgate",
        description="The control point between applications and the language models they call.",
    )
    parser.add_argument("--version", action="version", version=f"headgate {headgate.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS if wanted not in COMMANDS else (wanted,):
        module = name + "_" if iskeyword(name) else name
        import_module(f"headgate.cli.{module}").register(commands)
    return parser
