"""CPU of the witness per call and per chunk, and of the keeper per call. `python -m benchmarks.telemetry [--json]`."""

from __future__ import annotations

import argparse
import gc
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.world import ManualClock
from tests.telemetry.builders import call, funded, journal, passed

from benchmarks.journal import record as typical
from headgate.core.chat import Begin, Finish, TextDelta, UsageDelta
from headgate.core.record import AttemptRecord, CallRecord, GapRecord
from headgate.core.types import Usage
from headgate.stores.calls_sqlite import SqliteCalls
from headgate.telemetry import Keeper, Metrics, Telemetry, fold


class NoJournal:
    """Takes everything, keeps nothing: the journal has a benchmark of its own."""

    def opened(self, record: CallRecord) -> None:
        """Nothing."""

    def sealed(self, record: CallRecord) -> None:
        """Nothing."""

    def gap(self, gap: GapRecord) -> None:
        """Nothing."""


class RealClock(ManualClock):
    """The system's clocks; nothing here waits."""

    now_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)


def witness(count: int) -> dict[str, float]:
    """Microseconds of open, one look and seal together, and of one more look."""
    clock = RealClock()
    telemetry = Telemetry(NoJournal(), clock)
    whole = passed(Begin("id", "gpt-4o-mini"), TextDelta("Hello"), Finish("stop", "stop"), UsageDelta(Usage(10, 20)))
    made = [call(clock, number) for number in range(count)]
    plans = [funded(item) for item in made]
    for item in made:
        item.record.attempts.append(AttemptRecord("openai", "gpt-4o-mini", 10, "first", outcome="ok"))
    gc.collect()
    began = time.thread_time()
    for item, plan in zip(made, plans, strict=True):
        one = telemetry.witness(item)
        one.open(plan)
        one.saw(whole)
        one.seal()
    per_call = (time.thread_time() - began) / count
    one = telemetry.witness(call(clock))
    chunk = passed(TextDelta("Hello"))
    began = time.thread_time()
    for _ in range(count * 5):
        one.saw(chunk)
    return {"witness_call_us": per_call * 1e6, "witness_chunk_us": (time.thread_time() - began) / count / 5 * 1e6}


def keeper(count: int) -> dict[str, float]:
    """Microseconds and bytes per call of draining a journal into SQLite and the metrics."""
    folder = Path(tempfile.mkdtemp())
    try:
        clock = ManualClock()
        target = journal(folder / "journal", clock, segment_bytes=8 << 20)
        for number in range(count):
            item = typical(number)
            target.opened(item)
            target.sealed(item)
        target.close()
        store = SqliteCalls(folder / "calls", fold)
        drain = Keeper(str(folder / "journal"), store, clock, [Metrics().count]).step
        gc.collect()
        began = time.process_time()
        while drain():
            pass
        cpu = time.process_time() - began
        store.close()
        size = sum(path.stat().st_size for path in (folder / "calls").iterdir())
    finally:
        shutil.rmtree(folder)
    return {"keeper_call_us": cpu / count * 1e6, "store_bytes_per_call": size / count}


def median(measure: Callable[[int], dict[str, float]], count: int, runs: int = 5) -> dict[str, float]:
    """The middle of some runs, per number."""
    found = [measure(count) for _ in range(runs)]
    return {name: round(statistics.median(run[name] for run in found), 2) for name in found[0]}


def main() -> int:
    """Five runs each, medians."""
    options = argparse.ArgumentParser()
    options.add_argument("--json", action="store_true")
    options.add_argument("--calls", type=int, default=20_000)
    chosen = options.parse_args()
    numbers = {**median(witness, chosen.calls), **median(keeper, chosen.calls)}
    if chosen.json:
        print(json.dumps({"bench": "telemetry", "calls": chosen.calls, **numbers}))
    else:
        for name, value in numbers.items():
            print(f"{name:32s} {value:10.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
