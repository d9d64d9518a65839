"""The report's arithmetic, on calls made up for it."""

from __future__ import annotations

from headgate.evaluation import MODES, Outage, Sample, Try, summarise

SECOND = 1_000_000_000
OK_ELSEWHERE = (Try("anthropic", "ok"),)
OUTAGE = Outage(providers=("openai",), mode=MODES["503"], hours=100 / 3600, rate=1.0, lead_s=10.0, tail_s=50.0)


def call(
    at_s: float,
    latency_ms: float = 500.0,
    tries: tuple[Try, ...] = (Try("openai", "ok"),),
    failure: str | None = None,
    first: str = "openai",
) -> Sample:
    return Sample("kind", first, int(at_s * SECOND), int(latency_ms * 1e6), failure, tries)


def test_latency_is_added_to_what_it_was_in_the_calm() -> None:
    calm = [call(second, latency) for second, latency in enumerate((400, 500, 900))]
    during = [call(20 + at, 500 + at, OK_ELSEWHERE) for at in range(50)]
    report = summarise(OUTAGE, [*calm, *during])
    assert (report.added_ms.p50, report.added_ms.p99, report.added_ms.max) == (24.0, 49.0, 49.0)
    assert (report.calls, report.calls_total, report.failed) == (50, 53, 0)


def test_what_is_unknown_is_not_nought() -> None:
    report = summarise(OUTAGE, [])
    assert report.added_ms.p99 is None
    assert report.attempts_per_call is None
    assert report.dead_share is None
    assert report.detect_s is None
    assert [bar.met for bar in report.bars] == [True, False, False, False]


def test_tries_at_the_dead_are_counted_and_held_against_the_bar() -> None:
    both = (Try("openai", "overloaded"), Try("anthropic", "ok"))
    during = [call(20, tries=both), *(call(21 + at * 0.5, tries=OK_ELSEWHERE) for at in range(99))]
    report = summarise(OUTAGE, during)
    assert (report.dead_tries, report.dead_failed, report.dead_share) == (1, 1, 0.01)
    assert report.dead_errors == {"overloaded": 1}
    assert report.attempts_per_call == 1.01
    assert report.answered_by == {"anthropic": 100}
    assert next(bar for bar in report.bars if "dead" in bar.name).met
    worse = summarise(OUTAGE, [*during, call(90, tries=both)])
    assert not next(bar for bar in worse.bars if "dead" in bar.name).met


def test_failures_after_the_outage_count_and_failures_before_it_are_told_apart() -> None:
    found = [call(5, failure="HTTP 503: overloaded"), call(30, failure="HTTP 502: x"), call(120, failure="HTTP 502: x")]
    report = summarise(OUTAGE, found)
    assert (report.failed, report.failures, report.calm_failures) == (2, {"HTTP 502: x": 2}, 1)
    assert report.noticed


def test_detected_with_the_first_call_that_goes_elsewhere_at_once() -> None:
    unseen = (Try("openai", "overloaded"), Try("anthropic", "ok"))
    during = [call(12, tries=unseen), call(13, tries=OK_ELSEWHERE, first="anthropic"), call(14.5, tries=OK_ELSEWHERE)]
    assert summarise(OUTAGE, during).detect_s == 4.5


def test_recovered_when_the_last_call_has_gone_elsewhere() -> None:
    after = [call(111, tries=OK_ELSEWHERE), call(115), call(117, tries=OK_ELSEWHERE), call(130)]
    assert summarise(OUTAGE, after).recover_s == 7.0
    assert summarise(OUTAGE, [call(130)]).recover_s == 0.0
    assert summarise(OUTAGE, [*after, call(159.5, tries=OK_ELSEWHERE)]).recover_s is None


def test_with_nobody_left_only_amplification_is_held_against_a_bar() -> None:
    everyone = Outage(providers=("openai", "anthropic", "google"), mode=MODES["503"])
    assert [bar.name for bar in summarise(everyone, []).bars] == ["attempts per call"]
    partly = Outage(providers=("openai",), mode=MODES["503"], share=0.5)
    assert [bar.name for bar in summarise(partly, []).bars][-1] == "attempts per call"
