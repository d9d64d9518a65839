"""How far an arm is from the control in one metric, by the method that its counts allow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from headgate.evaluation.experiments import exact, sequences
from headgate.evaluation.experiments.declared import LEAVE_OUT, Experiment
from headgate.evaluation.experiments.exact import Count
from headgate.evaluation.experiments.metrics import Metric, Stage, UnitSums
from headgate.evaluation.experiments.sequences import Estimate

UNITS_MIN = 100  # an arm's units, below which nothing is near enough to normal
UNITS_MIN_HEAVY = (
    500  # the same for money, time and tokens: a small arm that lacks its tail looks cheap, and sure of it
)
EVENTS_MIN = 10  # the same for yes and for no: 0 of 500 and 0 of 500 have no variance, and are not surely equal
EXACT_SHARE = 0.05  # of alpha, spent on the exact method while counts are small; the rest on what follows it

EXACT, ASYMPTOTIC, NONE = "exact", "asymptotic", "none"


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """An arm against the control. What is not known is None; an interval is known where `method` is not `none`.

    `estimate`, `low` and `high` are of arm less control, in the metric's own unit and direction; `alpha` is what the
    interval spends. `e_value` is the evidence against no difference, and decides where it reaches 1 / alpha.
    `control` is the control's own figure over all stages, `value` the arm's; over several stages it is what the arm
    would have had with the control's share of each. `min_effect` is absolute. `units_more`: further
    units of the arm, at the present spread and split, after which the interval reaches as far as `min_effect`.
    """

    metric: str
    arm: str
    method: str
    alpha: float
    units: int
    units_control: int
    control: float | None = None
    value: float | None = None
    min_effect: float | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    e_value: float | None = None
    units_more: int | None = None


class Seen(msgspec.Struct, frozen=True):
    """One metric of control and arm: sums by stage and over all, and the smallest difference that matters."""

    stages: tuple[tuple[UnitSums, UnitSums], ...]
    control: UnitSums
    arm: UnitSums
    method: str
    min_effect: float | None
    estimate: Estimate | None = None

    @property
    def counts(self) -> tuple[Count, Count]:
        """For the exact method."""
        return Count(self.control.units, round(self.control.y)), Count(self.arm.units, round(self.arm.y))


def sums_of(experiment: Experiment, metric: Metric, arm: str, stage: Stage) -> UnitSums:
    """What an arm has of a metric in a stage, with or without answers by a fallback, as the experiment says."""
    data = stage.arms.get(arm)
    if data is None:
        return UnitSums()
    kept = data.own if experiment.fallbacks == LEAVE_OUT else data.metrics
    return kept.get(metric.name) or UnitSums()


def units_min(metric: Metric) -> int:
    """Units that each arm needs before its sums are near enough to normal."""
    return UNITS_MIN_HEAVY if metric.heavy else UNITS_MIN


def look(
    experiment: Experiment, metric: Metric, arm: str, stages: Sequence[Stage], least_units: int | None = None
) -> Seen:
    """Gathers the sums, and says which method they allow. `least_units` None: as many as `units_min` asks for."""
    pairs = tuple(
        (sums_of(experiment, metric, experiment.control, stage), sums_of(experiment, metric, arm, stage))
        for stage in stages
    )
    control, treated = _all(pair[0] for pair in pairs), _all(pair[1] for pair in pairs)
    base = sequences.ratio(control)
    enough = units_min(metric) if least_units is None else least_units
    least: float | None = metric.min_effect
    if metric.relative:
        least = metric.min_effect * abs(base.value) if base is not None and base.value else None
    seen = Seen(pairs, control, treated, NONE, least)
    if least is None or not control.units or not treated.units:
        return seen
    if _normal(metric, control, enough) and _normal(metric, treated, enough):
        estimate = sequences.difference(pairs)
        if estimate is not None:
            return msgspec.structs.replace(seen, method=ASYMPTOTIC, estimate=estimate)
    if metric.kind == "binary" and control.single and treated.single:
        return msgspec.structs.replace(seen, method=EXACT)
    return seen


def compare(experiment: Experiment, metric: Metric, arm: str, stages: Sequence[Stage], alpha: float) -> Effect:
    """The interval of one arm's difference from the control, valid at every look at level `alpha`."""
    return weigh(metric, arm, look(experiment, metric, arm, stages), alpha)


def weigh(metric: Metric, arm: str, seen: Seen, alpha: float) -> Effect:
    """The same of what was gathered before."""
    left, right = sequences.ratio(seen.control), sequences.ratio(seen.arm)
    effect = Effect(
        metric=metric.name,
        arm=arm,
        method=seen.method,
        alpha=alpha,
        units=seen.arm.units,
        units_control=seen.control.units,
        control=left.value if left else None,
        value=right.value if right else None,
        min_effect=seen.min_effect,
    )
    share = spent(metric, seen.method)
    least = seen.min_effect
    if least is None or seen.method == NONE:
        return effect
    if seen.estimate is None:
        control, treated = seen.counts
        low, high = exact.interval(control, treated, alpha * share)
        estimate = treated.ones / treated.units - control.ones / control.units
        log_e = exact.log_e(control, treated, 0.0)
        variance = _variance(control) + _variance(treated)
    else:
        estimate, variance = seen.estimate.value, seen.estimate.variance
        reach = sequences.margin(variance, least, alpha * share)
        low, high = estimate - reach, estimate + reach
        log_e = sequences.log_e(seen.estimate, 0.0, least)
    return msgspec.structs.replace(
        effect,
        value=left.value + estimate if left is not None and len(seen.stages) > 1 else effect.value,
        estimate=estimate,
        low=low,
        high=high,
        e_value=sequences.told_e(log_e + math.log(share)),
        units_more=_more(seen.arm.units, variance, least, alpha * spent(metric, ASYMPTOTIC)),
    )


def spent(metric: Metric, method: str) -> float:
    """What part of alpha a method may spend: a binary metric is judged by two methods in turn, others by one."""
    if metric.kind != "binary":
        return 1.0
    return EXACT_SHARE if method == EXACT else 1 - EXACT_SHARE


def _all(parts: Iterable[UnitSums]) -> UnitSums:
    total = UnitSums()
    for part in parts:
        total = total.plus(part)
    return total


def _normal(metric: Metric, sums: UnitSums, enough: int) -> bool:
    """Whether there is enough for sums to be near a normal distribution."""
    if sums.units < enough:
        return False
    return metric.kind != "binary" or EVENTS_MIN <= sums.y <= sums.x - EVENTS_MIN


def _variance(count: Count) -> float:
    """Of a rate, with one yes and one no more than were seen: never 0."""
    rate = (count.ones + 1) / (count.units + 2)
    return rate * (1 - rate) / count.units


def _more(units: int, variance: float, least: float, alpha: float) -> int:
    needed = sequences.information_needed(alpha) * variance / (least * least)
    return max(math.ceil(units * (needed - 1)), 0)
