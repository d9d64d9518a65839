"""Amounts as people type them: money, milliseconds, shares, counts. For argparse: all raise its type error."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def amount(text: str) -> float:
    """A number of 0 or more, neither infinite nor NaN."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"`{text}` is no amount: 0, 0.5, 20")
    return value


def positive(text: str) -> float:
    """A number above 0, not infinite."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number above 0")
    return value


def share(text: str) -> float:
    """A number above 0, at most 1."""
    value = positive(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"`{text}` is above 1")
    return value


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """A whole number from `least` on, to `most` where there is one."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or int(text) < least or (most is not None and int(text) > most):
            bounds = f"from {least} to {most}" if most is not None else f"of {least} or more"
            raise argparse.ArgumentTypeError(f"`{text}` is not a whole number {bounds}")
        return int(text)

    return read


def release_number(text: str) -> int:
    """A release by its number: `3`, `#3` or `support#3`."""
    number = text.rpartition("#")[2]
    if not (number.isascii() and number.isdigit()) or int(number) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is no release: 3, or support#3")
    return int(number)
