"""A strand runs a coroutine as a task would: the same waits, the same cancellations, without the loop's turns."""

from __future__ import annotations

import asyncio
import gc
from types import CoroutineType

import pytest

from headgate.wire.deadline import within
from headgate.wire.strand import Strand, park, running
from tests.support.world import ManualClock, run


class Ends:
    """Remembers how strands ended."""

    def __init__(self) -> None:
        self.told: list[BaseException | None] = []

    def __call__(self, error: BaseException | None) -> None:
        self.told.append(error)


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_work_that_waits_for_nothing_is_over_at_once() -> None:
    async def scene() -> None:
        ends, seen = Ends(), list[Strand | None]()

        async def work() -> None:
            seen.append(running())

        strand = Strand(asyncio.get_running_loop(), work(), ends)
        strand.start()
        assert ends.told == [None]
        assert seen == [strand]
        assert running() is None

    run(scene())


def test_a_parked_strand_goes_on_within_the_call_that_wakes_it() -> None:
    async def scene() -> None:
        ends, steps = Ends(), list[str]()

        async def work() -> None:
            strand = running()
            assert strand is not None
            await park(strand)
            steps.append("on")

        strand = Strand(asyncio.get_running_loop(), work(), ends)
        strand.start()
        assert not ends.told
        strand.go_on()
        assert steps == ["on"]
        assert ends.told == [None]

    run(scene())


def test_futures_sleeps_and_tasks_are_awaited_as_in_a_task() -> None:
    async def scene() -> None:
        loop, ends, got = asyncio.get_running_loop(), Ends(), list[object]()
        future: asyncio.Future[int] = loop.create_future()

        async def other() -> str:
            await asyncio.sleep(0)
            assert running() is None  # a task is not the strand that started it
            return "task"

        async def work() -> None:
            await asyncio.sleep(0)
            got.append(await future)
            got.append(await loop.create_task(other()))

        Strand(loop, work(), ends).start()
        await turns(2)
        future.set_result(7)
        await turns(6)
        assert got == [7, "task"]
        assert ends.told == [None]

    run(scene())


@pytest.mark.parametrize("wait", ["park", "future", "task", "turn"])
def test_a_cancellation_is_raised_where_it_waits_after_its_caller_has_gone_on(wait: str) -> None:
    async def scene() -> None:
        loop, ends, steps = asyncio.get_running_loop(), Ends(), list[str]()
        never: asyncio.Future[None] = loop.create_future()

        async def forever() -> None:
            await never

        async def work() -> None:
            strand = running()
            assert strand is not None
            try:
                if wait == "park":
                    await park(strand)
                elif wait == "future":
                    await never
                elif wait == "task":
                    await loop.create_task(forever())
                else:
                    await asyncio.sleep(0)
            except asyncio.CancelledError:
                steps.append("cleaned up")
                raise

        strand = Strand(loop, work(), ends)
        strand.start()
        strand.cancel()
        assert steps == []
        await turns(5)
        assert steps == ["cleaned up"]
        assert [type(error) for error in ends.told] == [asyncio.CancelledError]
        strand.cancel()  # harmless afterwards
        await turns()

    run(scene())


def test_a_strand_that_cancels_itself_ends_at_its_next_wait() -> None:
    async def scene() -> None:
        ends, steps = Ends(), list[str]()

        async def work() -> None:
            strand = running()
            assert strand is not None
            strand.cancel()
            steps.append("still here")
            await park(strand)
            steps.append("never")

        Strand(asyncio.get_running_loop(), work(), ends).start()
        await turns()
        assert steps == ["still here"]
        assert [type(error) for error in ends.told] == [asyncio.CancelledError]

    run(scene())


def test_one_strand_may_wake_another_and_each_knows_itself() -> None:
    async def scene() -> None:
        loop, ends, seen = asyncio.get_running_loop(), Ends(), list[bool]()

        async def sleeper() -> None:
            strand = running()
            assert strand is not None
            await park(strand)
            seen.append(running() is strand)

        async def waker(other: Strand) -> None:
            me = running()
            other.go_on()
            seen.append(running() is me and me is not other)

        first = Strand(loop, sleeper(), ends)
        first.start()
        Strand(loop, waker(first), ends).start()
        assert seen == [True, True]

    run(scene())


def test_a_client_that_leaves_while_a_time_limit_expires_is_gone_and_not_late() -> None:
    async def scene() -> None:
        clock, ends = ManualClock(), Ends()
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def slow() -> None:
            await never

        async def work() -> None:
            await within(clock, 1.0, slow())

        strand = Strand(asyncio.get_running_loop(), work(), ends)
        strand.start()
        await turns(1)
        clock.advance(2.0)
        strand.cancel()
        await turns(5)
        assert [type(error) for error in ends.told] == [asyncio.CancelledError]

        late = Ends()
        Strand(asyncio.get_running_loop(), work(), late).start()
        await turns(1)
        clock.advance(2.0)
        await turns(5)
        assert [type(error) for error in late.told] == [TimeoutError]

    run(scene())


def test_what_ended_leaves_nothing_for_the_collector() -> None:
    """Nothing of ours: other threads of the test run leave what they like."""

    async def scene() -> None:
        async def work() -> None:
            raise RuntimeError

        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            Strand(asyncio.get_running_loop(), work(), lambda error: None).start()
            gc.collect()
            assert [one for one in gc.garbage if isinstance(one, Strand | CoroutineType | RuntimeError)] == []
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    run(scene())
