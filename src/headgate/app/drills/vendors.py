"""The simulated vendors at the far end of connections in memory."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.core.ports import Clock, TimerHandle
from headgate.evaluation import Line
from headgate.simulator import Abort, Close, Send, Simulator, Step, Wait, take_request


class VendorPeer:
    """Implements `evaluation.Peer`: serves one connection by the simulator's steps, as its server does on a socket.

    What is sent without a pause between arrives in one piece. A hanging answer is held for `hold_s` seconds.
    """

    __slots__ = ("_buffer", "_clock", "_line", "_served", "_simulator", "_steps", "_timer", "_unsent")

    def __init__(self, simulator: Simulator, clock: Clock, line: Line) -> None:
        self._simulator = simulator
        self._clock = clock
        self._line = line
        self._buffer = b""
        self._served = 0
        self._steps: Iterator[Step] | None = None
        self._unsent: list[bytes] = []
        self._timer: TimerHandle | None = None

    def received(self, data: bytes) -> None:
        """More of a request. Raises BadRequest: the gateway's client never sends what is none."""
        self._buffer += data
        if self._steps is None:
            self._begin()

    def resumed(self) -> None:
        """The client reads again."""
        if self._timer is None and self._steps is not None:
            self._play(self._steps)

    def left(self) -> None:
        """The connection is over."""
        self._steps = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        taken = take_request(self._buffer)
        if taken is None:
            return
        request, self._buffer = taken
        self._served += 1
        self._steps = iter(self._simulator.steps(request, self._served))
        self._play(self._steps)

    def _play(self, steps: Iterator[Step]) -> None:
        """Carries out steps up to the next pause."""
        unsent = self._unsent
        for step in steps:
            if isinstance(step, Send):
                unsent.append(step.data)
                continue
            if not self._flush():
                return
            if isinstance(step, Wait):
                self._timer = self._clock.call_later(step.seconds, self._waited)
            elif isinstance(step, Close):
                self._line.finish()
            elif isinstance(step, Abort):
                self._line.reset()
            else:
                self._timer = self._clock.call_later(self._simulator.settings.hold_s, self._line.finish)
            return
        if self._flush():
            self._steps = None
            self._begin()

    def _waited(self) -> None:
        self._timer = None
        if self._steps is not None and not self._line.paused:
            self._play(self._steps)

    def _flush(self) -> bool:
        """Sends what was written; False where the client is gone."""
        data = b"".join(self._unsent)
        self._unsent.clear()
        return self._line.deliver(data) if data else True
