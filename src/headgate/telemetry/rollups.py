"""Five-minute sums over calls, with latencies in log buckets, so that percentiles add up across hours and machines.

Buckets are those of DDSketch (Masson, Rim and Lee, VLDB 2019) with a relative accuracy of 5%: bucket i holds values
in (g^(i-1), g^i], g = 1.05 / 0.95, and is read back as 2 g^i / (g + 1), which is within 5% of every value in it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from headgate.core.calls import Rollup, RollupKey
from headgate.core.record import AttemptRecord, CallBrief

ROLLUP_NS = 300 * 1_000_000_000
ACCURACY = 0.05  # the relative error of a percentile, at most
BUCKET_MAX = 250  # 20 hours in microseconds

_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_BOUNDS = [int(_GAMMA**index) for index in range(BUCKET_MAX)]  # of whole microseconds: whole numbers compare faster


def bucket(value_us: int) -> int:
    """The log bucket of a duration in microseconds; 0 holds everything up to one microsecond."""
    return bisect_left(_BOUNDS, value_us)


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


def fold(records: Iterable[CallBrief]) -> list[Rollup]:
    """The rollups that finished records add to. Calls in flight add nothing."""
    # sorted by key first, then summed up list by list: a look at a key costs more than an addition
    tried: defaultdict[RollupKey, list[AttemptRecord]] = defaultdict(list)
    called: defaultdict[RollupKey, list[CallBrief]] = defaultdict(list)
    keys: dict[tuple[int, str, str | None, str, str], RollupKey] = {}
    for record in records:
        if record.outcome == "in_flight":
            continue
        span, attempts = record.received_ns // ROLLUP_NS, record.attempts
        key = None
        for attempt in attempts:
            plain = (span, record.tenant, record.app, attempt.provider, attempt.model)
            key = keys.get(plain)
            if key is None:
                key = keys[plain] = RollupKey(span * ROLLUP_NS, plain[1], plain[2] or "", plain[3], plain[4])
            tried[key].append(attempt)
        called[key or RollupKey(span * ROLLUP_NS, record.tenant, record.app or "", "", "")].append(record)
    return [_rollup(key, tried.get(key, ()), called.get(key, ())) for key in tried | called]


def top(words: Mapping[str, int], count: int) -> Sequence[tuple[str, int]]:
    """The most frequent words with their numbers; ties in alphabetical order."""
    return sorted(words.items(), key=lambda item: (-item[1], item[0]))[:count]


def _rollup(key: RollupKey, attempts: Sequence[AttemptRecord], records: Sequence[CallBrief]) -> Rollup:
    answered = [attempt for attempt in attempts if attempt.outcome == "ok"]
    # nobody is owed for a call that no provider answered: only of the others is a missing number an unknown one
    owed = [record for record in records if record.committed or record.outcome in ("ok", "aborted")]
    return Rollup(
        key,
        len(attempts),
        len(answered),
        len([1 for attempt in attempts if attempt.outcome == "failed"]),
        len(records),
        sum([attempt.input_tokens or 0 for attempt in attempts]),
        sum([attempt.output_tokens or 0 for attempt in attempts]),
        len([1 for record in owed if record.input_tokens is None and record.output_tokens is None]),
        math.fsum([attempt.cost_usd or 0.0 for attempt in attempts]),
        len([1 for record in owed if record.cost_usd is None]),
        _histogram([attempt.ended_us - attempt.started_us for attempt in answered if attempt.ended_us is not None]),
        _histogram(
            [attempt.first_token_us - attempt.started_us for attempt in attempts if attempt.first_token_us is not None]
        ),
        dict(Counter([record.outcome for record in records])),
        # attempts have errors of their own; a call's counts where nobody was asked
        dict(Counter([one.error for one in (attempts if key.provider else records) if one.error is not None])),
        dict(Counter([record.stand_in for record in records if record.stand_in is not None])),
        math.fsum([record.saved_usd or 0.0 for record in records]),
    )


def _histogram(values_us: list[int]) -> dict[int, int]:
    return dict(Counter([bisect_left(_BOUNDS, value) for value in values_us]))
