"""An experiment as its owner declares it, before the first unit is seen."""

from __future__ import annotations

import msgspec

from headgate.core.assign import ARMS_MAX
from headgate.core.errors import ConfigError
from headgate.evaluation.experiments.metrics import METRICS_MAX, Metric, check_metric

KEEP, LEAVE_OUT = "keep", "leave_out"


class Experiment(msgspec.Struct, frozen=True):
    """Arms, the control first; one metric decides, safety metrics forbid, others are told and decide nothing.

    `alpha` is the chance of a false winner, however often one looks; `srm_alpha` that of a false alarm of the split.
    `fallbacks`: whether calls answered by a fallback are kept (as users met them) or left out.
    """

    name: str
    arms: tuple[str, ...]
    primary: Metric
    safety: tuple[Metric, ...] = ()
    others: tuple[Metric, ...] = ()
    unit: str = "user"
    alpha: float = 0.05
    srm_alpha: float = 0.01
    fallbacks: str = KEEP

    @property
    def control(self) -> str:
        """The arm the others are held against."""
        return self.arms[0]

    @property
    def treatments(self) -> tuple[str, ...]:
        """All arms but the control."""
        return self.arms[1:]

    @property
    def alpha_each(self) -> float:
        """What each comparison with the control may spend (Bonferroni)."""
        return self.alpha / len(self.treatments)

    @property
    def alpha_safety(self) -> float:
        """What each safety metric of each arm may spend of another `alpha`."""
        return self.alpha_each / max(len(self.safety), 1)


def check_experiment(experiment: Experiment, where: str) -> None:
    """Raises ConfigError for an experiment that could never come to a verdict."""
    arms = experiment.arms
    if not 2 <= len(arms) <= ARMS_MAX or len(set(arms)) != len(arms):
        raise ConfigError(
            where, f"{len(arms)} arms: {', '.join(arms)}", f"2 to {ARMS_MAX}, each once, the control first"
        )
    metrics = (experiment.primary, *experiment.safety, *experiment.others)
    names = [metric.name for metric in metrics]
    if len(names) > METRICS_MAX or len(set(names)) != len(names):
        raise ConfigError(where, f"metrics {', '.join(names)}", f"{METRICS_MAX} at most, each by a name of its own")
    for metric in metrics:
        check_metric(metric, f"{where}: metric `{metric.name}`")
    for name, value in (("alpha", experiment.alpha), ("srm_alpha", experiment.srm_alpha)):
        if not 0 < value <= 0.2:
            raise ConfigError(where, f"{name} is {value}", "above 0 and at most 0.2; 0.05 is usual")
    if experiment.fallbacks not in (KEEP, LEAVE_OUT):
        raise ConfigError(where, f"fallbacks: `{experiment.fallbacks}`", f"{KEEP} or {LEAVE_OUT}")
