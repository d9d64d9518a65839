"""What is known of the vendors' models: prices and context windows, shipped as data and dated.

Figures a workspace states itself win over the catalogue's, field by field. A model in neither has unknown facts: None.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Sequence

import msgspec

from headgate.core.types import Price

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


class Row(msgspec.Struct, frozen=True):
    """One model of the catalogue file. US dollars per million tokens; `match`: names, or prefixes ending in `*`.

    `*_long` are the prices of a call whose input is over `long_over` tokens.
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

    def facts(self) -> Facts:
        """The row without its names."""
        long = None
        if self.long_over is not None:
            long = Price(self.input_long, self.output_long, self.cached_input_long, self.cache_write_long)
        price = Price(self.input, self.output, self.cached_input, self.cache_write, self.long_over, long)
        return Facts(price, self.context, self.max_output, self.abilities)


class _File(msgspec.Struct):
    source: str
    as_of: str
    models: list[Row]


class Catalogue:
    """Finds a model's facts by provider type and name: exact first, then without its date, then the longest prefix."""

    __slots__ = ("_exact", "_models", "_prefixes", "as_of")

    def __init__(self, rows: Iterable[Row], as_of: str) -> None:
        self.as_of = as_of
        self._exact: dict[tuple[str, str], Facts] = {}
        self._models: dict[str, list[str]] = {}
        prefixes: dict[str, list[tuple[str, Facts]]] = {}
        for row in rows:
            facts = row.facts()
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
    def load(cls) -> Catalogue:
        """The catalogue that ships with this version."""
        text = (importlib.resources.files("headgate") / "data" / "catalogue.json").read_bytes()
        file = msgspec.json.decode(text, type=_File)
        return cls(file.models, file.as_of)

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


def undated(model: str) -> str:
    """The name without the date of a snapshot at its end: `gpt-5-mini-2025-08-07`, `claude-opus-5-20260901`."""
    for length in _DATE_LENGTHS:
        head, date = model[:-length], model[-length:]
        if head[-1:] in ("-", "@") and len(date) == length and date.replace("-", "").isdecimal():
            digits = date.replace("-", "")
            if len(digits) == 8 and digits.startswith("20"):
                return head[:-1]
    return model
