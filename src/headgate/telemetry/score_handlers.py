"""What can be done with scores over the management API: give, list, add up."""

from __future__ import annotations

from datetime import datetime

import msgspec

from headgate.core.errors import CallerError, InvalidRequest
from headgate.core.handlers import Ask, Handler
from headgate.core.moments import moment_ns
from headgate.core.ports import Clock
from headgate.core.roles import BODY_ROLES, allow
from headgate.core.scores import ArmSums, Metric, ScoreFilter, Source
from headgate.telemetry.ports import ScoreQueries
from headgate.telemetry.score_lines import ScoreLine, line_of
from headgate.telemetry.scores import ScoreDesk, ScoreRequest, Taken

LIMIT_MAX = 1000
GIVERS = allow("operator", "author", "reviewer")
SUMS_NS = 30 * 86_400 * 10**9


class ScoreBatch(msgspec.Struct, forbid_unknown_fields=True):
    """Many scores at once."""

    scores: list[ScoreRequest]


class ScoreAnswer(msgspec.Struct):
    """What became of one score of a batch. `fate` None: it was refused, `code`, `message` and `param` say why."""

    id: str | None = None
    fate: str | None = None
    waits: bool = False
    code: str | None = None
    message: str | None = None
    param: str | None = None


class ScoreAnswers(msgspec.Struct):
    """One answer for each score, in the order in which they were sent."""

    scores: list[ScoreAnswer]


class ScoresQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which scores. `since` and `until` are of the calls. `cursor` is what the last page ended with."""

    call: str | None = None
    name: str | None = None
    app: str | None = None
    release: str | None = None
    source: Source | None = None
    since: datetime | None = None
    until: datetime | None = None
    history: bool = False
    limit: int = 50
    cursor: int | None = None


class SumsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which metric: the value of `name`, or whether `label` was given. Calls of the last 30 days where nothing is
    said."""

    name: str
    label: str | None = None
    app: str | None = None
    source: Source | None = None
    since: datetime | None = None
    until: datetime | None = None


class ScoreLines(msgspec.Struct):
    """A page of scores, the latest kept first. `cursor` asks for what follows."""

    scores: list[ScoreLine]
    cursor: int | None


class Sums(msgspec.Struct):
    """A metric per app, release and arm."""

    name: str
    label: str | None
    since_ns: int
    until_ns: int
    arms: list[ArmSums]


def score_handlers(desk: ScoreDesk, scores: ScoreQueries, clock: Clock) -> list[Handler]:
    """Everything that can be done with scores. A key for calls may give them, of its own tenant's calls."""

    def give(ask: Ask) -> Taken:
        assert isinstance(ask.body, ScoreRequest)
        return desk.give(ask.actor, ask.body)

    def give_many(ask: Ask) -> ScoreAnswers:
        assert isinstance(ask.body, ScoreBatch)
        return ScoreAnswers([_answer(one) for one in desk.give_many(ask.actor, ask.body.scores)])

    def listed(ask: Ask) -> ScoreLines:
        query = ask.query
        assert isinstance(query, ScoresQuery)
        if not 1 <= query.limit <= LIMIT_MAX:
            raise InvalidRequest(f"`limit` lies between 1 and {LIMIT_MAX}", param="limit")
        found = scores.find(ask.actor.scope, _filter(query))
        more = len(found) > query.limit
        found = found[: query.limit]
        sees = ask.actor.has(*BODY_ROLES)
        return ScoreLines([line_of(one, sees) for one in found], found[-1].seq if more else None)

    def added(ask: Ask) -> Sums:
        query = ask.query
        assert isinstance(query, SumsQuery)
        until = clock.now_ns() if query.until is None else moment_ns(query.until, "until")
        since = until - SUMS_NS if query.since is None else moment_ns(query.since, "since")
        metric = Metric(
            name=query.name, label=query.label, source=query.source, app=query.app, since_ns=since, until_ns=until
        )
        return Sums(query.name, query.label, since, until, scores.sums(ask.actor.scope, metric))

    return [
        Handler("POST", "/api/scores", "Score a call", give, Taken, GIVERS, body=ScoreRequest, callers=True),
        Handler(
            "POST", "/api/scores/batch", "Score many calls", give_many, ScoreAnswers, GIVERS, body=ScoreBatch,
            callers=True,
        ),
        Handler(
            "GET", "/api/scores", "List scores, the latest first", listed, ScoreLines, allow("viewer"),
            query=ScoresQuery,
        ),
        Handler(
            "GET", "/api/scores/sums", "Sums of a metric per release and arm", added, Sums, allow("viewer"),
            query=SumsQuery,
        ),
    ]  # fmt: skip


def _answer(one: Taken | CallerError) -> ScoreAnswer:
    if isinstance(one, CallerError):
        return ScoreAnswer(code=one.reason, message=one.message, param=one.param)
    return ScoreAnswer(one.id, one.fate, one.waits)


def _filter(query: ScoresQuery) -> ScoreFilter:
    return ScoreFilter(
        call=query.call,
        name=query.name,
        app=query.app,
        release=query.release,
        source=query.source,
        since_ns=None if query.since is None else moment_ns(query.since, "since"),
        until_ns=None if query.until is None else moment_ns(query.until, "until"),
        history=query.history,
        before=query.cursor,
        limit=query.limit + 1,
    )
