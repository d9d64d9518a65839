"""`headgate catalogue`: what is known of models, and taking over a newer catalogue."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import msgspec

from headgate.app.catalogue import changes, fetched, store, suspicious
from headgate.app.snapshot import CATALOGUE_FILE
from headgate.cli.client import state_folder
from headgate.cli.commands import Commands
from headgate.cli.tables import print_json, say, table
from headgate.core.errors import ConfigError
from headgate.routing import CatalogueFile, Life, Lifecycle, read_catalogue, shipped

_STATE = "the state folder; what headgate.yaml here says, else .headgate"
HEAD = ["MODEL", "INPUT", "OUTPUT", "CONTEXT", "RETIRES", "SUCCESSOR"]


def register(commands: Commands) -> None:
    """Adds the commands."""
    parser = commands.add_parser("catalogue", help="what is known of models: prices, windows, retirement")
    verbs = parser.add_subparsers(title="catalogue", metavar="VERB", required=True)
    lists = verbs.add_parser("list", help="every model that is known")
    lists.add_argument("name", nargs="?", default="", help="a part of the name")
    lists.add_argument("--json", action="store_true", help="print the catalogue as a file that `refresh` takes")
    lists.add_argument("--state", metavar="DIR", help=_STATE)
    lists.set_defaults(run=show)
    refresh = verbs.add_parser("refresh", help="take over a newer catalogue; `headgate reload` puts it in force")
    refresh.add_argument("--from", dest="source", required=True, metavar="FILE|URL", help="nothing else is fetched")
    refresh.add_argument("--force", action="store_true", help="also where a price changes more than tenfold")
    refresh.add_argument("--dry-run", action="store_true", help="show what would change")
    refresh.add_argument("--state", metavar="DIR", help=_STATE)
    refresh.set_defaults(run=take_over)


def show(options: argparse.Namespace) -> int:
    """The table, or the file."""
    file, lives = _current(options), Lifecycle.load()
    rows = [row for row in file.models if options.name in f"{row.provider}/{row.model}"]
    if options.json:
        print_json(msgspec.to_builtins(msgspec.structs.replace(file, models=rows)))
        return 0
    if not rows:
        say(f"no model's name holds `{options.name}`", error=True)
        return 1
    say(f"as of {file.as_of}, from {file.source}; retirement as of {lives.as_of}")
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    lines: list[list[str]] = []
    for row in rows:
        price = row.facts(today).price
        life = lives.find(row.provider, row.model) or Life("")
        lines.append([
            f"{row.provider}/{row.model}", _usd(price and price.input), _usd(price and price.output),
            "-" if row.context is None else f"{row.context:,}", life.retires or "-", life.successor or "-",
        ])  # fmt: skip
    print(table(HEAD, lines))
    return 0


def take_over(options: argparse.Namespace) -> int:
    """0 where it was taken over or nothing differs; raises ConfigError where it looks wrong."""
    before, after = _current(options), fetched(options.source)
    found = changes(before, after)
    for change in found:
        say(f"{change.what:<5} {change.model}: {_pair(change.before)} -> {_pair(change.after)}")
    if not found:
        say(f"nothing differs from the one in use, as of {before.as_of}")
    leaps = suspicious(found)
    if leaps and not options.force:
        wrong = f"{leaps[0].model} changes more than tenfold ({len(leaps)} such prices)"
        raise ConfigError(options.source, wrong, "look at it, then --force")
    if after.as_of < before.as_of:
        raise ConfigError(options.source, f"is of {after.as_of}, older than {before.as_of} in use", "a newer one")
    if options.dry_run:
        return 0
    path = store(state_folder(options), after)
    say(f"{path} is as of {after.as_of}; `headgate reload` puts it in force")
    return 0


def _current(options: argparse.Namespace) -> CatalogueFile:
    path = state_folder(options) / CATALOGUE_FILE
    file = shipped()
    if path.exists():
        refreshed = read_catalogue(path.read_bytes(), str(path))
        return refreshed if refreshed.as_of >= file.as_of else file
    return file


def _usd(value: float | None) -> str:
    return "-" if value is None else f"${value:g}"


def _pair(pair: tuple[float | None, float | None] | None) -> str:
    return "-" if pair is None else f"{_usd(pair[0])}/{_usd(pair[1])}"
