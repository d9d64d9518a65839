"""The exact interval of a rate, against published values and against its own definition."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.evaluation.experiments.proportion import UNITS_MAX, rate_interval


def at_least(ones: int, units: int, rate: float) -> float:
    return sum(math.comb(units, k) * rate**k * (1 - rate) ** (units - k) for k in range(ones, units + 1))


@pytest.mark.parametrize(
    ("ones", "units", "low", "high"),
    [(0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (5, 10, 0.1871, 0.8129), (1, 1, 0.025, 1.0), (0, 0, 0.0, 1.0),
     (81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617)],
)  # fmt: skip
def test_values_from_tables(ones: int, units: int, low: float, high: float) -> None:
    """The last two: Newcombe, Statistics in Medicine 1998, table I (method 5)."""
    assert rate_interval(ones, units) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.05, 0.2]))
def test_at_the_edges_the_tails_are_half_of_alpha(counts: tuple[int, int], alpha: float) -> None:
    ones, units = counts
    low, high = rate_interval(ones, units, alpha)
    assert 0 <= low <= ones / units <= high <= 1
    if ones:
        assert at_least(ones, units, low) == pytest.approx(alpha / 2, rel=1e-6)
    if ones < units:
        assert 1 - at_least(ones + 1, units, high) == pytest.approx(alpha / 2, rel=1e-6)


def test_many_units_are_no_trouble() -> None:
    low, high = rate_interval(UNITS_MAX // 2, UNITS_MAX)
    assert (low, high) == pytest.approx((0.5 - 0.0031, 0.5 + 0.0031), abs=1e-4)
    assert rate_interval(UNITS_MAX, UNITS_MAX)[0] == pytest.approx(0.025 ** (1 / UNITS_MAX), abs=1e-9)


@pytest.mark.parametrize(("ones", "units"), [(-1, 2), (3, 2), (0, UNITS_MAX + 1)])
def test_counts_that_are_none_are_refused(ones: int, units: int) -> None:
    with pytest.raises(ValueError, match="of"):
        rate_interval(ones, units)
