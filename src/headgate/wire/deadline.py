"""A time limit around one awaitable that yields nothing, on the injected clock."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from headgate.core.ports import Clock
from headgate.wire.strand import running

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
        if expired and not _cancelling():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()


def _cancelling() -> bool:
    """Whether the caller itself, task or strand, is being cancelled."""
    strand, task = running(), asyncio.current_task()
    if strand is not None:
        return strand.cancelling
    return task is not None and task.cancelling() > 0
