"""Assignment: sticky, exact in its shares, and no more units moved than must be."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.assign import ARMS_MAX, BUCKETS, Layout, bucket, resplit, split

weights = st.dictionaries(st.sampled_from("ABCDEFG"), st.integers(0, 1000), min_size=1).filter(
    lambda found: sum(found.values()) > 0
)


def owners(layout: Layout) -> list[str]:
    return [one.arm for one in layout.ranges for _ in range(one.start, one.stop)]


def test_the_bucket_is_what_anyone_can_compute() -> None:
    told = hashlib.sha256(b"exp-1\x00user-42").hexdigest()
    assert bucket("exp-1", "user-42") == int(told[:16], 16) % 10_000
    assert bucket("exp-1", "") != bucket("exp-2", "")


@given(weights)
def test_shares_are_exact_to_a_bucket_and_every_bucket_has_an_owner(given_weights: dict[str, int]) -> None:
    layout = split("s", given_weights)
    total = sum(given_weights.values())
    shares = layout.shares()
    for arm, weight in given_weights.items():
        assert abs(shares.get(arm, 0.0) - weight / total) < 1 / BUCKETS
        assert weight or arm not in shares
    assert len(owners(layout)) == BUCKETS
    assert [one.stop for one in layout.ranges[:-1]] == [one.start for one in layout.ranges[1:]]
    assert all(one.arm != following.arm for one, following in pairwise(layout.ranges))


@settings(max_examples=40)
@given(st.lists(weights, min_size=2, max_size=5))
def test_a_change_of_weights_moves_as_few_as_can_be(changes: list[dict[str, int]]) -> None:
    layout = split("s", changes[0])
    for change in changes[1:]:
        following = resplit(layout, change)
        assert following.shares() == split("s", change).shares()
        before, after = owners(layout), owners(following)
        grown = {arm: after.count(arm) - before.count(arm) for arm in set(before) | set(after)}
        moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        assert len(moved) == sum(abs(change) for change in grown.values()) / 2
        assert all(grown[old] < 0 < grown[new] for old, new in moved)
        layout = following


def test_a_growing_arm_keeps_its_units() -> None:
    layout = split("s", {"A": 0.99, "B": 0.01})
    users = [f"user-{number}" for number in range(5000)]
    was: set[str] = set()
    for share in (0.05, 0.2, 0.5):
        layout = resplit(layout, {"A": 1 - share, "B": share})
        now = {user for user in users if layout.arm_of(user) == "B"}
        assert was < now
        was = now
    assert [one.arm for one in layout.ranges] == ["A", "B"]


def test_units_are_spread_evenly_and_experiments_do_not_agree() -> None:
    first, second = (split(salt, {"A": 1, "B": 1, "C": 2}) for salt in ("one", "two"))
    found: dict[tuple[str, str], int] = {}
    for number in range(16_000):
        pair = first.arm_of(f"u{number}"), second.arm_of(f"u{number}")
        found[pair] = found.get(pair, 0) + 1
    shares = first.shares()
    for (one, other), count in found.items():
        expected = 16_000 * shares[one] * shares[other]
        assert abs(count - expected) < 4 * expected**0.5


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"A": 0.0},
        {"A": -1.0, "B": 2.0},
        {"A": float("inf")},
        {"A": float("nan")},
        dict.fromkeys(map(str, range(ARMS_MAX + 1)), 1.0),
    ],
)
def test_weights_that_cannot_be_split_by_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="cannot be split by"):
        split("s", wrong)
    with pytest.raises(ValueError, match="cannot be split by"):
        resplit(split("s", {"A": 1}), wrong)
