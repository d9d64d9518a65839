"""Time and randomness of the real world, and the deadline built on it."""

from __future__ import annotations

import asyncio

import pytest

from headgate.wire.clock import SystemClock, SystemEntropy
from headgate.wire.deadline import within
from tests.support.world import ManualClock, run


def test_the_system_clock_ticks_and_calls_back() -> None:
    async def talk() -> None:
        clock = SystemClock()
        wall, mono = clock.now_ns(), clock.monotonic_ns()
        called = asyncio.Event()
        clock.call_later(0.001, called.set)
        clock.call_later(0.0005, lambda: pytest.fail("cancelled")).cancel()
        await called.wait()
        await clock.sleep(0.001)
        assert clock.now_ns() > wall
        assert clock.monotonic_ns() - mono >= 1_000_000

    run(talk())


def test_entropy() -> None:
    entropy = SystemEntropy()
    assert len(entropy.bytes(32)) == 32
    assert entropy.bytes(32) != entropy.bytes(32)
    assert all(0 <= entropy.uniform() < 1 for _ in range(100))
    assert SystemEntropy().uniform() != SystemEntropy().uniform()


def test_within_gives_the_result_the_error_or_the_timeout() -> None:
    async def talk() -> None:
        clock = ManualClock()
        ended: list[str] = []

        async def quick() -> int:
            return 7

        async def wrong() -> int:
            raise KeyError("x")

        async def slow() -> int:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("slow")
            return 0

        assert await within(clock, 1, quick()) == 7
        with pytest.raises(KeyError):
            await within(clock, 1, wrong())
        waiting = asyncio.ensure_future(within(clock, 1, slow()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        clock.advance(1)
        with pytest.raises(TimeoutError):
            await waiting
        assert ended == ["slow"]
        waiting = asyncio.ensure_future(within(clock, 1, slow()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert ended == ["slow", "slow"]

    run(talk())
