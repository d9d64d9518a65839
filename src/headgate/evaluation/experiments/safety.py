"""Safety metrics: an arm that does more harm than is allowed is found at any look, and no data is no leave to go on.

Two one-sided e-values each: against the harm being no more than allowed (then `harmed`), and against its being as much
as allowed or more (then `ok`: not inferior by more than the margin). Neither is yet sure: `unknown`.

Harm in money, time and tokens is found from fewer units than its absence: an arm no larger than the control whose rare
large values are missing yet looks better than it is; one that has them has a variance to match, and misleads nobody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from headgate.evaluation.experiments import exact, sequences
from headgate.evaluation.experiments.declared import Experiment
from headgate.evaluation.experiments.effect import NONE, UNITS_MIN, Effect, Seen, look, spent, weigh
from headgate.evaluation.experiments.metrics import Metric, Stage

OK, HARMED, UNKNOWN = "ok", "harmed", "unknown"


class Safety(msgspec.Struct, frozen=True):
    """One safety metric of one arm. `e_harmed` and `e_ok` decide where they reach 1 / alpha; None where there are too
    few units to tell.

    `effect.min_effect` is the harm allowed; its interval is two-sided and spends `effect.alpha`.
    """

    metric: str
    arm: str
    state: str
    effect: Effect
    e_harmed: float | None = None
    e_ok: float | None = None


def judge_safety(experiment: Experiment, metric: Metric, arm: str, stages: Sequence[Stage]) -> Safety:
    """Whether the arm does no more harm than `metric.min_effect`, at level `experiment.alpha_safety`."""
    alpha = experiment.alpha_safety
    seen = look(experiment, metric, arm, stages)
    effect = weigh(metric, arm, seen, alpha)
    told = seen
    if seen.method == NONE and metric.heavy and metric.better == "lower" and seen.arm.units <= seen.control.units:
        told = look(experiment, metric, arm, stages, UNITS_MIN)
    if told.method == NONE or told.min_effect is None:
        return Safety(metric.name, arm, UNKNOWN, effect)
    share = spent(metric, told.method)
    harmed, well = (sequences.told_e(one + math.log(share)) for one in _evidence(metric, told, told.min_effect))
    known = well if told is seen else None
    state = HARMED if harmed >= 1 / alpha else OK if known is not None and known >= 1 / alpha else UNKNOWN
    return Safety(metric.name, arm, state, effect, harmed, known)


def _evidence(metric: Metric, seen: Seen, allowed: float) -> tuple[float, float]:
    """Logarithms of the e-values against harm of `allowed` at most, and of `allowed` at least."""
    if seen.estimate is None:
        control, treated = seen.counts
        low, high = (control, treated) if metric.better == "lower" else (treated, control)
        return exact.log_e_above(low, high, min(allowed, 1.0)), exact.log_e_above(high, low, max(-allowed, -1.0))
    estimate, bound = seen.estimate, -metric.sign * allowed
    if metric.relative and seen.control.y:
        # where the bound is a part of the control's figure, it is known no better than that
        part = math.copysign(metric.min_effect, seen.control.y)
        estimate, bound = sequences.difference(seen.stages, 1 - metric.sign * part) or estimate, 0.0
    beyond = sequences.Estimate(-metric.sign * (estimate.value - bound), estimate.variance)
    within = sequences.Estimate(-beyond.value, beyond.variance)
    return sequences.log_e_far_above(beyond, 0.0, allowed), sequences.log_e_above(within, 0.0, allowed)
