"""A second target asked beside one that dawdles."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from headgate.core.errors import UpstreamError
from headgate.core.record import answering
from headgate.core.snapshot import Hedging, Route
from headgate.core.types import Price
from headgate.routing.budget import HEDGES_AHEAD, HedgeBudget
from tests.routing.scripted import GOOD, WHOLE, House, Reply, Told, read_all
from tests.support.world import run

SOON = Hedging(after_s=0.5, share=1.0)
DAWDLES = Reply(b"begin:m-1\n", None)  # a head, and then nothing until it is called off
OTHER = b"begin:m-2\ntext:other\nusage:3,2\nfinish:stop\nlast\n"


def route(house: House, hedge: Hedging | None = SOON) -> Route:
    """a is asked first; both have a price."""
    targets = [house.target(name, price=Price(1.0, 2.0)) for name in "ab"]
    return msgspec.structs.replace(house.route(*targets), hedge=hedge)


async def turns() -> None:
    """Lets everyone who can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def ask(house: House, made: Route, *, stream: bool = True) -> Told:
    told = await house.ask(made, stream=stream)
    await asyncio.sleep(0)
    return told


async def late(house: House) -> asyncio.Future[Told]:
    """A call whose first target has been waited for until it was late."""
    asking = asyncio.ensure_future(ask(house, route(house)))
    await turns()
    house.clock.advance(0.6)
    await turns()
    return asking


@pytest.mark.parametrize(("stream", "answer"), [(True, OTHER), (False, OTHER.replace(b"last\n", b""))])
def test_the_second_answers_where_the_first_dawdles(stream: bool, answer: bytes) -> None:
    async def play() -> None:
        house = House()
        house.script("a", DAWDLES if stream else Reply(None))
        house.script("b", Reply(answer))
        told = await ask(house, route(house), stream=stream)
        assert told.error is None
        assert told.answer == answer
        first, second = told.record.attempts
        assert (first.provider, first.outcome, first.error) == ("a", "cut", None)
        assert (second.provider, second.outcome) == ("b", "ok")
        assert second.why.startswith("a hedge: a/m had shown nothing")
        assert (told.record.provider, told.batches[-1][0]) == ("b", 2)
        assert first.cost_usd is not None
        assert first.cost_usd > 0
        assert first.output_tokens == (0 if stream else second.output_tokens)
        assert house.transport.inbounds[0].fate == "aborted"
        assert house.routing.health.healthy(house.target("a"))

    run(play())


def test_no_second_is_asked_where_the_first_is_in_time() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(GOOD))
        house.script("b", Reply(OTHER))
        told = await ask(house, route(house))
        house.clock.advance(5.0)
        await asyncio.sleep(0)
        assert told.answer == GOOD
        assert house.transport.hosts() == ["a.m"]

    run(play())


def test_the_first_may_win_yet_and_the_second_is_dropped() -> None:
    async def play() -> None:
        house = House()
        goes_on = asyncio.Event()
        house.script("a", Reply(b"begin:m-1\n", goes_on, b"text:hello\nusage:3,2\nfinish:stop\nlast\n"))
        house.script("b", Reply(None))
        asking = await late(house)
        assert house.transport.hosts() == ["a.m", "b.m"]
        goes_on.set()
        told = await asking
        assert told.error is None
        assert told.answer == GOOD
        assert [(one.provider, one.outcome) for one in told.record.attempts] == [("a", "ok"), ("b", "cut")]
        assert (told.record.provider, told.batches[-1][0]) == ("a", 1)
        assert answering(told.record.attempts) is told.record.attempts[0]
        assert told.record.attempts[1].cost_usd is not None
        assert house.transport.inbounds[1].fate == "aborted"

    run(play())


@pytest.mark.parametrize("fails", [UpstreamError("connection_reset", "scripted"), b"error:overloaded\n"])
def test_where_the_first_fails_the_second_that_is_under_way_answers(fails: UpstreamError | bytes) -> None:
    async def play() -> None:
        house = House()
        goes_on, answers = asyncio.Event(), asyncio.Event()
        house.script("a", Reply(b"begin:m-1\n", goes_on, fails))
        house.script("b", Reply(answers, OTHER))
        asking = await late(house)
        goes_on.set()
        await turns()
        assert not asking.done()
        answers.set()
        told = await asking
        assert told.error is None
        assert told.answer == OTHER
        assert [(one.provider, one.outcome) for one in told.record.attempts] == [("a", "failed"), ("b", "ok")]
        assert house.transport.hosts() == ["a.m", "b.m"]

    run(play())


def test_a_client_that_leaves_ends_both() -> None:
    async def play() -> None:
        house = House()
        house.script("a", DAWDLES)
        house.script("b", Reply(b"begin:m-2\n", asyncio.Event()))
        screened = house.screened(route(house))
        record = screened.grounded.prompted.selected.admitted.call.record
        asking = asyncio.ensure_future(read_all(house, screened))
        await turns()
        house.clock.advance(0.6)
        await turns()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert house.transport.hosts() == ["a.m", "b.m"]
        assert [attempt.outcome for attempt in record.attempts] == ["cancelled", "cancelled"]
        assert [inbound.fate for inbound in house.transport.inbounds] == ["aborted", "aborted"]
        assert not house.routing._means.watch._waiting

    run(play())


def test_a_request_that_only_its_own_format_can_say_is_never_asked_twice() -> None:
    async def play() -> None:
        house = House()
        goes_on = asyncio.Event()
        house.script("a", Reply(b"begin:m-1\n", goes_on, b"text:hello\nfinish:stop\nlast\n"))
        house.script("b", Reply(OTHER))
        asking = asyncio.ensure_future(house.ask(route(house), say="private"))
        await turns()
        house.clock.advance(0.6)
        await turns()
        goes_on.set()
        assert (await asking).error is None
        assert house.transport.hosts() == ["a.m"]

    run(play())


def test_a_second_target_in_trouble_is_not_asked() -> None:
    async def play() -> None:
        house = House()
        goes_on = asyncio.Event()
        house.routing.health.failed(house.target("b"), UpstreamError("server_error", "scripted"))
        house.script("a", Reply(b"begin:m-1\n", goes_on, b"text:hello\nfinish:stop\nlast\n"))
        house.script("b", Reply(OTHER))
        asking = await late(house)
        goes_on.set()
        assert (await asking).record.provider == "a"
        assert house.transport.hosts() == ["a.m"]

    run(play())


def test_where_both_fail_the_call_fails_once() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"begin:m-1\n", 1.0, UpstreamError("connection_reset", "scripted")))
        house.script("b", Reply(b"server_error", status=500))
        told = await ask(house, route(house))
        assert told.upstream.kind in ("connection_reset", "server_error")
        assert [one.outcome for one in told.record.attempts] == ["failed", "failed"]

    run(play())


def test_nobody_is_asked_after_the_commit_and_nobody_where_the_budget_is_empty() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"begin:m-1\ntext:hel\n", 5.0, b"text:lo\nfinish:stop\nlast\n"))
        house.script("b", Reply(OTHER))
        told = await ask(house, route(house))
        assert told.error is None
        assert house.transport.hosts() == ["a.m"]
        house.script("a", Reply(b"begin:m-1\n", 1.0, b"text:hello\nfinish:stop\nlast\n"))
        told = await ask(house, route(house, Hedging(0.5, 0.0)))
        assert "b.m" not in house.transport.hosts()

    run(play())


def test_unasked_for_there_is_no_hedge() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"begin:m-1\n", 9.0, b"text:hello\nfinish:stop\nlast\n"))
        house.script("b", Reply(WHOLE))
        await ask(house, route(house, None))
        assert house.transport.hosts() == ["a.m"]

    run(play())


def test_automatic_waits_until_the_target_is_known() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"begin:m-1\n", 9.0, b"text:hello\nfinish:stop\nlast\n"))
        house.script("b", Reply(OTHER))
        made = route(house, Hedging(None, 1.0))
        await ask(house, made)
        assert house.transport.hosts() == ["a.m"]
        for _ in range(50):
            house.routing._means.paces.of(made.targets[0]).first.note(100_000)
        house.script("a", DAWDLES)
        assert (await ask(house, made)).record.provider == "b"

    run(play())


def test_the_budget_starts_empty_and_is_bounded() -> None:
    budget = HedgeBudget()
    assert not budget.take()
    for _ in range(20):
        budget.called(0.05)
    assert budget.take()
    assert not budget.take()
    for _ in range(10_000):
        budget.called(0.05)
    assert sum(budget.take() for _ in range(100)) == HEDGES_AHEAD


def test_a_second_that_may_not_be_followed_does_not_end_a_call_that_the_first_answers() -> None:
    async def play() -> None:
        house, go = House(), asyncio.Event()
        house.script("a", Reply(b"begin:m-1\n", go, GOOD[len(b"begin:m-1\n") :]))
        house.script("b", Reply(b"client_fault", status=400))
        asking = await late(house)
        go.set()
        told = await asking
        assert told.error is None
        assert told.outcomes == [("a", "ok", None), ("b", "failed", "client_fault")]

    run(play())


def test_where_the_first_fails_after_it_the_fault_of_the_request_is_told() -> None:
    async def play() -> None:
        house, go = House(), asyncio.Event()
        house.script("a", Reply(b"begin:m-1\n", go, UpstreamError("connection_reset", "scripted")))
        house.script("b", Reply(b"client_fault", status=400))
        asking = await late(house)
        go.set()
        told = await asking
        assert told.upstream.kind == "client_fault"
        assert told.outcomes == [("a", "failed", "connection_reset"), ("b", "failed", "client_fault")]

    run(play())
