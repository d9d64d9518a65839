"""`headgate adopt FINGERPRINT`: a prompt file drafted from what was observed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any
from urllib.parse import quote

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.tables import number, print_json, say
from headgate.core.errors import ConfigError


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("adopt", help="draft a prompt file from the calls of an unregistered prompt")
    parser.description = "Drafts a prompt file: what varied between the calls becomes typed inputs."
    parser.add_argument("fingerprint", help="from `headgate coverage`, or `fingerprint` on a call's record")
    parser.add_argument("--name", help="what the prompt is to be called")
    parser.add_argument("--owner", help="who owns it")
    parser.add_argument("--into", type=Path, metavar="FILE", help="write a new file; without it, it is printed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Draft it, and say what it holds."""
    if options.into is not None and options.into.exists():
        raise ConfigError(str(options.into), "is there already", "the name of a new file")
    path = f"/api/adopt/{quote(options.fingerprint, safe='')}"
    made = Client.of(options).get(path, {"name": options.name, "owner": options.owner})
    if options.into is not None:
        _write(options.into, made["file"])
    if options.json:
        print_json(made)
    elif options.into is None:
        print(made["file"], end="")
        for line in _about(made):
            say(f"# {line}", error=True)
    else:
        say(f"{options.into}: prompt {made['name']}")
        for line in _about(made):
            say(f"  {line}")
        owner = "" if options.owner else "give it an owner, "
        say(f"  next: {owner}name its inputs, pin {made['name']}@1.0.0 in a release of an app, `headgate check`")
    return 0


def _about(made: dict[str, Any]) -> list[str]:
    lines = [f"renders all {number(made['texts'])} observed texts exactly"]
    if made["others"]:
        lines[0] += f"; of {number(made['others'])} more the text is not kept"
    for one in made["inputs"]:
        kind = " | ".join(one["enum"]) if one["enum"] else one["type"]
        lines.append(f"input {one['name']}: {kind} ({number(one['values'])} different values seen)")
    if not made["inputs"]:
        lines.append("no inputs: nothing varied")
    return lines


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8", newline="") as stream:
            stream.write(text)
    except OSError as error:
        wrong = f"cannot be written: {error.strerror}"
        raise ConfigError(str(file), wrong, "a new file in a folder there is") from error
