"""A data-plane worker: one process, one event loop, the page."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import uvloop

from headgate.admission import Admission, KeySource, load_pepper
from headgate.app.children import Lifeline, Report
from headgate.app.config import Config
from headgate.app.gate import wire_gate
from headgate.core.ids import CallIds
from headgate.core.ports import Clock, Entropy
from headgate.core.snapshot import Snapshot
from headgate.dialects import DIALECTS
from headgate.edge import DataPlane
from headgate.telemetry import JournalSettings, LocalJournal
from headgate.wire.client import HttpTransport
from headgate.wire.clock import SystemClock, SystemEntropy
from headgate.wire.limits import ServerLimits
from headgate.wire.server import HttpServer

DRAIN_S = 30.0
JOURNAL_FOLDER = "journal"
# calls leave no cycles behind, so what the collector looks at is alive: with the usual 700 it takes 2 us of each call
GC_THRESHOLD = (20_000, 20, 50)

log = logging.getLogger(__name__)


class Worker:
    """Everything of one worker. Made on the running loop; `close` ends it."""

    def __init__(self, config: Config, snapshot: Snapshot, clock: Clock, entropy: Entropy) -> None:
        self._background = ThreadPoolExecutor(1, "journal")
        state = config.state
        self.admission = Admission(KeySource(state, load_pepper(state, entropy)), clock)
        settings = JournalSettings(full=snapshot.journal_full)
        self.journal = LocalJournal(
            str(state / JOURNAL_FOLDER), "worker", clock, entropy, self._background.submit, settings
        )
        self.transport = HttpTransport(clock, ca_file=None if config.ca_file is None else str(config.ca_file))
        gate = wire_gate(self.admission, self.journal, self.transport, clock, entropy)
        self.plane = DataPlane(gate, lambda: snapshot, CallIds(clock, entropy), clock, DIALECTS, self._not_ready)
        self.server = HttpServer(self.plane, ServerLimits(), clock)
        self.admission.watch()

    def _not_ready(self) -> str | None:
        """Why no more calls are wanted, for `/readyz`."""
        return "draining" if self.server.draining else self.admission.trouble

    async def close(self) -> None:
        """Let calls under way finish, then end the journal."""
        cut = await self.server.drain(DRAIN_S)
        if cut:
            log.warning("%d connections were cut at the end", cut)
        self.admission.stop()
        await self.transport.close()
        self._background.shutdown()
        self.journal.close()


def run_worker(config: Config, snapshot: Snapshot, sock: socket.socket, lifeline: Lifeline) -> None:
    """Serve the socket until SIGTERM, or until the parent is gone."""
    uvloop.run(_serve(config, snapshot, sock, lifeline))


async def _serve(config: Config, snapshot: Snapshot, sock: socket.socket, lifeline: Lifeline) -> None:
    stopped = stop_event(lifeline)
    worker = Worker(config, snapshot, SystemClock(), SystemEntropy())
    gc.collect()
    gc.set_threshold(*GC_THRESHOLD)
    gc.freeze()  # what was loaded lives as long as the process: no collection needs to look at it again
    worker.server.listen(sock)
    lifeline.report(Report(True))
    await stopped.wait()
    await worker.close()


def stop_event(lifeline: Lifeline) -> asyncio.Event:
    """Set when the process is to end: SIGTERM, or the parent gone."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        loop.remove_reader(lifeline.parent_gone)
        stopped.set()

    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_reader(lifeline.parent_gone, stop)
    return stopped
