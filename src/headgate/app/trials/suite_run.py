"""A test under way: every case as often as asked, a few at a time, until all are done or the money is."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from headgate.admission import Allowance
from headgate.app.trials.bench import Answered, Bench
from headgate.app.trials.suite_staging import JUDGE_APP, Ready
from headgate.core.ports import Clock, Entropy
from headgate.core.record import CallRecord
from headgate.core.types import Json, JsonObject
from headgate.evaluation.cases import SNIPPET_CHARS, Case, Finding, Heard, Run, findings, read_ruling

AT_ONCE = 4  # calls of one test
EXHAUSTED = "budget_exhausted"
DEADLINE_S = 3600.0


class SuiteRun:
    """Runs once. `runs` and `spent_usd` can be read from other threads meanwhile."""

    def __init__(self, ready: Ready, allowance: Allowance, clock: Clock, entropy: Entropy) -> None:
        self.ready = ready
        self.runs: list[Run] = []
        self.spent_usd = 0.0
        self.stopped: str | None = None
        self._allowance = allowance
        self._clock = clock
        self._entropy = entropy
        self._waiting: deque[Case] = deque()
        self._at_work = 0
        self._until_ns = 0

    async def run(self) -> None:
        """Make all runs; round by round, so that a test that ends early has seen every case alike."""
        ready = self.ready
        self._waiting.extend(case for _ in range(ready.request.repeat) for case in ready.suite.cases)
        self._until_ns = self._clock.monotonic_ns() + int(DEADLINE_S * 1e9)
        async with Bench(ready.config, self._allowance, self._clock, self._entropy) as bench:
            self._at_work = min(AT_ONCE, len(self._waiting))
            await asyncio.gather(*(self._work(bench) for _ in range(self._at_work)))

    async def _work(self, bench: Bench) -> None:
        """One run after the other. Where the allowance has no room beside the calls of others, leaves it to them."""
        while self._waiting:
            if self._clock.monotonic_ns() > self._until_ns:
                self.stopped = f"not done after {DEADLINE_S / 60:g} minutes"
                break
            case = self._waiting.popleft()
            made = await self._one(bench, case)
            if isinstance(made, Run):
                self.runs.append(made)
                continue
            self._waiting.appendleft(case)
            if self._at_work == 1:
                self.stopped = made
            break
        self._at_work -= 1

    async def _one(self, bench: Bench, case: Case) -> Run | str:
        """A run; or why there was no money for it."""
        answered = await bench.ask(self.ready.snapshot, self._body(case))
        record = answered.record
        cost = self._cost(record)
        if record.error == EXHAUSTED:
            return record.message or EXHAUSTED
        seconds = None if record.latency_us is None else record.latency_us / 1e6
        heard = Heard(answered.text, record.outcome, answered.declined, cost, seconds, record.message)
        found = findings(case.assertions, heard)
        rulings: list[str] = []
        judge_usd: float | None = 0.0
        if not found:  # what failed already needs no judge
            for criterion in case.assertions.criteria:
                ruled = await self._ask_judge(bench, case, answered, criterion)
                usd = self._cost(ruled.record)
                judge_usd = None if usd is None or judge_usd is None else judge_usd + usd
                if ruled.record.error == EXHAUSTED:
                    return ruled.record.message or EXHAUSTED
                finding, told = _ruling(ruled, criterion)
                rulings.append(told)
                found += [] if finding is None else [finding]
        return Run(case.name, tuple(found), answered.text[:SNIPPET_CHARS], record.id, cost, judge_usd, tuple(rulings))

    async def _ask_judge(self, bench: Bench, case: Case, answered: Answered, criterion: str) -> Answered:
        judge = self.ready.judge
        assert judge is not None
        asked = next((one.content for one in reversed(case.messages) if one.role == "user"), "")
        known: dict[str, Json] = {"question": asked, "answer": answered.text, "criterion": criterion}
        variables: JsonObject = {name: known[name] for name in judge.takes}
        return await bench.ask(
            judge.snapshot, {"model": JUDGE_APP, "messages": [], "headgate": {"variables": variables}}
        )

    def _body(self, case: Case) -> JsonObject:
        app = self.ready.release.app
        model = app if case.prompt is None else f"{app}/{case.prompt}"
        body: JsonObject = {"model": model, "messages": msgspec.to_builtins(case.messages)}
        return {**body, "headgate": {"variables": case.variables}} if self._fills(case) else body

    def _fills(self, case: Case) -> bool:
        """Whether there is a prompt to fill; a release without any takes no variables."""
        return bool(self.ready.release.source.named_prompts) or bool(case.variables)

    def _cost(self, record: CallRecord) -> float | None:
        """What a call cost; 0 where nobody was asked."""
        cost = record.cost_usd if record.attempts else 0.0
        self.spent_usd += cost or 0.0
        return cost


def _ruling(ruled: Answered, criterion: str) -> tuple[Finding | None, str]:
    """What a judge's answer means: the finding where it is no pass, and the words that are shown."""
    record = ruled.record
    if record.outcome != "ok":
        why = f"the judge did not answer ({record.error or record.outcome})"
        return Finding(f"judge: {criterion}", why, undecided=True), why
    ruling = read_ruling(ruled.text)
    if ruling.passed is None:
        return Finding(f"judge: {criterion}", ruling.reason, undecided=True), ruling.reason
    told = f"{'pass' if ruling.passed else 'fail'}: {ruling.reason}"
    return (None if ruling.passed else Finding(f"judge: {criterion}", ruling.reason)), told
