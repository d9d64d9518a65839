"""kill -9 of a real worker under load: what was acknowledged is on record, once; what was in flight is aborted."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.stores.calls_sqlite import SqliteCalls
from headgate.telemetry import Keeper, fold
from tests.support.world import ManualClock
from tests.telemetry.builders import call_id
from tests.telemetry.test_keeper import Bench


def start(folder: Path, worker: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.telemetry.writer", str(folder), worker], stdout=subprocess.PIPE
    )


def read_acks(worker: subprocess.Popen[bytes], lines: int) -> list[bytes]:
    assert worker.stdout is not None
    return [worker.stdout.readline() for _ in range(lines)]


def kill(worker: subprocess.Popen[bytes]) -> list[bytes]:
    """Kill it and read what it had acknowledged by then."""
    worker.send_signal(signal.SIGKILL)
    assert worker.stdout is not None
    rest = worker.stdout.read()
    worker.wait(10)
    worker.stdout.close()
    assert worker.returncode == -signal.SIGKILL, "it was killed at work, not done already"
    return rest.splitlines(keepends=True)


def sets(acks: list[bytes]) -> tuple[set[str], set[str]]:
    """Ids acknowledged as in flight and as sealed. A torn last line acknowledges nothing."""
    opened, sealed = set(), set()
    for line in acks:
        if line.endswith(b"\n"):
            kind, number = line.split()
            (opened if kind == b"o" else sealed).add(call_id(int(number)))
    return opened, sealed


def check(kept: dict[str, str], acks: list[bytes]) -> None:
    opened, sealed = sets(acks)
    assert opened <= set(kept), "what was in flight is known"
    assert {kept[item] for item in sealed} <= {"ok"}, "what was sealed is whole"
    aborted = {item for item, outcome in kept.items() if outcome == "aborted"}
    # the step that was under way when it died may have been written without having been acknowledged
    assert len((opened - sealed) ^ aborted) <= 2
    assert set(kept.values()) <= {"ok", "aborted"}


@pytest.mark.parametrize("lines", [1, 40, 700, 2500])
def test_killed_after_so_many_acknowledgements(tmp_path: Path, lines: int) -> None:
    bench = Bench(tmp_path)
    worker = start(bench.journals, "a")
    acks = read_acks(worker, lines)
    acks += kill(worker)
    while bench.keeper.step():
        pass
    check(bench.kept(), acks)
    assert list(bench.journals.glob("*")) == []
    bench.store.close()


def test_killed_while_keepers_come_and_go(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    workers = [start(bench.journals, "a"), start(bench.journals, "b")]
    acks: list[bytes] = []
    for turn in range(12):
        for worker in workers:
            acks += read_acks(worker, 100)
        bench.keeper.step()
        if turn % 3 == 2:
            bench.store.close()
            bench.store = SqliteCalls(bench.calls, fold)
            bench.keeper = Keeper(str(bench.journals), bench.store, ManualClock())
    acks += kill(workers[0])
    bench.drain()
    acks += kill(workers[1])
    while bench.segments():
        bench.keeper.step()
    opened, sealed = sets(acks)
    kept = bench.kept()
    assert opened <= set(kept)
    assert {kept[item] for item in sealed} == {"ok"}
    assert set(kept.values()) <= {"ok", "aborted"}
    assert sum(rollup.calls for rollup in bench.store.rollups("*", 0, 1 << 62)) == len(kept), "counted once each"
    assert bench.store.gaps(0, 1 << 62) == []
    bench.store.close()
