"""A whole gateway and the simulated vendors as real processes, for tests that go through everything."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from headgate.simulator import SimulatorSettings, serve
from headgate.simulator.server import Seen

T = TypeVar("T")

START_S = 30.0
STOP_S = 40.0
RECORD_S = 15.0
CALL_S = 20.0
TICK_S = 0.02
# what starts here ends with the test process, however that ends (Linux's PR_SET_PDEATHSIG survives exec)
TIED = (
    sys.executable,
    "-c",
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGTERM); os.execvp(sys.argv[1], sys.argv[1:])",
)
HEADGATE = (sys.executable, "-m", "headgate.cli")
PROVIDER_KEY = "sim-provider-key"


def until(ready: Callable[[], T | None], seconds: float, what: str) -> T:
    """The first true value of `ready`, asked again and again; a failure that names `what` after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        found = ready()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s still not: {what}")
        time.sleep(TICK_S)


@dataclass
class Answer:
    """What a plain HTTP call brought."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def fetch(url: str, body: object = None, headers: Mapping[str, str] | None = None, method: str | None = None) -> Answer:
    """One HTTP call without any SDK; statuses are answers, not exceptions."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    said = {"content-type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data=data, headers=said, method=method)
    try:
        with urllib.request.urlopen(request, timeout=CALL_S) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


class Process:
    """A program in a process group of its own, its output in a file."""

    def __init__(self, program: Sequence[str], folder: Path, name: str, environment: Mapping[str, str]) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as out:
            self.popen = subprocess.Popen(
                [*TIED, *program],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )

    def said(self) -> str:
        """Everything printed so far."""
        return self.log.read_text(errors="replace")

    def await_ready(self, ready: Callable[[], T | None]) -> T:
        """Waits until `ready`; a process that ends first fails with what it printed."""

        def alive() -> T | None:
            if self.popen.poll() is not None:
                raise AssertionError(f"ended with {self.popen.returncode}:\n{self.said()}")
            return ready()

        try:
            return until(alive, START_S, f"ready: {self.log.name}")
        except AssertionError:
            self.kill()
            raise

    def stop(self) -> int:
        """SIGTERM to the first process, as an init system does; the exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(STOP_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the whole tree."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()


class Vendors:
    """`headgate simulate` as a process, and its faults."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        program = [*HEADGATE, "simulate", "--port", str(self.port), *options]
        self.process = Process(program, folder, "simulator", os.environ)
        self.process.await_ready(self._up)

    def _up(self) -> bool:
        with contextlib.suppress(OSError):
            return fetch(self.url + "/__control").status == 200
        return False

    def state(self) -> dict[str, Any]:
        """Rules and counters."""
        return fetch(self.url + "/__control").json()

    @contextlib.contextmanager
    def failing(self, fault: str, vendor: str = "*", **knobs: object) -> Iterator[None]:
        """The fault is in force within the block, alone."""
        self.reset()
        answer = fetch(self.url + "/__control", {"fault": fault, "vendor": vendor, **knobs})
        assert answer.status == 200, answer.body
        try:
            yield
        finally:
            self.reset()

    def reset(self) -> None:
        """No faults, counters at zero."""
        assert fetch(self.url + "/__control", method="DELETE").status == 200


class Recorder:
    """Simulated vendors on a thread of this process, whose log of requests holds every byte they received."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._simulator = self._run(serve(SimulatorSettings(keys=(PROVIDER_KEY,))))
        self.url = self._simulator.url

    def last(self) -> Seen:
        """The request served last."""
        return self._simulator.requests[-1]

    def close(self) -> None:
        """Ends the simulator and its thread."""
        self._run(self._simulator.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_S)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_S)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@dataclass
class Gateway:
    """`headgate up` on a state folder of its own. `key` may call every model, `admin` manage everything."""

    folder: Path
    config: dict[str, Any]
    documents: Sequence[Mapping[str, Any]] = ()
    url: str = ""
    management: str = ""
    admin: str = ""
    key: str = ""
    process: Process = field(init=False)

    def launch(self) -> None:
        """Starts, or starts again on the same state, and waits for nothing."""
        workspace = self.folder / "workspace"
        workspace.mkdir(parents=True, exist_ok=True)
        (workspace / "all.yaml").write_text(yaml.safe_dump_all(list(self.documents)))
        config = {"listen": "127.0.0.1:0", "workspace": "workspace", "state": "state", **self.config}
        (self.folder / "headgate.yaml").write_text(yaml.safe_dump(config))
        environment = {**os.environ, "E2E_PROVIDER_KEY": PROVIDER_KEY}
        self.process = Process([*HEADGATE, "up", "--config", "headgate.yaml"], self.folder, "gateway", environment)

    def start(self) -> Gateway:
        """Starts, or starts again on the same state, and waits until calls are taken."""
        self.launch()
        self.process.await_ready(lambda: "Ctrl-C stops." in self.process.said())
        said = dict(
            line.split(None, 1) for line in self.process.said().splitlines() if line.startswith("  ") and "://" in line
        )
        self.url, self.management = said["calls"].strip(), said["management"].strip()
        for line in self.process.said().splitlines():
            if "admin key" in line:
                self.admin = line.split()[-1]
        self.key = self.key or self.make_key()
        return self

    def make_key(self, **fields: object) -> str:
        """A key for calls; `fields` as the management API takes them."""
        return self.api("POST", "/api/keys", {"name": "e2e", **fields})["secret"]

    def api(self, method: str, path: str, body: object = None) -> Any:
        """A management call that must go well."""
        answer = self.api_answer(method, path, body)
        assert answer.status in (200, 201), (answer.status, answer.body)
        return answer.json()

    def api_answer(self, method: str, path: str, body: object = None) -> Answer:
        """A management call, whatever comes back."""
        return fetch(self.management + path, body, {"authorization": f"Bearer {self.admin}"}, method)

    def record(self, call_id: str) -> dict[str, Any]:
        """The record of a finished call in full, once it is drained."""

        def drained() -> dict[str, Any] | None:
            answer = self.api_answer("GET", f"/api/calls/{call_id}")
            assert answer.status in (200, 404), answer.body
            found = answer.json() if answer.status == 200 else None
            return found if found is not None and found["call"]["outcome"] != "in_flight" else None

        return until(drained, RECORD_S, f"on record: {call_id}")

    def calls(self, query: str = "") -> list[dict[str, Any]]:
        """All calls that fit, newest first, over all pages."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.api("GET", f"/api/calls?limit=1000{query}{cursor}")
            found += page["calls"]
            if page["cursor"] is None:
                return found
            cursor = f"&cursor={page['cursor']}"

    def only_call(self, query: str) -> dict[str, Any]:
        """The record of the one finished call that fits."""

        def finished() -> list[dict[str, Any]]:
            found = self.calls(query)
            return found if all(one["outcome"] != "in_flight" for one in found) else []

        (line,) = until(finished, RECORD_S, f"on record: a call with {query}")
        return self.record(line["id"])

    def ask(self, body: object, path: str = "/v1/chat/completions", **headers: str) -> Answer:
        """A plain call with this gateway's key."""
        said = {"authorization": f"Bearer {self.key}"} | {name.replace("_", "-"): v for name, v in headers.items()}
        return fetch(self.url + path, body, said)

    def cli(self, *arguments: str, state: str | None = "state") -> subprocess.CompletedProcess[str]:
        """A headgate command as a process of its own, told of this gateway's state folder."""
        where = ["--state", str(self.folder / state)] if state is not None else []
        return cli(*arguments, *where, cwd=self.folder)

    def children(self) -> dict[int, str]:
        """The pids of the supervisor's children."""
        pid = self.process.popen.pid
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {int(one): Path(f"/proc/{one}/cmdline").read_text() for one in listed}

    def ready(self) -> bool:
        """Whether calls are taken."""
        try:
            return fetch(self.url + "/readyz").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def manageable(self) -> bool:
        """Whether the management API answers."""
        try:
            return fetch(self.management + "/healthz").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def control(self) -> int:
        """The pid of the control process as it is told in the state folder; 0 where it is not told."""
        try:
            return json.loads((self.folder / "state" / "management.json").read_text())["pid"]
        except FileNotFoundError:
            return 0

    def worker(self) -> int:
        """The pid of the data-plane worker: the child that is not told of in the state folder. 0 where it is dead."""
        return next((pid for pid in self.children() if pid != self.control()), 0)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        return self.process.stop()


def cli(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A headgate command as a process, with no gateway named in its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    return subprocess.run(
        [*HEADGATE, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=CALL_S * 2,
        stdin=subprocess.DEVNULL,
    )


def together(work: Sequence[Callable[[], T]]) -> list[T]:
    """Runs all at once on threads; the results in order. The first failure is raised."""
    results: dict[int, T] = {}
    failures: list[BaseException] = []

    def one(index: int, job: Callable[[], T]) -> None:
        try:
            results[index] = job()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(index, job), daemon=True) for index, job in enumerate(work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(CALL_S * 3)
    if failures:
        raise failures[0]
    assert len(results) == len(work), "a job did not end in time"
    return [results[index] for index in range(len(work))]
