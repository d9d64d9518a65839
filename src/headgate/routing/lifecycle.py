"""When models retire and what takes their place: shipped as data and dated, with the vendors' pages as sources."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from headgate.routing.catalogue import undated


class Life(msgspec.Struct, frozen=True):
    """The end of one model: `retires`, a UTC day (`2026-12-11`), and the model that its vendor names to follow it."""

    retires: str
    successor: str | None = None


class LifeRow(msgspec.Struct, frozen=True):
    """One row of the file; `match` are names, or prefixes ending in `*`."""

    provider: str
    match: Sequence[str]
    retires: str
    successor: str | None = None


class LifecycleFile(msgspec.Struct, frozen=True):
    """The file. `sources`: by provider type, where the dates come from."""

    format: int
    as_of: str
    models: list[LifeRow]
    sources: Mapping[str, str] = {}
    note: str = ""


class Lifecycle:
    """Finds the end of a model by provider type and name: exact first, then without its date, then by prefix."""

    __slots__ = ("_exact", "_prefixes", "as_of", "rows", "sources")

    def __init__(self, rows: Iterable[LifeRow], as_of: str = "", sources: Mapping[str, str] | None = None) -> None:
        self.as_of = as_of
        self.sources = dict(sources or {})
        self.rows = tuple(rows)
        self._exact: dict[tuple[str, str], Life] = {}
        self._prefixes: list[tuple[str, str, Life]] = []
        for row in self.rows:
            life = Life(row.retires, row.successor)
            for name in row.match:
                if name.endswith("*"):
                    self._prefixes.append((row.provider, name[:-1], life))
                else:
                    self._exact[row.provider, name] = life

    @classmethod
    def load(cls) -> Lifecycle:
        """What ships with this version."""
        text = (importlib.resources.files("headgate") / "data" / "lifecycle.json").read_bytes()
        file = msgspec.json.decode(text, type=LifecycleFile)
        return cls(file.models, file.as_of, file.sources)

    def find(self, provider_type: str, model: str) -> Life | None:
        """The end of a model; None where none is known."""
        found = self._exact.get((provider_type, model)) or self._exact.get((provider_type, undated(model)))
        if found is not None:
            return found
        for kind, prefix, life in self._prefixes:
            if kind == provider_type and model.startswith(prefix):
                return life
        return None

    def dates(self) -> list[str]:
        """Every day on which a model retires."""
        return sorted({row.retires for row in self.rows})
