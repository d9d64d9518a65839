"""A drill's report as a table and in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headgate.cli.tables import UNKNOWN, table
from headgate.evaluation import MODES, PROVIDERS, Bar, Report, Spread
from headgate.evaluation.report import ADDED_P99, ATTEMPTS_PER_CALL, DEAD_SHARE, FAILURES

_NEVER = "not seen"
_SHORT = {FAILURES: "failures", ADDED_P99: "latency", ATTEMPTS_PER_CALL: "attempts", DEAD_SHARE: "tries there"}
_OVERVIEW = [
    "MODE", "CALLS", "NOTICED", "ADDED P50", "P99", "MAX", "TRIES/CALL", "TRIED THERE", "DETECTED", "RECOVERED",
    "BARS MISSED",
]  # fmt: skip


def told(report: Report) -> str:
    """One drill: its figures, the bars, and what they mean."""
    bars = {bar.name: bar for bar in report.bars}
    lines = [
        ("calls during the outage", f"{report.calls:,}", ""),
        ("user-visible failures", f"{report.failed:,}", _held(bars, FAILURES)),
        *_spread("added latency", report.added_ms, _held(bars, ADDED_P99)),
        ("attempts per call", _plain(report.attempts_per_call, 3), _held(bars, ATTEMPTS_PER_CALL)),
        (
            f"tries at {_names(report)}",
            f"{report.dead_tries:,} ({_percent(report.dead_share)})",
            _held(bars, DEAD_SHARE),
        ),
        ("of them failed", f"{report.dead_failed:,}", ""),
        *([] if _nobody(report) else [("time to detect", _seconds(report.detect_s), "")]),
        ("time to recover", _seconds(report.recover_s), ""),
    ]
    if report.failed:
        lines += _spread("failed calls took", report.failed_ms, "")
    parts = [
        f"{_names(report)} for {_span(report.hours)}: {_how(report)}; seed {report.seed}, {report.rate:g} calls/s",
        table(["WHAT", "MEASURED", "BAR"], lines),
        *_counts("What users saw instead of an answer", report.failures),
        *_counts(f"How tries at {_names(report)} failed", report.dead_errors),
        *_counts("Who answered", report.answered_by),
        words(report),
    ]
    return "\n\n".join(parts)


def overview(reports: Sequence[Report]) -> str:
    """Many drills, a line each."""
    first = reports[0]
    noticed = [report.mode for report in reports if report.noticed]
    end = "No user noticed any of them." if not noticed else f"Users noticed: {', '.join(noticed)}."
    head = f"{_names(first)} for {_span(first.hours)}; seed {first.seed}, {first.rate:g} calls/s"
    return "\n\n".join([head, table(_OVERVIEW, [_row(report) for report in reports]), end])


def words(report: Report) -> str:
    """What happened, in sentences."""
    said = [f"{report.calls:,} calls were made while {_names(report)} failed."]
    if report.calm_failures:
        said.append(f"{report.calm_failures:,} failed before anything was wrong: the drill itself is not sound.")
    if not report.failed:
        said.append("Everyone got the whole, right answer.")
    else:
        said.append(f"{report.failed:,} users noticed ({_percent(report.failed / max(report.calls, 1))} of calls).")
        said.append(f"The slowest of them was told after {_ms(report.failed_ms.max)}.")
    added = report.added_ms
    if added.p50 is not None:
        said.append(
            f"Of the answered calls half took at most {_ms(added.p50)} longer than in calm, 99 of 100 at most "
            f"{_ms(added.p99)}, the slowest {_ms(added.max)}."
        )
    if _nobody(report):
        said.append("There was nowhere else to go.")
    elif report.detect_s is None:
        said.append("The gateway never went elsewhere first.")
    else:
        said.append(f"The first call went elsewhere at once {_seconds(report.detect_s)} into the outage.")
    if report.recover_s is None:
        said.append("The way back was not seen to end within the drill.")
    else:
        said.append(f"All were back {_seconds(report.recover_s)} after its end.")
    missed = _missed(report.bars)
    if _nobody(report) and not missed:
        said.append("The one bar that holds here is met.")
    else:
        said.append(f"Bars missed: {missed}." if missed else "Every bar is met.")
    return " ".join(said)


def _nobody(report: Report) -> bool:
    """Whether no provider was left that answered all."""
    return len(report.providers) == len(PROVIDERS)


def _row(report: Report) -> list[str]:
    added = report.added_ms
    return [
        report.mode, f"{report.calls:,}", f"{report.failed:,}", _ms(added.p50), _ms(added.p99), _ms(added.max),
        _plain(report.attempts_per_call, 3), _percent(report.dead_share), _seconds(report.detect_s),
        _seconds(report.recover_s), ", ".join(_SHORT[bar.name] for bar in report.bars if not bar.met) or "none",
    ]  # fmt: skip


def _spread(name: str, spread: Spread, bar: str) -> list[tuple[str, str, str]]:
    return [
        (f"{name}, p50", _ms(spread.p50), ""),
        (f"{name}, p99", _ms(spread.p99), bar),
        (f"{name}, max", _ms(spread.max), ""),
    ]


def _counts(title: str, counts: Mapping[str, int]) -> list[str]:
    """A titled list, or nothing where there is nothing to list."""
    if not counts:
        return []
    return [title + "\n" + "\n".join(f"  {number:>9,}  {word}" for word, number in counts.items())]


def _held(bars: Mapping[str, Bar], name: str) -> str:
    bar = bars.get(name)
    if bar is None:
        return ""
    most = _percent(bar.most) if name == DEAD_SHARE else _ms(bar.most) if name == ADDED_P99 else f"{bar.most:g}"
    return f"{'met' if bar.met else 'MISSED'} (at most {most})"


def _missed(bars: Sequence[Bar]) -> str:
    return ", ".join(bar.name for bar in bars if not bar.met)


def _names(report: Report) -> str:
    return " and ".join(report.providers)


def _span(hours: float) -> str:
    if hours >= 1:
        return f"{hours:g} h"
    return f"{hours * 60:g} min" if hours * 60 >= 1 else f"{hours * 3600:g} s"


def _how(report: Report) -> str:
    mode = MODES[report.mode]
    return mode.summary if report.share == mode.share else f"{mode.summary} (of {report.share:.0%} of its calls)"


def _ms(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"


def _seconds(value: float | None) -> str:
    return _NEVER if value is None else f"{value:,.1f} s"


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2%}"


def _plain(value: float | None, digits: int) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"
