"""Five-minute sums over calls, with latencies in log buckets, so that percentiles add up across hours and machines.

Buckets are those of DDSketch (Masson, Rim and Lee, VLDB 2019) with a relative accuracy of 5%: bucket i holds values
in (g^(i-1), g^i], g = 1.05 / 0.95, and is read back as 2 g^i / (g + 1), which is within 5% of every value in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from headgate.core.calls import Rollup, RollupKey
from headgate.core.record import AttemptRecord, CallRecord

ROLLUP_NS = 300 * 1_000_000_000
ACCURACY = 0.05  # the relative error of a percentile, at most
BUCKET_MAX = 250  # 20 hours in microseconds

_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_PER_LOG = 1 / math.log(_GAMMA)


def bucket(value_us: int) -> int:
    """The log bucket of a duration in microseconds; 0 holds everything up to one microsecond."""
    if value_us <= 1:
        return 0
    return min(math.ceil(math.log(value_us) * _PER_LOG), BUCKET_MAX)


def bucket_value(index: int) -> float:
    """The microseconds a bucket stands for."""
    return 1.0 if index <= 0 else 2 * _GAMMA**index / (_GAMMA + 1)


def bucket_bound(index: int) -> float:
    """The largest microseconds a bucket holds."""
    return _GAMMA**index


def percentile(histogram: Mapping[int, int], share: float) -> float | None:
    """The value in microseconds that `share` (0 to 1) of all lie at or below, within ACCURACY; None where empty."""
    total = sum(histogram.values())
    if not total:
        return None
    rank = max(math.ceil(share * total), 1)
    seen = 0
    for index in sorted(histogram):
        seen += histogram[index]
        if seen >= rank:
            return bucket_value(index)
    return None


def fold(records: Iterable[CallRecord]) -> list[Rollup]:
    """The rollups that finished records add to. Calls in flight add nothing."""
    rollups: dict[RollupKey, Rollup] = {}
    for record in records:
        if record.outcome == "in_flight":
            continue
        at_ns = record.received_ns - record.received_ns % ROLLUP_NS
        app = record.app or ""
        rollup = None
        for attempt in record.attempts:
            key = RollupKey(at_ns, record.tenant, app, attempt.provider, attempt.model)
            rollup = _at(rollups, key)
            _add_attempt(rollup, attempt)
        if rollup is None:
            rollup = _at(rollups, RollupKey(at_ns, record.tenant, app, "", ""))
            if record.error is not None:
                _count(rollup.errors, record.error)
        _add_call(rollup, record)
    return list(rollups.values())


def top(words: Mapping[str, int], count: int) -> Sequence[tuple[str, int]]:
    """The most frequent words with their numbers; ties in alphabetical order."""
    return sorted(words.items(), key=lambda item: (-item[1], item[0]))[:count]


def _at(rollups: dict[RollupKey, Rollup], key: RollupKey) -> Rollup:
    found = rollups.get(key)
    if found is None:
        found = rollups[key] = Rollup(key)
    return found


def _add_attempt(rollup: Rollup, attempt: AttemptRecord) -> None:
    rollup.attempts += 1
    if attempt.outcome == "ok":
        rollup.attempts_ok += 1
        if attempt.ended_us is not None:
            index = bucket(attempt.ended_us - attempt.started_us)
            rollup.latency[index] = rollup.latency.get(index, 0) + 1
    elif attempt.outcome == "failed":
        rollup.attempts_failed += 1
    if attempt.error is not None:
        _count(rollup.errors, attempt.error)
    if attempt.first_token_us is not None:
        index = bucket(attempt.first_token_us - attempt.started_us)
        rollup.ttft[index] = rollup.ttft.get(index, 0) + 1
    rollup.input_tokens += attempt.input_tokens or 0
    rollup.output_tokens += attempt.output_tokens or 0
    rollup.cost_usd += attempt.cost_usd or 0.0


def _add_call(rollup: Rollup, record: CallRecord) -> None:
    rollup.calls += 1
    _count(rollup.outcomes, record.outcome)
    # nobody is owed for a call that no provider answered: only of the others is a missing number an unknown one
    if record.committed or record.outcome in ("ok", "aborted"):
        rollup.uncounted += record.input_tokens is None and record.output_tokens is None
        rollup.unpriced += record.cost_usd is None


def _count(words: dict[str, int], word: str) -> None:
    words[word] = words.get(word, 0) + 1
