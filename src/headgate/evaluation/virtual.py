"""Virtual time: an event loop whose clock jumps to the next timer, so that hours pass in seconds and replay exactly.

Time is integer nanoseconds. Nothing else moves it: callbacks take no time, executors run inline, a second thread is
refused. A loop that has nothing to run and nothing to wait for would hang for ever in real life: here it raises.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

from headgate.core.ports import TimerHandle

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH_NS = 1_764_028_800_000_000_000  # 2025-11-25T00:00:00Z: the wall clock of every virtual world at its start


class NothingLeft(RuntimeError):
    """Every task waits and no timer is set: the program under test has come to a halt."""


class _Time:
    """Stands where a loop has its selector: waiting is moving the clock."""

    def __init__(self) -> None:
        self.now_ns = 0

    def select(self, timeout: float | None) -> list[object]:
        """Let `timeout` seconds pass, at least a nanosecond where it is not 0."""
        if timeout is None:
            raise NothingLeft("every task waits and no timer is set")
        if timeout > 0:
            self.now_ns += max(round(timeout * 1e9), 1)
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """asyncio's own scheduling over virtual time. No sockets, no threads, no signals."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Time()
        self._clock_resolution = 1e-9  # the platform's own may be coarser, and would let timers fire early
        self._owner = threading.get_ident()
        self.faults: list[BaseException] = []
        self.set_exception_handler(_keep_fault)

    @property
    def now_ns(self) -> int:
        """Nanoseconds since the loop was made."""
        return self._selector.now_ns

    def time(self) -> float:
        """Seconds since the loop was made, for asyncio's own timers."""
        return self._selector.now_ns / 1e9

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Any = None
    ) -> asyncio.Handle:
        """From this thread as `call_soon`. Raises RuntimeError from any other: time would pass while it works."""
        if threading.get_ident() != self._owner:
            raise RuntimeError("a thread has no place in virtual time")
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Runs `func` here and now."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it raises belongs to whoever awaits it
            done.set_exception(error)
        return done

    def _process_events(self, event_list: list[object]) -> None:
        """There are no sockets, so there are no events."""

    def _write_to_self(self) -> None:
        """Nobody sleeps, so nobody needs waking."""


def _keep_fault(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio would only log is a failure of the run."""
    assert isinstance(loop, VirtualLoop)
    loop.faults.append(context.get("exception") or RuntimeError(str(context["message"])))


L = TypeVar("L", bound=VirtualLoop)


class VirtualClock:
    """Implements `core.ports.Clock` on a virtual loop."""

    __slots__ = ("_loop",)

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ns(self) -> int:
        """Wall clock: nanoseconds since the Unix epoch."""
        return EPOCH_NS + self._loop.now_ns

    def monotonic_ns(self) -> int:
        """Nanoseconds since the world began."""
        return self._loop.now_ns

    def seconds(self) -> float:
        """Seconds since the world began."""
        return self._loop.time()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> TimerHandle:
        """Run `callback` after `delay_s` virtual seconds."""
        return self._loop.call_later(delay_s, callback)

    async def sleep(self, delay_s: float, /) -> None:
        """Wait `delay_s` virtual seconds."""
        done: asyncio.Future[None] = self._loop.create_future()
        timer = self._loop.call_later(delay_s, _wake, done)
        try:
            await done
        finally:
            timer.cancel()


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


class SeededEntropy:
    """Implements `core.ports.Entropy`: SHAKE-256 over a counter, the same on every Python. Never for real secrets.

    `purpose` keeps streams of one seed apart, so that one part's draws do not shift another's.
    """

    __slots__ = ("_count", "_key")

    def __init__(self, seed: int, purpose: str) -> None:
        self._key = f"{seed}/{purpose}/".encode()
        self._count = 0

    def bytes(self, count: int, /) -> bytes:
        """The next `count` bytes."""
        self._count += 1
        return hashlib.shake_256(self._key + str(self._count).encode()).digest(count)

    def uniform(self) -> float:
        """A float in [0, 1) with 53 random bits."""
        return (int.from_bytes(self.bytes(8), "big") >> 11) / (1 << 53)


def run_virtual(loop: L, main: Callable[[L], Coroutine[Any, Any, T]]) -> T:
    """Runs `main` on a fresh virtual loop to its end, and closes the loop.

    Raises what `main` raises, NothingLeft where it comes to a halt, and the first exception that a callback or a
    forgotten task let fall.
    """
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(main(loop))
    if loop.faults:
        raise loop.faults[0]
    return result
