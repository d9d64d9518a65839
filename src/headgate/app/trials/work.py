"""Work on an event loop of its own, in the thread that asks for it, that other threads can end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from headgate.core.errors import Overloaded

T = TypeVar("T")


class Ended(Overloaded):
    """The work was ended from outside; the message says why."""


class Work:
    """Runs once. `end` may come before, meanwhile, or after."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._why: str | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result. Raises Ended, and what the work raises."""
        try:
            return asyncio.run(self._main(work))
        except asyncio.CancelledError:
            raise Ended(self._why or "ended") from None

    def end(self, why: str) -> None:
        """Cancel it; its clean-up runs."""
        with self._lock:
            self._why = self._why or why
            if self._loop is not None and self._end is not None:
                self._loop.call_soon_threadsafe(self._end.cancel)

    async def _main(self, work: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._why is not None:
                work.close()
                raise asyncio.CancelledError
            self._loop, self._end = asyncio.get_running_loop(), asyncio.current_task()
        try:
            return await work
        finally:
            with self._lock:
                self._loop = self._end = None
