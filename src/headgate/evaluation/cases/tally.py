"""How runs of cases add up: rates with exact intervals, per case and overall, and which cases are flaky."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.evaluation.cases.assertions import Finding
from headgate.evaluation.experiments.proportion import rate_interval

FAILURES_SHOWN = 3  # of one case
SNIPPET_CHARS = 300


class Run(msgspec.Struct, frozen=True):
    """One run of a case: what did not hold (empty: it passed), the beginning of the answer, what answer and judges
    cost. Costs are None where they are not known, 0 where nobody was asked."""

    case: str
    found: tuple[Finding, ...]
    text: str
    call: str
    cost_usd: float | None
    judge_usd: float | None
    rulings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything held."""
        return not self.found

    @property
    def undecided(self) -> bool:
        """Whether nobody can say: nothing failed for sure."""
        return bool(self.found) and all(one.undecided for one in self.found)


class Failure(msgspec.Struct, frozen=True):
    """Why a run did not pass, the beginning of its answer, and its call."""

    why: list[str]
    answer: str
    call: str


class CaseTally(msgspec.Struct, frozen=True):
    """The runs of one case. `low` and `high`: between them lies its pass rate, at 95%. `flaky`: it passed some, not
    all. `failures` are the first few; `rulings` what judges said of the last run that they were asked about."""

    name: str
    runs: int
    passes: int
    undecided: int
    low: float
    high: float
    flaky: bool
    failures: list[Failure]
    rulings: list[str]


class Tally(msgspec.Struct, frozen=True):
    """All runs. An undecided run is no pass. `rate` None: nothing ran. Costs are what is known; `unpriced` counts runs
    with a cost that is not."""

    runs: int
    passes: int
    undecided: int
    rate: float | None
    low: float
    high: float
    flaky: list[str]
    cost_usd: float
    judge_usd: float
    unpriced: int
    cases: list[CaseTally]


def tally(names: Sequence[str], runs: Sequence[Run]) -> Tally:
    """The runs of the cases named, in their order."""
    of: dict[str, list[Run]] = {name: [] for name in names}
    for run in runs:
        of[run.case].append(run)
    cases = [_case(name, group) for name, group in of.items()]
    passes = sum(run.passed for run in runs)
    low, high = rate_interval(passes, len(runs))
    return Tally(
        runs=len(runs),
        passes=passes,
        undecided=sum(run.undecided for run in runs),
        rate=passes / len(runs) if runs else None,
        low=low,
        high=high,
        flaky=[case.name for case in cases if case.flaky],
        cost_usd=sum((run.cost_usd or 0.0 for run in runs), 0.0),
        judge_usd=sum((run.judge_usd or 0.0 for run in runs), 0.0),
        unpriced=sum(run.cost_usd is None or run.judge_usd is None for run in runs),
        cases=cases,
    )


def _case(name: str, runs: Sequence[Run]) -> CaseTally:
    passes = sum(run.passed for run in runs)
    low, high = rate_interval(passes, len(runs))
    failed = [run for run in runs if not run.passed][:FAILURES_SHOWN]
    judged = [run for run in runs if run.rulings]
    return CaseTally(
        name=name,
        runs=len(runs),
        passes=passes,
        undecided=sum(run.undecided for run in runs),
        low=low,
        high=high,
        flaky=0 < passes < len(runs),
        failures=[
            Failure([f"{one.assertion}: {one.why}" for one in run.found], run.text[:SNIPPET_CHARS], run.call)
            for run in failed
        ],
        rulings=list(judged[-1].rulings) if judged else [],
    )
