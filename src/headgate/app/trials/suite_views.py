"""What is asked of a test of an app, and what it tells."""

from __future__ import annotations

from typing import Annotated

import msgspec

from headgate.app.trials.views import Usd
from headgate.core.types import JsonObject
from headgate.evaluation.cases import REPEAT_MAX, Tally

SUITE_USD = 1.0  # of a test that says nothing
Repeat = Annotated[int, msgspec.Meta(ge=1, le=REPEAT_MAX)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1)]


class SuiteRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Cases for an app: `content` is that of a file of cases, `name` its name where it says none, `file` and `lines`
    (dotted path to line) where mistakes are. `release`, or what `channel` points at; neither: the default channel's.

    Each case is run `repeat` times. `max_usd` bounds what answers and judges may cost together.
    """

    content: JsonObject
    name: str
    file: str = ""
    lines: dict[str, int] = {}
    release: int | None = None
    channel: str | None = None
    repeat: Repeat = 1
    min_pass: Rate = 1.0
    max_usd: Usd = SUITE_USD
    unpriced: bool = False


class SuiteReport(msgspec.Struct, frozen=True):
    """What a test came to. `passed`: all runs were made, and the rate is not below `min_pass`. `stopped` says why not
    all were made. `evidence`: the result is in the registry's log. `digest` is of the cases and the judge."""

    app: str
    release: str
    cases: str
    digest: str
    repeat: int
    min_pass: float
    passed: bool
    stopped: str | None
    evidence: bool
    seconds: float
    judge: str | None
    tally: Tally


class SuiteState(msgspec.Struct, frozen=True):
    """A test under way, or over: then with its report. `wrong` says what ended it otherwise."""

    id: str
    app: str
    release: str
    cases: str
    done: int
    total: int
    spent_usd: float
    over: bool
    report: SuiteReport | None = None
    wrong: str | None = None
