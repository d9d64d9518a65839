"""Retries: as many as help, and no more when everything fails."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headgate.core.snapshot import Route
from headgate.routing.breaker import WINDOW_S
from headgate.routing.budget import RETRIES_MIN, RETRIES_SHARE, RetryBudget
from tests.routing.scripted import GOOD, House, Reply
from tests.support.world import ManualClock, run


def within(at_ns: int, now_ns: int) -> bool:
    """Buckets of ten seconds: the window is 50 to 60 s long."""
    return at_ns // 10**10 > now_ns // 10**10 - WINDOW_S // 10


@given(st.lists(st.tuples(st.floats(0.0, 5.0), st.booleans()), max_size=200))
def test_no_window_holds_more_than_its_share(steps: list[tuple[float, bool]]) -> None:
    clock = ManualClock()
    budget = RetryBudget(clock)
    calls: list[int] = []
    retries: list[int] = []
    for seconds, retry in steps:
        clock.advance(seconds)
        now = clock.monotonic_ns()
        if not retry:
            budget.called()
            calls.append(now)
            continue
        recent = sum(within(at, now) for at in calls)
        spent = sum(within(at, now) for at in retries)
        granted = budget.take()
        assert granted == (spent + 1 <= recent * RETRIES_SHARE + RETRIES_MIN)
        if granted:
            retries.append(now)


def test_so_many_are_granted_where_nobody_calls() -> None:
    clock = ManualClock()
    budget = RetryBudget(clock)
    assert [budget.take() for _ in range(5)] == [True] * RETRIES_MIN + [False] * 2
    clock.advance(WINDOW_S)
    assert budget.take()


def test_with_everything_failing_each_call_is_one_try() -> None:
    async def play() -> None:
        house = House()
        route = everything_fails(house)
        for _ in range(200):
            told = await house.ask(route)
            assert told.error is not None
            house.clock.advance(0.5)
        assert len(house.transport.requests) <= 200 * 1.2
        assert told.upstream.retry_after_s is not None
        assert {skip.why for skip in told.record.skipped} == {
            "every target is in trouble: only the best of them is asked"
        }

    run(play())


def test_beyond_the_budget_a_shaky_target_is_not_asked() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"server_error", status=500), Reply(b"server_error", status=500), Reply(GOOD))
        house.script("b", Reply(b"server_error", status=500), Reply(GOOD))
        route = house.route("a", "b")
        assert (await house.ask(route)).outcomes == [("a", "failed", "server_error"), ("b", "failed", "server_error")]
        while house.routing.budget.take():
            pass
        told = await house.ask(route)
        assert told.outcomes == [("a", "failed", "server_error")]
        assert told.record.skipped[-1].why.startswith("it may be in trouble too, and there were as many retries")
        assert (await house.ask(route)).error is None

    run(play())


def test_a_failover_to_a_healthy_target_is_never_starved() -> None:
    async def play() -> None:
        house = House()
        failing, well = Reply(b"server_error", status=500), Reply(GOOD)
        house.script("a", *([failing, well, well] * 200))
        house.script("b", Reply(GOOD))
        route = house.route("a", "b")
        for _ in range(500):
            assert (await house.ask(route)).error is None
            house.clock.advance(0.01)
        assert house.transport.hosts().count("b.m") >= 150

    run(play())


def everything_fails(house: House) -> Route:
    for name in "abc":
        house.script(name, Reply(b"server_error", status=503))
    return house.route("a", "b", "c")
