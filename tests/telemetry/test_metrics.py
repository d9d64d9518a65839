"""The exposition: read by Prometheus' rules, bounded, and right."""

from __future__ import annotations

import pytest

from headgate.core.record import AttemptRecord, VerdictRecord
from headgate.telemetry import Gauge, JournalState, Metrics
from headgate.telemetry.metrics import BOUNDS_S, LABEL_CHARS_MAX, SERIES_MAX
from tests.telemetry.builders import record, refused


def parse(text: str) -> dict[str, float]:
    """Samples by name and labels, checking the format on the way."""
    samples: dict[str, float] = {}
    typed: set[str] = set()
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in typed, "one TYPE a metric"
            typed.add(name)
        elif not line.startswith("# HELP "):
            name, value = line.rsplit(" ", 1)
            assert name not in samples, "one sample a label set"
            base = name.partition("{")[0]
            assert base in typed or base.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") in typed
            samples[name] = float(value)
    return samples


TARGET = 'provider="openai",model="gpt-4o-mini"'
WHOM = f'app="support",{TARGET}'


def test_calls_are_counted_by_app_target_and_outcome() -> None:
    metrics = Metrics()
    for number in range(3):
        metrics.count([record(number)])
    metrics.count([refused(9)])
    samples = parse(metrics.render())
    assert samples[f'headgate_calls_total{{{WHOM},outcome="ok"}}'] == 3
    assert samples['headgate_calls_total{app="support",provider="",model="",outcome="refused"}'] == 1
    assert samples[f'headgate_tokens_total{{{WHOM},kind="input"}}'] == 900
    assert samples[f"headgate_cost_usd_total{{{WHOM}}}"] == pytest.approx(0.75)


def test_histograms_add_up_to_everything() -> None:
    metrics = Metrics()
    for latency_us in (5_000, 10_000, 300_000, 200_000_000):
        metrics.count([record(1, latency_us=latency_us)])
    samples = parse(metrics.render())
    name = f"headgate_call_duration_seconds_bucket{{{WHOM},le="
    counts = [samples[f'{name}"{bound}"}}'] for bound in (*BOUNDS_S, "+Inf")]
    assert counts == sorted(counts)
    assert counts[0] == 2, "a bound belongs to its own bucket"
    assert counts[-1] == samples[f"headgate_call_duration_seconds_count{{{WHOM}}}"] == 4
    assert samples[f"headgate_call_duration_seconds_sum{{{WHOM}}}"] == pytest.approx(200.315)


def test_unknown_cost_is_counted_as_unknown() -> None:
    metrics = Metrics()
    metrics.count([record(1, cost_usd=None)])
    metrics.count([refused(2)])
    samples = parse(metrics.render())
    assert [value for name, value in samples.items() if name.startswith("headgate_unpriced")] == [1]
    assert not any(name.startswith("headgate_cost") for name in samples)


def test_attempts_and_verdicts() -> None:
    metrics = Metrics()
    lost = AttemptRecord("openai", "m", 0, "first", 10, outcome="failed", error="server_error")
    metrics.count([record(1, attempts=[lost], verdicts=[VerdictRecord("card", "input", "block", "text", 0, 1)])])
    samples = parse(metrics.render())
    assert samples['headgate_attempts_total{provider="openai",model="m",outcome="failed",error="server_error"}'] == 1
    assert samples['headgate_verdicts_total{rule="card",direction="input",action="block"}'] == 1


def test_labels_are_escaped_and_cut() -> None:
    metrics = Metrics()
    metrics.count([record(1, app='a"b\\c\nd')])
    metrics.count([record(2, app="x" * 500 + "1")])
    metrics.count([record(3, app="x" * 500 + "2")])
    samples = parse(metrics.render())
    assert f'headgate_calls_total{{app="a\\"b\\\\c\\nd",{TARGET},outcome="ok"}}' in samples
    assert samples[f'headgate_calls_total{{app="{"x" * LABEL_CHARS_MAX}",{TARGET},outcome="ok"}}'] == 2


def test_series_are_bounded_and_nothing_goes_uncounted() -> None:
    metrics = Metrics()
    for number in range(SERIES_MAX * 2):
        metrics.count([record(number, app=f"app{number}")])
    samples = parse(metrics.render())
    calls = {name: value for name, value in samples.items() if name.startswith("headgate_calls_total")}
    assert len(calls) == SERIES_MAX + 1
    assert sum(calls.values()) == SERIES_MAX * 2


def test_the_journal_is_told() -> None:
    samples = parse(Metrics().render(JournalState(3, 1.5, 10, 2, 1, "database is locked")))
    assert samples["headgate_journal_segments"] == 3
    assert samples["headgate_journal_behind_seconds"] == 1.5
    assert samples["headgate_journal_lost_total"] == 2
    assert samples["headgate_journal_trouble"] == 1


def test_what_is_so_now_is_asked_at_every_scrape() -> None:
    values = [((word,), 1.0) for word in ("one", 'a"b')]
    metrics = Metrics(lambda: [Gauge("headgate_things", "Things.", ("kind",), values)])
    assert 'headgate_things{kind="a\\"b"} 1' in metrics.render()
    values[0] = (("one",), 2.5)
    assert 'headgate_things{kind="one"} 2.5' in metrics.render()
