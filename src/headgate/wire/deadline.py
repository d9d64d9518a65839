"""A time limit around one awaitable that yields nothing, on the injected clock."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from headgate.core.ports import Clock

T = TypeVar("T")


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which runs as a task of its own and is cancelled after `seconds`.

    Raises TimeoutError then; a cancellation from outside passes through and cancels the work too.
    """
    task = asyncio.get_running_loop().create_task(work)
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        task.cancel()

    timer = clock.call_later(seconds, expire)
    try:
        return await task
    except asyncio.CancelledError:
        me = asyncio.current_task()
        if expired and not (me is not None and me.cancelling()):
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
