"""What is learned of a target's speed, and what follows from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.snapshot import Target
from headgate.routing.pace import (
    ASIDE_MAX,
    FADE_AT,
    FEW_MIN,
    LEARNED_MIN,
    SETTLED_S,
    SLOW_FACTOR,
    SOFT_MIN_S,
    SOFT_UNKNOWN_S,
    SOFT_WHOLE_UNKNOWN_S,
    TARGETS_MAX,
    Pace,
    Paces,
    Verdict,
    work_of,
)

LUNA = Target("a", "luna", None)  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 10**10), min_size=LEARNED_MIN, max_size=300), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_is_at_most_half_an_octave_above_the_true_one(values: list[int], share: float) -> None:
    pace = Pace()
    for value in values:
        pace.note(value)
    found = pace._walk(share)
    above = len(values) - int(len(values) * share)
    true = sorted(values)[len(values) - above]
    assert true <= found <= max(true * 1.5, 1)


def test_with_few_answers_nothing_is_known() -> None:
    pace = Pace()
    for _ in range(LEARNED_MIN - 1):
        pace.note(1000)
    assert pace.quantile(0.99) is None
    pace.note(1000)
    assert pace.quantile(0.99) is not None


def test_what_is_long_ago_fades() -> None:
    pace = Pace()
    for _ in range(FADE_AT - 1):
        pace.note(1_000_000)
    for _ in range(20 * FADE_AT):
        pace.note(1000)
    assert pace.total < FADE_AT
    assert (pace.quantile(0.99) or 0) < 2000


def answered(paces: Paces, first_s: float | None, took_s: float, work: int | None = 200, at_s: float = 0.0) -> Verdict:
    first_us = None if first_s is None else int(first_s * 1e6)
    return paces.answered(LUNA, first_us, int(took_s * 1e6), work, int(at_s * 1e9))


def probed(paces: Paces, first_s: float | None, took_s: float, at_s: float = 0.0) -> bool:
    first_us = None if first_s is None else int(first_s * 1e6)
    return paces.probed(LUNA, first_us, int(took_s * 1e6), 1, int(at_s * 1e9))


def learned(count: int = 100) -> Paces:
    paces = Paces()
    for _ in range(count):
        assert answered(paces, 0.4, 2.0) is Verdict.USUAL
    return paces


def test_a_long_answer_is_not_a_slow_one() -> None:
    paces = learned()
    assert answered(paces, 0.4, 60.0, work_of(30, 6000), at_s=6) is Verdict.USUAL
    assert paces.of(LUNA).answered_ns == 6e9
    assert answered(paces, 4.0, 20.0, at_s=7) is Verdict.SLOW
    assert paces.of(LUNA).answered_ns == 7e9


def test_a_short_answer_to_a_long_question_is_not_a_slow_one() -> None:
    paces = learned()
    assert answered(paces, 20.0, 20.5, work_of(100_000, 20)) is Verdict.USUAL
    assert answered(paces, 20.0, 20.5, work_of(1000, 20)) is Verdict.SLOW
    assert work_of(100_000, None) is None
    assert work_of(None, 20) == work_of(0, 20)


def test_slow_answers_do_not_become_usual() -> None:
    paces = learned()
    for _ in range(1000):
        assert answered(paces, 4.0, 20.0) is Verdict.SLOW


@pytest.mark.parametrize("count", [FEW_MIN, 5, LEARNED_MIN - 1])
def test_of_a_target_little_known_slow_answers_are_doubtful_and_teach_nothing(count: int) -> None:
    paces = learned(count)
    assert answered(paces, 2.0, 8.0) is Verdict.USUAL  # four times as slow may be chance
    paces = learned(count)
    for _ in range(1000):
        assert answered(paces, 4.0, 20.0) is Verdict.DOUBTFUL
    assert len(paces.of(LUNA).aside) == ASIDE_MAX
    assert probed(paces, 4.0, 4.0)
    assert paces.of(LUNA).aside == []
    assert answered(paces, 4.0, 20.0) is Verdict.DOUBTFUL


@pytest.mark.parametrize("clears", ["probe", "call"])
def test_slow_answers_of_a_target_that_is_well_are_learned(clears: str) -> None:
    paces = learned(5)
    assert answered(paces, 4.0, 20.0) is Verdict.DOUBTFUL
    if clears == "probe":
        assert not probed(paces, 0.4, 0.4)
    else:
        assert answered(paces, 0.4, 2.0) is Verdict.USUAL
    assert answered(paces, 4.0, 20.0) is Verdict.USUAL
    assert answered(paces, 4.0, 90.0) is Verdict.USUAL


def test_of_one_answer_nothing_follows() -> None:
    paces = learned(FEW_MIN - 1)
    assert not probed(paces, 40.0, 40.0)
    assert paces.soft_ns(LUNA, True) == SOFT_UNKNOWN_S * 1e9
    assert answered(paces, 40.0, 200.0) is Verdict.USUAL


def test_an_answer_that_does_not_tell_its_tokens_is_doubtful_by_its_first_content_alone() -> None:
    paces = Paces()
    for _ in range(100):
        assert answered(paces, 0.4, 2.0, None) is Verdict.USUAL
    assert answered(paces, 0.4, 200.0, None) is Verdict.USUAL
    assert answered(paces, None, 200.0, None) is Verdict.USUAL
    assert answered(paces, 4.0, 20.0, None) is Verdict.DOUBTFUL
    assert probed(paces, 4.0, 4.0)


@pytest.mark.parametrize("count", [FEW_MIN, 100])
def test_what_has_been_slow_for_a_day_is_usual(count: int) -> None:
    paces = learned(count)
    at_s = 0.0
    while at_s < SETTLED_S:
        assert probed(paces, 4.0, 4.0, at_s)
        at_s += 600.0
    assert not probed(paces, 4.0, 4.0, at_s)
    for _ in range(LEARNED_MIN):
        assert answered(paces, 4.0, 20.0, at_s=at_s) is Verdict.USUAL
    assert not probed(paces, 4.0, 4.0, at_s)


def test_a_day_of_slow_answers_now_and_then_changes_nothing() -> None:
    paces = learned()
    for at_s in range(0, int(2 * SETTLED_S), 3600):
        assert answered(paces, 4.0, 20.0, at_s=at_s) is Verdict.SLOW
        assert answered(paces, 0.4, 2.0, at_s=at_s) is Verdict.USUAL
    assert answered(paces, 4.0, 20.0, at_s=2 * SETTLED_S) is Verdict.SLOW


def test_a_probe_is_judged_by_its_first_content_and_else_by_its_time() -> None:
    paces = learned()
    assert not probed(paces, 0.5, 0.5)
    assert probed(paces, 4.0, 4.0)
    assert not probed(paces, None, 0.6)
    assert probed(paces, None, 4.0)
    assert not paces.probed(Target("b", "x", None), 4_000_000, 4_000_000, 1, 5)  # type: ignore[arg-type]


def test_a_probe_is_judged_by_the_work_where_no_stream_is_known() -> None:
    paces = Paces()
    for _ in range(FEW_MIN):
        answered(paces, None, 2.0)
    assert not probed(paces, 0.5, 0.5)
    assert probed(paces, 9.0, 9.0)


def test_how_long_one_may_wait_before_somebody_asks() -> None:
    paces = learned()
    assert paces.soft_ns(LUNA, True) == SOFT_MIN_S * 1e9
    for _ in range(100):
        paces.of(LUNA).first.note(3_000_000)
    soft_s = paces.soft_ns(LUNA, True) / 1e9
    assert 6.0 <= soft_s <= 9.0 < SLOW_FACTOR * 4
    few = learned(FEW_MIN)
    assert 2.0 <= few.soft_ns(LUNA, True) / 1e9 <= 3.0
    assert few.soft_ns(LUNA, False) == SOFT_WHOLE_UNKNOWN_S * 1e9


def test_targets_are_bounded() -> None:
    paces = Paces()
    for at in range(TARGETS_MAX + 5):
        paces.of(Target("a", str(at), None))  # type: ignore[arg-type]
    assert len(paces._of) == TARGETS_MAX


def test_what_is_fast_enough_is_never_slow() -> None:
    paces = Paces()
    for _ in range(100):
        answered(paces, 0.001, 0.002)
    assert answered(paces, 0.9, 0.99) is Verdict.USUAL
    assert not probed(paces, 0.9, 0.99)
