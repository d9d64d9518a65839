"""Forked children and the signals they get while they start."""

from __future__ import annotations

import asyncio
import os
import signal

from headgate.app.children import Lifeline, Report, fork, on_hangup
from headgate.wire.clock import SystemClock


def test_a_reload_that_comes_while_a_child_starts_is_not_lost() -> None:
    go_read, go_write = os.pipe()

    async def start(lifeline: Lifeline) -> None:
        os.read(go_read, 1)
        heard = asyncio.Event()
        on_hangup(heard.set)
        asyncio.get_running_loop().call_later(5.0, lifeline.report, Report(False))
        await heard.wait()
        lifeline.report(Report(True))

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        child = fork("child", lambda lifeline: asyncio.run(start(lifeline)), {signal.SIGHUP}, [])
        child.signal(signal.SIGHUP)
        os.write(go_write, b"g")
        report = child.wait_ready(20.0, SystemClock())
        child.signal(signal.SIGKILL)
        os.waitpid(child.pid, 0)
        child.close()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(go_read)
        os.close(go_write)
    assert report.ready
