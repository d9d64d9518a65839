"""Numbers in a strategy's options, checked."""

from __future__ import annotations

import math

from headgate.core.artifact import Artifact
from headgate.core.types import Json


def number(artifact: Artifact, at: str, value: Json, low: float, high: float) -> float:
    """A finite number from `low` to `high`. Raises ConfigError at the dotted path."""
    right = f"a number from {low:g} to {high:g}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise artifact.fault(at, f"`{at.rpartition('.')[2]}` is not a number", right)
    if not low <= value <= high:
        raise artifact.fault(at, f"`{at.rpartition('.')[2]}` is {value:g}", right)
    return float(value)


def share(artifact: Artifact, at: str, value: Json, most: float = 1.0) -> float:
    """A number from 0 to `most`. Raises ConfigError at the dotted path."""
    return number(artifact, at, value, 0.0, most)
