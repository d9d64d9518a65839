"""Verdicts: what is decided, what is withheld, and what people are told of it."""

from __future__ import annotations

import math
from itertools import permutations
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.errors import ConfigError
from headgate.evaluation.experiments import (
    ArmData,
    Experiment,
    Metric,
    Stage,
    UnitSums,
    check_experiment,
    in_words,
    judge,
    mismatch,
)
from headgate.evaluation.experiments.sequences import Estimate, log_e_far_above
from headgate.evaluation.experiments.srm import log_mismatch
from tests.evaluation.experiments_support import one_stage, ones, spread

RESOLVED = Metric("resolved", "binary", "score:resolved", 0.02)
COST = Metric("cost", "mean", "cost_usd", 0.1, better="lower", relative=True)
ERRORS = Metric("errors", "binary", "error", 0.01, better="lower")
TWO = Experiment("x", ("A", "B"), RESOLVED)
GUARDED = Experiment("x", ("A", "B"), RESOLVED, safety=(COST, ERRORS))
THREE = Experiment("x", ("A", "B", "C"), RESOLVED)


def told(experiment: Experiment, *stages: Stage) -> str:
    return "\n".join(in_words(experiment, judge(experiment, stages)))


# -- the primary metric ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "arm", "state", "winner"),
    [
        ((3000, 2700), (3000, 2820), "winner", "B"),
        ((3000, 2820), (3000, 2700), "winner", "A"),
        ((20000, 18000), (20000, 18010), "no_difference", None),
        ((500, 450), (500, 460), "running", None),
        ((40, 36), (40, 4), "winner", "A"),
        ((40, 36), (40, 33), "running", None),
        ((0, 0), (40, 33), "no_data", None),
    ],
)
def test_one_arm_against_the_control(
    control: tuple[int, int], arm: tuple[int, int], state: str, winner: str | None
) -> None:
    verdict = judge(TWO, [one_stage(resolved={"A": ones(*control), "B": ones(*arm)})])
    assert (verdict.state, verdict.arm) == (state, winner)


def test_lower_may_be_better() -> None:
    cheap = Experiment("x", ("A", "B"), COST)
    stage = one_stage(cost={"A": spread(2000, 1.0, 0.5), "B": spread(2000, 0.8, 0.5)})
    verdict = judge(cheap, [stage])
    assert (verdict.state, verdict.arm) == ("winner", "B")
    effect = verdict.standings[0].effect
    assert effect.min_effect == pytest.approx(0.1)
    assert effect.estimate == pytest.approx(-0.2)
    assert effect.high is not None
    assert effect.high < 0


def test_small_counts_are_counted_exactly_and_say_so() -> None:
    stage = one_stage(resolved={"A": ones(60, 55), "B": ones(60, 50)})
    assert judge(TWO, [stage]).standings[0].effect.method == "exact"
    assert "Counted exactly" in told(TWO, stage)
    enough = one_stage(resolved={"A": ones(200, 170), "B": ones(200, 170)})
    assert judge(TWO, [enough]).standings[0].effect.method == "asymptotic"
    rare = one_stage(resolved={"A": ones(5000, 4995), "B": ones(5000, 4997)})
    assert judge(TWO, [rare]).standings[0].effect.method == "exact"


def test_too_little_of_anything_but_counts_tells_nothing() -> None:
    cheap = Experiment("x", ("A", "B"), COST)
    stage = one_stage(cost={"A": spread(60, 1.0, 0.5), "B": spread(99, 9.0, 0.5)})
    verdict = judge(cheap, [stage])
    assert verdict.state == "running"
    assert verdict.standings[0].effect.low is None
    assert "440 more users are needed in each of both" in told(cheap, stage)
    users = {arm: UnitSums.of([(2.0, 3.0)] * 50 + [(1.0, 2.0)] * 9) for arm in "AB"}
    assert judge(TWO, [one_stage(resolved=users)]).standings[0].effect.method == "none"


def test_values_that_are_all_alike_tell_nothing() -> None:
    cheap = Experiment("x", ("A", "B"), COST)
    flat = UnitSums.of([(1.0, 1.0)] * 500)
    assert judge(cheap, [one_stage(cost={"A": flat, "B": flat})]).state == "running"


def test_what_it_takes_is_about_what_it_takes() -> None:
    stage = one_stage(resolved={"A": ones(500, 450), "B": ones(500, 455)})
    more = judge(TWO, [stage]).standings[0].effect.units_more
    assert more is not None
    total = 500 + more
    later = one_stage(resolved={"A": ones(total, round(total * 0.9)), "B": ones(total, round(total * 0.91))})
    effect = judge(TWO, [later]).standings[0].effect
    assert effect.high is not None
    assert effect.low is not None
    assert (effect.high - effect.low) / 2 == pytest.approx(0.02, rel=0.01)
    assert effect.units_more in range(30)


# -- several arms ----------------------------------------------------------------------------------------------------


def test_alpha_is_shared_among_comparisons() -> None:
    counts = {"A": ones(2000, 1800), "B": ones(2000, 1856), "C": ones(2000, 1800)}
    two, three = judge(TWO, [one_stage(resolved=counts)]), judge(THREE, [one_stage(resolved=counts)])
    assert (two.alpha_each, three.alpha_each) == (0.05, 0.025)
    narrow, wide = two.standings[0].effect, three.standings[0].effect
    assert wide.low is not None
    assert narrow.low is not None
    assert wide.low < narrow.low
    assert "2 comparisons share alpha 0.05: 0.025 each" in told(THREE, one_stage(resolved=counts))


def test_the_best_of_several_winners_and_what_is_not_settled() -> None:
    stage = one_stage(resolved={"A": ones(9000, 7200), "B": ones(9000, 7800), "C": ones(9000, 7900)})
    verdict = judge(THREE, [stage])
    assert (verdict.state, verdict.arm) == ("winner", "C")
    assert "So is B; which of them is best is not settled" in told(THREE, stage)


def test_a_lost_arm_does_not_end_the_others() -> None:
    stage = one_stage(resolved={"A": ones(1000, 900), "B": ones(1000, 600), "C": ones(1000, 905)})
    verdict = judge(THREE, [stage])
    assert verdict.state == "running"
    assert [one.state for one in verdict.standings] == ["worse", "open"]
    lost = one_stage(resolved={"A": ones(30000, 27000), "B": ones(30000, 20000), "C": ones(30000, 27010)})
    assert judge(THREE, [lost]).state == "no_difference"


@pytest.mark.parametrize("order", list(permutations("BCD")))
def test_the_order_of_arms_changes_nothing(order: tuple[str, ...]) -> None:
    counts = {"A": ones(3000, 2700), "B": ones(2900, 2720), "C": ones(3100, 2790), "D": ones(3050, 2500)}
    sorted_one = judge(Experiment("x", tuple("ABCD"), RESOLVED), [one_stage(resolved=counts)])
    verdict = judge(Experiment("x", ("A", *order), RESOLVED), [one_stage(resolved=counts)])
    assert (verdict.state, verdict.arm) == (sorted_one.state, sorted_one.arm)
    assert {one.arm: one for one in verdict.standings} == {one.arm: one for one in sorted_one.standings}
    assert verdict.split.e_value == pytest.approx(sorted_one.split.e_value)


@given(st.integers(100, 3000), st.integers(100, 3000), st.floats(0.2, 0.8), st.floats(0.2, 0.8))
def test_control_and_arm_mirror_each_other(units: int, others: int, rate: float, other: float) -> None:
    counts = {"A": ones(units, round(units * rate)), "B": ones(others, round(others * other))}
    ahead = judge(TWO, [one_stage(weights={"A": units, "B": others}, resolved=counts)])
    back = judge(Experiment("x", ("B", "A"), RESOLVED), [one_stage(weights={"A": units, "B": others}, resolved=counts)])
    assert (ahead.state, ahead.arm) == (back.state, back.arm)
    first, second = ahead.standings[0].effect, back.standings[0].effect
    assert first.estimate == pytest.approx(-(second.estimate or 0.0))
    assert first.low == pytest.approx(-(second.high or 0.0))
    assert first.e_value == pytest.approx(second.e_value)


# -- the split -------------------------------------------------------------------------------------------------------


def test_a_split_that_is_not_as_declared_withholds_the_verdict() -> None:
    counts = {"A": ones(5200, 4680), "B": ones(4800, 4560)}
    verdict = judge(TWO, [one_stage(resolved=counts)])
    assert (verdict.state, verdict.arm) == ("withheld", None)
    assert verdict.split.e_value >= 100
    assert verdict.split.seen == {"A": 0.52, "B": 0.48}
    words = told(TWO, one_stage(resolved=counts))
    assert "A 52.00% where 50.00% was declared" in words
    as_declared = judge(TWO, [one_stage(weights={"A": 0.52, "B": 0.48}, resolved=counts)])
    assert (as_declared.state, as_declared.arm) == ("winner", "B")


def test_every_stage_is_held_against_its_own_weights() -> None:
    early = one_stage(weights={"A": 0.9, "B": 0.1}, resolved={"A": ones(9000, 8100), "B": ones(1000, 900)})
    late = one_stage(weights={"A": 0.5, "B": 0.5}, resolved={"A": ones(5000, 4500), "B": ones(5000, 4500)})
    assert not judge(TWO, [early, late]).split.fired
    wrong = msgspec.structs.replace(early, weights={"A": 0.7, "B": 0.3})
    assert judge(TWO, [wrong, late]).state == "withheld"


def test_what_is_told_of_several_stages_fits_the_difference() -> None:
    """The arm had most of its units in the worse stage: its own figure, unadjusted, would tell the contrary."""
    early = one_stage(weights={"A": 0.9, "B": 0.1}, resolved={"A": ones(9000, 8100), "B": ones(1000, 920)})
    late = one_stage(weights={"A": 0.1, "B": 0.9}, resolved={"A": ones(1000, 500), "B": ones(9000, 4680)})
    effect = judge(TWO, [early, late]).standings[0].effect
    assert effect.control == pytest.approx(0.86)
    assert effect.value == pytest.approx(0.88)
    assert effect.estimate == pytest.approx(0.02)


def test_units_of_an_arm_without_a_share_settle_it() -> None:
    stage = Stage({"A": 1.0, "B": 0.0}, {"A": ArmData(units=10), "B": ArmData(units=1)})
    found = mismatch(("A", "B"), [stage], 0.01)
    assert found.fired
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found
    assert not mismatch(("A", "B"), [Stage({"A": 1.0, "B": 0.0}, {"A": ArmData(units=10)})], 0.01).fired
    with pytest.raises(ValueError, match="weights"):
        mismatch(("A", "B"), [Stage({"A": 0.0}, {})], 0.01)


def test_the_alarm_of_the_split_is_exact_by_enumeration() -> None:
    """Half and half, a look at every unit up to 400: the chance of ever passing 1 / alpha."""
    alpha = 0.05
    alive, crossed = {0: 1.0}, 0.0
    for units in range(1, 401):
        following: dict[int, float] = {}
        for count, chance in alive.items():
            following[count] = following.get(count, 0.0) + chance / 2
            following[count + 1] = following.get(count + 1, 0.0) + chance / 2
        over = {count for count in following if log_mismatch([count, units - count], [0.5, 0.5]) >= -math.log(alpha)}
        crossed += sum(following[count] for count in over)
        alive = {count: chance for count, chance in following.items() if count not in over}
    assert crossed <= alpha


@given(st.lists(st.integers(1, 50), min_size=2, max_size=5), st.integers(0, 500))
def test_the_alarm_of_the_split_averages_to_one(shares: list[int], seed: int) -> None:
    """One more unit changes the evidence by a factor that is 1 on average: it cannot be talked up by looking."""
    total = sum(shares)
    parts = [share / total for share in shares]
    random = Random(seed)
    counts = [random.randrange(200) for _ in shares]
    before = log_mismatch(counts, parts)
    after = sum(
        part * math.exp(log_mismatch([*counts[:at], counts[at] + 1, *counts[at + 1 :]], parts) - before)
        for at, part in enumerate(parts)
    )
    assert after == pytest.approx(1.0, rel=1e-6)


# -- safety ----------------------------------------------------------------------------------------------------------


def guarded(cost: float, errors: int, units: int = 4000) -> Stage:
    return one_stage(
        resolved={"A": ones(units, units * 9 // 10), "B": ones(units, units * 19 // 20)},
        cost={"A": spread(units, 1.0, 0.5), "B": spread(units, cost, 0.5)},
        errors={"A": ones(units, units // 50), "B": ones(units, errors)},
    )


def test_harm_comes_before_winning() -> None:
    verdict = judge(GUARDED, [guarded(1.3, 80)])
    assert (verdict.state, verdict.harmed) == ("harmed", ("B",))
    assert verdict.standings[0].state == "better"
    assert "Stop: more harm than is allowed (B in cost)" in told(GUARDED, guarded(1.3, 80))
    assert judge(GUARDED, [guarded(1.0, 400)]).safety[1].state == "harmed"


def test_a_winner_that_does_no_harm() -> None:
    verdict = judge(GUARDED, [guarded(1.02, 164, 8000)])
    assert (verdict.state, verdict.arm) == ("winner", "B")
    assert [one.state for one in verdict.safety] == ["ok", "ok"]
    assert "Hold" not in told(GUARDED, guarded(1.02, 164, 8000))


def test_harm_that_is_allowed_is_neither() -> None:
    verdict = judge(GUARDED, [guarded(1.1, 120)])
    assert [one.state for one in verdict.safety] == ["unknown", "unknown"]
    assert "Hold all the same" in told(GUARDED, guarded(1.1, 120))


def test_no_data_is_no_leave_to_go_on() -> None:
    stage = one_stage(resolved={"A": ones(4000, 3600), "B": ones(4000, 3800)})
    verdict = judge(GUARDED, [stage])
    assert [one.state for one in verdict.safety] == ["unknown", "unknown"]
    assert verdict.safety[0].e_harmed is None
    assert "not known yet whether it does harm" in told(GUARDED, stage)


def test_no_error_seen_is_no_proof_of_none() -> None:
    """0 of 150 and 0 of 150 differ by less than a point? Nobody knows yet; after 5,000 each, yes."""
    few, many = (one_stage(resolved={arm: ones(n, n // 2) for arm in "AB"}, errors={arm: ones(n, 0) for arm in "AB"})
                 for n in (150, 5000))  # fmt: skip
    assert judge(GUARDED, [few]).safety[1].state == "unknown"
    assert judge(GUARDED, [many]).safety[1].state == "ok"


def test_harm_in_money_is_found_early_and_its_absence_is_not() -> None:
    def seen(units: dict[str, int], cost: float) -> str:
        sums = {"A": spread(units["A"], 1.0, 0.5), "B": spread(units["B"], cost, 0.5)}
        weights = {arm: float(count) for arm, count in units.items()}
        return judge(GUARDED, [one_stage(weights, cost=sums)]).safety[0].state

    assert seen({"A": 450, "B": 150}, 3.0) == "harmed"
    assert seen({"A": 450, "B": 150}, 0.3) == "unknown"
    assert seen({"A": 600, "B": 600}, 0.3) == "ok"
    assert seen({"A": 150, "B": 450}, 3.0) == "unknown"  # the small arm is the control, and may be what lacks its tail
    assert seen({"A": 450, "B": 90}, 3.0) == "unknown"
    early = told(GUARDED, one_stage(cost={"A": spread(150, 1.0, 0.5), "B": spread(150, 3.0, 0.5)}))
    assert "harm beyond what is allowed (10%, here 0.1 is allowed): 3 against 1, too little for an interval" in early


def test_a_bound_that_is_a_part_of_the_control_is_known_no_better_than_the_control() -> None:
    """Harm is m1 - 1.5 m0 > 0: the variance is v1 + 2.25 v0, not v1 + v0."""
    half = msgspec.structs.replace(COST, min_effect=0.5)
    experiment = Experiment("x", ("A", "B"), RESOLVED, safety=(half,))
    stage = one_stage(cost={"A": spread(1000, 1.0, 0.5), "B": spread(1000, 1.6, 0.5)})
    (found,) = judge(experiment, [stage]).safety
    estimate = Estimate(0.1, 0.25 / 999 * (1 + 2.25))
    assert found.e_harmed == pytest.approx(math.exp(log_e_far_above(estimate, 0.0, 0.5)))


def test_harm_counts_even_where_the_split_is_wrong() -> None:
    units = {"A": ones(6000, 5400), "B": ones(4000, 3600)}
    stage = one_stage(resolved=units, errors={"A": ones(6000, 60), "B": ones(4000, 900)})
    verdict = judge(GUARDED, [stage])
    assert verdict.split.fired
    assert verdict.state == "harmed"


def test_a_metric_where_more_is_better_can_be_a_safety_metric() -> None:
    experiment = Experiment("x", ("A", "B"), COST, safety=(RESOLVED,))
    worse = one_stage(cost={arm: spread(500, 1.0, 0.5) for arm in "AB"}, resolved={"A": ones(90, 85), "B": ones(90, 9)})
    assert judge(experiment, [worse]).safety[0].state == "harmed"
    same = one_stage(
        cost={arm: spread(500, 1.0, 0.5) for arm in "AB"}, resolved={arm: ones(9999, 9000) for arm in "AB"}
    )
    assert judge(experiment, [same]).safety[0].state == "ok"


# -- fallbacks, other metrics, words ---------------------------------------------------------------------------------


def test_answers_by_a_fallback_are_counted_or_left_out_and_told() -> None:
    whole = {"A": ones(3000, 2700), "B": ones(3000, 2820)}
    own = {"A": ones(3000, 2700), "B": ones(2900, 2610)}
    stage = Stage(
        {"A": 1.0, "B": 1.0},
        {arm: ArmData(3000, 3000, 100, {"resolved": whole[arm]}, {"resolved": own[arm]}) for arm in "AB"},
    )
    assert judge(TWO, [stage]).state == "winner"
    assert "100 of 3,000 calls of B were answered by a fallback; they are counted in." in told(TWO, stage)
    without = msgspec.structs.replace(TWO, fallbacks="leave_out")
    assert judge(without, [stage]).state == "running"
    assert "they are left out" in told(without, stage)


def test_other_metrics_are_told_and_decide_nothing() -> None:
    experiment = Experiment("x", ("A", "B"), RESOLVED, others=(COST,))
    stage = one_stage(
        resolved={arm: ones(1000, 900) for arm in "AB"},
        cost={"A": spread(1000, 1.0, 0.5), "B": spread(1000, 5.0, 0.5)},
    )
    verdict = judge(experiment, [stage])
    assert verdict.state == "running"
    assert verdict.others[0].estimate == pytest.approx(4.0)
    assert "B, cost (told, decides nothing): 5 against 1, a difference of +4;" in told(experiment, stage)


def test_the_words_of_an_open_experiment() -> None:
    words = told(TWO, one_stage(resolved={"A": ones(800, 720), "B": ones(800, 740)}))
    assert words.splitlines()[0] == "Not decided yet: whether B is better than A in resolved."
    assert "92.5% against 90.0%, a difference of +2.5 points; 95% sure, at every look" in words
    assert "20 is asked" in words
    assert "would narrow its interval to 2.0 points on either side, the smallest difference that matters" in words


def test_the_example_of_the_docs_says_what_is_written_there(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "experiments-statistics.md").read_text()
    exec(page.split("```python")[1].split("```")[0], {})
    assert capsys.readouterr().out == page.split("```text\n")[1].split("```")[0]


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 2**32))
def test_any_data_has_a_verdict_and_words(first: int, second: int, third: int, seed: int) -> None:
    random = Random(seed)
    experiment = Experiment("x", ("A", "B", "C"), RESOLVED, safety=(COST, ERRORS), others=())
    sizes = dict(zip("ABC", (first, second, third), strict=True))
    stage = one_stage(
        resolved={arm: ones(units, random.randint(0, units)) for arm, units in sizes.items()},
        cost={arm: spread(units // 2, random.random(), random.random()) for arm, units in sizes.items()},
        errors={arm: ones(units, 0) for arm, units in sizes.items()},
    )
    verdict = judge(experiment, [stage, stage])
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=type(verdict)) == verdict
    words = in_words(experiment, verdict)
    assert words
    assert not any("None" in one or "nan" in one or "inf" in one for one in words)
    assert verdict == judge(experiment, [stage, stage])


# -- declarations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"arms": ("A",)}, "1 arms"),
        ({"arms": ("A", "A")}, "each once"),
        ({"alpha": 0.0}, "alpha is 0"),
        ({"srm_alpha": 0.5}, "srm_alpha is 0.5"),
        ({"fallbacks": "perhaps"}, "keep or leave_out"),
        ({"safety": (RESOLVED,)}, "a name of its own"),
        ({"primary": Metric("m", "median", "cost_usd", 1)}, "no kind of metric"),
        ({"primary": Metric("m", "mean", "joy", 1)}, "nothing that is measured"),
        ({"primary": Metric("m", "mean", "score:", 1)}, "nothing that is measured"),
        ({"primary": Metric("m", "mean", "calls", 1)}, "nothing that is measured"),
        ({"primary": Metric("m", "mean", "tokens", 0)}, "not above 0"),
        ({"primary": Metric("m", "mean", "tokens", math.nan)}, "not above 0"),
        ({"primary": Metric("m", "mean", "tokens", 1, better="more")}, "better: higher"),
        ({"primary": Metric("m", "binary", "latency_s", 0.01)}, "neither yes nor no"),
        ({"primary": Metric("m", "mean", "latency_s", 0.01, threshold=2.0)}, "only a binary metric"),
        ({"primary": Metric("m", "binary", "error", 0.1, relative=True)}, "in points"),
        ({"primary": Metric("m", "ratio", "cost_usd", 0.01)}, "`over` belongs to a ratio"),
        ({"primary": Metric("m", "mean", "cost_usd", 0.01, over="tokens")}, "`over` belongs to a ratio"),
    ],
)
def test_what_could_never_be_decided_is_refused(changes: dict[str, object], says: str) -> None:
    check_experiment(GUARDED, "support.yaml:7")
    with pytest.raises(ConfigError) as raised:
        check_experiment(msgspec.structs.replace(TWO, **changes), "support.yaml:7")
    assert says in str(raised.value)
    assert str(raised.value).startswith("support.yaml:7")


def test_readings() -> None:
    slow = Metric("slow", "binary", "latency_s", 0.01, better="lower", threshold=2.5)
    assert [slow.reading(value) for value in (2.5, 2.6, None)] == [0.0, 1.0, None]
    assert [RESOLVED.reading(value) for value in (1, 0, 0.5, math.nan)] == [1.0, 0.0, None, None]
    assert COST.reading(0.25) == 0.25
