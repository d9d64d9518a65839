"""The injected world for tests: a clock that moves when told, seeded randomness, and a runner with a deadline."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Handle:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualClock:
    """Implements `core.ports.Clock`. Time stands still until `advance`; due callbacks run in order."""

    def __init__(self, now_ns: int = 1_760_000_000_000_000_000) -> None:
        self.wall_ns = now_ns
        self.mono_ns = 1_000_000_000
        self._timers: list[tuple[int, int, _Handle]] = []
        self._count = 0

    def now_ns(self) -> int:
        return self.wall_ns

    def monotonic_ns(self) -> int:
        return self.mono_ns

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> _Handle:
        handle = _Handle(callback)
        self._count += 1
        heapq.heappush(self._timers, (self.mono_ns + round(delay_s * 1e9), self._count, handle))
        return handle

    async def sleep(self, delay_s: float) -> None:
        done = asyncio.get_running_loop().create_future()
        handle = self.call_later(delay_s, lambda: done.done() or done.set_result(None))
        try:
            await done
        finally:
            handle.cancel()

    def advance(self, seconds: float) -> None:
        """Move both clocks, running what falls due on the way."""
        end = self.mono_ns + round(seconds * 1e9)
        while self._timers and self._timers[0][0] <= end:
            due, _, handle = heapq.heappop(self._timers)
            if handle.callback is None:
                continue
            self.wall_ns += max(due - self.mono_ns, 0)
            self.mono_ns = max(due, self.mono_ns)
            callback, handle.callback = handle.callback, None
            callback()
        self.wall_ns += end - self.mono_ns
        self.mono_ns = end


class SeededEntropy:
    """Implements `core.ports.Entropy`, repeatably."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def uniform(self) -> float:
        return self._random.random()


def run(work: Coroutine[Any, Any, T], timeout_s: float = 30.0) -> T:
    """Run a coroutine on a fresh loop; a hang is a failure, never a stuck suite."""

    async def bounded() -> T:
        return await asyncio.wait_for(work, timeout_s)

    return asyncio.run(bounded())
