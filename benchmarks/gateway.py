"""The budgets, measured: Headgate beside nginx and HAProxy, in one run. `python -m benchmarks.gateway [--only ...]`.

CPU microseconds are user and system time of the whole process tree, and repeat within about 5%. Wall-clock figures of a
busy machine are indicative: read them beside nginx's of the same run. Prints JSON lines, then a table; exits 1 where a
budget is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.load import phases, processes
from benchmarks.load.contestants import MOCK_PORT, Contestant, contestants

Lines = list[dict[str, Any]]
BARE, FULL = "headgate, pass-through", "headgate, everything on"


def budget(of: str, phase: str, read: Callable[[dict[str, Any]], float], most: float) -> tuple[str, str, Any, float]:
    """One bar of DESIGN section 6."""
    return of, phase, read, most


def _ms(*path: str) -> Callable[[dict[str, Any]], float]:
    return lambda line: line["load"][path[0]][path[1]] / 1000


def _field(name: str) -> Callable[[dict[str, Any]], float]:
    return lambda line: float(line[name])


BUDGETS = {
    "CPU us per small call, everything on": budget(FULL, "small", _field("cpu_us_per_call"), 100),
    "CPU us per small call, pass-through": budget(BARE, "small", _field("cpu_us_per_call"), 60),
    "CPU us per 30 KB call, everything on": budget(FULL, "30 KB", _field("cpu_us_per_call"), 300),
    "added ms at 50/s, p50": budget(FULL, "50/s", _ms("ovh_us", "p50"), 0.8),
    "added ms at 50/s, p99": budget(FULL, "50/s", _ms("ovh_us", "p99"), 5),
    "CPU us per chunk, guardrails on": budget(FULL, "10k chunks/s", _field("cpu_us_per_chunk"), 30),
    "CPU us per chunk, guardrails off": budget(BARE, "10k chunks/s", _field("cpu_us_per_chunk"), 22),
    "added ms to first token, p50": budget(BARE, "10 streams", _ms("ttft_ovh_us", "p50"), 1),
    "2,000 streams, broken": budget(FULL, "2k streams", lambda line: 2000 - line["load"]["ok"], 0),
    "2,000 streams, worker MB": budget(FULL, "2k streams", _field("worker_mb"), 120),
    "cold start to first call, s": budget(FULL, "cold start", _field("first_served_s"), 0.7),
    "idle worker MB": budget(FULL, "cold start", _field("worker_mb"), 70),
}


def main() -> int:
    """Run, print, judge."""
    options = argparse.ArgumentParser()
    options.add_argument("--only", help="phases, separated by commas: small, 30 KB, 50/s, 10 streams, ...")
    options.add_argument("--who", help="contestants, separated by commas: nginx, haproxy, headgate, direct")
    chosen = options.parse_args()
    prepare()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        phases.build(folder)
        mock = processes.start([str(folder / "mock"), str(MOCK_PORT)], 1, folder / "mock.log")
        try:
            time.sleep(0.3)
            lines = [
                line
                for one in contestants(folder)
                if _wanted(one, chosen.who)
                for line in measure(one, folder, chosen.only)
            ]
        finally:
            processes.stop(mock)
    lines += [import_time(), install_size()]
    print(json.dumps(lines[-2]), json.dumps(lines[-1]), sep="\n")
    return report(lines)


def prepare() -> None:
    """The references and a compiler. Installs them where this is root on Debian; else goes on without."""
    missing = [
        package
        for tool, package in (("nginx", "nginx-light"), ("haproxy", "haproxy"), ("gcc", "gcc"))
        if not shutil.which(tool)
    ]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-q", *missing], check=False, stdout=subprocess.DEVNULL)
    if not shutil.which("gcc"):
        sys.exit("the load tool needs gcc: apt-get install gcc")


def _wanted(contestant: Contestant, who: str | None) -> bool:
    return who is None or any(part.strip() in contestant.name for part in who.split(","))


def measure(contestant: Contestant, folder: Path, only: str | None) -> Lines:
    """All phases of one contestant, printed as they come."""
    lines: Lines = []
    process = None
    if contestant.command:
        process, line = phases.cold(contestant, folder / f"{contestant.port}.log")
        lines.append(line)
    try:
        for phase in phases.PHASES:
            if only is None or phase.name in [part.strip() for part in only.split(",")]:
                lines.append(phases.run(contestant, phase, folder, process.pid if process else None))
    finally:
        if process is not None:
            processes.stop(process)
    for line in lines:
        line["of"] = contestant.name
        print(json.dumps(line), flush=True)
    return lines


def import_time() -> dict[str, Any]:
    """CPU milliseconds of `import headgate`, over an empty interpreter's; the least of five."""

    def once(code: str) -> float:
        before = os.times()
        subprocess.run([sys.executable, "-c", code], check=True)
        after = os.times()
        return (after.children_user + after.children_system - before.children_user - before.children_system) * 1000

    least = min(once("import headgate") for _ in range(5)) - min(once("pass") for _ in range(5))
    return {"of": "headgate", "phase": "import", "cpu_ms": round(max(least, 0.0), 1)}


def install_size() -> dict[str, Any]:
    """MB on disk of a default install in a fresh environment, without pip and setuptools."""
    with tempfile.TemporaryDirectory() as name:
        subprocess.run([sys.executable, "-m", "venv", name], check=True)
        before = _size_mb(Path(name))
        source = Path(__file__).parents[1]
        subprocess.run(
            [f"{name}/bin/pip", "install", "-q", "--no-compile", str(source)], check=True, stderr=subprocess.DEVNULL
        )
        return {"of": "headgate", "phase": "install", "mb": round(_size_mb(Path(name)) - before, 1)}


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def report(lines: Lines) -> int:
    """Two tables: everything side by side, and the budgets. 1 where one is missed."""
    names = list(dict.fromkeys(line["of"] for line in lines if "load" in line))
    columns = ("CPU us/call", "CPU us/chunk", "added p50 ms", "added p99 ms", "first token ms", "worker MB", "bad")
    print(f"\n{'phase':18}{'contestant':26}" + "".join(f"{column:>16}" for column in columns))
    for phase in phases.PHASES:
        for name in names:
            for line in lines:
                if line["of"] == name and line["phase"] == phase.name:
                    print(f"{phase.name:18}{name:26}" + "".join(f"{cell:>16}" for cell in _cells(line)))
    by = {(line["of"], line["phase"]): line for line in lines}
    rows = [(what, most, read(by[of, phase])) for what, (of, phase, read, most) in BUDGETS.items() if (of, phase) in by]
    rows.append(("import headgate, CPU ms", 150, by["headgate", "import"]["cpu_ms"]))
    rows.append(("default install, MB", 120, by["headgate", "install"]["mb"]))
    print(f"\n{'budget':40}{'at most':>10}{'measured':>12}")
    for what, most, value in rows:
        print(f"{what:40}{most:>10g}{value:>12.2f}  {'met' if value <= most else 'MISSED'}")
    return 0 if all(value <= most for _, most, value in rows) else 1


def _cells(line: dict[str, Any]) -> list[str]:
    load = line["load"]
    added = load.get("ovh_us", {})
    first = load.get("ttft_ovh_us", {})
    bad = load["err"] + load["invalid"] + load["timeouts"] + load["s4xx"] + load["s5xx"] + load["s429"]
    return [
        f"{line['cpu_us_per_call']:.1f}",
        f"{line['cpu_us_per_chunk']:.1f}" if "cpu_us_per_chunk" in line else "",
        f"{added['p50'] / 1000:.2f}" if added else "",
        f"{added['p99'] / 1000:.2f}" if added else "",
        f"{first['p50'] / 1000:.2f}" if first else "",
        f"{line['worker_mb']:.0f}",
        str(bad),
    ]


if __name__ == "__main__":
    sys.exit(main())
