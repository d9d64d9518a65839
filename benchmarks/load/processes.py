"""Process trees: start on one core, stop whole, and read what they used."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def start(command: Sequence[str], core: int, log: Path, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a command pinned to a core, in a session of its own."""
    pinned = ["taskset", "-c", str(core), *command] if (os.cpu_count() or 1) > 1 else list(command)
    with log.open("ab") as out:
        return subprocess.Popen(
            pinned, stdout=out, stderr=out, env={**os.environ, **(env or {})}, start_new_session=True
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the tree: politely, then not."""
    pids = tree(process.pid)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        for pid in pids:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)
        process.wait()


def tree(pid: int) -> list[int]:
    """The process and all its descendants that live."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:
                continue
    return found


def cpu_us(pid: int) -> float:
    """User and system microseconds of the tree so far, reaped children included."""
    total = 0
    for one in tree(pid):
        fields = _stat(one)
        total += sum(int(fields[i]) for i in (11, 12, 13, 14)) if fields else 0
    return total / TICKS * 1e6


def rss_mb(pids: Sequence[int]) -> float:
    """Resident memory of processes, in MB."""
    total = 0
    for pid in pids:
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            continue
    return total * PAGE / 1e6


def worker_mb(pid: int) -> float:
    """Resident memory of the largest process of the tree: a gateway's worker once it carries load."""
    return max((rss_mb([one]) for one in tree(pid)), default=0.0)


def wait_for(ready: object, seconds: float, what: str) -> None:
    """Until `ready()` is true. Raises RuntimeError after `seconds`."""
    assert callable(ready)
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not come up within {seconds:g} s")
        time.sleep(0.01)


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
