"""What `headgate calls`, `headgate explain`, `headgate providers` and the management API show, as typed results.

Times are microseconds, money is US dollars, None is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.core.calls import CallFilter, Rollup
from headgate.core.errors import NotFound
from headgate.core.record import AttemptRecord, CallRecord, GapRecord, SkipRecord, VerdictRecord
from headgate.core.scores import StoredScore
from headgate.telemetry.answers import AnswersLine, answers_lines
from headgate.telemetry.explain import explain
from headgate.telemetry.ports import CallQueries, ScoreQueries
from headgate.telemetry.rollups import percentile, top
from headgate.telemetry.score_lines import ScoreLine, line_of, said, shown

TOP_ERRORS = 3


class CallLine(msgspec.Struct, frozen=True):
    """One call in a list."""

    id: str
    received_ns: int
    outcome: str
    status: int | None
    error: str | None
    app: str | None
    release: str | None
    prompt: str | None
    model_asked: str
    provider: str | None
    model: str | None
    attempts: int
    input_tokens: int | None
    output_tokens: int | None
    tokens_estimated: bool
    cost_usd: float | None
    latency_us: int | None
    ttft_us: int | None
    key_id: str
    tenant: str
    scores: list[ScoreWord]


class ScoreWord(msgspec.Struct, frozen=True):
    """A score in short: its name, and its value in a word."""

    name: str
    value: str


class CallLines(msgspec.Struct, frozen=True):
    """A page of calls, newest first, with what was lost in its range of time. `cursor` asks for what follows."""

    calls: list[CallLine]
    cursor: str | None
    gaps: list[GapLine]


class GapLine(msgspec.Struct, frozen=True):
    """Records that could not be kept."""

    since_ns: int
    until_ns: int
    lost: int
    why: str


class AttemptLine(msgspec.Struct, frozen=True):
    """One try at one target; the fields are those of `core.record.AttemptRecord`."""

    provider: str
    model: str
    why: str
    started_us: int
    ended_us: int | None
    first_token_us: int | None
    status: int | None
    outcome: str
    error: str | None
    message: str | None
    model_answered: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    request_id: str | None


class SkipLine(msgspec.Struct, frozen=True):
    """A target that was considered and not asked."""

    provider: str
    model: str
    why: str


class VerdictLine(msgspec.Struct, frozen=True):
    """What a check found, where, and what was done; `attempt` counts tries from 1, 0 is the request."""

    policy: str
    rule: str
    direction: str
    action: str
    channel: str
    start: int
    end: int
    attempt: int


class RoutedLine(msgspec.Struct, frozen=True):
    """What a learned route decided: `core.record.RoutedRecord`."""

    strategy: str
    chosen: str
    found: str | None
    confidence: float | None
    model: str | None


class CallDetail(msgspec.Struct, frozen=True):
    """Everything known of one call, and the same in words. Bodies None: not configured, no longer kept, or
    `bodies_withheld`: there are some, and not for whoever asked."""

    call: CallLine
    explanation: list[str]
    dialect: str
    target_dialect: str | None
    stream: bool
    channel: str | None
    prompt_digest: str | None
    fingerprint: str | None
    route: str | None
    policy: str | None
    model_answered: str | None
    finish: str | None
    message: str | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    committed: bool
    attempts: list[AttemptLine]
    skipped: list[SkipLine]
    verdicts: list[VerdictLine]
    dropped: list[str]
    sources: list[str]
    snapshot: str
    peer: str
    request_body: str | None
    response_body: str | None
    routed: RoutedLine | None
    scores: list[ScoreLine]
    bodies_withheld: bool = False
    recognised: str | None = None


class ErrorCount(msgspec.Struct, frozen=True):
    """How often an error code came up."""

    error: str
    count: int


class ProviderLine(msgspec.Struct, frozen=True):
    """One target over a range of time.

    `attempts` are all tries at it, `calls` those it was the last to be asked for. `success_rate` leaves out attempts
    that the client or a policy ended. Latency is that of successful attempts; percentiles are within 5%
    (`telemetry.rollups`). Calls of `unpriced` and `uncounted` are missing from the sums.
    """

    provider: str
    model: str
    attempts: int
    success_rate: float | None
    calls: int
    latency_p50_us: int | None
    latency_p95_us: int | None
    ttft_p50_us: int | None
    ttft_p95_us: int | None
    input_tokens: int
    output_tokens: int
    uncounted: int
    cost_usd: float
    unpriced: int
    top_errors: list[ErrorCount]


class Queries:
    """Asks a store of calls, and the scores beside it. `scope` is a tenant or EVERY_TENANT. Raises StoreUnavailable."""

    def __init__(self, store: CallQueries, scores: ScoreQueries) -> None:
        self._store = store
        self._scores = scores

    def calls(self, scope: str, wanted: CallFilter, limit: int = 50, cursor: str | None = None) -> CallLines:
        """A page of calls. Raises InvalidRequest for a bad cursor."""
        page = self._store.calls(scope, wanted, limit, cursor)
        since_ns = wanted.since_ns or 0
        until_ns = _FAR if wanted.until_ns is None else wanted.until_ns
        gaps = [_gap(gap) for gap in self._store.gaps(since_ns, until_ns)] if cursor is None else []
        by_call: dict[str, list[StoredScore]] = {}
        for stored in self._scores.of_calls(scope, [record.id for record in page.records]):
            by_call.setdefault(stored.score.call, []).append(stored)
        return CallLines([_line(record, by_call.get(record.id, [])) for record in page.records], page.cursor, gaps)

    def call(self, scope: str, call_id: str) -> CallDetail:
        """Everything known of one call. Raises NotFound."""
        record = self._store.call(scope, call_id)
        if record is None:
            raise NotFound(f"there is no call `{call_id[:64]}` on record")
        return _detail(record, self._scores.of_calls(scope, [call_id]))

    def providers(self, scope: str, since_ns: int, until_ns: int, app: str | None = None) -> list[ProviderLine]:
        """Every target that was asked in the range, by name."""
        targets: dict[tuple[str, str], Rollup] = {}
        for rollup in self._store.rollups(scope, since_ns, until_ns, app):
            key = rollup.key
            if key.provider:
                targets.setdefault((key.provider, key.model), Rollup(key)).add(rollup)
        return [_provider(rollup) for rollup in targets.values()]

    def answers(self, scope: str, since_ns: int, until_ns: int) -> list[AnswersLine]:
        """Every app of which something may stand in for a provider, by name."""
        return answers_lines(self._store.rollups(scope, since_ns, until_ns))


_FAR = 1 << 62


def without_bodies(detail: CallDetail) -> CallDetail:
    """The same call for those who may not read what was written; that there are bodies is told."""
    withheld = detail.request_body is not None or detail.response_body is not None
    scores = [msgspec.structs.replace(score, comment=None, correction=None) for score in detail.scores]
    return msgspec.structs.replace(
        detail, request_body=None, response_body=None, bodies_withheld=withheld, scores=scores
    )


def _gap(gap: GapRecord) -> GapLine:
    return GapLine(gap.since_ns, gap.until_ns, gap.lost, gap.why)


def _line(record: CallRecord, scores: Sequence[StoredScore]) -> CallLine:
    return CallLine(
        id=record.id,
        received_ns=record.received_ns,
        outcome=record.outcome,
        status=record.status,
        error=record.error,
        app=record.app,
        release=record.release,
        prompt=record.prompt,
        model_asked=record.model_asked,
        provider=record.provider,
        model=record.target_model,
        attempts=len(record.attempts),
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        tokens_estimated=record.tokens_estimated,
        cost_usd=record.cost_usd,
        latency_us=record.latency_us,
        ttft_us=record.ttft_us,
        key_id=record.key_id,
        tenant=record.tenant,
        scores=[ScoreWord(stored.score.name, shown(stored.score)) for stored in scores],
    )


def _detail(record: CallRecord, scores: Sequence[StoredScore]) -> CallDetail:
    return CallDetail(
        call=_line(record, scores),
        explanation=[*explain(record), *[said(stored) for stored in scores]],
        dialect=record.dialect,
        target_dialect=record.target_dialect,
        stream=record.stream,
        channel=record.channel,
        prompt_digest=record.prompt_digest,
        fingerprint=record.fingerprint,
        route=record.route,
        policy=record.policy,
        model_answered=record.model_answered,
        finish=record.finish,
        message=record.message,
        cached_tokens=record.cached_tokens,
        cache_write_tokens=record.cache_write_tokens,
        reasoning_tokens=record.reasoning_tokens,
        committed=record.committed,
        attempts=[_attempt(attempt) for attempt in record.attempts],
        skipped=[_skip(skip) for skip in record.skipped],
        verdicts=[_verdict(verdict) for verdict in record.verdicts],
        dropped=record.dropped,
        sources=record.sources,
        snapshot=record.snapshot,
        peer=record.peer,
        request_body=_text(record.request_body),
        response_body=_text(record.response_body),
        routed=None if record.routed is None else RoutedLine(*msgspec.structs.astuple(record.routed)),
        scores=[line_of(stored, True) for stored in scores],
        recognised=record.recognised,
    )


def _attempt(attempt: AttemptRecord) -> AttemptLine:
    return msgspec.convert(attempt, AttemptLine, from_attributes=True)


def _skip(skip: SkipRecord) -> SkipLine:
    return SkipLine(skip.provider, skip.model, skip.why)


def _verdict(verdict: VerdictRecord) -> VerdictLine:
    return msgspec.convert(verdict, VerdictLine, from_attributes=True)


def _text(body: bytes | None) -> str | None:
    return None if body is None else body.decode("utf-8", "replace")


def _provider(rollup: Rollup) -> ProviderLine:
    tried = rollup.attempts_ok + rollup.attempts_failed
    return ProviderLine(
        provider=rollup.key.provider,
        model=rollup.key.model,
        attempts=rollup.attempts,
        success_rate=rollup.attempts_ok / tried if tried else None,
        calls=rollup.calls,
        latency_p50_us=_rounded(percentile(rollup.latency, 0.5)),
        latency_p95_us=_rounded(percentile(rollup.latency, 0.95)),
        ttft_p50_us=_rounded(percentile(rollup.ttft, 0.5)),
        ttft_p95_us=_rounded(percentile(rollup.ttft, 0.95)),
        input_tokens=rollup.input_tokens,
        output_tokens=rollup.output_tokens,
        uncounted=rollup.uncounted,
        cost_usd=rollup.cost_usd,
        unpriced=rollup.unpriced,
        top_errors=[ErrorCount(error, count) for error, count in top(rollup.errors, TOP_ERRORS)],
    )


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
