"""Two counts of yes and no, compared exactly at any look, however few there are and however units came to their arm.

Each arm's e-process is a Beta(1/2, 1/2) mixture of Bernoulli likelihoods over the likelihood at the true rate (Robbins
1970; the mixture of Krichevsky and Trofimov); their product is one for both rates. For a difference the least over all
pairs of rates that differ by it is taken (universal inference: Wasserman, Ramdas, Balakrishnan 2020).
"""

from __future__ import annotations

import math

import msgspec

_STEPS = 50
_LOG_PI = math.log(math.pi)


class Count(msgspec.Struct, frozen=True, gc=False):
    """How many units, and how many of them were a yes."""

    units: int
    ones: int


def log_e(control: Count, arm: Count, null: float) -> float:
    """Logarithm of the e-value against a difference (arm less control) of exactly `null`, -1 to 1."""
    return _distance(control, arm, null) - _regret(control) - _regret(arm)


def log_e_above(control: Count, arm: Count, null: float) -> float:
    """Logarithm of the e-value against a difference of `null` or less."""
    return log_e(control, arm, min(null, _rate(arm) - _rate(control)))


def interval(control: Count, arm: Count, alpha: float) -> tuple[float, float]:
    """The differences against which there is less than 1 / alpha."""
    bar = -math.log(alpha) + _regret(control) + _regret(arm)
    seen = _rate(arm) - _rate(control)
    return _edge(control, arm, (-1.0, seen), bar), _edge(control, arm, (1.0, seen), bar)


def _edge(control: Count, arm: Count, between: tuple[float, float], bar: float) -> float:
    """Where the distance passes the bar between a difference far off and the one seen."""
    far, near = between
    for _ in range(_STEPS):
        middle = (far + near) / 2
        far, near = (middle, near) if _distance(control, arm, middle) >= bar else (far, middle)
    return far


def _rate(count: Count) -> float:
    return count.ones / count.units if count.units else 0.5


def _distance(control: Count, arm: Count, difference: float) -> float:
    """How much less likely the best pair of rates that differ by so much makes the counts than the rates seen do."""
    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)
    p = min(max(_best(control, arm, difference), low), high)
    return _divergence(control, p) + _divergence(arm, min(max(p + difference, 0.0), 1.0))


def _best(control: Count, arm: Count, difference: float) -> float:
    """The control's likeliest rate where the arm's is `difference` higher: the middle root of a cubic (Miettinen and
    Nurminen, Statistics in Medicine 1985)."""
    total, ones = control.units + arm.units, control.ones + arm.ones
    if not total:
        return 0.5
    square = ((2 * control.units + arm.units) * difference - total - ones) / (3 * total)
    linear = ((control.units * difference - total - 2 * control.ones) * difference + ones) / (3 * total)
    fixed = control.ones * difference * (1 - difference) / total
    half = square**3 - 1.5 * linear * square + fixed / 2
    reach = math.copysign(math.sqrt(max(square * square - linear, 0.0)), half)
    if reach == 0:
        return -square
    angle = (math.pi + math.acos(min(max(half / reach**3, -1.0), 1.0))) / 3
    return 2 * reach * math.cos(angle) - square


def _divergence(count: Count, rate: float) -> float:
    """Log-likelihood at the rate seen less that at `rate`."""
    seen = _rate(count)
    total = 0.0
    for times, at, against in (
        (count.ones, seen, rate),
        (count.units - count.ones, 1 - seen, 1 - rate),
    ):
        if times:
            if against <= 0:
                return math.inf
            total += times * math.log(at / against)
    return total


def _regret(count: Count) -> float:
    """Log-likelihood at the rate seen less that of the mixture: the price of not knowing the rate."""
    yes, no = count.ones, count.units - count.ones
    mixture = math.lgamma(yes + 0.5) + math.lgamma(no + 0.5) - math.lgamma(count.units + 1) - _LOG_PI
    seen = _rate(count)
    best = (yes * math.log(seen) if yes else 0.0) + (no * math.log(1 - seen) if no else 0.0)
    return best - mixture
