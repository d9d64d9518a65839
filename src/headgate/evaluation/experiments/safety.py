"""Safety metrics: an arm that does more harm than is allowed is found at any look, and no data is no leave to go on.

Two one-sided e-values each: against the harm being no more than allowed (then `harmed`), and against its being as much
as allowed or more (then `ok`: not inferior by more than the margin). Neither is yet sure: `unknown`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from headgate.evaluation.experiments import exact, sequences
from headgate.evaluation.experiments.declared import Experiment
from headgate.evaluation.experiments.effect import NONE, Effect, look, spent, weigh
from headgate.evaluation.experiments.metrics import Metric, Stage

OK, HARMED, UNKNOWN = "ok", "harmed", "unknown"


class Safety(msgspec.Struct, frozen=True):
    """One safety metric of one arm. `e_harmed` and `e_ok` decide where they reach 1 / alpha; None without data.

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
    allowed = seen.min_effect
    if seen.method == NONE or allowed is None:
        return Safety(metric.name, arm, UNKNOWN, effect)
    if seen.estimate is not None:
        harm = sequences.Estimate(-metric.sign * seen.estimate.value, seen.estimate.variance)
        relief = sequences.Estimate(-harm.value, harm.variance)
        worse = sequences.log_e_above(harm, allowed, allowed)
        well = sequences.log_e_above(relief, -allowed, allowed)
    else:
        control, treated = seen.counts
        low, high = (control, treated) if metric.better == "lower" else (treated, control)
        worse = exact.log_e_above(low, high, min(allowed, 1.0))
        well = exact.log_e_above(high, low, max(-allowed, -1.0))
    share = math.log(spent(metric, seen.method))
    bar = -math.log(alpha)
    state = HARMED if worse + share >= bar else OK if well + share >= bar else UNKNOWN
    return Safety(metric.name, arm, state, effect, sequences.told_e(worse + share), sequences.told_e(well + share))
