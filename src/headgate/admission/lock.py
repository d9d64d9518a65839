"""A lock between processes that the kernel frees at its holder's death, and that nobody waits for without end."""

from __future__ import annotations

import fcntl
import select

# how often it is tried, and how long after each time; half a second in all, since a holder may be out of a busy CPU
WAITS_S = (*[0.0] * 10, *[0.000_1] * 200, *[0.001] * 400)

_TAKE = fcntl.LOCK_EX | fcntl.LOCK_NB


class KernelLock:
    """`flock` on a descriptor that was opened by this process itself: a fork shares a descriptor's lock.

    It is held for microseconds. A holder that was stopped in between keeps it, so a wait ends after about half a second
    (WAITS_S), and then nobody waits at all until the lock was had once more.
    """

    __slots__ = ("_descriptor", "_patient", "held")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._patient = True
        self.held = False

    def take(self) -> bool:
        """Whether the lock is ours now. One that was kept costs nothing."""
        if self.held:
            return True
        try:
            fcntl.flock(self._descriptor, _TAKE)
        except BlockingIOError:
            return self._wait()
        self._patient = self.held = True
        return True

    def hope(self) -> None:
        """Wait in full again, though the lock was not had."""
        self._patient = True

    def free(self) -> None:
        """Let go of it."""
        self.held = False
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _wait(self) -> bool:
        for pause_s in WAITS_S if self._patient else ():
            select.select((), (), (), pause_s)
            try:
                fcntl.flock(self._descriptor, _TAKE)
            except BlockingIOError:
                continue
            self.held = True
            return True
        self._patient = False
        return False


class NoLock:
    """For a ledger that only one process knows."""

    __slots__ = ()
    held = False

    def take(self) -> bool:
        """Always."""
        return True

    def hope(self) -> None:
        """There is nobody to wait for."""

    def free(self) -> None:
        """Nothing is held."""
