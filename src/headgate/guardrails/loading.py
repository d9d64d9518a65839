"""Finds a check by its name: a file in `checks/`, else an entry point of group `headgate.checks`."""

from __future__ import annotations

import importlib
from importlib import metadata
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import cast

from headgate.guardrails import checks
from headgate.guardrails.check import CheckModule

ENTRY_POINTS = "headgate.checks"


def names() -> list[str]:
    """Every check that can be named, sorted."""
    own = {module.name for module in iter_modules(checks.__path__)}
    return sorted(own | {point.name for point in metadata.entry_points(group=ENTRY_POINTS)})


def find(name: str) -> CheckModule | None:
    """The check of that name, imported now; None where there is none."""
    if name.isidentifier() and find_spec(f"{checks.__name__}.{name}") is not None:
        return cast("CheckModule", importlib.import_module(f"{checks.__name__}.{name}"))
    for point in metadata.entry_points(group=ENTRY_POINTS, name=name):
        return cast("CheckModule", point.load())
    return None
