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

    def noted(self, attempt: Attempt, error: UpstreamError) -> None:
        """A try failed in a way that ends the call, but another still runs, and may answer."""
        ...

    def final(self, error: UpstreamError) -> None:
        """Nobody ran on to answer: raises the error that was noted."""
        ...

    def outrun(self, attempt: Attempt, left: bool) -> None:
        """The other one answered, or the client has `left`."""
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
    field = _Field(tries)
    timer = clock.call_later(after_s, field.is_late)
    left = False
    try:
        return await field.run()
    except asyncio.CancelledError:
        left = True
        raise
    finally:
        timer.cancel()
        field.clear(left)


class _Field:
    """Who runs in a race."""

    __slots__ = ("_fatal", "_late", "_running", "_tries", "_turn")

    def __init__(self, tries: Tries) -> None:
        self._tries = tries
        self._running: dict[asyncio.Task[list[Frame]], Runner] = {}
        self._turn = asyncio.Event()
        self._late = False
        self._fatal: UpstreamError | None = None

    def is_late(self) -> None:
        self._late = True
        self._turn.set()

    async def run(self) -> tuple[Runner, list[Frame]] | None:
        self._enter(self._tries.first())
        while self._running:
            await self._turn.wait()
            self._turn.clear()
            for task in sorted([task for task in self._running if task.done()], key=_failed):
                runner = self._running.pop(task)
                error = task.exception()
                if error is None:
                    return runner, task.result()
                self._lost(runner, error)
            if self._late and self._running:
                self._late = False
                runner = self._tries.second()
                if runner is not None:
                    self._enter(runner)
        if self._fatal is not None:
            self._tries.final(self._fatal)
        return None

    def _lost(self, runner: Runner, error: BaseException) -> None:
        if not isinstance(error, UpstreamError):
            raise error
        if self._running and not (error.retryable or error.filtered or runner.attempt.refused):
            self._tries.noted(runner.attempt, error)
            self._fatal = error
        else:
            self._tries.failed(runner.attempt, error)

    def clear(self, left: bool) -> None:
        for task, runner in self._running.items():
            task.cancel()
            self._tries.outrun(runner.attempt, left)

    def _enter(self, runner: Runner) -> None:
        task = asyncio.get_running_loop().create_task(
            _content(self._tries, runner), name=f"race {runner.attempt.target}"
        )
        self._running[task] = runner
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[list[Frame]]) -> None:
        if not task.cancelled():
            task.exception()  # looked at, so that nobody is told of a loser's
        self._turn.set()


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
