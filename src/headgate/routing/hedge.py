"""A second target beside one that is late: who shows content first answers, the other is let go of.

Only where a route asks for it, before anything was shown to the client, and for a bounded share of calls.
Source: Dean and Barroso, The Tail at Scale (2013), hedged requests.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from headgate.core.chat import Frame
from headgate.core.errors import UpstreamError
from headgate.core.ports import Clock, OutboundRequest
from headgate.core.snapshot import Hedging, Route, Target
from headgate.routing.attempt import Attempt
from headgate.routing.budget import HedgeBudget
from headgate.routing.pace import Paces

LATE = 0.95  # the quantile of a target's usual times after which a call is late
LATE_MIN_S = 0.05
ROUTES_MAX = 2048


class Runner:
    """A try in a race: what is asked, and what its dialect could not say."""

    __slots__ = ("attempt", "dropped", "request")

    def __init__(self, attempt: Attempt, request: OutboundRequest, dropped: list[str]) -> None:
        self.attempt = attempt
        self.request = request
        self.dropped = dropped


class Tries(Protocol):
    """What a race asks of the call that it is run for."""

    def first(self) -> Runner:
        """The first try begins. Raises what the call is told where there is none."""
        ...

    def second(self) -> Runner | None:
        """The first one is late: another begins; None where there may be none."""
        ...

    async def head(self, attempt: Attempt, request: OutboundRequest) -> None:
        """Sends the request; returns once a good answer's head is there. Raises UpstreamError."""
        ...

    def failed(self, attempt: Attempt, error: UpstreamError) -> None:
        """A try failed. Raises the error where no other target may be asked."""
        ...

    def outrun(self, attempt: Attempt) -> None:
        """The other one answered, or nobody waits any more."""
        ...


class Hedges:
    """When a call is late, and how many calls may be asked of a second target: a budget for each route."""

    __slots__ = ("_budgets", "_paces")

    def __init__(self, paces: Paces) -> None:
        self._paces = paces
        self._budgets: dict[str, HedgeBudget] = {}

    def called(self, route: Route, hedge: Hedging) -> None:
        """A call of the route begins."""
        self._of(route).called(hedge.share)

    def take(self, route: Route) -> bool:
        """Whether there may be one hedge more; it is counted."""
        return self._of(route).take()

    def _of(self, route: Route) -> HedgeBudget:
        name = str(route.ref)
        found = self._budgets.get(name)
        if found is None:
            if len(self._budgets) >= ROUTES_MAX:
                del self._budgets[next(iter(self._budgets))]
            found = self._budgets[name] = HedgeBudget()
        return found

    def after_s(self, hedge: Hedging, target: Target, stream: bool) -> float | None:
        """When a call to the target is late, in seconds; None where that is to be learned, and is not yet."""
        if hedge.after_s is not None:
            return hedge.after_s
        pace = self._paces.of(target)
        usual = (pace.first if stream else pace.whole).quantile(LATE)
        return None if usual is None else max(usual / 1e6, LATE_MIN_S)

    def outrun(self, target: Target, stream: bool, waited_us: int) -> None:
        """It would have taken longer than this. Noted as if it had taken no longer, lest late answers, of which
        nobody hears the end, make the target look quicker than it is."""
        pace = self._paces.of(target)
        (pace.first if stream else pace.whole).note(waited_us)


async def race(tries: Tries, clock: Clock, after_s: float) -> tuple[Runner, list[Frame]] | None:
    """Who showed content first, and all it has said so far; None where everyone who ran has failed.

    Raises what `tries` raises. Whoever still runs when it ends is cancelled, and its connection cut.
    """
    running: dict[asyncio.Task[list[Frame]], Runner] = {}
    turn = asyncio.Event()
    late: list[bool] = []

    def enter(runner: Runner) -> None:
        task = asyncio.get_running_loop().create_task(_content(tries, runner), name=f"race {runner.attempt.target}")
        running[task] = runner
        task.add_done_callback(ended)

    def ended(task: asyncio.Task[list[Frame]]) -> None:
        if not task.cancelled():
            task.exception()  # looked at, so that nobody is told of a loser's
        turn.set()

    def is_late() -> None:
        late.append(True)
        turn.set()

    timer = clock.call_later(after_s, is_late)
    try:
        enter(tries.first())
        while running:
            await turn.wait()
            turn.clear()
            for task in sorted([task for task in running if task.done()], key=_failed):
                runner = running.pop(task)
                error = task.exception()
                if error is None:
                    return runner, task.result()
                if not isinstance(error, UpstreamError):
                    raise error
                tries.failed(runner.attempt, error)
            if late and running:
                late.clear()
                runner = tries.second()
                if runner is not None:
                    enter(runner)
        return None
    finally:
        timer.cancel()
        for task, runner in running.items():
            task.cancel()
            tries.outrun(runner.attempt)


async def _content(tries: Tries, runner: Runner) -> list[Frame]:
    """Runs a try to its first content, or its end. Raises UpstreamError."""
    attempt = runner.attempt
    await tries.head(attempt, runner.request)
    found: list[Frame] = []
    while (frames := await attempt.read(False)) is not None:
        found += frames
        if attempt.complete or any(frame.content for frame in frames):
            break
    return found


def _failed(task: asyncio.Task[list[Frame]]) -> bool:
    return task.exception() is not None
