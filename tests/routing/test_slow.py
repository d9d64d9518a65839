"""A target that answers, and slowly: what tells it from answers that take their time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import msgspec
import pytest

from headgate.core.ports import OutboundRequest
from headgate.routing import Routing
from headgate.routing.pace import FEW_MIN, LEARNED_MIN, SETTLED_S
from tests.routing.scripted import House, Reply, ScriptedInbound, ScriptedTransport
from tests.support.world import SeededEntropy, run


class Answer(msgspec.Struct, frozen=True):
    """Seconds to its first content and from there to its end; tokens that its usage tells."""

    first_s: float
    rest_s: float
    into: int = 300
    out: int = 150

    @property
    def reply(self) -> Reply:
        usage = b"usage:%d,%d\n" % (self.into, self.out)
        return Reply(b"begin:m\n", self.first_s, b"text:hello\n", self.rest_s, usage, b"finish:stop\nlast\n")


USUAL = Answer(0.4, 1.6)
SLOW = Answer(4.0, 16.0)
PING = Answer(0.3, 0.0, 8, 1)
SLOW_PING = Answer(3.0, 0.0, 8, 1)


class Paced(ScriptedTransport):
    """a answers calls with `call()` and probes with `ping()`; b answers at once."""

    def __init__(self, house: House) -> None:
        super().__init__(house.clock)
        self.call: Callable[[], Answer] = lambda: USUAL
        self.ping: Callable[[], Answer] = lambda: PING

    async def send(self, request: OutboundRequest) -> ScriptedInbound:
        answer = Answer(0.0, 0.0)
        if request.origin.host == "a.m":
            answer = self.ping() if b"x-headgate-probe" in request.head else self.call()
        self.replies[request.origin.host] = [answer.reply]
        return await super().send(request)


class PacedHouse(House):
    """Its providers have a pace."""

    def __init__(self) -> None:
        super().__init__()
        self.transport = self.paced = Paced(self)
        entropy = SeededEntropy()
        self.routing = Routing(self.paced, self.clock, entropy, self.dialects, self)  # type: ignore[arg-type]
        self.two = self.route("a", "b")

    async def called(self, stream: bool = True, apart_s: float = 5.0) -> str:
        """Who answers a call; probes are over before it returns."""
        told = await self.ask(self.two, stream=stream)
        assert told.error is None
        for _ in range(20):
            await asyncio.sleep(0)
        self.clock.advance(apart_s)
        return told.outcomes[-1][0]

    @property
    def held(self) -> list[tuple[str, str]]:
        return self.routing.health.held()


@pytest.mark.parametrize("count", [FEW_MIN, 5, LEARNED_MIN + 1])
@pytest.mark.parametrize("stream", [True, False])
def test_one_slow_answer_is_enough_where_a_probe_is_slow_too(count: int, stream: bool) -> None:
    async def play() -> None:
        house = PacedHouse()
        for _ in range(count):
            assert await house.called(stream) == "a"
        house.paced.call, house.paced.ping = lambda: SLOW, lambda: SLOW_PING
        served = [await house.called(stream) for _ in range(100)]
        assert served.count("a") <= 5
        assert [probe.error for probe in house.probes] == ["too_slow"] * len(house.probes)
        assert 3 <= len(house.probes) <= 20
        assert "too_slow" in house.held[0][1]
        house.paced.call, house.paced.ping = lambda: USUAL, lambda: PING
        assert [await house.called(stream) for _ in range(60)].count("a") > 10
        assert house.held == []

    run(play())


def test_a_slow_answer_of_a_target_little_known_costs_it_no_call_where_a_probe_is_quick() -> None:
    async def play() -> None:
        house = PacedHouse()
        for answer in [USUAL, USUAL, USUAL, SLOW, USUAL, SLOW, SLOW]:
            house.paced.call = lambda answer=answer: answer
            assert await house.called() == "a"
        assert [probe.outcome for probe in house.probes] == ["ok"]
        assert house.held == []

    run(play())


def test_a_target_that_only_writes_slowly_is_found_by_its_calls() -> None:
    async def play() -> None:
        house = PacedHouse()
        for _ in range(LEARNED_MIN):
            await house.called()
        house.paced.call = lambda: Answer(0.4, 20.0)
        assert [await house.called() for _ in range(6)] == ["a"] * 5 + ["b"]
        assert house.probes == []
        assert "too_slow" in house.held[0][1]

    run(play())


def test_one_slow_probe_may_be_chance_and_two_are_not() -> None:
    async def play() -> None:
        house = PacedHouse()
        for _ in range(FEW_MIN):
            await house.called()
        house.paced.call = lambda: SLOW
        pings = [SLOW_PING, PING, SLOW_PING, SLOW_PING, SLOW_PING]
        house.paced.ping = lambda: pings.pop(0)
        assert await house.called() == "a"
        assert [probe.error for probe in house.probes] == ["too_slow", None]
        assert house.held == []
        assert await house.called() == "a"
        assert len(house.probes) == 4
        assert "too_slow" in house.held[0][1]
        assert await house.called(apart_s=12.0) == "b"
        assert await house.called() == "b"
        assert len(house.probes) == 5  # what is open is asked once each time

    run(play())


def test_a_target_that_is_slow_for_good_comes_back_in_a_day() -> None:
    async def play() -> None:
        house = PacedHouse()
        for _ in range(FEW_MIN):
            await house.called()
        house.paced.call, house.paced.ping = lambda: SLOW, lambda: SLOW_PING
        apart_s, last = SETTLED_S / 288, ""
        for _ in range(280):
            last = await house.called(apart_s=apart_s)
        assert last == "b"
        for _ in range(20):
            await house.called(apart_s=apart_s)
        served = [await house.called() for _ in range(40)]
        assert served[-10:] == ["a"] * 10
        assert house.held == []

    run(play())


def spread(chance: random.Random, median: float, sigma: float) -> float:
    return chance.lognormvariate(0.0, sigma) * median


def natural(chance: random.Random, kind: str) -> Answer:
    """As a provider answers on a good day: first content after half a second, more for a long question (some 7,000
    tokens a second are read), 80 tokens a second written, all of it scattered; a model that thinks shows nothing
    before it has thought."""
    into, out, thought = spread(chance, 400, 1.0), spread(chance, 150, 1.0), 0.0
    if kind == "thinks":
        thought = spread(chance, 3000, 1.2)
    elif kind == "reads":
        into, out = min(spread(chance, 30_000, 0.8), 200_000), spread(chance, 40, 0.7)
    elif kind == "ping":
        into, out = 8, 1
    pace_s = spread(chance, 0.012, 0.3)
    first_s = spread(chance, 0.5, 0.6) + into * spread(chance, 0.000_15, 0.3) + thought * pace_s
    return Answer(first_s, out * pace_s, int(into), int(out + thought))


DAYS = {
    "chat": ("chat",),
    "thinking": ("thinks",),
    "long questions": ("reads",),
    "in turns of fifteen": ("chat",) * 15 + ("reads",) * 15 + ("thinks",) * 15,
    "all kinds": ("chat", "chat", "chat", "chat", "thinks", "reads"),
    "questions grow long": ("chat",) * 30 + ("reads",) * 100,
    "thinking is turned on": ("chat",) * 30 + ("thinks",) * 100,
}


@pytest.mark.parametrize("day", DAYS)
def test_a_target_that_is_well_is_never_taken_for_a_slow_one(day: str) -> None:
    async def play(seed: int) -> None:
        chance, house = random.Random(f"{seed} {day}"), PacedHouse()
        house.paced.ping = lambda: natural(chance, "ping")
        for at in range(150):
            kind = DAYS[day][at % len(DAYS[day])]
            house.paced.call = lambda kind=kind: natural(chance, kind)
            assert await house.called(chance.random() < 0.5) == "a"
        assert house.held == []

    for seed in range(6):
        run(play(seed))
