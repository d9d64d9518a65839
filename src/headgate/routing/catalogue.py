"""What is known of the vendors' models: prices and context windows, shipped as data and dated.

Figures a workspace states itself win over the catalogue's, field by field. A model in neither has unknown facts: None.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from headgate.core.errors import ConfigError
from headgate.core.types import Price

FORMAT = 1
_DATE_LENGTHS = (10, 8)  # 2026-11-24 and 20261124


class Facts(msgspec.Struct, frozen=True):
    """What is known of one model; None is unknown. `context` and `max_output` in tokens."""

    price: Price | None = None
    context: int | None = None
    max_output: int | None = None
    abilities: frozenset[str] | None = None

    def over(self, base: Facts | None) -> Facts:
        """These facts, with what they do not say taken from `base`."""
        if base is None:
            return self
        return Facts(
            base.price if self.price is None else self.price,
            base.context if self.context is None else self.context,
            base.max_output if self.max_output is None else self.max_output,
            base.abilities if self.abilities is None else self.abilities,
        )


class DatedPrice(msgspec.Struct, frozen=True):
    """Prices from a UTC day on, in US dollars per million tokens."""

    since: str
    input: float | None = None
    output: float | None = None
    cached_input: float | None = None
    cache_write: float | None = None


class Row(msgspec.Struct, frozen=True):
    """One model of the catalogue file. US dollars per million tokens; `match`: names, or prefixes ending in `*`.

    `*_long` are the prices of a call whose input is over `long_over` tokens. `later` are prices that took or will take
    the place of these, each from its day on.
    """

    provider: str
    model: str
    match: Sequence[str]
    input: float | None = None
    output: float | None = None
    cached_input: float | None = None
    cache_write: float | None = None
    long_over: int | None = None
    input_long: float | None = None
    output_long: float | None = None
    cached_input_long: float | None = None
    cache_write_long: float | None = None
    context: int | None = None
    max_output: int | None = None
    abilities: frozenset[str] | None = None
    later: Sequence[DatedPrice] = ()

    def facts(self, today: str = "") -> Facts:
        """The row without its names, at the prices of a day."""
        dated = in_force(self.later, today)
        if dated is not None:
            price = Price(dated.input, dated.output, dated.cached_input, dated.cache_write)
            return Facts(price, self.context, self.max_output, self.abilities)
        long = None
        if self.long_over is not None:
            long = Price(self.input_long, self.output_long, self.cached_input_long, self.cache_write_long)
        price = Price(self.input, self.output, self.cached_input, self.cache_write, self.long_over, long)
        return Facts(price, self.context, self.max_output, self.abilities)


class CatalogueFile(msgspec.Struct, frozen=True):
    """The file: where its facts come from, under which licence, as of which day."""

    source: str
    as_of: str
    models: list[Row]
    licence: str = ""
    format: int = 1


class Catalogue:
    """Finds a model's facts by provider type and name: exact first, then without its date, then the longest prefix."""

    __slots__ = ("_exact", "_models", "_prefixes", "as_of", "dates")

    def __init__(self, rows: Iterable[Row], as_of: str, today: str = "") -> None:
        """`today`: the UTC day whose prices hold, `2026-11-25`."""
        self.as_of = as_of
        self.dates: list[str] = []  # on which a price changes
        self._exact: dict[tuple[str, str], Facts] = {}
        self._models: dict[str, list[str]] = {}
        prefixes: dict[str, list[tuple[str, Facts]]] = {}
        for row in rows:
            facts = row.facts(today)
            self.dates += [dated.since for dated in row.later]
            self._models.setdefault(row.provider, []).append(row.model)
            for name in row.match:
                if name.endswith("*"):
                    prefixes.setdefault(row.provider, []).append((name[:-1], facts))
                else:
                    self._exact[row.provider, name] = facts
        self._prefixes = {
            provider: sorted(found, key=lambda pair: len(pair[0]), reverse=True) for provider, found in prefixes.items()
        }

    @classmethod
    def load(cls, today: str = "", refreshed: Path | None = None) -> Catalogue:
        """The catalogue that ships with this version, or the `refreshed` one where that is there and newer.

        Raises ConfigError for a refreshed one that cannot be read.
        """
        file = shipped()
        if refreshed is not None and refreshed.exists():
            newer = read_catalogue(refreshed.read_bytes(), str(refreshed))
            if newer.as_of >= file.as_of:
                file = newer
        return cls(file.models, file.as_of, today)

    def find(self, provider_type: str, model: str) -> Facts | None:
        """The facts of a model; None where the catalogue does not know it."""
        found = self._exact.get((provider_type, model))
        if found is None:
            found = self._exact.get((provider_type, undated(model)))
        if found is None:
            for prefix, facts in self._prefixes.get(provider_type, ()):
                if model.startswith(prefix):
                    return facts
        return found

    def models(self, provider_type: str) -> list[str]:
        """The names of a provider type's models, in the file's order."""
        return list(self._models.get(provider_type, ()))


def shipped() -> CatalogueFile:
    """The file that ships with this version."""
    text = (importlib.resources.files("headgate") / "data" / "catalogue.json").read_bytes()
    return read_catalogue(text, "data/catalogue.json")


def read_catalogue(data: bytes, where: str) -> CatalogueFile:
    """A catalogue file. Raises ConfigError where it is none, or of a newer format."""
    try:
        file = msgspec.json.decode(data, type=CatalogueFile)
    except msgspec.DecodeError as error:
        raise ConfigError(
            where, f"not a catalogue: {error}", "a file as `headgate catalogue list --json` prints"
        ) from error
    if file.format > FORMAT:
        raise ConfigError(where, f"format {file.format}; this version reads up to {FORMAT}", "a newer Headgate")
    return file


def in_force(later: Sequence[DatedPrice], today: str) -> DatedPrice | None:
    """Which of the dated prices holds on a day; None where the row's own still do."""
    begun = [dated for dated in later if dated.since <= today]
    return max(begun, key=lambda dated: dated.since, default=None)


def undated(model: str) -> str:
    """The name without the date of a snapshot at its end: `gpt-5-mini-2025-08-07`, `claude-opus-5-20260901`."""
    for length in _DATE_LENGTHS:
        head, date = model[:-length], model[-length:]
        if head[-1:] in ("-", "@") and len(date) == length and date.replace("-", "").isdecimal():
            digits = date.replace("-", "")
            if len(digits) == 8 and digits.startswith("20"):
                return head[:-1]
    return model
