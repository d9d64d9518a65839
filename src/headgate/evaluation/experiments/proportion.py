"""An exact interval for a rate from counts of yes and no (Clopper and Pearson, Biometrika 1934).

For runs whose chances differ, it holds for their average: their count varies less than that of runs all alike
(Hoeffding, Annals of Mathematical Statistics 1956).
"""

from __future__ import annotations

import math

UNITS_MAX = 100_000
_STEPS = 60


def rate_interval(ones: int, units: int, alpha: float = 0.05) -> tuple[float, float]:
    """The rates at which neither so many nor so few are less likely than alpha / 2. (0, 1) where nothing was counted.

    Raises ValueError for counts that are none.
    """
    if not 0 <= ones <= units <= UNITS_MAX:
        raise ValueError(f"{ones} of {units}")
    if units == 0:
        return 0.0, 1.0
    low = 0.0 if ones == 0 else _edge(ones, units, alpha / 2)
    high = 1.0 if ones == units else 1.0 - _edge(units - ones, units, alpha / 2)
    return low, high


def _edge(ones: int, units: int, alpha: float) -> float:
    """The rate at which `ones` or more have the probability `alpha`."""
    below, above = 0.0, ones / units
    for _ in range(_STEPS):
        middle = (below + above) / 2
        below, above = (below, middle) if _at_least(ones, units, middle) > alpha else (middle, above)
    return below


def _at_least(ones: int, units: int, rate: float) -> float:
    """The probability of `ones` or more at a rate of at most ones / units: a sum whose terms fall from the first on."""
    if rate <= 0:
        return 0.0
    term = math.exp(
        math.lgamma(units + 1) - math.lgamma(ones + 1) - math.lgamma(units - ones + 1)
        + ones * math.log(rate) + (units - ones) * math.log1p(-rate)
    )  # fmt: skip
    total, odds = 0.0, rate / (1 - rate)
    for count in range(ones, units + 1):
        total += term
        if term < total * 1e-17:
            break
        term *= (units - count) / (count + 1) * odds
    return total
