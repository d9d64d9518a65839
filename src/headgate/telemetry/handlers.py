"""What telemetry offers to the management API: calls, one call in full, providers, metrics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec

from headgate.core.calls import CallFilter
from headgate.core.errors import InvalidRequest
from headgate.core.events import EventFilter
from headgate.core.handlers import Ask, Handler, Text
from headgate.core.moments import moment_ns
from headgate.core.ports import Clock
from headgate.core.roles import BODY_ROLES, allow
from headgate.telemetry.answers import AnswersLine
from headgate.telemetry.events import EventLines, TroubleLines, line_of, troubled
from headgate.telemetry.keeper import JournalState
from headgate.telemetry.metrics import CONTENT_TYPE, Metrics
from headgate.telemetry.ports import EventQueries
from headgate.telemetry.queries import CallDetail, CallLines, ProviderLine, Queries, without_bodies

LIMIT_MAX = 1000
DAY_NS = 86_400_000_000_000
EVENTS_NS = 7 * DAY_NS
AMOUNT_MAX = 1e9  # US dollars, milliseconds


class CallsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which calls. `since` and `until` are RFC 3339 times with a zone; `min_latency_ms` in milliseconds."""

    since: datetime | None = None
    until: datetime | None = None
    app: str | None = None
    release: str | None = None
    provider: str | None = None
    model: str | None = None
    outcome: str | None = None
    key: str | None = None
    prompt: str | None = None
    error: str | None = None
    min_cost_usd: float | None = None
    min_latency_ms: float | None = None
    limit: int = 50
    cursor: str | None = None


class ProvidersQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which range of time (the last 24 hours where nothing is said), and which app."""

    since: datetime | None = None
    until: datetime | None = None
    app: str | None = None


class AnswersQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which range of time; the last 24 hours where nothing is said."""

    since: datetime | None = None
    until: datetime | None = None


class EventsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which events: of the last 7 days where nothing is said. `severity`: this one and graver."""

    since: datetime | None = None
    until: datetime | None = None
    kind: str | None = None
    subject: str | None = None
    severity: Literal["info", "warning", "critical"] = "info"
    limit: int = 50


class AnswersGiven(msgspec.Struct):
    """What stood in for providers in the range, per app. Times are nanoseconds since the Unix epoch."""

    since_ns: int
    until_ns: int
    apps: list[AnswersLine]


class Providers(msgspec.Struct):
    """Every target that was asked in the range. Times are nanoseconds since the Unix epoch."""

    since_ns: int
    until_ns: int
    providers: list[ProviderLine]


def handlers(queries: Queries, metrics: Metrics, journal: Callable[[], JournalState], clock: Clock) -> list[Handler]:
    """Everything that can be asked about calls."""

    def calls(ask: Ask) -> CallLines:
        query = ask.query
        assert isinstance(query, CallsQuery)
        if not 1 <= query.limit <= LIMIT_MAX:
            raise InvalidRequest(f"`limit` lies between 1 and {LIMIT_MAX}", param="limit")
        return queries.calls(ask.actor.scope, _filter(query), query.limit, query.cursor)

    def call(ask: Ask) -> CallDetail:
        detail = queries.call(ask.actor.scope, ask.path["id"])
        return detail if ask.actor.has(*BODY_ROLES) else without_bodies(detail)

    def providers(ask: Ask) -> Providers:
        query = ask.query
        assert isinstance(query, ProvidersQuery)
        until = clock.now_ns() if query.until is None else moment_ns(query.until, "until")
        since = until - DAY_NS if query.since is None else moment_ns(query.since, "since")
        return Providers(since, until, queries.providers(ask.actor.scope, since, until, query.app))

    def answers(ask: Ask) -> AnswersGiven:
        query = ask.query
        assert isinstance(query, AnswersQuery)
        until = clock.now_ns() if query.until is None else moment_ns(query.until, "until")
        since = until - DAY_NS if query.since is None else moment_ns(query.since, "since")
        return AnswersGiven(since, until, queries.answers(ask.actor.scope, since, until))

    def exposition(_ask: Ask) -> Text:
        return Text(metrics.render(journal()), CONTENT_TYPE)

    return [
        Handler("GET", "/api/calls", "List calls, newest first", calls, CallLines, allow("viewer"), query=CallsQuery),
        Handler("GET", "/api/calls/{id}", "One call in full, and in words", call, CallDetail, allow("viewer")),
        Handler(
            "GET", "/api/providers", "Success, latency, cost per target", providers, Providers, allow("viewer"),
            query=ProvidersQuery,
        ),
        Handler(
            "GET", "/api/cache", "Answers given again, per app", answers, AnswersGiven, allow("viewer"),
            query=AnswersQuery,
        ),
        Handler("GET", "/metrics", "Prometheus metrics", exposition, Text, allow("viewer")),
    ]  # fmt: skip


def _filter(query: CallsQuery) -> CallFilter:
    latency_ms = _amount(query.min_latency_ms, "min_latency_ms")
    return CallFilter(
        since_ns=None if query.since is None else moment_ns(query.since, "since"),
        until_ns=None if query.until is None else moment_ns(query.until, "until"),
        app=query.app,
        release=query.release,
        provider=query.provider,
        model=query.model,
        outcome=query.outcome,
        key_id=query.key,
        prompt=query.prompt,
        error=query.error,
        min_cost_usd=_amount(query.min_cost_usd, "min_cost_usd"),
        min_latency_us=None if latency_ms is None else round(latency_ms * 1000),
    )


def _amount(value: float | None, param: str) -> float | None:
    if value is not None and not 0 <= value <= AMOUNT_MAX:  # NaN is neither
        raise InvalidRequest(f"`{param}` lies between 0 and {AMOUNT_MAX:,.0f}", param=param)
    return value


def event_handlers(events: EventQueries, clock: Clock) -> list[Handler]:
    """What can be asked about events."""

    def listed(ask: Ask) -> EventLines:
        query = ask.query
        assert isinstance(query, EventsQuery)
        if not 1 <= query.limit <= LIMIT_MAX:
            raise InvalidRequest(f"`limit` lies between 1 and {LIMIT_MAX}", param="limit")
        since = clock.now_ns() - EVENTS_NS if query.since is None else moment_ns(query.since, "since")
        until = None if query.until is None else moment_ns(query.until, "until")
        found = events.find(
            EventFilter(
                since_ns=since, until_ns=until, kind=query.kind, subject=query.subject, severity=query.severity,
                limit=query.limit + 1,
            )
        )  # fmt: skip
        return EventLines([line_of(stored) for stored in found[: query.limit]], len(found) > query.limit)

    def trouble(_ask: Ask) -> TroubleLines:
        since = clock.now_ns() - DAY_NS
        opened, closed = (
            events.find(EventFilter(since_ns=since, kind=kind, limit=LIMIT_MAX))
            for kind in ("breaker_opened", "breaker_closed")
        )
        return TroubleLines(troubled(opened, closed))

    return [
        Handler(
            "GET", "/api/trouble", "Targets and accounts that calls stay away from", trouble, TroubleLines,
            allow("viewer"),
        ),
        Handler(
            "GET", "/api/events", "What operators should hear of, newest first", listed, EventLines, allow("viewer"),
            query=EventsQuery,
        ),
    ]  # fmt: skip
