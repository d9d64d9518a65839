"""Which arm a unit belongs to: sticky, exact in its shares, and with as few units moved as can be when weights change.

A unit (a user, a session, a tenant, a call) is hashed with the experiment's salt into one of 10,000 buckets; a layout
says whose each bucket is. Experiments with different salts are independent of each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import msgspec

BUCKETS = 10_000
ARMS_MAX = 20
_BIGGEST = 8  # bytes of the hash that are read: 2**64 is so far above 10,000 that the remainder is even to 1e-15


class Range(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Buckets from `start` up to, not with, `stop`."""

    arm: str
    start: int
    stop: int


class Layout(msgspec.Struct, frozen=True):
    """Whose each bucket is: ranges in order, without gaps, over all buckets. `salt` is the experiment's own."""

    salt: str
    ranges: tuple[Range, ...]

    def shares(self) -> dict[str, float]:
        """What part of the buckets each arm has: the weights that the traffic is really split by."""
        held: dict[str, int] = {}
        for one in self.ranges:
            held[one.arm] = held.get(one.arm, 0) + one.stop - one.start
        return {arm: count / BUCKETS for arm, count in held.items()}

    def arm_of(self, unit: str) -> str:
        """The unit's arm. Same layout, same unit, same arm, on every machine."""
        at = bucket(self.salt, unit)
        low, high = 0, len(self.ranges) - 1
        while low < high:
            middle = (low + high) // 2
            if at < self.ranges[middle].stop:
                high = middle
            else:
                low = middle + 1
        return self.ranges[low].arm


def bucket(salt: str, unit: str) -> int:
    """The unit's bucket, 0 to 9,999: the first 64 bits of SHA-256 over salt, a zero byte and unit."""
    return (
        int.from_bytes(sha256(f"{salt}\0{unit}".encode("utf-8", "surrogatepass")).digest()[:_BIGGEST], "big") % BUCKETS
    )


def split(salt: str, weights: Mapping[str, float]) -> Layout:
    """A first layout: each arm one range, in the order given. Weights need not add up to 1; raises ValueError for
    weights that cannot be split by."""
    return _laid(salt, [arm for arm, count in _counts(weights).items() for _ in range(count)])


def resplit(layout: Layout, weights: Mapping[str, float]) -> Layout:
    """The layout after a change of weights. An arm that shrinks gives up its highest buckets, and those that grow take
    them: the units that move are exactly half the sum of all changes, the fewest there can be, and no unit moves
    between two arms that both grow or both shrink. Raises ValueError as `split` does."""
    owners = [one.arm for one in layout.ranges for _ in range(one.start, one.stop)]
    wanted = _counts(weights)
    spare = {arm: owners.count(arm) - wanted.get(arm, 0) for arm in set(owners) | set(wanted)}
    free: list[int] = []
    for at in range(BUCKETS - 1, -1, -1):
        if spare[owners[at]] > 0:
            spare[owners[at]] -= 1
            free.append(at)
    for arm in wanted:
        for _ in range(-spare[arm]):
            owners[free.pop()] = arm
    return _laid(layout.salt, owners)


def _laid(salt: str, owners: list[str]) -> Layout:
    ranges: list[Range] = []
    start = 0
    for at in range(1, BUCKETS + 1):
        if at == BUCKETS or owners[at] != owners[start]:
            ranges.append(Range(owners[start], start, at))
            start = at
    return Layout(salt, tuple(ranges))


def _counts(weights: Mapping[str, float]) -> dict[str, int]:
    """Buckets of each arm, by largest remainder: they add up to all, and none is off by a whole bucket."""
    total = sum(weights.values())
    if not 0 < len(weights) <= ARMS_MAX or not 0 < total < float("inf") or min(weights.values()) < 0:
        raise ValueError(f"weights that cannot be split by: {dict(weights)}")
    exact = {arm: weight / total * BUCKETS for arm, weight in weights.items()}
    counts = {arm: int(share) for arm, share in exact.items()}
    short = BUCKETS - sum(counts.values())
    for arm in sorted(exact, key=lambda arm: counts[arm] - exact[arm])[:short]:
        counts[arm] += 1
    return counts
