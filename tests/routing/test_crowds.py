"""Many workers and one provider, in virtual time: they do not come back together, and an overload ends when its cause
does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from headgate.core.errors import UpstreamError
from headgate.core.ports import OutboundRequest
from headgate.core.snapshot import Route
from headgate.core.types import Header
from headgate.evaluation import SeededEntropy, VirtualClock, VirtualLoop, run_virtual
from headgate.routing import Routing
from headgate.routing.breaker import OPEN_S, RAMP_STEP_S
from tests.routing.scripted import WHOLE, House

WORKERS = 50
ANSWER_S = 0.3
REFUSAL_S = 0.05


class Whole:
    """A whole answer that is there at once."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.headers: Sequence[Header] = ()
        self._body: bytes | None = body

    async def read(self) -> bytes | None:
        body, self._body = self._body, None
        return body

    def release(self) -> None:
        """Nothing is held."""

    abort = call_off = release


class Providers:
    """All workers' transport. A provider takes `capacity` requests a second and refuses the others with 503."""

    def __init__(self, clock: VirtualClock, chance: SeededEntropy, capacity: float = float("inf")) -> None:
        self._clock = clock
        self._chance = chance
        self.capacity = capacity
        self.failing: dict[str, float] = {}  # host -> the share of requests that fails besides
        self.seen: dict[str, list[float]] = {}
        self.probes: list[tuple[int, float]] = []

    def of(self, worker: int) -> Line:
        """What one worker sends through."""
        return Line(self, worker)

    async def answer(self, worker: int, request: OutboundRequest) -> Whole:
        now, host = self._clock.seconds(), request.origin.host
        seen = self.seen.setdefault(host, [])
        if b"x-headgate-probe" in request.head:
            self.probes.append((worker, now))
        else:
            seen.append(now)
        lately = sum(1 for at in seen[-1000:] if at > now - 1.0)
        if lately > self.capacity or self._chance.uniform() < self.failing.get(host, 0.0):
            await self._clock.sleep(REFUSAL_S)
            return Whole(503, b"overloaded")
        await self._clock.sleep(ANSWER_S)
        return Whole(200, WHOLE)


class Line:
    """One worker's transport."""

    def __init__(self, providers: Providers, worker: int) -> None:
        self._providers = providers
        self._worker = worker

    async def send(self, request: OutboundRequest) -> Whole:
        return await self._providers.answer(self._worker, request)


class Worker(House):
    """Routing of one worker in virtual time."""

    def __init__(self, clock: VirtualClock, providers: Providers, number: int) -> None:
        super().__init__()
        self.clock = clock  # type: ignore[assignment] # the scripted one's stands still
        line, entropy = providers.of(number), SeededEntropy(number, "worker")
        self.routing = Routing(line, clock, entropy, self.dialects, self)  # type: ignore[arg-type]


class Crowd:
    """Workers that are called in turn, at a rate."""

    def __init__(self, loop: VirtualLoop, workers: int, capacity: float = float("inf")) -> None:
        self.clock = VirtualClock(loop)
        self.providers = Providers(self.clock, SeededEntropy(1, "providers"), capacity)
        self.workers = [Worker(self.clock, self.providers, number) for number in range(workers)]
        self.ends: list[tuple[float, bool]] = []  # when a call began, and whether it was answered
        self._chance = SeededEntropy(1, "calls")
        self._running: set[asyncio.Task[None]] = set()

    async def call_for(self, seconds: float, rate: float, *names: str) -> None:
        """So many calls a second, at regular times, each at a worker that chance chooses."""
        route = self.workers[0].route(*names)
        for _ in range(round(seconds * rate)):
            worker = self.workers[int(self._chance.uniform() * len(self.workers))]
            task = asyncio.ensure_future(self._call(worker, route))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            await self.clock.sleep(1 / rate)

    async def over(self) -> None:
        """All calls have ended."""
        await asyncio.gather(*self._running)

    def goodput(self, start_s: float, end_s: float) -> float:
        """The share of the calls of a time that were answered."""
        told = [good for at, good in self.ends if start_s <= at < end_s]
        return sum(told) / len(told)

    async def _call(self, worker: Worker, route: Route) -> None:
        began = self.clock.seconds()
        told = await worker.ask(route, stream=False)
        assert told.error is None or isinstance(told.error, UpstreamError)
        self.ends.append((began, told.error is None))


def test_fifty_workers_do_not_come_back_together() -> None:
    """`a` is down for five minutes; then its calls rise step by step, with no crest above the full load."""
    rate, down_s, after_s = 50.0, 300.0, 300.0

    async def main(loop: VirtualLoop) -> None:
        crowd = Crowd(loop, WORKERS)
        await crowd.call_for(60.0, rate, "a", "b")
        crowd.providers.failing["a.m"] = 1.0
        await crowd.call_for(down_s, rate, "a", "b")
        crowd.providers.failing.clear()
        mended = crowd.clock.seconds()
        await crowd.call_for(after_s, rate, "a", "b")
        await crowd.over()
        assert all(good for _, good in crowd.ends)
        a = crowd.providers.seen["a.m"]
        dead = [at for at in a if 60.0 <= at < mended]
        assert len(dead) <= WORKERS * 8  # each finds out for itself, and then none of its calls goes there
        each = Counter((worker, int(at // OPEN_S)) for worker, at in crowd.providers.probes)
        assert max(each.values()) <= 2
        assert len(crowd.providers.probes) <= WORKERS * (down_s + after_s) / (2 * OPEN_S)
        per_s = Counter(int(at) for at in a if at >= mended)
        assert max(per_s.values()) <= rate * 1.1
        first = min(at for at in a if at >= mended)
        early = [per_s[int(first) + second] for second in range(int(RAMP_STEP_S))]
        assert max(early) <= rate * 0.5  # those that ask early get a part of their calls only
        assert per_s[int(mended + after_s) - 2] >= rate * 0.95

    run_virtual(VirtualLoop(), main)


def test_an_overload_ends_when_its_cause_does() -> None:
    """Three times the load and half of all requests failing for a minute, at both providers; then as before."""
    rate, capacity = 20.0, 30.0

    async def main(loop: VirtualLoop) -> None:
        crowd = Crowd(loop, 4, capacity)
        await crowd.call_for(60.0, rate, "a", "b")
        assert crowd.goodput(0.0, 60.0) == 1.0
        crowd.providers.failing.update({"a.m": 0.5, "b.m": 0.5})
        await crowd.call_for(60.0, 3 * rate, "a", "b")
        crowd.providers.failing.clear()
        end = crowd.clock.seconds()
        await crowd.call_for(120.0, rate, "a", "b")
        await crowd.over()
        assert crowd.goodput(60.0, end) < 0.9  # it was felt
        assert crowd.goodput(end + 60.0, end + 120.0) >= 0.95
        sent = sum(len([at for at in seen if 70.0 <= at < end]) for seen in crowd.providers.seen.values())
        assert sent <= 3 * rate * (end - 70.0) * 1.25

    run_virtual(VirtualLoop(), main)


def test_with_everything_failing_the_load_is_not_multiplied() -> None:
    async def main(loop: VirtualLoop) -> None:
        crowd = Crowd(loop, 4)
        crowd.providers.failing.update({"a.m": 1.0, "b.m": 1.0, "c.m": 1.0})
        await crowd.call_for(300.0, 20.0, "a", "b", "c")
        await crowd.over()
        assert crowd.goodput(0.0, 300.0) == 0.0
        assert sum(len(seen) for seen in crowd.providers.seen.values()) <= len(crowd.ends) * 1.2
        crowd.providers.failing.clear()
        end = crowd.clock.seconds()
        await crowd.call_for(120.0, 20.0, "a", "b", "c")
        await crowd.over()
        assert crowd.goodput(end + 60.0, end + 120.0) == 1.0

    run_virtual(VirtualLoop(), main)
