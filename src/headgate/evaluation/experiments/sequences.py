"""Confidence sequences of differences between two arms: intervals that hold at every look at once.

The estimate of a difference at any look is close to normal, and its looks together are close to a Brownian motion in
its information 1 / variance (Jennison and Turnbull 1997). Robbins' normal mixture over that motion gives an e-value and
an interval at any time: asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, Annals of
Statistics 2024, proposition 2.5), the same as the mixture SPRT with a N(0, tau^2) prior (Johari et al. 2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from headgate.evaluation.experiments.metrics import UnitSums

STAGE_UNITS_MIN = (
    10  # an arm's units in a stage, below which it has no variance worth the name and the stage is left out
)
_ALIKE = 1e-12  # part of the sum of squares below which what is left of it is rounding
_STEPS = 60
_FAR = 20.0  # standard deviations on the null's side, from which on a series is exact enough
_WIDTHS = {1.0: 0.5, 4.0: 0.25, 16.0: 0.25}  # times tau, and the weight of each in the mean


class Estimate(msgspec.Struct, frozen=True, gc=False):
    """A figure and its variance."""

    value: float
    variance: float


def ratio(sums: UnitSums) -> Estimate | None:
    """Sum over sum and its variance by the delta method, with units as observations: over n units with residuals
    r = y - R x, the variance of R is sum(r^2) / (n - 1) / n / mean(x)^2. None where that is not known."""
    n = sums.units
    if n < 2 or sums.x <= 0:
        return None
    value = sums.y / sums.x
    residual = sums.yy - 2 * value * sums.xy + value * value * sums.xx
    if residual <= _ALIKE * sums.yy or not math.isfinite(residual):
        residual = 0.0
    return Estimate(value, residual * n / (n - 1) / (sums.x * sums.x))


def difference(stages: Sequence[tuple[UnitSums, UnitSums]], times: float = 1.0) -> Estimate | None:
    """The second's ratio less `times` the first's, compared within each stage and then put together by size.

    Stages weigh n0 n1 / (n0 + n1). Sums over stages of unequal weights would mix up the arm with the day: whatever
    changed meanwhile would count for the arm that had more of it. None where there is nothing to compare.
    """
    value = variance = total = 0.0
    for control, arm in stages:
        if min(control.units, arm.units) < STAGE_UNITS_MIN:
            continue
        left, right = ratio(control), ratio(arm)
        if left is None or right is None:
            continue
        weight = control.units * arm.units / (control.units + arm.units)
        value += weight * (right.value - times * left.value)
        variance += weight * weight * (times * times * left.variance + right.variance)
        total += weight
    if total == 0 or variance <= 0:
        return None
    return Estimate(value / total, variance / total / total)


def log_e(estimate: Estimate, null: float, tau: float) -> float:
    """Logarithm of the e-value against a true value of `null`, for alternatives `tau` or so away on either side."""
    spread = tau * tau / estimate.variance
    z = (estimate.value - null) ** 2 / estimate.variance
    return 0.5 * (z * spread / (1 + spread) - math.log1p(spread))


def log_e_above(estimate: Estimate, null: float, tau: float) -> float:
    """Logarithm of the e-value against a true value of `null` or less: the same mixture over its upper half."""
    return _log_half((estimate.value - null) / math.sqrt(estimate.variance), tau * tau / estimate.variance)


def log_e_far_above(estimate: Estimate, null: float, tau: float) -> float:
    """The same over several widths, from `tau` up: what is far above is found soon, what is a little above somewhat
    later than by the one width. Their mean is an e-value, too."""
    parts = [math.log(weight) + log_e_above(estimate, null, times * tau) for times, weight in _WIDTHS.items()]
    most = max(parts)
    return most + math.log(sum(math.exp(part - most) for part in parts))


def told_e(log_e: float) -> float:
    """The e-value itself, no larger than what JSON can say."""
    return math.exp(min(log_e, 700.0))


def margin(variance: float, tau: float, alpha: float) -> float:
    """Half the width of the interval: what is less than 1 / alpha against is in it."""
    spread = tau * tau / variance
    return math.sqrt(variance * (1 + spread) / spread * (math.log1p(spread) - 2 * math.log(alpha)))


@lru_cache(maxsize=256)
def information_needed(alpha: float) -> float:
    """Information, in units of 1 / tau^2, at which the margin is `tau` itself."""
    low, high = 1e-3, 1e6
    for _ in range(_STEPS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if margin(1 / middle, 1.0, alpha) > 1 else (low, middle)
    return high


def _log_half(z: float, spread: float) -> float:
    """2 (1 + s)^(-1/2) exp(z^2 s / (2 (1 + s))) Phi(z (s / (1 + s))^(1/2)): the mixture over half of a normal prior."""
    part = spread / (1 + spread)
    at = z * math.sqrt(part)
    if at > -_FAR:
        return 0.5 * (at * at - math.log1p(spread)) + math.log(math.erfc(-at / math.sqrt(2)))
    # exp(at^2 / 2) Phi(at) by its asymptotic series: either factor alone would leave the range of floats
    square = at * at
    return 0.5 * math.log(2 / math.pi / (1 + spread)) - math.log(-at) + math.log1p((3 / square - 1) / square)
