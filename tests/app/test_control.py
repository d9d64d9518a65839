"""The control process ends its draining in order: nothing goes on beside the closing."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

from headgate.app.control import Control
from headgate.wire.clock import SystemClock
from tests.support.world import run


def test_a_step_under_way_is_waited_for() -> None:
    began, may_end = threading.Event(), threading.Event()
    ended: list[str] = []

    def step() -> int:
        began.set()
        may_end.wait(10)
        ended.append("step")
        return 1

    control = Control.__new__(Control)
    control.keeper = SimpleNamespace(step=step)  # type: ignore[assignment]
    control._clock = SystemClock()  # type: ignore[attr-defined]
    control._tend = lambda retain: None  # type: ignore[method-assign]

    async def stop_in_the_middle() -> None:
        stopped = asyncio.Event()
        keeping = asyncio.create_task(control.keep(stopped))
        await asyncio.to_thread(began.wait, 10)
        stopped.set()
        await asyncio.sleep(0.05)
        assert not keeping.done()
        may_end.set()
        await keeping
        ended.append("keep")

    run(stop_in_the_middle())
    assert ended == ["step", "keep"]
