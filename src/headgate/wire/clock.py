"""The real clock and the real randomness: the one place where the process asks the operating system for either."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable

from headgate.core.ports import TimerHandle


class SystemClock:
    """Implements `core.ports.Clock` with the system's clocks and the running event loop's timers."""

    __slots__ = ()

    now_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)
    sleep = staticmethod(asyncio.sleep)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> TimerHandle:
        """Run `callback` on the running loop after `delay_s` seconds. Raises RuntimeError where no loop runs."""
        return asyncio.get_running_loop().call_later(delay_s, callback)


class SystemEntropy:
    """Implements `core.ports.Entropy` with the kernel's generator; jitter comes from a cheaper one seeded by it."""

    __slots__ = ("_jitter",)

    bytes = staticmethod(os.urandom)

    def __init__(self) -> None:
        self._jitter = random.Random(os.urandom(16))  # noqa: S311 - jitter and sampling, never secrets

    def uniform(self) -> float:
        """A float in [0, 1), for jitter and sampling; not for secrets."""
        return self._jitter.random()
