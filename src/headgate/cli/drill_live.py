"""`headgate drill outage --live`: the drill over real sockets, against `headgate up` and simulators as processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Generator
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from headgate.app import load_config
from headgate.app.drills.live import LiveDrill, Place
from headgate.app.drills.traffic import first_provider, kinds
from headgate.app.snapshot import compile_snapshot
from headgate.cli.client import ADDRESS_FILE, Client
from headgate.cli.processes import Running, answers, await_ready, running, start, stop
from headgate.core.errors import ConfigError
from headgate.evaluation import PROVIDERS, Outage, Report, SeededEntropy, summarise
from headgate.wire.clock import SystemClock

LEAD, OUTAGE, TAIL = 0.2, 0.4, 0.4  # of the drill's time
TEAMS = ("shop", "help-desk", "warehouse")
SHIPPED_PORTS = {"openai": 9101, "anthropic": 9102, "google": 9103}
FIRST_MS, INTERVAL_MS = 400, 30
KEY = "HEADGATE_DRILL_KEY"
_LOG_CHARS = 4000


def compressed(outage: Outage, minutes: float) -> Outage:
    """The same outage within so many minutes, calm before and after included."""
    whole_s = minutes * 60
    return Outage(
        providers=outage.providers, mode=outage.mode, hours=whole_s * OUTAGE / 3600, seed=outage.seed,
        rate=outage.rate, share=outage.share, lead_s=whole_s * LEAD, tail_s=whole_s * TAIL,
    )  # fmt: skip


def run_live(outage: Outage, workers: int) -> Report:
    """Starts everything, runs the drill, stops everything. Raises ConfigError, OSError."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="headgate-drill-") as made:
        folder = Path(made)
        with contextlib.ExitStack() as stack:
            vendors = stack.enter_context(_Vendors(folder))
            place = stack.enter_context(_gateway(folder, vendors, workers))
            shipped = Path(str(files("headgate"))) / "data" / "drill"
            config = load_config(shipped / "headgate.yaml", {KEY: "sim-drill"}, shipped, {"state": made})
            compiled = compile_snapshot(config, clock)
            if compiled.snapshot is None:
                raise compiled.faults[0]
            every = kinds({name: first_provider(app) for name, app in compiled.snapshot.apps.items()})
            drill = LiveDrill(outage, place, vendors, clock)
            samples = uvloop.run(drill.run(every, SeededEntropy(outage.seed, "traffic")))
    return summarise(outage, samples)


class _Vendors:
    """A simulator for each provider, as a process that can be killed, held and started again.

    Implements `app.drills.live.Hands`: `refused` kills it; `blackhole` stops its process, so that the kernel still
    takes connections and bytes, and nothing ever answers. A packet that is dropped on the way needs a firewall.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._processes: dict[str, Running] = {}
        self.ports = {provider: _free_port() for provider in PROVIDERS}

    def __enter__(self) -> _Vendors:
        try:
            for provider in PROVIDERS:
                self._start(provider)
        except ConfigError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for provider, process in self._processes.items():
            process.send_signal(signal.SIGCONT)
            stop(process, f"simulator of {provider}")

    def strike(self, provider: str, weather: str) -> None:
        """See `Hands`."""
        with self._lock:
            process = self._processes[provider]
            if weather == "refused":
                process.kill()
                process.wait()
            else:
                process.send_signal(signal.SIGSTOP)

    def mend(self, provider: str, weather: str) -> None:
        """See `Hands`."""
        with self._lock:
            if weather == "refused":
                self._start(provider)
            else:
                self._processes[provider].send_signal(signal.SIGCONT)

    def _start(self, provider: str) -> None:
        port = self.ports[provider]
        arguments = ["simulate", "--port", str(port), "--ttft-ms", str(FIRST_MS), "--interval-ms", str(INTERVAL_MS)]
        process = start(arguments, os.environ, self._folder / f"{provider}.log")
        self._processes[provider] = process
        await_ready(process, f"simulator of {provider}", lambda: answers(port))


@contextlib.contextmanager
def _gateway(folder: Path, vendors: _Vendors, workers: int) -> Generator[Place, None, None]:
    """`headgate up` on a state folder of its own, with the drill's configuration."""
    shipped = files("headgate") / "data" / "drill"
    text = (shipped / "headgate.yaml").read_text()
    for provider, port in SHIPPED_PORTS.items():
        text = text.replace(f":{port}/", f":{vendors.ports[provider]}/")
    text = text.replace("workspace: workspace", f"workspace: {json.dumps(str(shipped / 'workspace'))}")
    (folder / "headgate.yaml").write_text(f"listen: 127.0.0.1:0\nmanagement: 127.0.0.1:0\nworkers: {workers}\n{text}")
    state, log = folder / "state", folder / "gateway.log"
    arguments = ["up", "--config", str(folder / "headgate.yaml"), "--state", str(state)]
    with running("gateway", arguments, {**os.environ, KEY: "sim-drill"}, log) as process:
        try:
            await_ready(process, "gateway", lambda: (state / ADDRESS_FILE).exists() and "Ctrl-C stops." in _said(log))
        except ConfigError as error:
            raise ConfigError(error.where, error.wrong, f"it said: {_said(log)[-_LOG_CHARS:]}") from error
        told = json.loads((state / ADDRESS_FILE).read_text())
        client = Client(told["url"], told["token"])
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))
        keys = [client.post("/api/keys", {"name": team, "expires": expires})["secret"] for team in TEAMS]
        calls = next(line.split()[1] for line in _said(log).splitlines() if line.startswith("  calls "))
        places = {provider: ("127.0.0.1", port) for provider, port in vendors.ports.items()}
        yield Place(_address(calls), _address(told["url"]), told["token"], keys, places)


def _said(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
