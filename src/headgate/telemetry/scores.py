"""Scores: taken in, joined to their calls.

A score may come before its call is in the store (the journal is drained behind the answer), twice, or out of order;
each has its rule here. A score for a call that is not known waits. The call is looked for again after as long as it is
old, until it would be older than the store keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from headgate.core.errors import CallerError, Forbidden, InvalidRequest, LimitExceeded
from headgate.core.handlers import Actor
from headgate.core.ids import minted_ns
from headgate.core.moments import moment_ns
from headgate.core.ports import Clock, Entropy
from headgate.core.record import CallRecord
from headgate.core.scores import CallFacts, Fate, GivenScore, Kind, Score, Source
from headgate.telemetry.ports import CallQueries, ScoreStore

NAME_CHARS_MAX = 64
AUTHOR_CHARS_MAX = 200
LABEL_CHARS_MAX = 200
ID_CHARS_MAX = 200
COMMENT_CHARS_MAX = 4_000
CORRECTION_CHARS_MAX = 64_000
NUMBER_MAX = 1e15
WAITING_MAX = 10_000  # of one scope
BATCH_MAX = 500
AHEAD_NS = 300 * 10**9  # how far a sender's clock may be before ours
FIRST_LOOK_NS = 2 * 10**9
LOOKS_AT_ONCE = 200
DAY_NS = 86_400 * 10**9

_NAME_SIGNS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class ScoreRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What a sender says of a call. `value`: true or false, a number, or a label; `correction` is a better answer.

    `id` makes sending twice harmless. `author` is who judged, `at` when (RFC 3339 with a zone; now where not said).
    """

    call: str
    name: str
    value: bool | int | float | str | None = None
    source: Source = "user"
    author: str | None = None
    comment: str | None = None
    correction: str | None = None
    id: str | None = None
    at: datetime | None = None


class Taken(msgspec.Struct, frozen=True):
    """What became of a score that was taken. `waits`: its call is not known yet."""

    id: str
    fate: Fate
    waits: bool


class ScoreDesk:
    """Takes scores in and joins them to their calls. `calls_days` tells how many whole UTC days calls are kept."""

    def __init__(
        self, store: ScoreStore, calls: CallQueries, clock: Clock, entropy: Entropy, calls_days: Callable[[], int]
    ) -> None:
        self._store = store
        self._calls = calls
        self._clock = clock
        self._entropy = entropy
        self._calls_days = calls_days

    def give(self, actor: Actor, request: ScoreRequest) -> Taken:
        """Keep one score. Raises InvalidRequest, Forbidden, LimitExceeded; StoreUnavailable."""
        given = self._read(actor, request)
        (fate,) = self._store.put([given])
        return _taken(given, fate)

    def give_many(self, actor: Actor, requests: Sequence[ScoreRequest]) -> list[Taken | CallerError]:
        """Keep what is good of up to BATCH_MAX scores, in order; of each what became of it or why it was refused."""
        if len(requests) > BATCH_MAX:
            raise InvalidRequest(f"{BATCH_MAX} scores at most are sent at once", param="scores")
        read = [self._tried(actor, request) for request in requests]
        good = [one for one in read if isinstance(one, GivenScore)]
        fates = iter(self._store.put(good) if good else [])
        return [one if isinstance(one, CallerError) else self._told(one, next(fates)) for one in read]

    def look(self) -> None:
        """Join waiting scores to calls that are known by now. Raises StoreUnavailable."""
        now_ns = self._clock.now_ns()
        for waiting in self._store.due(now_ns, LOOKS_AT_ONCE):
            facts = self._facts(waiting.scope, waiting.call)
            if facts is None:
                self._store.postpone(waiting, now_ns + max(now_ns - waiting.since_ns, FIRST_LOOK_NS))
            else:
                self._store.join(waiting, facts)

    def retain(self) -> None:
        """Drop scores of calls that are kept no longer. Raises StoreUnavailable."""
        self._store.retain(self._oldest_ns())

    def _tried(self, actor: Actor, request: ScoreRequest) -> GivenScore | CallerError:
        try:
            return self._read(actor, request)
        except CallerError as error:
            return error

    def _told(self, given: GivenScore, fate: Fate) -> Taken | CallerError:
        try:
            return _taken(given, fate)
        except CallerError as error:
            return error

    def _read(self, actor: Actor, request: ScoreRequest) -> GivenScore:
        now_ns = self._clock.now_ns()
        score = _checked(request, actor, now_ns, lambda: f"score_{self._entropy.bytes(12).hex()}")
        facts = self._facts(actor.scope, score.call)
        timed = request.at is not None
        if facts is not None:
            return GivenScore(actor.scope, score, facts.received_ns, facts, timed=timed)
        minted = minted_ns(score.call)
        if minted is None or minted > now_ns + AHEAD_NS:
            raise InvalidRequest(f"`{score.call[:64]}` is no call's id: call_ and 26 letters and digits", param="call")
        if minted < self._oldest_ns():
            days = self._calls_days()
            raise InvalidRequest(f"the call is not known; calls are kept for {days} days and it is older", param="call")
        if self._store.waiting(actor.scope) >= WAITING_MAX:
            raise LimitExceeded(f"{WAITING_MAX} scores wait for calls that are not known", retry_after_s=60.0)
        return GivenScore(actor.scope, score, minted, None, now_ns + FIRST_LOOK_NS, timed)

    def _facts(self, scope: str, call: str) -> CallFacts | None:
        """None where the scope has no such call, and while it is in flight: its record is not whole yet."""
        record = self._calls.call(scope, call)
        return None if record is None or record.outcome == "in_flight" else facts_of(record)

    def _oldest_ns(self) -> int:
        return (self._clock.now_ns() // DAY_NS - self._calls_days()) * DAY_NS


def facts_of(record: CallRecord) -> CallFacts:
    """What of a finished call its scores are asked for by."""
    arm = None if record.arm is None else f"{record.experiment}#{record.arm}"
    return CallFacts(record.tenant, record.received_ns, record.app, record.release, record.prompt, record.unit, arm)


def _taken(given: GivenScore, fate: Fate) -> Taken:
    if fate == "full":
        raise LimitExceeded("the call has as many scores as are kept of one, history included", retry_after_s=None)
    return Taken(given.score.id, fate, given.facts is None)


def _checked(request: ScoreRequest, actor: Actor, now_ns: int, mint: Callable[[], str]) -> Score:
    if not actor.roles and request.source != "user":
        raise Forbidden("a key for calls gives scores of source `user` only", param="source")
    if not 0 < len(request.name) <= NAME_CHARS_MAX or not set(request.name) <= _NAME_SIGNS:
        raise InvalidRequest(f"`name` is 1 to {NAME_CHARS_MAX} letters, digits, `.`, `_`, `-`", param="name")
    kind, number, label = _value(request)
    for param, text, most in (
        ("author", request.author, AUTHOR_CHARS_MAX), ("id", request.id, ID_CHARS_MAX),
        ("value", label, LABEL_CHARS_MAX), ("comment", request.comment, COMMENT_CHARS_MAX),
        ("correction", request.correction, CORRECTION_CHARS_MAX),
    ):  # fmt: skip
        if text is not None and not 0 < len(text) <= most:
            raise InvalidRequest(f"`{param}` has 1 to {most} characters", param=param)
    return Score(
        id=request.id or mint(),
        call=request.call,
        name=request.name,
        kind=kind,
        source=request.source,
        author=request.author or actor.id,
        at_ns=now_ns if request.at is None else _at(request.at, now_ns),
        number=number,
        label=label,
        comment=request.comment,
        correction=request.correction,
    )


def _value(request: ScoreRequest) -> tuple[Kind, float | None, str | None]:
    value = request.value
    if value is None:
        if request.correction is None:
            raise InvalidRequest("a score has a `value` or a `correction`", param="value")
        return "correction", None, None
    if isinstance(value, bool):
        return "boolean", float(value), None
    if isinstance(value, str):
        return "label", None, value
    if not -NUMBER_MAX <= value <= NUMBER_MAX:  # NaN is neither, and an integer may be too large for a float
        raise InvalidRequest(f"a number lies between -{NUMBER_MAX:g} and {NUMBER_MAX:g}", param="value")
    return "number", float(value), None


def _at(moment: datetime, now_ns: int) -> int:
    at_ns = moment_ns(moment, "at")
    if at_ns > now_ns + AHEAD_NS:
        raise InvalidRequest("`at` lies in the future", param="at")
    return at_ns
