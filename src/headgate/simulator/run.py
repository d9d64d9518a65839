"""`headgate simulate`: a simulator as a process of its own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from headgate.simulator.server import Simulator, serve
from headgate.simulator.settings import SimulatorSettings


def run(settings: SimulatorSettings, started: Callable[[Simulator], None] | None = None) -> None:
    """Serves until SIGINT or SIGTERM. `started` is told once it listens, to print the address for instance.

    Raises OSError where the address is taken, ValueError for a fault rule that says nothing."""
    asyncio.run(_until_stopped(settings, started))


async def _until_stopped(settings: SimulatorSettings, started: Callable[[Simulator], None] | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    simulator = await serve(settings)
    if started is not None:
        started(simulator)
    await stopped.wait()
    await simulator.close()
