"""Virtual time: it jumps, it is exact, and it never hides a halt."""

from __future__ import annotations

import asyncio
import threading

import pytest

from headgate.evaluation import NothingLeft, SeededEntropy, VirtualClock, VirtualLoop, run_virtual


def test_hours_pass_at_once_and_in_order() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[str, int]]:
        clock = VirtualClock(loop)
        seen: list[tuple[str, int]] = []

        async def after(seconds: float, name: str) -> None:
            await clock.sleep(seconds)
            seen.append((name, clock.monotonic_ns()))

        await asyncio.gather(after(14_400, "late"), after(0.25, "soon"), after(3600.000000001, "exact"))
        return seen

    assert run_virtual(VirtualLoop(), main) == [
        ("soon", 250_000_000),
        ("exact", 3_600_000_000_001),
        ("late", 14_400_000_000_000),
    ]


def test_wall_and_monotonic_time_move_together() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        clock = VirtualClock(loop)
        wall, monotonic = clock.now_ns(), clock.monotonic_ns()
        await clock.sleep(7.5)
        return clock.now_ns() - wall, clock.monotonic_ns() - monotonic

    assert run_virtual(VirtualLoop(), main) == (7_500_000_000, 7_500_000_000)


def test_what_happens_at_one_moment_happens_in_the_same_order_every_time() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        clock = VirtualClock(loop)
        seen: list[int] = []
        for number in range(200):
            timer = clock.call_later(1.0, lambda number=number: seen.append(number))
            if number % 3 == 0:
                timer.cancel()
        await clock.sleep(2.0)
        return seen

    first = run_virtual(VirtualLoop(), main)
    assert sorted(first) == [number for number in range(200) if number % 3]
    assert run_virtual(VirtualLoop(), main) == first


def test_a_cancelled_timer_does_not_fire_and_a_cancelled_sleep_leaves_none() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        clock = VirtualClock(loop)
        seen: list[str] = []
        clock.call_later(1.0, lambda: seen.append("never")).cancel()
        sleeper = asyncio.ensure_future(clock.sleep(1000.0))
        await clock.sleep(2.0)
        sleeper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeper
        assert clock.seconds() == 2.0
        return seen

    assert run_virtual(VirtualLoop(), main) == []


def test_a_program_that_waits_for_nothing_is_told_so() -> None:
    async def main(loop: VirtualLoop) -> None:
        await loop.create_future()

    with pytest.raises(NothingLeft):
        run_virtual(VirtualLoop(), main)


def test_a_thread_is_refused() -> None:
    async def main(loop: VirtualLoop) -> BaseException | None:
        caught: list[BaseException] = []

        def intrude() -> None:
            try:
                loop.call_soon_threadsafe(print)
            except RuntimeError as error:
                caught.append(error)

        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()
        return caught[0] if caught else None

    assert "thread" in str(run_virtual(VirtualLoop(), main))


def test_executors_run_inline() -> None:
    async def main(loop: VirtualLoop) -> tuple[int, int]:
        me = threading.get_ident()
        there = await loop.run_in_executor(None, threading.get_ident)
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 // 0)
        return me, there

    me, there = run_virtual(VirtualLoop(), main)
    assert me == there


def test_what_a_callback_lets_fall_fails_the_run() -> None:
    async def main(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop)
        clock.call_later(1.0, lambda: {}["missing"])
        await clock.sleep(2.0)

    with pytest.raises(KeyError):
        run_virtual(VirtualLoop(), main)


def test_entropy_is_its_seed_and_purpose() -> None:
    def draws(seed: int, purpose: str) -> list[float]:
        entropy = SeededEntropy(seed, purpose)
        return [entropy.uniform() for _ in range(1000)]

    assert draws(1, "a") == draws(1, "a")
    assert draws(1, "a") != draws(2, "a")
    assert draws(1, "a") != draws(1, "b")
    assert all(0 <= value < 1 for value in draws(1, "a"))
    assert 0.45 < sum(draws(3, "mean")) / 1000 < 0.55
    assert len(SeededEntropy(1, "x").bytes(640)) == 640
