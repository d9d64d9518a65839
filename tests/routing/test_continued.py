"""Whole calls whose answer is gone on with at another target: how long they may take, and who is owed what."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from headgate.core.chat import Begin, Finish, TextDelta, UsageDelta
from headgate.core.errors import UpstreamError
from headgate.core.ports import Deadlines
from headgate.core.record import CallRecord
from headgate.core.snapshot import Route, Snapshot
from headgate.core.stages import Admitted, Call, Funded, Grounded, KeyInfo, Prompted, Screened, Selected
from headgate.core.types import Price, Usage
from headgate.dialects import DIALECTS
from headgate.routing import Routing
from headgate.telemetry.cost import settle
from tests.dialects.wires import ask, meta, plain_body, write_stream
from tests.routing.scripted import House, LineEndpoint, Reply
from tests.support.world import SeededEntropy, run

REST = write_stream("openai", [Begin("y", "m2"), TextDelta(" and the rest."), Finish("stop"), UsageDelta(Usage(30, 5))])
BROKEN = UpstreamError("connection_reset", "scripted")
OUT_USD = 2e-6


class Vendors(House):
    """Targets that speak OpenAI's dialect."""

    def __init__(self) -> None:
        super().__init__()
        self.dialects = DIALECTS
        self.routing = Routing(self.transport, self.clock, SeededEntropy(), DIALECTS, self)
        self.endpoints = {name: LineEndpoint(name, "openai") for name in "abc"}

    def going_on(self, deadlines: Deadlines | None = None) -> Route:
        """a is asked; b, then c go on."""
        priced = [self.target(name, price=Price(1.0, OUT_USD * 1e6)) for name in "abc"]
        route = self.route(priced[0], deadlines=deadlines, attempts=3)
        return msgspec.structs.replace(route, continue_with=tuple(priced[1:]))

    def screened(self, route: Route, **_: object) -> Screened:
        body = plain_body("openai")
        call = Call("call_1", "openai", Snapshot("", 0, {}, None, None, {}), record(self), self.clock.monotonic_ns())
        call.body = body
        selected = Selected(Admitted(call, KeyInfo("k", "k", "t")), ask("openai", body), route)
        return Screened(Grounded(Prompted(selected, body), body), body)


def record(house: House) -> CallRecord:
    made = CallRecord("call_1", house.clock.now_ns(), "openai")
    made.stream = True
    return made


def beginning(text: str) -> bytes:
    return DIALECTS["openai"].writer(True, meta("openai")).write([Begin("x", "m"), TextDelta(text)])


def test_the_calls_time_holds_for_all_its_parts() -> None:
    async def play() -> None:
        house = Vendors()
        house.script("a", Reply(beginning("Hello there, my friend"), 10.5, UpstreamError("total_timeout", "scripted")))
        house.script("b", Reply(REST))
        told = await house.ask(house.going_on(Deadlines(3, 5, 5, 10)))
        assert told.outcomes == [("a", "failed", "total_timeout")]
        assert told.upstream.kind == "total_timeout"

    run(play())


def test_each_target_is_owed_for_what_it_said_itself() -> None:
    async def play() -> None:
        house = Vendors()
        house.script("a", Reply(beginning("x" * 400), BROKEN))
        house.script("b", Reply(b"overloaded", status=503))
        house.script("c", Reply(REST))
        told = await house.ask(house.going_on())
        a, b, c = told.record.attempts
        assert (a.output_tokens, b.output_tokens, c.output_tokens) == (100, None, 5)
        assert (b.input_tokens, b.cost_usd) == (None, None)

    run(play())


def test_who_stands_in_for_a_model_that_is_gone_has_a_price_where_usage_is_not_told() -> None:
    async def play() -> None:
        house = House()
        new = house.target("a.new", price=Price(1.0, 2.0))
        house.script("a.m", Reply(b"model_gone", status=404))
        house.script("a.new", Reply(b"begin:x\ntext:hello\nfinish:stop\nlast\n"))
        screened = house.screened(house.route(house.target("a.m", price=Price(9.0, 9.0), successor=new)))
        kept = screened.grounded.prompted.selected.admitted.call.record
        funded = Funded(house.routing.plan(screened))
        async with house.routing.send(funded) as upstream:
            while await upstream.read() is not None:
                upstream.commit()
        kept.outcome, kept.finish, kept.committed = "ok", "stop", True
        settle(kept, funded, None, 5)
        assert kept.cost_usd == pytest.approx((funded.planned.input_tokens * 1.0 + 2 * 2.0) / 1e6)

    run(play())


def test_a_client_that_leaves_the_second_part_pays_for_both() -> None:
    async def play() -> None:
        house = Vendors()
        house.script("a", Reply(beginning("x" * 400), BROKEN))
        house.script("b", Reply(beginning("y" * 4000), asyncio.Event()))
        screened = house.screened(house.going_on())
        kept = screened.grounded.prompted.selected.admitted.call.record
        funded = Funded(house.routing.plan(screened))

        async def left() -> None:
            async with house.routing.send(funded) as upstream:
                while await upstream.read() is not None:
                    upstream.commit()

        task = asyncio.ensure_future(left())
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        kept.outcome, kept.committed = "cancelled", True
        settle(kept, funded, None, 4400)
        assert [attempt.output_tokens for attempt in kept.attempts] == [100, 1000]
        assert kept.output_tokens == 1100
        assert kept.cost_usd is not None
        assert kept.cost_usd > 1100 * OUT_USD

    run(play())
