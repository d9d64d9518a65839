"""How much traffic each arm gets next: as declared, growing where no harm is shown, or more for what does better.

All are pure: they look at the verdict and the data and return weights; whoever calls makes a new stage of every change.
Stages keep the verdict valid: within one the weights are fixed beforehand, whatever they were chosen by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from headgate.core.errors import ConfigError
from headgate.evaluation.experiments.declared import Experiment
from headgate.evaluation.experiments.effect import sums_of
from headgate.evaluation.experiments.metrics import Stage
from headgate.evaluation.experiments.safety import OK
from headgate.evaluation.experiments.sequences import Estimate, ratio
from headgate.evaluation.experiments.verdict import HARMED, WITHHELD, Verdict

GROW, SHIFT, HOLD, BACK = "grow", "shift", "hold", "back"
STEPS_MAX = 20
_REACH = 6.0  # standard deviations of a posterior that are integrated over
_POINTS = 241


class Ramp(msgspec.Struct, frozen=True):
    """Shares of traffic that the one arm under test gets, step by step. `units_min`: its units within a step, before
    which nothing is decided."""

    steps: tuple[float, ...] = (0.01, 0.05, 0.2, 0.5)
    units_min: int = 100


class Bandit(msgspec.Struct, frozen=True):
    """Thompson sampling by batches. No arm gets less than `floor`; nothing changes before every arm has `units_min` in
    the present stage, since a stage of few units tells little."""

    floor: float = 0.05
    units_min: int = 200


class Step(msgspec.Struct, frozen=True):
    """What to do next: `act` is grow (a ramp's next step), shift (a bandit's new weights), hold, or back (a harmed arm
    gets nothing); `weights` by arm; `why` in words. `number` is the ramp's step, from 0; None for a bandit."""

    act: str
    weights: Mapping[str, float]
    why: str
    number: int | None = None


def check_ramp(ramp: Ramp, experiment: Experiment, where: str) -> None:
    """Raises ConfigError for a ramp that could do harm unseen, or nothing."""
    if len(experiment.arms) != 2:
        raise ConfigError(where, f"a ramp of {len(experiment.arms)} arms", "a control and one arm")
    if not experiment.safety:
        raise ConfigError(where, "a ramp without a safety metric", "at least one: it grows where no harm is shown")
    steps = ramp.steps
    if not 0 < len(steps) <= STEPS_MAX or list(steps) != sorted(set(steps)) or not 0 < steps[0] <= steps[-1] <= 1:
        raise ConfigError(
            where, f"steps {list(steps)}", "shares above 0 and up to 1 that grow, such as [0.01, 0.1, 0.5]"
        )
    if ramp.units_min < 1:
        raise ConfigError(where, f"units_min is {ramp.units_min}", "at least 1; 100 is usual")


def check_bandit(bandit: Bandit, experiment: Experiment, where: str) -> None:
    """Raises ConfigError for a floor that all arms cannot have, or batches too small to tell anything."""
    most = 1 / len(experiment.arms)
    if not 0 < bandit.floor <= most:
        raise ConfigError(where, f"floor is {bandit.floor}", f"above 0 and at most {most:.4g}, a share for every arm")
    if bandit.units_min < 100:
        raise ConfigError(where, f"units_min is {bandit.units_min}", "at least 100: smaller batches tell nothing")


def ramp_step(ramp: Ramp, number: int, experiment: Experiment, stages: Sequence[Stage], verdict: Verdict) -> Step:
    """The step after `number`. It grows on evidence of no harm in every safety metric, and on nothing less."""
    arm = experiment.treatments[0]
    present = _pair(experiment, ramp.steps[number])
    if verdict.state == HARMED:
        return Step(BACK, _pair(experiment, 0.0), f"{arm} does more harm than is allowed", number)
    if verdict.state == WITHHELD:
        return Step(HOLD, present, "traffic is not split as declared", number)
    units = _units(stages, arm)
    if units < ramp.units_min:
        return Step(HOLD, present, f"{units} units of {arm} at this step, {ramp.units_min} are asked for", number)
    unsure = [one.metric for one in verdict.safety if one.state != OK]
    if unsure:
        return Step(HOLD, present, f"whether {arm} does harm is not known yet: {', '.join(unsure)}", number)
    if number + 1 == len(ramp.steps):
        return Step(HOLD, present, "the last step", number)
    share = ramp.steps[number + 1]
    return Step(GROW, _pair(experiment, share), f"no harm is shown; {arm} goes on to {share:.4g}", number + 1)


def bandit_step(bandit: Bandit, experiment: Experiment, stages: Sequence[Stage], verdict: Verdict) -> Step:
    """Weights by the chance of each arm to be the best one, which is how often Thompson sampling draws it; integrated,
    not drawn, so that the same data give the same weights. A harmed arm gets nothing, at once."""
    present = _present(experiment, stages)
    allowed = [arm for arm in experiment.arms if arm not in verdict.harmed]
    if any(present[arm] > 0 for arm in verdict.harmed):
        left = sum(present[arm] for arm in allowed)
        kept = dict.fromkeys(experiment.arms, 0.0)
        kept.update({arm: present[arm] / left for arm in allowed} if left else {experiment.control: 1.0})
        return Step(BACK, kept, f"more harm than is allowed: {', '.join(verdict.harmed)}")
    if verdict.split.fired:
        return Step(HOLD, present, "traffic is not split as declared")
    short = [arm for arm in allowed if _units(stages, arm) < bandit.units_min]
    if short:
        return Step(HOLD, present, f"fewer than {bandit.units_min} units in this stage: {', '.join(short)}")
    beliefs = _beliefs(experiment, stages, allowed)
    if beliefs is None:
        return Step(HOLD, present, f"too little is known of {experiment.primary.name}")
    best = chances([beliefs[arm] for arm in allowed])
    spare = 1 - bandit.floor * len(allowed)
    weights = dict.fromkeys(experiment.arms, 0.0)
    weights.update({arm: bandit.floor + spare * chance for arm, chance in zip(allowed, best, strict=True)})
    return Step(SHIFT, weights, ", ".join(f"{arm} {weight:.3f}" for arm, weight in weights.items()))


def chances(beliefs: Sequence[Estimate]) -> list[float]:
    """How likely each of several independent normal figures is the highest of all."""
    found: list[float] = []
    for at, one in enumerate(beliefs):
        spread = math.sqrt(one.variance)
        total = 0.0
        for point in range(_POINTS):
            z = _REACH * (2 * point / (_POINTS - 1) - 1)
            weight = math.exp(-z * z / 2)
            for other, its in enumerate(beliefs):
                if other != at:
                    weight *= math.erfc((its.value - one.value - z * spread) / math.sqrt(2 * its.variance)) / 2
            total += weight
        found.append(total)
    whole = sum(found)
    return [value / whole for value in found] if whole > 0 else [1 / len(beliefs)] * len(beliefs)


def _units(stages: Sequence[Stage], arm: str) -> int:
    """The arm's units in the present stage."""
    return stages[-1].arms[arm].units if stages and arm in stages[-1].arms else 0


def _present(experiment: Experiment, stages: Sequence[Stage]) -> dict[str, float]:
    """The shares of the present stage; equal ones before the first."""
    weights = stages[-1].weights if stages else dict.fromkeys(experiment.arms, 1.0)
    total = sum(weights.get(arm, 0.0) for arm in experiment.arms)
    return {arm: weights.get(arm, 0.0) / total for arm in experiment.arms}


def _pair(experiment: Experiment, share: float) -> dict[str, float]:
    return {experiment.control: 1 - share, experiment.treatments[0]: share}


def _beliefs(experiment: Experiment, stages: Sequence[Stage], arms: Sequence[str]) -> dict[str, Estimate] | None:
    """Each arm's figure, higher being better, over the stages in which all arms were: each stage counts by its size
    alone, not by how much of it an arm had. None where too little is known."""
    metric = experiment.primary
    sums = {arm: Estimate(0.0, 0.0) for arm in arms}
    whole = 0.0
    for stage in stages:
        parts: dict[str, Estimate] = {}
        size = 0
        for arm in arms:
            known = sums_of(experiment, metric, arm, stage)
            figure = ratio(known)
            size += known.units
            if figure is not None and metric.kind == "binary" and not figure.variance:
                figure = Estimate(figure.value, (known.units + 1) / (known.units + 2) ** 2 / known.units)
            if figure is not None and figure.variance > 0:
                parts[arm] = figure
        if len(parts) < len(arms):
            continue
        whole += size
        for arm, figure in parts.items():
            before = sums[arm]
            sums[arm] = Estimate(
                before.value + size * metric.sign * figure.value, before.variance + size * size * figure.variance
            )
    if not whole:
        return None
    return {arm: Estimate(one.value / whole, one.variance / whole / whole) for arm, one in sums.items()}
