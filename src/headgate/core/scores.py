"""What people, evaluators and labellers say of a call, and the sums over it that comparisons are made of.

A score is boolean (thumbs), number, label or correction. Kept beside the call it is about: a score is joined to its
call when the store of calls has that call finished, and waits until then.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Source: TypeAlias = Literal["user", "evaluator", "label"]
Kind: TypeAlias = Literal["boolean", "number", "label", "correction"]
Fate: TypeAlias = Literal["new", "replaced", "late", "known", "full"]


class Score(msgspec.Struct, frozen=True):
    """One judgement of one call. `number` is set for boolean (0 or 1) and number, `label` for label.

    `author` is who judged, `at_ns` when (wall ns). `correction` is the better answer as text, beside a value or alone.
    """

    id: str
    call: str
    name: str
    kind: Kind
    source: Source
    author: str
    at_ns: int
    number: float | None = None
    label: str | None = None
    comment: str | None = None
    correction: str | None = None


class CallFacts(msgspec.Struct, frozen=True):
    """What of a call its scores are asked for by. `unit` is what an experiment assigned to an arm; None where the call
    took part in none."""

    tenant: str
    received_ns: int
    app: str | None = None
    release: str | None = None
    prompt: str | None = None
    unit: str | None = None
    arm: str | None = None


class GivenScore(msgspec.Struct, frozen=True):
    """A score on its way into the store. `scope` is that of who gave it: a tenant, or core.keys.EVERY_TENANT.

    `facts` None: the call is not known (yet); `call_ns` is when it was received, by its identifier then, and `look_ns`
    when it is to be looked for. `timed`: the sender said when the score was given.
    """

    scope: str
    score: Score
    call_ns: int
    facts: CallFacts | None
    look_ns: int = 0
    timed: bool = True


class StoredScore(msgspec.Struct, frozen=True):
    """A score as it is kept. `current` False: history, a later one of the same author took its place."""

    seq: int
    score: Score
    call_ns: int
    facts: CallFacts | None
    current: bool


class WaitingCall(msgspec.Struct, frozen=True):
    """A call that was not known when it was scored; `since_ns` is when it was received, by its identifier."""

    scope: str
    call: str
    since_ns: int


class ScoreFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which scores. None: any. Times are those of the calls. `before` is the sequence number to go on below.

    `history`: also those that a later one took the place of. A filter by app or release finds joined scores only.
    """

    call: str | None = None
    name: str | None = None
    app: str | None = None
    release: str | None = None
    source: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    history: bool = False
    before: int | None = None
    limit: int = 50


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A measure made of current, joined scores: the value of `name`, or, with `label`, whether that label was given
    (1 or 0). Times are those of the calls, `since_ns` included, `until_ns` not."""

    name: str
    label: str | None = None
    source: str | None = None
    app: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None


class UnitSums(msgspec.Struct, frozen=True):
    """The scores of one unit (user, session; the call itself where it has no unit) in one arm: how many, their sum, the
    sum of their squares."""

    app: str | None
    release: str | None
    arm: str | None
    unit: str
    count: int
    total: float
    squares: float


class ArmSums(msgspec.Struct, frozen=True):
    """What is enough to compare arms by unit: over the units i with n_i scores that add up to t_i, the number of units
    and the sums of n, t, n squared, t squared and n t. The mean of a clustered measure is total / count, its variance
    follows by the delta method. `squares` is the sum over single scores of their squares."""

    app: str | None
    release: str | None
    arm: str | None
    units: int
    count: int
    total: float
    squares: float
    count_squares: float
    total_squares: float
    cross: float
