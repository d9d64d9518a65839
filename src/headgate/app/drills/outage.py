"""An outage drill: the real pipeline and HTTP client in virtual time, vendors that fail, clients that count."""

from __future__ import annotations

import asyncio
import tempfile
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from headgate.admission import Admission, KeySource, load_pepper
from headgate.app.config import Config, load_config
from headgate.app.drills.client import ClientExchange, failure, told
from headgate.app.drills.keys import publish_keys
from headgate.app.drills.traffic import Kind, Traffic, first_provider, kinds, request, words
from headgate.app.drills.vendors import VendorPeer
from headgate.app.gate import wire_gate
from headgate.app.snapshot import compile_snapshot
from headgate.core.errors import ConfigError
from headgate.core.ids import CallIds
from headgate.dialects import DIALECTS
from headgate.edge import DataPlane
from headgate.evaluation import (
    PROVIDERS,
    MemoryJournal,
    NetworkLoop,
    Outage,
    Report,
    Sample,
    SeededEntropy,
    Try,
    VirtualClock,
    Weather,
    run_virtual,
    summarise,
)
from headgate.simulator import SimulatorSettings, build
from headgate.wire.client import HttpTransport
from headgate.wire.clock import SystemClock
from headgate.wire.strand import Strand

TEAMS = ("shop", "help-desk", "warehouse")
FIRST_S = 0.4  # how a healthy vendor answers: time to the first token, and between chunks of a stream
INTERVAL_S = 0.03
WORDS_PER_CHUNK = 6
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def run_outage(outage: Outage, configuration: Path | None = None) -> Report:
    """Runs a drill to its end. The same outage gives the same report, byte for byte.

    `configuration` is a `headgate.yaml` in place of the shipped one; it names the same providers, by loopback ports.
    Raises ConfigError for one that is wrong, NothingLeft where the gateway comes to a halt.
    """
    with tempfile.TemporaryDirectory(prefix="headgate-drill-") as state:
        config = _configured(state, configuration)
        _drillable(config, configuration)
        samples = run_virtual(NetworkLoop(), lambda loop: _Drill(outage, config, loop).run())
    return summarise(outage, samples)


def configuration_digest(configuration: Path | None = None) -> str:
    """The digest of the snapshot that a drill's configuration compiles to. Raises ConfigError."""
    compiled = compile_snapshot(_configured("state", configuration), SystemClock())  # nothing is written there
    if compiled.snapshot is None:
        raise compiled.faults[0]
    return compiled.snapshot.digest


def _configured(state: str, configuration: Path | None = None) -> Config:
    chosen = configuration or Path(str(files("headgate"))) / "data" / "drill" / "headgate.yaml"
    return load_config(chosen, {"HEADGATE_DRILL_KEY": "sim-drill"}, chosen.parent, {"state": state})


def _drillable(config: Config, configuration: Path | None) -> None:
    """Raises ConfigError for providers that the simulated vendors cannot stand for."""
    where = str(configuration or "the shipped configuration")
    ports = {one.name: urlsplit(one.base_url or "") for one in config.providers}
    missing = [name for name in PROVIDERS if name not in ports]
    if missing:
        raise ConfigError(where, f"a drill needs a provider named `{missing[0]}`", f"all of {', '.join(PROVIDERS)}")
    for name, url in ports.items():
        if url.hostname not in LOOPBACK or url.port is None:
            raise ConfigError(
                where, f"the drill's clients never call `{name}` itself", "base_url: http://127.0.0.1:PORT"
            )
    if len({url.port for url in ports.values()}) < len(ports):
        raise ConfigError(where, "two providers have the same port", "a port of its own for each")


class _Drill:
    """One drill under way."""

    def __init__(self, outage: Outage, config: Config, loop: NetworkLoop) -> None:
        self._outage = outage
        self._loop = loop
        self._clock = clock = VirtualClock(loop)
        entropy = SeededEntropy(outage.seed, "gateway")
        settings = SimulatorSettings(
            seed=outage.seed, first_s=FIRST_S, interval_s=INTERVAL_S, words_per_chunk=WORDS_PER_CHUNK, log_size=0
        )
        self._simulator = build(settings, clock.seconds)
        self._ports = {one.name: urlsplit(one.base_url or "").port or 0 for one in config.providers}
        for port in self._ports.values():
            loop.network.serve(port, lambda line: VendorPeer(self._simulator, clock, line))
        compiled = compile_snapshot(config, clock)
        if compiled.snapshot is None:
            raise compiled.faults[0]
        snapshot = compiled.snapshot
        every = kinds({name: first_provider(app) for name, app in snapshot.apps.items()})
        self._traffic = Traffic(every, outage.rate, SeededEntropy(outage.seed, "traffic"))
        self._keys = publish_keys(config.state, TEAMS, entropy, clock)
        admission = Admission(KeySource(config.state, load_pepper(config.state, entropy)), clock)
        self._journal = MemoryJournal()
        self._transport = HttpTransport(clock)
        gate = wire_gate(admission, self._journal, self._transport, clock, entropy)
        self._plane = DataPlane(gate, lambda: snapshot, CallIds(clock, entropy), clock, DIALECTS)
        self._samples: list[Sample] = []
        self._ended: asyncio.Future[None] | None = None  # what the last calls are waited for with

    async def run(self) -> list[Sample]:
        """All calls, as their clients saw them."""
        outage, clock = self._outage, self._clock
        clock.call_later(outage.lead_s, self._break)
        clock.call_later(outage.lead_s + outage.outage_s, self._mend)
        until_s = outage.lead_s + outage.outage_s + outage.tail_s
        at_s, number = self._traffic.gap(), 0
        while at_s < until_s:
            await clock.sleep(at_s - clock.seconds())
            number += 1
            self._loop.call_soon(self._call, number)
            at_s += self._traffic.gap()
        while len(self._samples) < number:
            self._ended = self._loop.create_future()
            await self._ended
        await self._transport.close()
        return self._samples

    def _call(self, number: int) -> None:
        """One client's call begins; it runs as the server runs it, on a strand."""
        kind = self._traffic.kind(number)
        at_ns = self._clock.monotonic_ns()
        exchange = ClientExchange(self._clock)
        work = self._plane.serve(request(kind, number, self._keys[number % len(self._keys)]), exchange)
        Strand(self._loop, work, lambda error: self._answered(kind, number, at_ns, exchange, error)).start()

    def _answered(
        self, kind: Kind, number: int, at_ns: int, exchange: ClientExchange, error: BaseException | None
    ) -> None:
        """A call is over: what its client saw is noted. An exception that got this far is the gateway's own fault."""
        record = self._journal.take(exchange.call_id)
        if error is not None:
            seen: str | None = f"the gateway broke ({type(error).__name__})"
        else:
            seen = told(failure(exchange, DIALECTS[kind.dialect], kind.stream, words(number)), record)
        tries = [] if record is None else [Try(one.provider, one.error or one.outcome) for one in record.attempts]
        ended_ns = self._clock.monotonic_ns() if exchange.ended_ns is None else exchange.ended_ns
        self._samples.append(Sample(kind.name, kind.first, at_ns, ended_ns - at_ns, seen, tuple(tries)))
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def _break(self) -> None:
        """The outage begins."""
        mode, outage = self._outage.mode, self._outage
        for provider in outage.providers:
            if mode.fault is not None:
                rule = f"{provider}:{mode.fault}@{outage.struck},seconds={outage.outage_s}"
                self._simulator.fault(rule)
            if mode.weather is not None:
                self._loop.network.weather(self._ports[provider], Weather(mode.weather))

    def _mend(self) -> None:
        """The outage is over; the simulator's rule ends by itself."""
        for provider in self._outage.providers:
            self._loop.network.weather(self._ports[provider], Weather.CLEAR)
