"""Intervals that hold at every look: the formulae against integrals, enumeration and seeded traffic."""

from __future__ import annotations

import math
import statistics
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.evaluation.experiments import Experiment, Metric, UnitSums, compare, exact, sequences
from headgate.evaluation.experiments.exact import Count
from headgate.evaluation.experiments.sequences import Estimate
from tests.evaluation.experiments_support import one_stage

variances = st.floats(1e-8, 1e4)
taus = st.floats(1e-3, 10.0)
alphas = st.floats(1e-4, 0.2)
counts = st.integers(0, 80).flatmap(lambda units: st.builds(Count, st.just(units), st.integers(0, units)))
values = st.lists(st.floats(-100, 100), min_size=3, max_size=30).filter(lambda found: statistics.variance(found) > 1e-6)


@given(variances, taus, alphas, st.floats(-5, 5))
def test_the_interval_holds_what_the_evidence_does_not_exclude(
    variance: float, tau: float, alpha: float, value: float
) -> None:
    reach = sequences.margin(variance, tau, alpha)
    bar = -math.log(alpha)
    for edge in (value - reach, value + reach):
        assert sequences.log_e(Estimate(value, variance), edge, tau) == pytest.approx(bar, abs=1e-4)


@given(taus, alphas, variances)
def test_more_information_makes_a_narrower_interval(tau: float, alpha: float, variance: float) -> None:
    assert sequences.margin(variance / 2, tau, alpha) < sequences.margin(variance, tau, alpha)


@given(alphas, taus)
def test_the_information_that_is_needed_is_enough(alpha: float, tau: float) -> None:
    assert sequences.margin(tau * tau / sequences.information_needed(alpha), tau, alpha) == pytest.approx(tau, rel=1e-6)


@pytest.mark.parametrize("spread", [0.01, 0.3, 1.0, 4.0])
def test_without_a_difference_the_e_values_average_to_one(spread: float) -> None:
    """Integrated over the estimate's own distribution: neither is ever evidence for nothing."""
    step, tau = 0.01, math.sqrt(spread)
    two_sided = upper = wide = 0.0
    for number in range(-40_000, 40_001):
        z = number * step
        log_density = -z * z / 2 + math.log(step / math.sqrt(2 * math.pi))
        two_sided += math.exp(sequences.log_e(Estimate(z, 1.0), 0.0, tau) + log_density)
        upper += math.exp(sequences.log_e_above(Estimate(z, 1.0), 0.0, tau) + log_density)
        wide += math.exp(sequences.log_e_far_above(Estimate(z, 1.0), 0.0, tau) + log_density)
    assert two_sided == pytest.approx(1.0, abs=1e-3)
    assert upper == pytest.approx(1.0, abs=1e-3)
    assert wide == pytest.approx(1.0, abs=1e-3)


@given(st.floats(-60, 60), st.floats(1e-6, 1e6))
def test_one_sided_evidence_grows_with_the_estimate(z: float, spread: float) -> None:
    tau = math.sqrt(spread)
    for log_e in (sequences.log_e_above, sequences.log_e_far_above):
        assert log_e(Estimate(z, 1.0), 0.0, tau) <= log_e(Estimate(z + 0.1, 1.0), 0.0, tau)


def test_harm_far_beyond_the_bound_is_found_from_little() -> None:
    """Twenty times tau away at four standard deviations: a mixture of the width tau alone would not see it."""
    estimate = Estimate(20.0, 25.0)
    assert sequences.log_e_far_above(estimate, 0.0, 1.0) > -math.log(0.05)
    assert sequences.log_e_above(estimate, 0.0, 1.0) < 1.0
    assert sequences.log_e(estimate, 0.0, 1.0) < 0.5


def test_far_on_the_side_of_the_null_the_formula_goes_on() -> None:
    for spread in (0.5, 1e4):
        edge = -20.0 / math.sqrt(spread / (1 + spread))
        before, after = (
            sequences.log_e_above(Estimate(edge * part, 1.0), 0.0, math.sqrt(spread)) for part in (0.999999, 1.000001)
        )
        assert before == pytest.approx(after, abs=1e-5)


@given(counts, counts, st.floats(-0.999, 0.999), st.floats(0, 1))
def test_exact_evidence_grows_with_the_distance(control: Count, arm: Count, null: float, part: float) -> None:
    seen = (arm.ones / arm.units if arm.units else 0.5) - (control.ones / control.units if control.units else 0.5)
    nearer = exact.log_e(control, arm, seen + part * (null - seen))
    assert nearer <= exact.log_e(control, arm, null) + 1e-6
    assert exact.log_e_above(control, arm, null) <= exact.log_e_above(control, arm, min(null, 0.0)) + 1e-6


@given(values)
def test_with_one_observation_a_unit_a_ratio_is_a_mean(found: list[float]) -> None:
    estimate = sequences.ratio(UnitSums.of((value, 1.0) for value in found))
    assert estimate is not None
    assert estimate.value == pytest.approx(statistics.fmean(found), abs=1e-9)
    assert estimate.variance == pytest.approx(statistics.variance(found) / len(found), rel=1e-6)


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, 9)), min_size=3, max_size=30), st.integers(2, 50))
def test_calls_repeated_by_the_same_units_make_nothing_surer(units: list[tuple[float, int]], times: int) -> None:
    once = sequences.ratio(UnitSums.of(units))
    often = sequences.ratio(UnitSums.of((times * y, times * x) for y, x in units))
    assert once is not None
    assert often is not None
    assert often.value == pytest.approx(once.value)
    assert often.variance == pytest.approx(once.variance, rel=1e-6, abs=1e-12)


def test_the_variance_of_a_ratio_is_what_the_jackknife_says() -> None:
    random = Random(1)
    units = [(tasks * random.expovariate(1.0), float(tasks)) for tasks in (random.randint(1, 6) for _ in range(400))]
    whole = UnitSums.of(units)
    left_out = [(whole.y - y) / (whole.x - x) for y, x in units]
    mean = statistics.fmean(left_out)
    jackknife = (len(units) - 1) / len(units) * sum((one - mean) ** 2 for one in left_out)
    estimate = sequences.ratio(whole)
    assert estimate is not None
    assert estimate.variance == pytest.approx(jackknife, rel=0.02)


def test_stages_are_compared_within_themselves() -> None:
    """Everything rose from 10 to 50 while the arm's share rose from a tenth to nine tenths. Nothing is the arm's."""

    def arm(units: int, mean: float) -> UnitSums:
        return UnitSums.of((mean + (1 if number % 2 else -1), 1.0) for number in range(units))

    early, late = (arm(900, 10.0), arm(100, 10.0)), (arm(100, 50.0), arm(900, 50.0))
    staged = sequences.difference([early, late])
    pooled = sequences.difference([(early[0].plus(late[0]), early[1].plus(late[1]))])
    assert staged is not None
    assert pooled is not None
    assert staged.value == pytest.approx(0.0, abs=1e-12)
    assert pooled.value > 30
    assert sequences.difference([early]) == sequences.difference([early, (arm(5, 0.0), arm(5, 9.0))])


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9])
def test_small_counts_are_exact_by_enumeration(rate: float) -> None:
    """Both arms alike, a look at every pair: the chance of ever passing 1 / alpha, over all ways it can go."""
    alpha, pairs = 0.05, 40
    alive, crossed = {(0, 0): 1.0}, 0.0
    moves = [(a, b, (rate if a else 1 - rate) * (rate if b else 1 - rate)) for a in (0, 1) for b in (0, 1)]
    for units in range(1, pairs + 1):
        following: dict[tuple[int, int], float] = {}
        for (ones, others), chance in alive.items():
            for a, b, weight in moves:
                at = (ones + a, others + b)
                following[at] = following.get(at, 0.0) + chance * weight
        alive = {}
        for (ones, others), chance in following.items():
            if exact.log_e(Count(units, ones), Count(units, others), 0.0) >= -math.log(alpha):
                crossed += chance
            else:
                alive[ones, others] = chance
    assert crossed <= alpha
    assert crossed + sum(alive.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("rates", [(0.0, 0.0), (0.02, 0.3), (0.5, 0.5), (0.9, 0.6), (1.0, 0.2)])
def test_the_exact_e_value_averages_to_one_at_most(rates: tuple[float, float]) -> None:
    control, arm = rates
    total = 0.0
    for ones in range(8):
        for others in range(6):
            chance = math.comb(7, ones) * control**ones * (1 - control) ** (7 - ones)
            chance *= math.comb(5, others) * arm**others * (1 - arm) ** (5 - others)
            if chance:
                total += chance * math.exp(exact.log_e(Count(7, ones), Count(5, others), arm - control))
    assert total <= 1 + 1e-9


@given(counts, counts, st.floats(-0.999, 0.999) | st.sampled_from([-1.0, 0.0, 1.0]))
def test_the_likeliest_pair_of_rates_is_found(control: Count, arm: Count, difference: float) -> None:
    found = exact.log_e(control, arm, difference)
    low, high = max(0.0, -difference), min(1.0, 1 - difference)
    for number in range(101):
        rate = low + (high - low) * number / 100
        chance = 0.0
        for count, at in ((control, rate), (arm, min(max(rate + difference, 0.0), 1.0))):
            chance += _log_likelihood(count, at) - _log_mixture(count)
        assert found <= -chance + 1e-6


def _log_likelihood(count: Count, rate: float) -> float:
    total = 0.0
    for times, chance in ((count.ones, rate), (count.units - count.ones, 1 - rate)):
        if times:
            total += times * math.log(chance) if chance > 0 else -math.inf
    return total


def _log_mixture(count: Count) -> float:
    """Beta(1/2, 1/2), one unit after another: (ones + 1/2) / (units + 1) is the next one's chance."""
    total = 0.0
    for seen in range(count.ones):
        total += math.log((seen + 0.5) / (seen + 1))
    for seen in range(count.units - count.ones):
        total += math.log((seen + 0.5) / (count.ones + seen + 1))
    return total


@given(counts, counts)
def test_the_exact_interval_holds_the_difference_seen_and_mirrors(control: Count, arm: Count) -> None:
    low, high = exact.interval(control, arm, 0.05)
    assert -1 <= low <= high <= 1
    if control.units and arm.units:
        assert low <= arm.ones / arm.units - control.ones / control.units <= high
    back = exact.interval(arm, control, 0.05)
    assert (-back[1], -back[0]) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))
    wider = exact.interval(control, arm, 0.01)
    assert wider[0] <= low
    assert wider[1] >= high


def test_nothing_seen_is_nothing_known() -> None:
    assert exact.interval(Count(0, 0), Count(0, 0), 0.05) == (pytest.approx(-1), pytest.approx(1))
    assert sequences.ratio(UnitSums()) is None
    assert sequences.ratio(UnitSums.of([(1.0, 1.0)])) is None
    assert sequences.difference([]) is None
    assert sequences.difference([(UnitSums.of([(1.0, 1.0)] * 50), UnitSums.of([(1.0, 1.0)] * 50))]) is None


@pytest.mark.parametrize("kind", ["binary", "mean"])
def test_the_true_difference_stays_in_the_interval_at_every_look(kind: str) -> None:
    """200 seeded runs of 25 looks each; at 95% the chance of more than 20 misses is below 0.1%."""
    least = 0.05 if kind == "binary" else 0.2
    metric = Metric("m", kind, "score:m", least)
    experiment = Experiment("x", ("A", "B"), metric)
    missed = 0
    for number in range(200):
        random = Random(f"{kind}{number}")
        sums = {"A": UnitSums(), "B": UnitSums()}
        for _ in range(25):
            for arm, rate in (("A", 0.5), ("B", 0.6)):
                for _ in range(20):
                    value = float(random.random() < rate) if kind == "binary" else random.expovariate(1.0) + rate
                    sums[arm].add(value)
            effect = compare(experiment, metric, "B", [one_stage(m=sums)], 0.05)
            if effect.low is not None and effect.high is not None and not effect.low <= 0.1 <= effect.high:
                missed += 1
                break
    assert missed <= 20
