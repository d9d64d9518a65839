"""The control process: owns keys and the store of calls, drains journals, serves the management API."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hmac
import logging
import os
import socket
from collections.abc import Callable, Generator
from pathlib import Path

import msgspec
import uvicorn
from starlette.concurrency import run_in_threadpool

import headgate
from headgate import admission, registry, telemetry
from headgate.admission import KeyDesk, LimitDesk, SharedLedger, load_pepper
from headgate.app import lifecycle, operations
from headgate.app.answering import Answering
from headgate.app.children import Lifeline, Report, on_hangup
from headgate.app.config import Config
from headgate.app.drafts import load_draft
from headgate.app.folder import write_whole
from headgate.app.generation import Generation
from headgate.app.hearing import Hearing
from headgate.app.lifecycle import LifecycleMonitor
from headgate.app.registry import RegistryHost
from headgate.app.supervisor import url_of
from headgate.app.trials import Places, Suites, TrialDesk, suite_handlers
from headgate.app.trials import handlers as trial_handlers
from headgate.app.webhook import Webhook
from headgate.app.worker import GC_THRESHOLD, JOURNAL_FOLDER, stop_event
from headgate.core.calls import Retention
from headgate.core.errors import ConfigError, StoreUnavailable
from headgate.core.handlers import Actor, Handler
from headgate.core.keys import EVERY_TENANT
from headgate.core.ports import Clock, Entropy
from headgate.core.roles import allow
from headgate.edge.management import Authenticate, management_app
from headgate.prompts import Adoption, Coverages, Discovery, discovery_handlers, langfuse_handlers
from headgate.stores.calls_sqlite import SqliteCalls
from headgate.stores.control import ControlStore
from headgate.stores.events_sqlite import SqliteEvents
from headgate.stores.prompts_sqlite import SqlitePrompts
from headgate.stores.scores_sqlite import SqliteScores
from headgate.telemetry import Aside, EventLog, Keeper, Metrics, Queries, ScoreDesk, fold
from headgate.wire.client import HttpTransport
from headgate.wire.clock import SystemClock, SystemEntropy

CALLS_FOLDER = "calls"
EVENTS_DAYS = 400  # they are few, and a year ago is worth comparing with
DAY_NS = 86_400_000_000_000
ADDRESS_FILE = "management.json"
LOCAL = "local"
DRAIN_S = 0.25
PUBLISH_TICKS = 20
RETAIN_TICKS = 14_400

log = logging.getLogger(__name__)


class Told(msgspec.Struct):
    """Where the management API of this state folder is, and a token for whoever may read the folder.

    The same user can read the pepper and the key database beside it: the token opens nothing that was closed.
    """

    url: str
    token: str
    pid: int


class Control:
    """Everything of the control process but its server."""

    def __init__(self, generation: Generation, clock: Clock, entropy: Entropy) -> None:
        config = generation.config
        state = config.state
        self._clock = clock
        self._state = state
        self._retention = Retention(config.source.retention_days)
        self.keys = ControlStore(state)
        self.calls = SqliteCalls(state / CALLS_FOLDER, fold)
        self.desk = KeyDesk(self.keys, state, load_pepper(state, entropy), clock, entropy, self.calls)
        self.limits = LimitDesk(self.keys, self.desk, SharedLedger.look(state, clock), clock)
        self.metrics = Metrics(lambda: operations.worker_gauges(state))
        self.events = SqliteEvents(state / CALLS_FOLDER)
        self.scores = SqliteScores(state / CALLS_FOLDER)
        self.prompts = SqlitePrompts(state / CALLS_FOLDER)
        self.discovery = Discovery(self.prompts, self.calls, clock, lambda: self._retention.calls_days)
        self.scoring = ScoreDesk(self.scores, self.calls, clock, entropy, lambda: self._retention.calls_days)
        self.webhook = None if config.webhook is None else Webhook(config.webhook, HttpTransport(clock), clock)
        listeners = [self.metrics.count_events, *([] if self.webhook is None else [self.webhook.offer])]
        self.hearing = Hearing(self.events, listeners, entropy.bytes(6).hex())
        self.lifecycle = LifecycleMonitor(generation.reread, self.calls, state, EventLog(self.hearing, clock), clock)
        self.answering = Answering(state, EventLog(self.hearing, clock), clock)
        self.host = RegistryHost(
            self.keys.registry(), generation.reread, operations.Reloader(state, os.getppid(), clock).reload, clock
        )
        places = Places()
        self.trials = TrialDesk(self.host, places, clock, entropy)
        self.suites = Suites(self.host, places, clock, entropy)
        self.keeper = Keeper(
            str(state / JOURNAL_FOLDER),
            self.calls,
            clock,
            [self.metrics.count, self.answering.saw],
            aside=Aside(self.hearing, self.discovery),
        )

    def handlers(self) -> list[Handler]:
        """Every operation of the management API."""
        clock = self._clock
        return [
            *admission.whoami_handlers(),
            *admission.handlers(self.desk),
            *admission.limit_handlers(self.limits),
            *operations.handlers(self._state, self.host.reload),
            *registry.handlers(self.host.registry, clock.now_ns),
            *trial_handlers(self.trials),
            *suite_handlers(self.suites),
            *lifecycle.handlers(self.lifecycle),
            *telemetry.event_handlers(self.events, clock),
            *telemetry.score_handlers(self.scoring, self.scores, clock),
            *discovery_handlers(
                Coverages(self.prompts, self.calls, self._key_names), Adoption(self.prompts, load_draft), clock
            ),
            *langfuse_handlers(self.keys.registry(), registry.exact, self.host.fetched.saw),
            *telemetry.handlers(Queries(self.calls, self.scores), self.metrics, lambda: self.keeper.state, clock),
        ]

    def _key_names(self) -> dict[str, str]:
        return {key.info.id: key.info.name for key in self.keys.keys(EVERY_TENANT)}

    async def keep(self, stopped: asyncio.Event) -> None:
        """Drain journals until stopped; publish what keys have spent; drop what is too old.

        Not to be cancelled: a step that goes on in its thread beside `close` would skip records.
        """
        tick = 0
        while not stopped.is_set():
            while await run_in_threadpool(self.keeper.step) and not stopped.is_set():
                pass
            if tick % PUBLISH_TICKS == 0:
                await run_in_threadpool(self._tend, tick % RETAIN_TICKS == 0)
            tick += 1
            await self._clock.sleep(DRAIN_S)

    def _tend(self, retain: bool) -> None:
        try:
            self.desk.publish()
            self.limits.sync()
            self.scoring.look()
            self.host.tend()
            if retain:
                now_ns = self._clock.now_ns()
                self.calls.retain(now_ns, self._retention)
                self.events.retain(now_ns - EVENTS_DAYS * DAY_NS)
                self.scoring.retain()
                self.discovery.tend()
                self.lifecycle.look()
        except (OSError, StoreUnavailable) as error:
            log.warning("could not publish keys or drop old calls: %s; trying again", type(error).__name__)
        except ConfigError as error:
            log.warning("the models in use could not be looked at: %s", error)

    def follow(self, reread: Callable[[], Config]) -> None:
        """Take over what concerns control of a configuration that was read again, and the workspace folder."""
        self.host.follow()
        try:
            self._retention = Retention(reread().source.retention_days)
        except ConfigError as error:  # the supervisor, which read it first, told what is wrong
            log.warning("the configuration changed while it was read: %s", error)

    def close(self) -> None:
        """Drain what is left, let go of the stores."""
        self.suites.close()
        while self.keeper.step():
            pass
        self.calls.close()
        self.events.close()
        self.scores.close()
        self.prompts.close()
        self.keys.close()


def run_control(generation: Generation, sock: socket.socket, lifeline: Lifeline) -> None:
    """Serve the management API on the socket until SIGTERM, or until the parent is gone."""
    asyncio.run(_serve(generation, sock, lifeline))


async def _serve(generation: Generation, sock: socket.socket, lifeline: Lifeline) -> None:
    stopped = stop_event(lifeline)
    config = generation.config
    clock, entropy = SystemClock(), SystemEntropy()
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    control = Control(generation, clock, entropy)
    secret = control.desk.open()
    token = entropy.bytes(32).hex()
    hosts = [_host_of(sock), "localhost", "127.0.0.1", *config.source.management_hosts]
    app = management_app(control.handlers(), authenticator(control.desk, token), hosts, headgate.__version__)
    server = _Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
    gc.collect()
    gc.set_threshold(*GC_THRESHOLD)
    gc.freeze()  # as in a worker: the keeper's batches would have everything that was loaded looked at again and again
    loop = asyncio.get_running_loop()
    on_hangup(lambda: loop.run_in_executor(None, control.follow, generation.reread))
    behind = control.host.begin()
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    keeping = asyncio.create_task(control.keep(stopped))
    hooking = None if control.webhook is None else asyncio.create_task(control.webhook.run())
    _tell(config.state, Told(url_of(sock), token, os.getpid()))
    lifeline.report(Report(True, secret))
    if behind:  # only now: the supervisor reads signals once everybody has reported
        loop.run_in_executor(None, control.host.put_in_force)
    await asyncio.wait((serving, keeping, asyncio.create_task(stopped.wait())), return_when=asyncio.FIRST_COMPLETED)
    stopped.set()
    control.trials.end()
    control.suites.end()
    server.should_exit = True
    if hooking is not None:
        hooking.cancel()
    results = await asyncio.gather(serving, keeping, return_exceptions=True)
    (config.state / ADDRESS_FILE).unlink(missing_ok=True)
    control.close()
    for result in results:
        if isinstance(result, Exception):
            raise result


def _host_of(sock: socket.socket) -> str:
    """The Host name that clients send, as TrustedHost reads it: it cuts `[::1]:8485` at the first colon."""
    host: str = sock.getsockname()[0]
    return "[" if ":" in host else host


class _Server(uvicorn.Server):
    """Signals are the process's own matter, not the server's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def authenticator(desk: KeyDesk, token: str) -> Authenticate:
    """Who asks the management API: whoever can read the state folder is an admin, a key with a role is for every
    tenant, and a key for calls stands for its own tenant, without a role."""

    def authenticate(credential: str | None) -> Actor:
        if credential is not None and hmac.compare_digest(credential.encode(), token.encode()):
            return Actor(LOCAL, LOCAL, EVERY_TENANT, allow("admin"))
        info, roles = desk.identify(credential)
        return Actor(info.id, info.name, EVERY_TENANT if roles else info.tenant, roles)

    return authenticate


def _tell(state: Path, told: Told) -> None:
    write_whole(state / ADDRESS_FILE, msgspec.json.encode(told))
