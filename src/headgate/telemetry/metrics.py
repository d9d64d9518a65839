"""Prometheus metrics of finished calls, in the text exposition format 0.0.4.

Lives in the control process and is fed by the keeper, so that one scrape covers every worker; what is so at the moment
of the scrape comes from `gauges`. Counters start at zero with the process. Labels are bounded: past SERIES_MAX label
sets of a metric, new ones count under `other`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from headgate.core.events import StoredEvent
from headgate.core.record import AttemptRecord, CallBrief
from headgate.telemetry.keeper import JournalState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SERIES_MAX = 500
LABEL_CHARS_MAX = 100
OTHER = "other"
# seconds; doubling, as the GenAI conventions of OpenTelemetry have it
BOUNDS_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_BOUNDS_US = tuple(round(bound * 1e6) for bound in BOUNDS_S)


class Counter:
    """A number that only rises, per set of labels."""

    def __init__(self, name: str, help: str, labels: Sequence[str]) -> None:
        self.name = name
        self.help = help
        self.labels = tuple(labels)
        self._values: dict[tuple[str, ...], float] = {}

    def add(self, labels: tuple[str, ...], amount: float = 1) -> None:
        """Raise it."""
        key = _bounded(labels, self._values)
        self._values[key] = self._values.get(key, 0) + amount

    def lines(self) -> Iterable[str]:
        """Its exposition."""
        yield from _head(self.name, self.help, "counter")
        for key, value in list(self._values.items()):
            yield f"{self.name}{_braces(self.labels, key)} {_number(value)}"


class Histogram:
    """Durations in seconds over BOUNDS_S, per set of labels."""

    def __init__(self, name: str, help: str, labels: Sequence[str]) -> None:
        self.name = name
        self.help = help
        self.labels = tuple(labels)
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums_us: dict[tuple[str, ...], int] = {}

    def observe(self, labels: tuple[str, ...], durations_us: list[int]) -> None:
        """Count some durations, given in microseconds."""
        if not durations_us:
            return
        key = _bounded(labels, self._counts)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0] * (len(BOUNDS_S) + 1)
        ordered = sorted(durations_us)
        below = 0
        for index, bound in enumerate(_BOUNDS_US):
            upto = bisect_right(ordered, bound)
            counts[index] += upto - below
            below = upto
        counts[-1] += len(ordered) - below
        self._sums_us[key] = self._sums_us.get(key, 0) + sum(ordered)

    def lines(self) -> Iterable[str]:
        """Its exposition: buckets add up, the last is everything."""
        yield from _head(self.name, self.help, "histogram")
        names = (*self.labels, "le")
        for key, counts in list(self._counts.items()):
            total = 0
            for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), counts, strict=True):
                total += count
                yield f"{self.name}_bucket{_braces(names, (*key, bound))} {total}"
            yield f"{self.name}_sum{_braces(self.labels, key)} {_number(self._sums_us[key] / 1e6)}"
            yield f"{self.name}_count{_braces(self.labels, key)} {total}"


class Gauge(NamedTuple):
    """A number as it is now, per set of labels; a `counter` is one that somebody else keeps."""

    name: str
    help: str
    labels: Sequence[str]
    values: Sequence[tuple[tuple[str, ...], float]]
    kind: str = "gauge"

    def lines(self) -> Iterable[str]:
        """Its exposition."""
        yield from _head(self.name, self.help, self.kind)
        for key, value in self.values:
            yield f"{self.name}{_braces(self.labels, key)} {_number(value)}"


class Metrics:
    """Everything that is counted. Hand `count` to the keeper as a listener; `render` answers a scrape."""

    def __init__(self, gauges: Callable[[], Iterable[Gauge]] | None = None) -> None:
        self._gauges = gauges
        call = ("app", "provider", "model", "outcome")
        target = ("provider", "model")
        self._calls = Counter("headgate_calls_total", "Finished calls.", call)
        self._duration = Histogram("headgate_call_duration_seconds", "Request received to last byte.", call[:3])
        self._first = Histogram("headgate_time_to_first_token_seconds", "Request received to first content.", call[:3])
        self._tokens = Counter("headgate_tokens_total", "Tokens of answers, known or estimated.", (*call[:3], "kind"))
        self._cost = Counter("headgate_cost_usd_total", "US dollars of calls whose price is known.", call[:3])
        self._unpriced = Counter("headgate_unpriced_calls_total", "Answered calls whose cost is unknown.", call[:3])
        self._attempts = Counter("headgate_attempts_total", "Tries at a target.", (*target, "outcome", "error"))
        self._attempt = Histogram("headgate_attempt_duration_seconds", "Tries at a target, start to end.", target)
        self._stand_ins = Counter(
            "headgate_stand_ins_total",
            "Calls by what stood in for a provider: hit, miss, stale, fixed.",
            ("app", "how"),
        )
        self._events = Counter("headgate_events_total", "What operators should hear of.", ("kind", "severity"))
        self._verdicts = Counter("headgate_verdicts_total", "What checks found.", ("rule", "direction", "action"))

    def count(self, records: Sequence[CallBrief]) -> None:
        """Count finished calls, many at once: a look at a set of labels costs more than an addition."""
        groups: defaultdict[tuple[str | None, str | None, str | None], list[CallBrief]] = defaultdict(list)
        tries: defaultdict[tuple[str, str], list[AttemptRecord]] = defaultdict(list)
        for record in records:
            groups[record.app, record.provider, record.target_model].append(record)
            for attempt in record.attempts:
                tries[attempt.provider, attempt.model].append(attempt)
            for verdict in record.verdicts:
                self._verdicts.add((verdict.rule, verdict.direction, verdict.action))
        for (app, provider, model), group in groups.items():
            self._count_calls((app or "", provider or "", model or ""), group)
        for target, attempts in tries.items():
            for (outcome, error), number in Tally([(one.outcome, one.error) for one in attempts]).items():
                self._attempts.add((*target, outcome, error or ""), number)
            self._attempt.observe(
                target, [one.ended_us - one.started_us for one in attempts if one.ended_us is not None]
            )

    def count_events(self, events: Sequence[StoredEvent]) -> None:
        """Count events that were kept."""
        for stored in events:
            self._events.add((stored.event.kind, stored.event.severity))

    def render(self, journal: JournalState | None = None) -> str:
        """The exposition, with the state of the journal where it is given."""
        lines: list[str] = []
        for metric in (
            self._calls, self._duration, self._first, self._tokens, self._cost, self._unpriced, self._attempts,
            self._attempt, self._stand_ins, self._verdicts, self._events,
        ):  # fmt: skip
            lines.extend(metric.lines())
        if journal is not None:
            lines.extend(_journal(journal))
        for gauge in () if self._gauges is None else self._gauges():
            lines.extend(gauge.lines())
        return "\n".join(lines) + "\n"

    def _count_calls(self, whom: tuple[str, ...], records: list[CallBrief]) -> None:
        for outcome, number in Tally([record.outcome for record in records]).items():
            self._calls.add((*whom, outcome), number)
        for how, number in Tally([one.stand_in for one in records if one.stand_in is not None]).items():
            self._stand_ins.add((whom[0], how), number)
        self._duration.observe(whom, [record.latency_us for record in records if record.latency_us is not None])
        self._first.observe(whom, [record.ttft_us for record in records if record.ttft_us is not None])
        told = [record.input_tokens for record in records if record.input_tokens is not None]
        made = [record.output_tokens for record in records if record.output_tokens is not None]
        costs = [record.cost_usd for record in records if record.cost_usd is not None]
        unpriced = len([1 for record in records if record.cost_usd is None and record.committed])
        for counter, labels, amounts in (
            (self._tokens, (*whom, "input"), told), (self._tokens, (*whom, "output"), made), (self._cost, whom, costs),
        ):  # fmt: skip
            if amounts:
                counter.add(labels, sum(amounts))
        if unpriced:
            self._unpriced.add(whom, unpriced)


def _journal(state: JournalState) -> Iterable[str]:
    for name, help, kind, value in (
        ("headgate_journal_segments", "Journal segments on disk.", "gauge", state.segments),
        ("headgate_journal_behind_seconds", "Since everything was in the store.", "gauge", round(state.behind_s, 3)),
        ("headgate_journal_drained_frames_total", "Frames moved into the store.", "counter", state.drained),
        ("headgate_journal_lost_total", "Records that gaps speak of.", "counter", state.lost),
        ("headgate_journal_damaged_total", "Stretches of damaged bytes.", "counter", state.damaged),
        ("headgate_journal_trouble", "1 while something is in the way of draining.", "gauge", int(bool(state.trouble))),
    ):
        yield from _head(name, help, kind)
        yield f"{name} {value}"


def _head(name: str, help: str, kind: str) -> Iterable[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"


def _bounded(labels: tuple[str, ...], known: Collection[tuple[str, ...]]) -> tuple[str, ...]:
    labels = tuple(label[:LABEL_CHARS_MAX] for label in labels)
    if labels in known or len(known) < SERIES_MAX:
        return labels
    return (OTHER,) * len(labels)


def _braces(names: Sequence[str], values: Sequence[str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
