"""A stream whose content drips, event by event, is given up; one that is at work in silence is not."""

from __future__ import annotations

import pytest

from headgate.core.ports import Deadlines
from headgate.routing.flow import READS_MIN, SPAN_NS, Flow
from tests.routing.scripted import GOOD, House, Reply
from tests.support.world import run

SECOND = 1_000_000_000
END = b"usage:3,2\nfinish:stop\nlast\n"


def judged(flow: Flow, *reads: tuple[float, int]) -> list[int]:
    """The seconds at which a stream of (seconds since the last, characters) was found too slow."""
    at, found = 0.0, []
    for seconds, chars in reads:
        at += seconds
        if flow.came(chars, int(at * SECOND)):
            found.append(int(at))
    return found


def test_a_drip_is_found_after_a_span() -> None:
    assert judged(Flow(1.0), *[(9.0, 4)] * 6) == [54]  # the first read is where the span begins


def test_one_slow_span_after_good_ones_is_enough() -> None:
    assert judged(Flow(1.0), *[(1.0, 20)] * 61, *[(9.0, 4)] * READS_MIN)


@pytest.mark.parametrize("read", [(1.0, 1), (6.0, 6), (0.02, 3), (29.0, 200)])
def test_what_is_as_fast_as_that_is_never_found(read: tuple[float, int]) -> None:
    assert judged(Flow(1.0), *[read] * 3000) == []


def test_few_reads_are_no_drip_and_keep_alives_stop_the_watch() -> None:
    assert judged(Flow(1.0), (0.0, 5), (50.0, 5), (50.0, 5), (1.0, 5)) == []
    assert judged(Flow(1.0), *[(20.0, 0), (20.0, 3)] * 100) == []
    assert SPAN_NS == 30 * SECOND


def test_an_answer_that_drips_after_the_commit_ends_typed() -> None:
    async def play() -> None:
        house = House()
        drip = [step for _ in range(10) for step in (25.0, b"text:x\n")]
        house.script("a", Reply(b"begin:m-1\ntext:hello\n", *drip, END))
        house.script("b", Reply(GOOD))
        told = await house.ask(house.route("a", "b"))
        assert told.upstream.kind == "too_slow"
        assert told.outcomes == [("a", "failed", "too_slow")]
        assert house.transport.inbounds[0].fate == "aborted"

    run(play())


def test_before_the_commit_another_target_answers() -> None:
    async def play() -> None:
        house = House()
        drip = [step for _ in range(10) for step in (10.0, b"text:x\n")]
        house.script("a", Reply(b"begin:m-1\n", *drip, END))
        house.script("b", Reply(GOOD))
        told = await house.ask(house.route("a", "b"), commit=False)
        assert told.answer == GOOD
        assert told.outcomes == [("a", "failed", "too_slow"), ("b", "ok", None)]

    run(play())


def test_a_route_may_take_it_however_slow_it_is() -> None:
    async def play() -> None:
        house = House()
        drip = [step for _ in range(10) for step in (25.0, b"text:x\n")]
        house.script("a", Reply(b"begin:m-1\ntext:hello\n", *drip, END))
        told = await house.ask(house.route("a", deadlines=Deadlines(min_rate=0.0)))
        assert told.error is None

    run(play())
