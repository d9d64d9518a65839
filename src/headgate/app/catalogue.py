"""The catalogue of models: what ships, and taking over a newer one by a command."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path

import msgspec

from headgate.app.snapshot import CATALOGUE_FILE
from headgate.core.errors import ConfigError
from headgate.routing import CatalogueFile, Row, read_catalogue

BYTES_MAX = 16 * 1024 * 1024
FETCH_S = 30
FACTOR_MAX = 10.0  # a price that changes by more is taken for a mistake
HISTORY = 5  # catalogues that are kept aside


class Change(msgspec.Struct, frozen=True):
    """One model that differs: `what` is new, gone or price. Prices are input and output of a million tokens."""

    model: str
    what: str
    before: tuple[float | None, float | None] | None
    after: tuple[float | None, float | None] | None


def fetched(source: str) -> CatalogueFile:
    """A catalogue from a file or an https address. Raises ConfigError."""
    if source.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        try:
            with urllib.request.urlopen(source, timeout=FETCH_S) as answer:  # noqa: S310 - the scheme is checked
                data = answer.read(BYTES_MAX + 1)
        except (urllib.error.URLError, OSError) as error:
            raise ConfigError(source, f"cannot be fetched: {error}", "an https address, or a file") from error
    elif "://" in source:
        raise ConfigError(source, "only https:// is fetched", "an https address, or a file")
    else:
        try:
            with Path(source).open("rb") as file:
                data = file.read(BYTES_MAX + 1)
        except OSError as error:
            raise ConfigError(source, f"cannot be read: {error.strerror}", "a catalogue file") from error
    if len(data) > BYTES_MAX:
        raise ConfigError(source, f"is over {BYTES_MAX} bytes", "a catalogue file")
    return read_catalogue(data, source)


def changes(before: CatalogueFile, after: CatalogueFile) -> list[Change]:
    """Which models are new, gone, or have another price, by name."""
    old = {_name(row): _price(row) for row in before.models}
    new = {_name(row): _price(row) for row in after.models}
    found: list[Change] = []
    for name in sorted(old.keys() | new.keys()):
        was, becomes = old.get(name), new.get(name)
        if was != becomes:
            what = "new" if was is None else "gone" if becomes is None else "price"
            found.append(Change(name, what, was, becomes))
    return found


def suspicious(found: list[Change]) -> list[Change]:
    """Prices that change by more than a mistake of a decimal place would."""
    return [change for change in found if change.what == "price" and _leaps(change)]


def store(state: Path, file: CatalogueFile) -> Path:
    """Keep a catalogue in the state folder, the one before aside. Raises OSError."""
    path = state / CATALOGUE_FILE
    scratch = path.with_suffix(".new")
    scratch.write_bytes(msgspec.json.format(msgspec.json.encode(file), indent=1))
    if path.exists():
        for number in range(HISTORY - 1, 0, -1):
            older = path.with_suffix(f".json.{number}")
            if older.exists():
                os.replace(older, path.with_suffix(f".json.{number + 1}"))
        os.replace(path, path.with_suffix(".json.1"))
    os.replace(scratch, path)
    return path


def _name(row: Row) -> str:
    return f"{row.provider}/{row.model}"


def _price(row: Row) -> tuple[float | None, float | None]:
    return row.input, row.output


def _leaps(change: Change) -> bool:
    pairs = zip(change.before or (), change.after or (), strict=False)
    return any(a and b and not 1 / FACTOR_MAX <= b / a <= FACTOR_MAX for a, b in pairs)
