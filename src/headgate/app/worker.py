"""A data-plane worker: one process, one event loop, the page."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import uvloop

from headgate.admission import Admission, KeySource, SharedLedger, load_pepper
from headgate.app.children import Lifeline, Report, on_hangup
from headgate.app.config import Config
from headgate.app.gate import wire_gate
from headgate.app.generation import Generation
from headgate.app.published import compile_served
from headgate.app.roster import DRAINING, SERVING, Load, Seat
from headgate.core.errors import ConfigError
from headgate.core.ids import CallIds
from headgate.core.ports import Clock, Entropy, TimerHandle
from headgate.core.snapshot import Snapshot
from headgate.dialects import DIALECTS
from headgate.edge import DataPlane
from headgate.telemetry import EventLog, JournalSettings, LocalJournal
from headgate.wire.client import HttpTransport
from headgate.wire.clock import SystemClock, SystemEntropy
from headgate.wire.context import descriptors
from headgate.wire.limits import ServerLimits
from headgate.wire.server import HttpServer

DRAIN_S = 30.0
TELL_S = 1.0
IN_FLIGHT_MAX = 8192
_SPARE_DESCRIPTORS = 64
LOOK_S = 3600.0
_ACCEPTS_SHARED = 1  # at once, where workers share the socket: one must not take what all could serve
JOURNAL_FOLDER = "journal"
# calls leave no cycles behind, so what the collector looks at is alive: with the usual 700 it takes 2 us of each call
GC_THRESHOLD = (20_000, 20, 50)

log = logging.getLogger(__name__)


class Worker:
    """Everything of one worker. Made on the running loop; `close` ends it."""

    def __init__(self, config: Config, snapshot: Snapshot, clock: Clock, entropy: Entropy) -> None:
        self._background = ThreadPoolExecutor(1, "journal")
        self._clock = clock
        self.snapshot = snapshot
        state = config.state
        settings = JournalSettings(full=snapshot.journal_full)
        self.journal = LocalJournal(
            str(state / JOURNAL_FOLDER), "worker", clock, entropy, self._background.submit, settings
        )
        events = EventLog(self.journal, clock)
        ledger = SharedLedger.open(state, clock, sole=config.workers == 1)
        self.admission = Admission(
            KeySource(state, load_pepper(state, entropy)), clock, ledger, events, most_in_flight(config)
        )
        self.transport = HttpTransport(clock, ca_file=None if config.ca_file is None else str(config.ca_file))
        gate = wire_gate(self.admission, self.journal, self.transport, clock, entropy, events)
        self.plane = DataPlane(gate, lambda: self.snapshot, CallIds(clock, entropy), clock, DIALECTS, self._not_ready)
        self.server = HttpServer(
            self.plane, ServerLimits(accepts=_ACCEPTS_SHARED if config.workers > 1 else ServerLimits().accepts), clock
        )
        self.admission.watch()
        self.admission.shedder.watch()

    def _not_ready(self) -> str | None:
        """Why no more calls are wanted, for `/readyz`."""
        return "draining" if self.server.draining else self.admission.trouble

    def swap(self, snapshot: Snapshot) -> None:
        """New calls get this one; calls under way finish on the one they began with."""
        self.snapshot = snapshot
        self.journal.follow(snapshot.journal_full)
        gc.unfreeze()
        gc.collect()  # the one before, but for what calls under way still hold
        gc.freeze()

    async def close(self) -> None:
        """Let calls under way finish, then end the journal."""
        cut = await self.server.drain(DRAIN_S)
        if cut:
            log.warning("%d connections were cut at the end", cut)
        self.admission.stop()
        await self.transport.close()
        self._background.shutdown()
        self.journal.close()
        self.admission.close()


def most_in_flight(config: Config) -> int:
    """How many calls a worker serves at once: as configured, else as far as descriptors go, two of them a call."""
    if config.source.max_in_flight is not None:
        return config.source.max_in_flight
    return max(min(IN_FLIGHT_MAX, descriptors() // 2 - _SPARE_DESCRIPTORS), 1)


def run_worker(generation: Generation, sock: socket.socket, lifeline: Lifeline, slot: int) -> None:
    """Serve the socket until SIGTERM, or until the parent is gone; on SIGHUP read the configuration again."""
    uvloop.run(_serve(generation, sock, lifeline, slot))


async def _serve(generation: Generation, sock: socket.socket, lifeline: Lifeline, slot: int) -> None:
    stopped = stop_event(lifeline)
    clock, config = SystemClock(), generation.config
    worker = Worker(config, generation.snapshot, clock, SystemEntropy())
    seat = Seat(config.state, slot, clock.now_ns())
    gc.collect()
    gc.set_threshold(*GC_THRESHOLD)
    gc.freeze()  # what was loaded lives as long as the process: no collection needs to look at it again
    worker.server.listen(sock)
    telling = _Telling(worker, seat, clock)
    reloading = _Reloading(worker, generation, telling, clock)
    reloading.await_changes()
    on_hangup(reloading.begin)
    lifeline.report(Report(True))
    await stopped.wait()
    telling.state = DRAINING
    telling.tell()
    reloading.end()
    await worker.close()


class _Telling:
    """Keeps the worker's row of the roster up to date, from a timer."""

    def __init__(self, worker: Worker, seat: Seat, clock: Clock) -> None:
        self._worker = worker
        self._seat = seat
        self._clock = clock
        self.state = SERVING
        self._tick()

    def tell(self) -> None:
        """How the worker is now."""
        worker = self._worker
        journal = worker.journal
        server = worker.server
        load = Load(
            journal.in_flight, server.connections, journal.unsynced_bytes, journal.pending_lost, server.refused
        )  # fmt: skip
        self._seat.tell(self.state, worker.snapshot.digest, load, self._clock.now_ns())

    def _tick(self) -> None:
        self.tell()
        self._clock.call_later(TELL_S, self._tick)


class _Reloading:
    """Reads the configuration again, off the event loop, once for any number of signals that come meanwhile."""

    def __init__(self, worker: Worker, generation: Generation, telling: _Telling, clock: Clock) -> None:
        self._worker = worker
        self._generation = generation
        self._telling = telling
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "reload")
        self._running = self._again = False
        self._timer: TimerHandle | None = None

    def begin(self) -> None:
        """Read it; the next one, where one is being read."""
        if self._running:
            self._again = True
            return
        self._running = True
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._read)
        future.add_done_callback(self._done)

    def end(self) -> None:
        """Start no more."""
        self._again = False
        if self._timer is not None:
            self._timer.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def await_changes(self) -> None:
        """On the day on which a price changes or a model retires, compile what is in force anew."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        changes_ns = self._worker.snapshot.changes_ns
        if changes_ns is not None:
            wait_s = max((changes_ns - self._clock.now_ns()) / 1e9, 0.0) + 1.0
            self._timer = self._clock.call_later(min(wait_s, LOOK_S), self._look)

    def _look(self) -> None:
        """Looked at once an hour too: the wall clock may have been set."""
        self._timer = None
        changes_ns = self._worker.snapshot.changes_ns
        if changes_ns is None or self._clock.now_ns() < changes_ns:
            self.await_changes()
        elif self._running:
            self._timer = self._clock.call_later(1.0, self._look)
        else:
            self._running = True
            future = asyncio.get_running_loop().run_in_executor(self._thread, self._renew)
            future.add_done_callback(self._done)

    def _renew(self) -> Snapshot | None:
        """What is in force, at today's prices; None where the files are others than those in force."""
        made = self._read()
        if made is not None and made.digest != self._worker.snapshot.digest:
            log.warning("prices or models change today, and files changed without a reload: `headgate reload`")
            return None
        return made

    def _read(self) -> Snapshot | None:
        try:
            return compile_served(self._generation.reread(), self._clock).snapshot
        except (ConfigError, OSError) as error:
            log.error("the configuration could not be read again: %s", error)
            return None

    def _done(self, future: asyncio.Future[Snapshot | None]) -> None:
        snapshot = None if future.cancelled() else future.result()
        if snapshot is not None:
            self._worker.swap(snapshot)
            self._telling.tell()
            self.await_changes()
        self._running = False
        if self._again:
            self._again = False
            self.begin()


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
