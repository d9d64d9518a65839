"""Amounts as people type them: money, milliseconds."""

from __future__ import annotations

import argparse
import math


def amount(text: str) -> float:
    """A number of 0 or more, neither infinite nor NaN. For argparse: raises its type error."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"`{text}` is no amount: 0, 0.5, 20")
    return value
