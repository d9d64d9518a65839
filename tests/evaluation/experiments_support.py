"""Data of experiments, made up for tests."""

from __future__ import annotations

from headgate.evaluation.experiments import ArmData, Stage, UnitSums


def ones(units: int, yes: int) -> UnitSums:
    """Units of one yes-or-no call each."""
    return UnitSums(units, float(yes), float(units), float(yes), float(yes), float(units))


def spread(units: int, mean: float, deviation: float) -> UnitSums:
    """Units of one value each, half of them `deviation` above the mean and half below."""
    return UnitSums.of((mean + (deviation if number % 2 else -deviation), 1.0) for number in range(units))


def one_stage(weights: dict[str, float] | None = None, fallbacks: int = 0, **metrics: dict[str, UnitSums]) -> Stage:
    """`metric={arm: sums}`; units of an arm are those of its metric that has the most."""
    arms = list(next(iter(metrics.values())))
    data: dict[str, ArmData] = {}
    for arm in arms:
        sums = {name: by_arm[arm] for name, by_arm in metrics.items() if arm in by_arm}
        units = max(one.units for one in sums.values())
        data[arm] = ArmData(units, units, fallbacks if arm != arms[0] else 0, sums)
    return Stage(weights or dict.fromkeys(arms, 1.0), data)
