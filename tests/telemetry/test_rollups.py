"""Percentiles from log buckets: within the stated error of the exact ones, whatever the values."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from headgate.core.calls import Rollup, RollupKey
from headgate.core.record import AttemptRecord
from headgate.telemetry import fold, percentile
from headgate.telemetry.rollups import ACCURACY, BUCKET_MAX, ROLLUP_NS, bucket, bucket_value, top
from tests.telemetry.builders import NOON, record, refused

durations = st.integers(0, 3_600_000_000)


@given(durations)
def test_a_bucket_reads_back_within_the_accuracy(value: int) -> None:
    assert abs(bucket_value(bucket(value)) - max(value, 1)) <= ACCURACY * max(value, 1) + 1e-6


@given(durations, durations)
def test_buckets_keep_order(one: int, other: int) -> None:
    if one <= other:
        assert bucket(one) <= bucket(other)


@given(st.lists(durations, min_size=1, max_size=200), st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_percentiles_are_within_the_accuracy_of_the_exact_ones(values: list[int], share: float) -> None:
    histogram: dict[int, int] = {}
    for value in values:
        histogram[bucket(value)] = histogram.get(bucket(value), 0) + 1
    exact = max(sorted(values)[max(math.ceil(share * len(values)), 1) - 1], 1)
    found = percentile(histogram, share)
    assert found is not None
    assert abs(found - exact) <= ACCURACY * exact + 1e-6


def test_nothing_has_no_percentile() -> None:
    assert percentile({}, 0.5) is None


def test_absurd_durations_stay_in_range() -> None:
    assert bucket(-5) == 0
    assert bucket(10**18) == BUCKET_MAX


def test_calls_fall_into_five_minutes_by_when_they_were_received() -> None:
    rollups = fold([record(1, NOON), record(2, NOON + ROLLUP_NS - 1), record(3, NOON + ROLLUP_NS)])
    assert [(rollup.key.at_ns, rollup.calls) for rollup in rollups] == [(NOON, 2), (NOON + ROLLUP_NS, 1)]


def test_a_call_in_flight_counts_nowhere() -> None:
    assert fold([record(1, outcome="in_flight")]) == []


def test_an_attempt_we_ended_is_neither_success_nor_failure() -> None:
    attempts = [
        AttemptRecord("openai", "m", 0, "first", 5, outcome=outcome) for outcome in ("ok", "failed", "cancelled", "cut")
    ]
    (rollup,) = fold([record(1, attempts=attempts)])
    assert (rollup.attempts, rollup.attempts_ok, rollup.attempts_failed) == (4, 1, 1)
    assert sum(rollup.latency.values()) == 1


def test_unknown_is_counted_apart_and_never_as_zero_of_a_refusal() -> None:
    (unknown,) = fold([record(1, cost_usd=None, input_tokens=None, output_tokens=None)])
    assert (unknown.unpriced, unknown.uncounted) == (1, 1)
    (nobody,) = fold([refused(2)])
    assert (nobody.unpriced, nobody.uncounted) == (0, 0)


def test_rollups_add_up() -> None:
    one, two = fold([record(1)])[0], fold([record(2, outcome="failed")])[0]
    total = Rollup(RollupKey(0, "", "", "openai", "gpt-4o-mini"))
    total.add(one)
    total.add(two)
    assert (total.calls, total.outcomes, sum(total.latency.values())) == (2, {"ok": 1, "failed": 1}, 2)
    assert one.calls == 1, "what was added is not changed"


def test_top_words_are_the_most_frequent() -> None:
    assert top({"b": 2, "a": 2, "c": 9, "d": 1}, 3) == [("c", 9), ("a", 2), ("b", 2)]
