"""Experiments' statistics: verdicts that hold at every look, however often one looks."""

from headgate.evaluation.experiments.allocate import (
    BACK,
    GROW,
    HOLD,
    SHIFT,
    Bandit,
    Ramp,
    Step,
    bandit_step,
    check_bandit,
    check_ramp,
    ramp_step,
)
from headgate.evaluation.experiments.declared import Experiment, check_experiment
from headgate.evaluation.experiments.effect import Effect, compare
from headgate.evaluation.experiments.metrics import ArmData, Metric, Stage, UnitSums, check_metric
from headgate.evaluation.experiments.safety import Safety, judge_safety
from headgate.evaluation.experiments.srm import Mismatch, mismatch
from headgate.evaluation.experiments.verdict import STATES, Standing, Traffic, Verdict, judge
from headgate.evaluation.experiments.words import in_words

__all__ = [
    "BACK",
    "GROW",
    "HOLD",
    "SHIFT",
    "STATES",
    "ArmData",
    "Bandit",
    "Effect",
    "Experiment",
    "Metric",
    "Mismatch",
    "Ramp",
    "Safety",
    "Stage",
    "Standing",
    "Step",
    "Traffic",
    "UnitSums",
    "Verdict",
    "bandit_step",
    "check_bandit",
    "check_experiment",
    "check_metric",
    "check_ramp",
    "compare",
    "in_words",
    "judge",
    "judge_safety",
    "mismatch",
    "ramp_step",
]
