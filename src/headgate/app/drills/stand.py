"""A gateway and the simulated vendors on loopback sockets, in one process: what fault drills are run on."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from headgate.admission import Admission, KeySource, load_pepper
from headgate.app.config import Config, load_config
from headgate.app.drills.keys import publish_keys
from headgate.app.drills.odd import OddHosts
from headgate.app.drills.shapes import COUNTS, NOTHING, RESTS
from headgate.app.gate import wire_gate
from headgate.app.snapshot import compile_snapshot
from headgate.core.discovery import PromptSample
from headgate.core.ids import CallIds
from headgate.core.ports import Clock, Entropy
from headgate.core.record import CallRecord, GapRecord
from headgate.dialects import DIALECTS
from headgate.edge import DataPlane
from headgate.routing import Routing
from headgate.routing.breaker import COOLING
from headgate.simulator import Simulator, SimulatorSettings, serve
from headgate.wire.client import HttpTransport
from headgate.wire.limits import ServerLimits
from headgate.wire.resolver import Resolver
from headgate.wire.server import HttpServer

BASES = {"openai": "/v1", "anthropic": "/v1", "google": "/v1beta"}
MODELS = {"openai": "gpt-6.1-terra", "anthropic": "claude-sonnet-5-5", "google": "gemini-3.8-flash"}
INTERVAL_S = 0.02  # between chunks of a stream, so that content has gone out when a fault strikes
WORDS_PER_CHUNK = 6
SEAL_S = 3.0
_TICK_S = 0.02
_DRAIN_S = 2.0


class Account(msgspec.Struct, frozen=True):
    """A provider account: `name` in the configuration, its vendor and key. `odd`: the shape of network trouble that
    its host is in (None: it is the simulator's). `context` in tokens, where it is not the catalogue's."""

    name: str
    vendor: str
    key: str
    odd: str | None = None
    context: int | None = None


class Scene(msgspec.Struct, frozen=True):
    """One app, its accounts in the order they are asked, its deadlines, and the simulator's rules for them."""

    app: str
    accounts: Sequence[Account]
    deadlines: Mapping[str, float]
    rules: Sequence[str] = ()


class Trust(msgspec.Struct, frozen=True):
    """Whom the gateway trusts (PEM; None: certifi's roots), and the servers' side of shapes of bad certificates."""

    ca_file: Path | None = None
    certificates: Mapping[str, ssl.SSLContext] = {}


class Records:
    """Implements `core.ports.Journal`: finished records by app, in order. Bounded by the calls of a drill."""

    def __init__(self) -> None:
        self.of: dict[str | None, list[CallRecord]] = {}

    def opened(self, record: CallRecord) -> None:
        """A call is in flight."""

    def sealed(self, record: CallRecord) -> None:
        """A finished record."""
        self.of.setdefault(record.app, []).append(record)

    def gap(self, gap: GapRecord) -> None:
        """Nothing is ever lost here."""

    def sampled(self, sample: PromptSample) -> bool:
        """A drill has nobody who would register prompts."""
        return True


class Stand:
    """Everything of one fault drill. Made by `open`, ended by `close`, on one event loop."""

    def __init__(self, clock: Clock, entropy: Entropy, trust: Trust) -> None:
        self._clock = clock
        self._entropy = entropy
        self._folder = tempfile.TemporaryDirectory(prefix="headgate-drill-")
        self._trust = trust
        self.hosts = OddHosts(trust.certificates)
        self.records = Records()
        self.simulator: Simulator
        self.address: tuple[str, int]
        self.key: str
        self._transport: HttpTransport
        self._server: HttpServer

    async def open(self, scenes: Sequence[Scene]) -> None:
        """Starts all of it. Raises ConfigError, OSError."""
        settings = SimulatorSettings(interval_s=INTERVAL_S, words_per_chunk=WORDS_PER_CHUNK, log_size=0, hold_s=60.0)
        self.simulator = await serve(settings)
        await self.hosts.open()
        for scene in scenes:
            for rule in scene.rules:
                self.simulator.fault(rule)
        clock, entropy = self._clock, self._entropy
        config = self._configured(scenes)
        ca_file = self._trust.ca_file
        compiled = compile_snapshot(config, clock)
        if compiled.snapshot is None:
            raise compiled.faults[0]
        snapshot = compiled.snapshot
        (self.key,) = publish_keys(config.state, ["drill"], entropy, clock)
        admission = Admission(KeySource(config.state, load_pepper(config.state, entropy)), clock)
        self._transport = HttpTransport(
            clock, Resolver(clock, self.hosts.lookup), ca_file=None if ca_file is None else str(ca_file)
        )
        gate = wire_gate(admission, self.records, self._transport, clock, entropy)
        assert isinstance(gate.routing, Routing)
        self._health = gate.routing.health
        self._targets = {name: app.channels[app.default_channel].route.targets for name, app in snapshot.apps.items()}
        plane = DataPlane(gate, lambda: snapshot, CallIds(clock, entropy), clock, DIALECTS)
        self._server = HttpServer(plane, ServerLimits(), clock)
        self.address = self._server.listen_on("127.0.0.1", 0)

    async def close(self) -> None:
        """Ends all of it."""
        await self._server.drain(_DRAIN_S)
        await self._transport.close()
        await self.simulator.close()
        self.hosts.close()
        self._folder.cleanup()

    async def record(self, app: str, number: int) -> CallRecord | None:
        """The record of an app's call `number`, from 1; None where there is none within SEAL_S seconds."""
        until_ns = self._clock.monotonic_ns() + int(SEAL_S * 1e9)
        while len(self.records.of.get(app, ())) < number:
            if self._clock.monotonic_ns() > until_ns:
                return None
            await self._clock.sleep(_TICK_S)
        return self.records.of[app][number - 1]

    def against(self, app: str) -> str:
        """What is held against the first target of an app: NOTHING, COUNTS or RESTS."""
        target = self._targets[app][0]
        if self._health.healthy(target):
            return NOTHING
        standing = self._health.standing(target, self._clock.monotonic_ns())
        return RESTS if standing is not None and standing.worst.kind in COOLING else COUNTS

    def _configured(self, scenes: Sequence[Scene]) -> Config:
        folder = Path(self._folder.name)
        port = int(self.simulator.url.rpartition(":")[2])
        accounts = {account.name: account for scene in scenes for account in scene.accounts}
        content = {
            "workspace": "workspace",
            "providers": {name: self._provider(account, port) for name, account in accounts.items()},
        }
        if self._trust.ca_file is not None:
            content["ca_file"] = str(self._trust.ca_file)
        file = folder / "headgate.yaml"
        file.write_bytes(msgspec.json.encode(content))
        workspace = folder / "workspace"
        workspace.mkdir()
        (folder / "state").mkdir()
        documents = [document for scene in scenes for document in _documents(scene)]
        (workspace / "all.yaml").write_bytes(b"\n---\n".join(msgspec.json.encode(one) for one in documents))
        environment = {_variable(name): account.key for name, account in accounts.items()}
        return load_config(file, environment, folder, {"state": "state"})

    def _provider(self, account: Account, port: int) -> dict[str, object]:
        where = f"http://127.0.0.1:{port}" if account.odd is None else self.hosts.base_url(account.odd)
        made: dict[str, object] = {
            "type": account.vendor,
            "base_url": where + BASES[account.vendor],
            "key_env": _variable(account.name),
            "allow_http": True,
            "allow_private": True,
        }
        if account.context is not None:
            made["models"] = {MODELS[account.vendor]: {"context": account.context}}
        return made


def _variable(account: str) -> str:
    return "DRILL_" + account.upper().replace("-", "_")


def _documents(scene: Scene) -> list[dict[str, object]]:
    """The route and the app."""
    return [
        {
            "kind": "route", "name": scene.app, "version": "1.0.0", "owner": "drill", "message": "drill",
            "targets": [f"{account.name}/{MODELS[account.vendor]}" for account in scene.accounts],
            "deadlines": scene.deadlines,
        },
        {
            "kind": "app", "name": scene.app, "owners": ["drill"], "channels": {"production": 1},
            "releases": [{"number": 1, "route": f"{scene.app}@1.0.0"}],
        },
    ]  # fmt: skip
