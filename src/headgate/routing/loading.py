"""Finds a strategy by its name: a file in `strategies/`, else an entry point of group `headgate.strategies`."""

from __future__ import annotations

import importlib
from importlib import metadata
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import cast

from headgate.routing import strategies
from headgate.routing.strategy import StrategyModule

ENTRY_POINTS = "headgate.strategies"


def names() -> list[str]:
    """Every strategy that can be named, sorted."""
    own = {module.name for module in iter_modules(strategies.__path__)}
    return sorted(own | {point.name for point in metadata.entry_points(group=ENTRY_POINTS)})


def find(name: str) -> StrategyModule | None:
    """The strategy of that name, imported now; None where there is none."""
    if name.isidentifier() and find_spec(f"{strategies.__name__}.{name}") is not None:
        return cast("StrategyModule", importlib.import_module(f"{strategies.__name__}.{name}"))
    for point in metadata.entry_points(group=ENTRY_POINTS, name=name):
        return cast("StrategyModule", point.load())
    return None
