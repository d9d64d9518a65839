"""Who gets how much traffic next: growth needs evidence, no data holds, a bandit keeps its floor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.errors import ConfigError
from headgate.evaluation.experiments import (
    Bandit,
    Experiment,
    Metric,
    Ramp,
    Stage,
    bandit_step,
    check_bandit,
    check_ramp,
    judge,
    ramp_step,
)
from headgate.evaluation.experiments.allocate import chances
from headgate.evaluation.experiments.sequences import Estimate
from tests.evaluation.experiments_support import one_stage, ones

RESOLVED = Metric("resolved", "binary", "score:resolved", 0.02)
ERRORS = Metric("errors", "binary", "error", 0.02, better="lower")
RAMPED = Experiment("x", ("A", "B"), RESOLVED, safety=(ERRORS,))
RAMP = Ramp(steps=(0.1, 0.5), units_min=100)
THREE = Experiment("x", ("A", "B", "C"), RESOLVED)


def ramping(units: int, errors: int, share: float = 0.1) -> Stage:
    control = round(units * (1 - share) / share)
    return one_stage(
        weights={"A": 1 - share, "B": share},
        resolved={"A": ones(control, control * 9 // 10), "B": ones(units, units * 9 // 10)},
        errors={"A": ones(control, control // 100), "B": ones(units, errors)},
    )


def next_step(number: int, *stages: Stage) -> tuple[str, dict[str, float], int | None]:
    step = ramp_step(RAMP, number, RAMPED, stages, judge(RAMPED, stages))
    return step.act, dict(step.weights), step.number


def test_a_ramp_grows_on_evidence_of_no_harm() -> None:
    assert next_step(0, ramping(2000, 20)) == ("grow", {"A": 0.5, "B": 0.5}, 1)


def test_a_ramp_holds_without_data_and_without_evidence() -> None:
    held = ("hold", {"A": 0.9, "B": 0.1}, 0)
    assert next_step(0) == held
    assert next_step(0, ramping(50, 0)) == held
    assert next_step(0, ramping(200, 5)) == held


def test_a_ramp_holds_until_the_present_step_has_data_of_its_own() -> None:
    early, barely = ramping(20000, 200), ramping(50, 0, share=0.5)
    assert next_step(1, early, barely)[0] == "hold"


def test_a_ramp_goes_back_on_harm() -> None:
    assert next_step(0, ramping(500, 100)) == ("back", {"A": 1.0, "B": 0.0}, 0)


def test_a_ramp_holds_where_the_split_is_wrong_and_at_its_end() -> None:
    wrong = ramping(2000, 20)
    assert next_step(0, Stage({"A": 0.5, "B": 0.5}, wrong.arms))[0] == "hold"
    assert next_step(1, ramping(4000, 40, share=0.5)) == ("hold", {"A": 0.5, "B": 0.5}, 1)


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_a_ramp_never_grows_but_on_every_safety_metric_ok(units: int, errors: int) -> None:
    stage = ramping(units, min(errors, units)) if units else one_stage(resolved={"A": ones(9, 9), "B": ones(0, 0)})
    verdict = judge(RAMPED, [stage])
    step = ramp_step(RAMP, 0, RAMPED, [stage], verdict)
    assert (step.act == "grow") == (verdict.safety[0].state == "ok" and units >= RAMP.units_min)
    assert sum(step.weights.values()) == pytest.approx(1.0)


def three(b: int, c: int, units: int = 1000, weights: dict[str, float] | None = None) -> Stage:
    return one_stage(weights=weights, resolved={"A": ones(units, 800), "B": ones(units, b), "C": ones(units, c)})


def test_a_bandit_gives_more_to_what_does_better_and_a_floor_to_all() -> None:
    stages = [three(820, 900)]
    step = bandit_step(Bandit(floor=0.1), THREE, stages, judge(THREE, stages))
    assert step.act == "shift"
    assert sum(step.weights.values()) == pytest.approx(1.0)
    assert min(step.weights.values()) >= 0.1
    assert step.weights["C"] > 0.75
    again = bandit_step(Bandit(floor=0.1), THREE, stages, judge(THREE, stages))
    assert again == step


@given(st.integers(0, 1000), st.integers(0, 1000), st.floats(0.01, 1 / 3))
def test_no_arm_of_a_bandit_falls_below_the_floor(b: int, c: int, floor: float) -> None:
    stages = [three(b, c)]
    step = bandit_step(Bandit(floor=floor), THREE, stages, judge(THREE, stages))
    assert sum(step.weights.values()) == pytest.approx(1.0)
    assert min(step.weights.values()) >= floor - 1e-9


def test_a_bandit_holds_without_enough_in_the_present_stage() -> None:
    weights = {"A": 0.2, "B": 0.2, "C": 0.6}
    few = one_stage(weights=weights, resolved={"A": ones(20, 10), "B": ones(20, 10), "C": ones(60, 50)})
    stages = [three(900, 900), few]
    step = bandit_step(Bandit(), THREE, stages, judge(THREE, stages))
    assert (step.act, dict(step.weights)) == ("hold", weights)
    start = bandit_step(Bandit(), THREE, [], judge(THREE, []))
    assert (start.act, start.weights["B"]) == ("hold", pytest.approx(1 / 3))


def test_a_bandit_holds_where_the_split_is_wrong_or_nothing_is_known() -> None:
    wrong = [three(820, 900, weights={"A": 0.2, "B": 0.2, "C": 0.6})]
    assert bandit_step(Bandit(), THREE, wrong, judge(THREE, wrong)).act == "hold"
    unscored = [one_stage(other={arm: ones(1000, 500) for arm in "ABC"})]
    step = bandit_step(Bandit(), THREE, unscored, judge(THREE, unscored))
    assert (step.act, "too little is known" in step.why) == ("hold", True)


def test_a_harmed_arm_gets_nothing_at_once_and_nothing_later() -> None:
    experiment = Experiment("x", ("A", "B", "C"), RESOLVED, safety=(ERRORS,))

    def harmful(weights: dict[str, float], c: int) -> Stage:
        units = {arm: round(3000 * weight) for arm, weight in weights.items()}
        return one_stage(
            weights=weights,
            resolved={arm: ones(count, count * 8 // 10) for arm, count in units.items()},
            errors={arm: ones(count, count // 100 if arm != "C" else min(c, count)) for arm, count in units.items()},
        )

    first = [harmful({"A": 0.5, "B": 0.25, "C": 0.25}, 300)]
    step = bandit_step(Bandit(), experiment, first, judge(experiment, first))
    assert step.act == "back"
    assert dict(step.weights) == {"A": pytest.approx(2 / 3), "B": pytest.approx(1 / 3), "C": 0.0}
    second = [*first, harmful({"A": 2 / 3, "B": 1 / 3, "C": 0.0}, 0)]
    later = bandit_step(Bandit(), experiment, second, judge(experiment, second))
    assert (later.act, later.weights["C"]) == ("shift", 0.0)
    assert sum(later.weights.values()) == pytest.approx(1.0)


def test_a_bandit_is_not_led_astray_by_the_day() -> None:
    """All rates fell while B had most of the traffic: B is not the worse for it."""
    early = one_stage(weights={"A": 0.5, "B": 0.5}, resolved={"A": ones(1000, 950), "B": ones(1000, 950)})
    late = one_stage(weights={"A": 0.1, "B": 0.9}, resolved={"A": ones(1000, 500), "B": ones(9000, 4500)})
    two = Experiment("x", ("A", "B"), RESOLVED)
    step = bandit_step(Bandit(), two, [early, late], judge(two, [early, late]))
    assert step.weights["B"] == pytest.approx(0.5, abs=0.01)


def test_chances_are_those_of_normal_figures() -> None:
    assert chances([Estimate(0.0, 1.0), Estimate(0.0, 4.0)]) == [pytest.approx(0.5), pytest.approx(0.5)]
    # the difference is N(1, 2), above 0 with probability Phi(1 / sqrt 2)
    assert chances([Estimate(1.0, 1.0), Estimate(0.0, 1.0)])[0] == pytest.approx(0.76025, abs=1e-5)
    assert chances([Estimate(1e6, 1e-6), Estimate(0.0, 1e-6)]) == [pytest.approx(1.0), pytest.approx(0.0)]


@pytest.mark.parametrize(
    ("ramp", "experiment", "says"),
    [
        (Ramp(), THREE, "a control and one arm"),
        (Ramp(), Experiment("x", ("A", "B"), RESOLVED), "without a safety metric"),
        (Ramp(steps=()), RAMPED, "that grow"),
        (Ramp(steps=(0.5, 0.1)), RAMPED, "that grow"),
        (Ramp(steps=(0.5, 1.5)), RAMPED, "up to 1"),
        (Ramp(units_min=0), RAMPED, "at least 1"),
    ],
)
def test_ramps_that_cannot_be(ramp: Ramp, experiment: Experiment, says: str) -> None:
    check_ramp(Ramp(), RAMPED, "here")
    with pytest.raises(ConfigError, match=says):
        check_ramp(ramp, experiment, "here")


@pytest.mark.parametrize("bandit", [Bandit(floor=0.0), Bandit(floor=0.4), Bandit(units_min=10)])
def test_bandits_that_cannot_be(bandit: Bandit) -> None:
    check_bandit(Bandit(), THREE, "here")
    with pytest.raises(ConfigError):
        check_bandit(bandit, THREE, "here")
