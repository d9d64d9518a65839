"""What an experiment has shown so far. May be asked at any time and as often as one likes; same data, same verdict."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.evaluation.experiments.declared import Experiment
from headgate.evaluation.experiments.effect import NONE, Effect, compare
from headgate.evaluation.experiments.metrics import Metric, Stage
from headgate.evaluation.experiments.safety import HARMED as ARM_HARMED
from headgate.evaluation.experiments.safety import Safety, judge_safety
from headgate.evaluation.experiments.srm import Mismatch, mismatch

RUNNING, WINNER, NO_DIFFERENCE, HARMED, WITHHELD, NO_DATA = STATES = (
    "running", "winner", "no_difference", "harmed", "withheld", "no_data",
)  # fmt: skip

BETTER, WORSE, SAME, OPEN = "better", "worse", "same", "open"


class Standing(msgspec.Struct, frozen=True):
    """Where one arm stands in the primary metric: better, worse, same (the interval lies within the smallest
    difference that matters) or open."""

    arm: str
    state: str
    effect: Effect


class Traffic(msgspec.Struct, frozen=True):
    """What went to one arm, over all stages."""

    arm: str
    units: int
    calls: int
    fallback_calls: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`state`, from the gravest: `harmed` (`harmed` names the arms to pause, whatever else is known), `no_data` (an arm
    without units: hold), `withheld` (the split is not the declared one), `winner` (`arm`; the control's own name where
    every other arm is worse), `no_difference` (nobody is better, and nobody can be by as much as matters), `running`.

    `arm` is the winner, or the one of several with the best estimate. `alpha_each` is what each comparison spends.
    """

    state: str
    arm: str | None
    harmed: tuple[str, ...]
    standings: tuple[Standing, ...]
    safety: tuple[Safety, ...]
    others: tuple[Effect, ...]
    split: Mismatch
    traffic: tuple[Traffic, ...]
    alpha_each: float


def judge(experiment: Experiment, stages: Sequence[Stage]) -> Verdict:
    """The verdict on all data so far. A fixed split is one stage; every change of weights begins another."""
    standings = tuple(_standing(experiment, arm, stages) for arm in experiment.treatments)
    safety = tuple(
        judge_safety(experiment, metric, arm, stages) for arm in experiment.treatments for metric in experiment.safety
    )
    others = tuple(
        compare(experiment, metric, arm, stages, experiment.alpha_each)
        for arm in experiment.treatments
        for metric in experiment.others
    )
    harmed = tuple(
        arm for arm in experiment.treatments if any(one.arm == arm and one.state == ARM_HARMED for one in safety)
    )
    split = mismatch(experiment.arms, stages, experiment.srm_alpha)
    traffic = tuple(_traffic(arm, stages) for arm in experiment.arms)
    state, winner = _state(experiment, standings, harmed, split, traffic)
    return Verdict(
        state=state,
        arm=winner,
        harmed=harmed,
        standings=standings,
        safety=safety,
        others=others,
        split=split,
        traffic=traffic,
        alpha_each=experiment.alpha_each,
    )


def _standing(experiment: Experiment, arm: str, stages: Sequence[Stage]) -> Standing:
    effect = compare(experiment, experiment.primary, arm, stages, experiment.alpha_each)
    return Standing(arm, placed(experiment.primary, effect), effect)


def placed(metric: Metric, effect: Effect) -> str:
    """Where an interval lies, in the metric's own direction."""
    low, high, least = effect.low, effect.high, effect.min_effect
    if effect.method == NONE or low is None or high is None or least is None:
        return OPEN
    if low > 0 or high < 0:
        return BETTER if (low > 0) == (metric.sign > 0) else WORSE
    return SAME if max(-low, high) < least else OPEN


def _state(
    experiment: Experiment,
    standings: Sequence[Standing],
    harmed: Sequence[str],
    split: Mismatch,
    traffic: Sequence[Traffic],
) -> tuple[str, str | None]:
    if harmed:
        return HARMED, None
    if not all(one.units for one in traffic):
        return NO_DATA, None
    if split.fired:
        return WITHHELD, None
    better = [one for one in standings if one.state == BETTER]
    if better:
        return WINNER, max(better, key=lambda one: experiment.primary.sign * (one.effect.estimate or 0.0)).arm
    states = {one.state for one in standings}
    if states == {WORSE}:
        return WINNER, experiment.control
    return (NO_DIFFERENCE if states <= {WORSE, SAME} else RUNNING), None


def _traffic(arm: str, stages: Sequence[Stage]) -> Traffic:
    parts = [stage.arms[arm] for stage in stages if arm in stage.arms]
    return Traffic(
        arm, sum(one.units for one in parts), sum(one.calls for one in parts), sum(one.fallback_calls for one in parts)
    )
