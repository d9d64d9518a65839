"""What is done to a contestant, and what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import processes
from benchmarks.load.contestants import MOCK_PORT, Contestant


@dataclass(frozen=True)
class Phase:
    """One load. `load` are arguments of lgen, `mock` settings of the mock provider; chars of the prompt."""

    name: str
    load: tuple[str, ...]
    chars: int = 1000
    mock: tuple[tuple[str, int], ...] = ()

    @property
    def stream(self) -> bool:
        """Whether answers are streamed."""
        return "-s" in self.load


def _stream(chunks: int, interval_us: int) -> tuple[tuple[str, int], ...]:
    return (("chunks", chunks), ("interval_us", interval_us))


PHASES = (
    Phase("small", ("-c", "32", "-n", "20000", "-w", "1000", "-d", "60")),
    Phase("30 KB", ("-c", "16", "-n", "4000", "-w", "200", "-d", "30"), chars=30_000),
    Phase("50/s", ("-r", "50", "-d", "14", "-w", "50")),
    Phase("10 streams", ("-s", "-c", "10", "-n", "100"), mock=_stream(100, 10_000)),
    Phase("10k chunks/s", ("-s", "-c", "100", "-n", "300"), mock=_stream(100, 10_000)),
    Phase("2k streams", ("-s", "-c", "2000", "-n", "2000", "-R", "5"), mock=_stream(20, 500_000)),
)


def build(folder: Path) -> None:
    """Compile the C tools. Raises CalledProcessError."""
    here = Path(__file__).parent
    for name in ("mock", "lgen"):
        subprocess.run(["gcc", "-O2", "-o", folder / name, here / f"{name}.c", "-lm"], check=True)


def control(**settings: int | str) -> None:
    """Tell the mock provider how to behave."""
    query = "&".join(f"{name}={value}" for name, value in settings.items())
    urllib.request.urlopen(f"http://127.0.0.1:{MOCK_PORT}/__ctl?{query}", timeout=5).read()


def cold(contestant: Contestant, log: Path) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start it, and how long until the first call was answered."""
    began = time.monotonic()
    process = processes.start(contestant.command, 0, log, contestant.env)
    processes.wait_for(contestant.answers, 30, contestant.name)
    seconds = time.monotonic() - began
    time.sleep(0.5)
    return process, {
        "phase": "cold start", "first_served_s": round(seconds, 3),
        "worker_mb": round(processes.worker_mb(process.pid), 1),
        "tree_mb": round(processes.rss_mb(processes.tree(process.pid)), 1),
    }  # fmt: skip


def run(contestant: Contestant, phase: Phase, folder: Path, pid: int | None) -> dict[str, Any]:
    """One phase; CPU microseconds are of the contestant's whole tree, 0 where it is no process of ours."""
    control(latency_us=0, ttft_us=0, fault="none", **dict(phase.mock))
    body = folder / "body.json"
    body.write_bytes(contestant.body(phase.chars, phase.stream))
    command = [str(folder / "lgen"), "-p", str(contestant.port), "-u", "/v1/chat/completions", "-b", str(body)]
    for header in contestant.headers:
        command += ["-H", header]
    if (os.cpu_count() or 1) > 1:
        command = ["taskset", "-c", "1", *command]
    peak = _Peak(pid)
    before = processes.cpu_us(pid) if pid else 0.0
    done = subprocess.run([*command, "-t", "60", *phase.load], capture_output=True, text=True, check=True, timeout=180)
    used = processes.cpu_us(pid) - before if pid else 0.0
    load = json.loads(done.stdout)
    out: dict[str, Any] = {"phase": phase.name, "worker_mb": peak.stop(), "load": load}
    answered = load["ok"] + load["invalid"]
    out["cpu_us_per_call"] = round(used / max(answered, 1), 1)
    if load.get("chunks"):
        out["cpu_us_per_chunk"] = round(used / load["chunks"], 2)
    return out


class _Peak:
    """Watches the largest process of a tree until stopped."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self._most = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while self._pid and not self._done.wait(0.25):
            self._most = max(self._most, processes.worker_mb(self._pid))

    def stop(self) -> float:
        """The most it was, in MB."""
        self._done.set()
        self._thread.join()
        return round(self._most, 1)
