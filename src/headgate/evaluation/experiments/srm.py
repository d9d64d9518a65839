"""Was traffic split as declared? A sequential test, valid at any look, of the units each arm has.

The e-value is a Dirichlet-multinomial likelihood over the multinomial one at the declared shares (Lindon and Malek,
"Anytime-valid inference for multinomial count data", NeurIPS 2022). A mismatch means that units were lost or moved on
their way, and then no comparison between arms can be trusted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from headgate.evaluation.experiments.metrics import Stage
from headgate.evaluation.experiments.sequences import told_e

CONCENTRATION = 1000.0  # of the Dirichlet around the declared shares: looks for mismatches of a point or two first


class Mismatch(msgspec.Struct, frozen=True):
    """`fired`: the split is not the declared one, since the evidence `e_value` has reached 1 / alpha. Shares are by
    arm, over all stages, and empty without units."""

    fired: bool
    e_value: float
    declared: Mapping[str, float]
    seen: Mapping[str, float]


def mismatch(arms: Sequence[str], stages: Sequence[Stage], alpha: float) -> Mismatch:
    """Each stage against its own weights; what they tell is multiplied. Raises ValueError for a stage whose weights
    are no weights."""
    log_e = 0.0
    declared = dict.fromkeys(arms, 0.0)
    seen = dict.fromkeys(arms, 0)
    for stage in stages:
        counts = {arm: stage.arms[arm].units if arm in stage.arms else 0 for arm in arms}
        weights = {arm: stage.weights.get(arm, 0.0) for arm in arms}
        total, units = sum(weights.values()), sum(counts.values())
        if not 0 < total < math.inf or min(weights.values()) < 0:
            raise ValueError(f"weights that nothing can be split by: {weights}")
        shares = {arm: weight / total for arm, weight in weights.items()}
        log_e += log_mismatch([counts[arm] for arm in arms], [shares[arm] for arm in arms])
        for arm in arms:
            declared[arm] += shares[arm] * units
            seen[arm] += counts[arm]
    units = sum(seen.values())
    if not units:
        return Mismatch(False, 1.0, {}, {})
    return Mismatch(
        fired=log_e >= -math.log(alpha),
        e_value=told_e(log_e),
        declared={arm: value / units for arm, value in declared.items()},
        seen={arm: count / units for arm, count in seen.items()},
    )


def log_mismatch(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Logarithm of the e-value against these shares. An arm of no share that has units settles it: infinity."""
    total = sum(counts)
    log_e = math.lgamma(CONCENTRATION) - math.lgamma(CONCENTRATION + total)
    for count, share in zip(counts, shares, strict=True):
        if share > 0:
            prior = CONCENTRATION * share
            log_e += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
        elif count:
            return math.inf
    return log_e
