"""What a drill found: every call as its client saw it, summed up and held against the bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from headgate.evaluation.outage import Outage

ADDED_P99_MAX_MS = 2000.0
DEAD_SHARE_MAX = 0.01
ATTEMPTS_PER_CALL_MAX = 1.2
FAILURES = "user-visible failures"
ADDED_P99 = "added latency p99 (ms)"
ATTEMPTS_PER_CALL = "attempts per call"
DEAD_SHARE = "share of calls tried at the dead"
SETTLED = 0.95  # a way back that ends later than this part of the calm after the outage has not been seen to end


class Try(msgspec.Struct, frozen=True, gc=False):
    """One attempt: who was asked, and what became of it (`ok` or the error's kind)."""

    provider: str
    outcome: str


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One call. `at_ns` since the drill's start; `first` is whom the call goes to where all is well.

    `failure` is None where the client got the whole, right answer; else what it saw instead.
    """

    kind: str
    first: str
    at_ns: int
    latency_ns: int
    failure: str | None
    tries: tuple[Try, ...]


class Spread(msgspec.Struct, frozen=True):
    """Milliseconds, by nearest rank; None where there were no calls to measure."""

    p50: float | None
    p99: float | None
    max: float | None


class Bar(msgspec.Struct, frozen=True):
    """A figure and the most it may be. `value` None: it could not be measured."""

    name: str
    value: float | None
    most: float
    met: bool


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A drill's figures. Counts are of calls that began during the outage, unless named otherwise.

    `failures` are what users saw, by kind, from the outage's start to the drill's end; `calm_failures` those before
    it. `added_ms` is latency beyond that of the same kind of call in the calm before, over calls that were answered;
    `failed_ms` is how long the failed ones took. `dead_tries` are attempts at the failing providers, `dead_failed`
    those of them that failed, `dead_share` is `dead_tries` by calls. `detect_s`: from the outage's start to the first
    call that went elsewhere at once; None where none did. `recover_s`: from its end until no call went elsewhere any
    more; None where that was not seen within the drill.
    """

    providers: tuple[str, ...]
    mode: str
    hours: float
    seed: int
    rate: float
    share: float
    calls_total: int
    calls: int
    failed: int
    failures: dict[str, int]
    calm_failures: int
    added_ms: Spread
    failed_ms: Spread
    attempts_per_call: float | None
    dead_tries: int
    dead_failed: int
    dead_share: float | None
    dead_errors: dict[str, int]
    detect_s: float | None
    recover_s: float | None
    answered_by: dict[str, int]
    bars: list[Bar]

    @property
    def noticed(self) -> bool:
        """Whether any user got less than a whole, right answer."""
        return self.failed > 0 or self.calm_failures > 0


def summarise(outage: Outage, samples: Sequence[Sample]) -> Report:
    """The report on all calls of a drill, in any order."""
    begin = round(outage.lead_s * 1e9)
    end = begin + round(outage.outage_s * 1e9)
    calm = [sample for sample in samples if sample.at_ns < begin]
    during = [sample for sample in samples if begin <= sample.at_ns < end]
    since = [sample for sample in samples if sample.at_ns >= begin]
    usual = _usual(calm)
    added = [
        (sample.latency_ns - usual[sample.kind]) / 1e6
        for sample in during
        if sample.failure is None and sample.kind in usual
    ]
    failed = [sample for sample in since if sample.failure is not None]
    tries = [one for sample in during for one in sample.tries]
    dead = [one for one in tries if one.provider in outage.providers]
    spread = _spread(added)
    calls = len(during)
    share = _part(len(dead), calls)
    per_call = _part(len(tries), calls)
    return Report(
        providers=outage.providers,
        mode=outage.mode.name,
        hours=outage.hours,
        seed=outage.seed,
        rate=outage.rate,
        share=outage.struck,
        calls_total=len(samples),
        calls=calls,
        failed=len(failed),
        failures=_counted(sample.failure or "" for sample in failed),
        calm_failures=sum(sample.failure is not None for sample in calm),
        added_ms=spread,
        failed_ms=_spread([sample.latency_ns / 1e6 for sample in failed]),
        attempts_per_call=per_call,
        dead_tries=len(dead),
        dead_failed=sum(one.outcome != "ok" for one in dead),
        dead_share=share,
        dead_errors=_counted(one.outcome for one in dead if one.outcome != "ok"),
        detect_s=_detected(outage, during, begin),
        recover_s=_recovered(outage, samples, end),
        answered_by=_counted(sample.tries[-1].provider for sample in during if sample.failure is None),
        bars=_bars(outage, len(failed), spread.p99, share, per_call),
    )


def _bars(
    outage: Outage, failed: int, added_p99: float | None, share: float | None, per_call: float | None
) -> list[Bar]:
    """The bars that mean something for this outage: where nobody is left to answer, users notice."""
    bars = [_bar(ATTEMPTS_PER_CALL, per_call, ATTEMPTS_PER_CALL_MAX)]
    if outage.spared:
        bars = [_bar(FAILURES, float(failed), 0.0), _bar(ADDED_P99, added_p99, ADDED_P99_MAX_MS), *bars]
        if outage.total:
            bars.append(_bar(DEAD_SHARE, share, DEAD_SHARE_MAX))
    return bars


def _bar(name: str, value: float | None, most: float) -> Bar:
    return Bar(name, value, most, value is not None and value <= most)


def _usual(calm: Iterable[Sample]) -> dict[str, int]:
    """The median latency (ns) of each kind of call while all was well."""
    found: dict[str, list[int]] = {}
    for sample in calm:
        if sample.failure is None:
            found.setdefault(sample.kind, []).append(sample.latency_ns)
    return {kind: sorted(times)[len(times) // 2] for kind, times in found.items()}


def _spread(values: list[float]) -> Spread:
    ordered = sorted(values)
    if not ordered:
        return Spread(None, None, None)
    return Spread(_rank(ordered, 0.50), _rank(ordered, 0.99), round(ordered[-1], 3))


def _rank(ordered: list[float], part: float) -> float:
    """Nearest rank: the smallest value that at least that part of all values does not exceed."""
    at = -(-len(ordered) * round(part * 100) // 100) - 1
    return round(ordered[max(at, 0)], 3)


def _part(some: int, of: int) -> float | None:
    return round(some / of, 6) if of else None


def _counted(words: Iterable[str]) -> dict[str, int]:
    """How often each word came, the most frequent first."""
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _elsewhere(outage: Outage, sample: Sample) -> bool:
    """Whether a call that usually goes to a failing provider was not sent there first."""
    return sample.first in outage.providers and (not sample.tries or sample.tries[0].provider != sample.first)


def _detected(outage: Outage, during: Iterable[Sample], begin_ns: int) -> float | None:
    found = [sample.at_ns for sample in during if _elsewhere(outage, sample)]
    return round((min(found) - begin_ns) / 1e9, 3) if found else None


def _recovered(outage: Outage, samples: Iterable[Sample], end_ns: int) -> float | None:
    after = [sample.at_ns for sample in samples if sample.at_ns >= end_ns and _elsewhere(outage, sample)]
    if not after:
        return 0.0
    took_s = (max(after) - end_ns) / 1e9
    return round(took_s, 3) if took_s < outage.tail_s * SETTLED else None
