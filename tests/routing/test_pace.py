"""What is learned of a target's speed, and what follows from it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headgate.core.snapshot import Target
from headgate.routing.pace import FADE_AT, LEARNED_MIN, SLOW_FACTOR, SOFT_MIN_S, TARGETS_MAX, Pace, Paces

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


def learned() -> Paces:
    paces = Paces()
    for _ in range(100):
        assert not paces.answered(LUNA, 400_000, 2_000_000, 136, 5)
    return paces


def test_a_long_answer_is_not_a_slow_one() -> None:
    paces = learned()
    assert not paces.answered(LUNA, 400_000, 60_000_000, 6000, 6)
    assert paces.of(LUNA).answered_ns == 6
    assert paces.answered(LUNA, 4_000_000, 20_000_000, 136, 7)


def test_slow_answers_do_not_become_usual() -> None:
    paces = learned()
    for _ in range(1000):
        assert paces.answered(LUNA, 4_000_000, 20_000_000, 136, 7)


def test_a_probe_is_judged_by_its_first_content_and_else_by_its_time() -> None:
    paces = learned()
    assert not paces.dawdles(LUNA, 500_000, 500_000, 1)
    assert paces.dawdles(LUNA, 4_000_000, 4_000_000, 1)
    assert not paces.dawdles(LUNA, None, 600_000, 1)
    assert paces.dawdles(LUNA, None, 4_000_000, 1)
    assert not paces.dawdles(Target("b", "x", None), 4_000_000, 4_000_000, 1)  # type: ignore[arg-type]


def test_how_long_one_may_wait_before_somebody_asks() -> None:
    paces = learned()
    assert paces.soft_ns(LUNA, True) == SOFT_MIN_S * 1e9
    for _ in range(100):
        paces.of(LUNA).first.note(3_000_000)
    soft_s = paces.soft_ns(LUNA, True) / 1e9
    assert 6.0 <= soft_s <= 9.0 < SLOW_FACTOR * 4


def test_targets_are_bounded() -> None:
    paces = Paces()
    for at in range(TARGETS_MAX + 5):
        paces.of(Target("a", str(at), None))  # type: ignore[arg-type]
    assert len(paces._of) == TARGETS_MAX


def test_what_is_fast_enough_is_never_slow() -> None:
    paces = Paces()
    for _ in range(100):
        paces.answered(LUNA, 1000, 2000, 136, 5)
    assert not paces.answered(LUNA, 900_000, 990_000, 136, 6)
    assert not paces.dawdles(LUNA, 900_000, 990_000, 1)
