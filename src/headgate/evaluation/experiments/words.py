"""A verdict in plain words: what is known, how sure, and what it would take to know more."""

from __future__ import annotations

from collections.abc import Callable

from headgate.evaluation.experiments.declared import LEAVE_OUT, Experiment
from headgate.evaluation.experiments.effect import EXACT, NONE, Effect, units_min
from headgate.evaluation.experiments.metrics import Metric
from headgate.evaluation.experiments.safety import HARMED as ARM_HARMED
from headgate.evaluation.experiments.safety import OK, Safety
from headgate.evaluation.experiments.verdict import (
    BETTER,
    HARMED,
    NO_DATA,
    NO_DIFFERENCE,
    OPEN,
    SAME,
    WINNER,
    WITHHELD,
    WORSE,
    Standing,
    Verdict,
)


def in_words(experiment: Experiment, verdict: Verdict) -> list[str]:
    """Sentences, the verdict first. They hold at every look; none is longer than a line or two."""
    told = [_headline(experiment, verdict)]
    if verdict.state == NO_DATA:
        return told
    told += [_standing(experiment.primary, one) for one in verdict.standings]
    if verdict.state not in (WINNER, NO_DIFFERENCE, WITHHELD):
        told += [more for one in verdict.standings if (more := _more(experiment, one))]
    told += [_safety(experiment, one) for one in verdict.safety]
    metrics = {metric.name: metric for metric in experiment.others}
    told += [
        f"{one.arm}, {one.metric} (told, decides nothing): {_figures(metrics[one.metric], one)}."
        for one in verdict.others
    ]
    if len(experiment.treatments) > 1:
        told.append(
            f"{len(experiment.treatments)} comparisons share alpha {experiment.alpha:g}: {verdict.alpha_each:.3g} each."
        )
    told += [
        f"{one.fallback_calls:,} of {one.calls:,} calls of {one.arm} were answered by a fallback; they are "
        + ("left out." if experiment.fallbacks == LEAVE_OUT else "counted in.")
        for one in verdict.traffic
        if one.fallback_calls
    ]
    return told


def _headline(experiment: Experiment, verdict: Verdict) -> str:
    name, control = experiment.primary.name, experiment.control
    other = experiment.treatments[0] if len(experiment.treatments) == 1 else "any other arm"
    if verdict.state == HARMED:
        found = "; ".join(f"{one.arm} in {one.metric}" for one in verdict.safety if one.state == ARM_HARMED)
        return f"Stop: more harm than is allowed ({found})."
    if verdict.state == NO_DATA:
        empty = [one.arm for one in verdict.traffic if not one.units]
        return f"No data: {', '.join(empty)} had no {experiment.unit} yet. Hold."
    if verdict.state == WITHHELD:
        split = "; ".join(
            f"{arm} {100 * verdict.split.seen[arm]:.2f}% where {100 * share:.2f}% was declared"
            for arm, share in verdict.split.declared.items()
        )
        return f"No verdict: traffic is not split as declared ({split}), so nothing below can be trusted."
    if verdict.state == WINNER:
        return _winner(experiment, verdict)
    if verdict.state == NO_DIFFERENCE:
        return (
            f"No difference that matters: {other} is not better than {control} in {name} by as much as was asked for."
        )
    return f"Not decided yet: whether {other} is better than {control} in {name}."


def _winner(experiment: Experiment, verdict: Verdict) -> str:
    name, control = experiment.primary.name, experiment.control
    if verdict.arm == control:
        return f"{control} stays: every other arm is worse in {name}."
    told = f"{verdict.arm} is better than {control} in {name}."
    also = [one.arm for one in verdict.standings if one.state == BETTER and one.arm != verdict.arm]
    if also:
        told += f" So is {', '.join(also)}; which of them is best is not settled."
    unsure = [one.metric for one in verdict.safety if one.arm == verdict.arm and one.state != OK]
    if unsure:
        told += f" Hold all the same: whether it does harm is not known yet in {', '.join(unsure)}."
    return told


def _standing(metric: Metric, one: Standing) -> str:
    effect = one.effect
    head = f"{one.arm}, {metric.name}: {_figures(metric, effect)}"
    if effect.method == NONE:
        return f"{head}."
    verdict = {
        BETTER: "better",
        WORSE: "worse",
        SAME: "no difference that matters",
        OPEN: "open",
    }[one.state]
    e_value, bar = effect.e_value or 0.0, 1 / effect.alpha
    evidence = f"evidence against no difference {_times(e_value)}, {bar:,.0f} is asked"
    counted = " Counted exactly, since counts are small." if effect.method == EXACT else ""
    return f"{head}: {verdict} ({evidence}).{counted}"


def _figures(metric: Metric, effect: Effect) -> str:
    show, differ = _formats(metric)
    figures = ""
    if effect.value is not None and effect.control is not None:
        figures = f"{show(effect.value)} against {show(effect.control)}, "
    if effect.estimate is None or effect.low is None or effect.high is None:
        units = f"{effect.units_control:,} and {effect.units:,} units, {units_min(metric):,} each are asked for"
        return f"{figures}too little for an interval ({units})"
    return (
        f"{figures}a difference of {differ(effect.estimate)}; {_sure(effect.alpha)} sure, at every look, "
        f"that it lies between {differ(effect.low)} and {differ(effect.high)}"
    )


def _more(experiment: Experiment, one: Standing) -> str | None:
    metric, effect, units = experiment.primary, one.effect, f"{experiment.unit}s"
    if one.state != OPEN or effect.min_effect is None:
        return None
    if effect.units_more is None:
        short = max(units_min(metric) - min(effect.units, effect.units_control), 0)
        return f"{short:,} more {units} are needed in each of both before anything can be told." if short else None
    least = _least(metric, effect)
    if not effect.units_more:
        return (
            f"The interval of {one.arm} is as narrow as the smallest difference that matters ({least}) asks for; "
            "a true difference near it takes longest."
        )
    return (
        f"About {_rounded(effect.units_more):,} more {units} in {one.arm}, at the present spread and split, would "
        f"narrow its interval to {least} on either side, the smallest difference that matters."
    )


def _safety(experiment: Experiment, one: Safety) -> str:
    metric = next(metric for metric in experiment.safety if metric.name == one.metric)
    effect = one.effect
    figures = _figures(metric, effect)
    allowed = "" if effect.min_effect is None else f" ({_least(metric, effect)} is allowed)"
    if one.state == ARM_HARMED:
        return f"{one.arm}, {one.metric}: harm beyond what is allowed{allowed}: {figures}."
    if one.state == OK:
        return f"{one.arm}, {one.metric}: no harm beyond what is allowed{allowed}: {figures}."
    return f"{one.arm}, {one.metric}: not known yet whether it does harm{allowed}, so hold: {figures}."


def _formats(metric: Metric) -> tuple[Callable[[float], str], Callable[[float], str]]:
    """How a figure and a difference of the metric are written."""
    if metric.kind == "binary":
        return (lambda value: f"{100 * value:.1f}%"), (lambda value: f"{_signed(100 * value, '.1f')} points")
    return (lambda value: f"{value:.4g}"), (lambda value: _signed(value, ".3g"))


def _signed(value: float, form: str) -> str:
    """`+0.2`, `-0.2`, and `0.0` without a sign."""
    told = format(value, form)
    return told.lstrip("-") if float(told) == 0 else told if value < 0 else f"+{told}"


def _least(metric: Metric, effect: Effect) -> str:
    """The smallest difference that matters."""
    told = _formats(metric)[1](effect.min_effect or 0.0).lstrip("+")
    return f"{100 * metric.min_effect:.4g}%, here {told}" if metric.relative else told


def _sure(alpha: float) -> str:
    return f"{100 * (1 - alpha):.4g}%"


def _times(e_value: float) -> str:
    return f"{e_value:.2g}" if e_value < 10 else f"{e_value:,.0f}" if e_value < 1e6 else "above 1,000,000"


def _rounded(units: int) -> int:
    """Two digits that mean something."""
    unit = 10 ** max(len(str(units)) - 2, 0)
    return -(-units // unit) * unit
