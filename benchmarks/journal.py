"""CPU of the call journal per call: opened, sealed, syncing included. `python benchmarks/journal.py [--json]`."""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import json
import shutil
import statistics
import sys
import tempfile
import time

from headgate.core.record import AttemptRecord, CallRecord
from headgate.telemetry.journal import JournalSettings, LocalJournal
from headgate.wire.clock import SystemClock, SystemEntropy


def record(number: int) -> CallRecord:
    """A typical call: one attempt, no bodies; a millisecond later than the one before."""
    latency_us = 200_000 + number * 7919 % 900_000
    return CallRecord(
        id=f"call_{number:026d}", received_ns=1_732_000_000_123_456_789 + number * 1_000_000, dialect="openai",
        tenant="acme",
        key_id="key_8f2k1m", app="support", release="support#17", channel="production",
        prompt="prompt/support@1.4.2", prompt_digest="a" * 64, route="route/default@1.0.0",
        policy="guardrail/standard@1.0.0", model_asked="support", model_answered="gpt-4o-mini-2024-07-18",
        provider="openai", target_model="gpt-4o-mini", target_dialect="openai", outcome="ok", status=200,
        finish="stop", input_tokens=312, output_tokens=85, cached_tokens=0, cost_usd=0.000123, latency_us=latency_us,
        ttft_us=latency_us // 2, committed=True, snapshot="b" * 64, peer="10.0.0.1",
        attempts=[
            AttemptRecord(
                "openai", "gpt-4o-mini", 120, "first in the route", latency_us - 50, latency_us // 2, 200, "ok", None,
                None, "gpt-4o-mini-2024-07-18", 312, 85, 0.000123, "req_123",
            )
        ],
    )  # fmt: skip


async def measure(directory: str, calls: int) -> dict[str, float]:
    """Microseconds of process CPU per call, the syncing thread included in `all`."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        settings = JournalSettings(segments=10_000)
        journal = LocalJournal(directory, "bench", SystemClock(), SystemEntropy(), pool.submit, settings)
        records = [record(number) for number in range(calls)]
        opened = sealed = 0.0
        worst = 0.0
        began = time.process_time()
        for start in range(0, calls, 500):
            part = records[start : start + 500]
            at = time.thread_time()
            for item in part:
                journal.opened(item)
            middle = time.thread_time()
            wall = time.perf_counter()
            for item in part:
                journal.sealed(item)
            worst = max(worst, (time.perf_counter() - wall) / len(part))
            opened += middle - at
            sealed += time.thread_time() - middle
            await asyncio.sleep(0)
        total = time.process_time() - began
        lost = journal.lost_total
        journal.close()
    return {
        "opened_us": opened / calls * 1e6,
        "sealed_us": sealed / calls * 1e6,
        "all_us": total / calls * 1e6,
        "slowest_500_sealed_wall_us": worst * 1e6,
        "lost": float(lost),
    }


def main() -> int:
    """Five runs, medians."""
    options = argparse.ArgumentParser()
    options.add_argument("--json", action="store_true")
    options.add_argument("--calls", type=int, default=50_000)
    chosen = options.parse_args()
    runs: list[dict[str, float]] = []
    for _ in range(5):
        directory = tempfile.mkdtemp()
        try:
            runs.append(asyncio.run(measure(directory, chosen.calls)))
        finally:
            shutil.rmtree(directory)
    middle = {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}
    if chosen.json:
        print(json.dumps({"bench": "journal", "calls": chosen.calls, **middle}))
    else:
        for name, value in middle.items():
            print(f"{name:32s} {value:10.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
