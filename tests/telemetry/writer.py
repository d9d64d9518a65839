"""A worker to be killed: journals calls as fast as it can and acknowledges each step on standard output.

`python -m tests.telemetry.writer FOLDER WORKER`: lines `o N` (in flight) and `s N` (sealed), each written after the
journal's own call has returned.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from headgate.telemetry import JournalSettings, LocalJournal
from tests.telemetry.builders import record


class Clock:
    """The system's clocks on the running loop."""

    now_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)

    def call_later(self, delay_s, callback):
        return asyncio.get_running_loop().call_later(delay_s, callback)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class Entropy:
    """The system's randomness."""

    bytes = staticmethod(os.urandom)

    def uniform(self) -> float:
        return 0.5


async def main(folder: str, worker: str) -> None:
    """Four calls overlap at any time; every seventh is never sealed. Ends by itself if nobody kills it."""
    with ThreadPoolExecutor(1) as pool:
        settings = JournalSettings(segment_bytes=64 << 10, sync_s=0.01)
        journal = LocalJournal(folder, worker, Clock(), Entropy(), pool.submit, settings)
        base = 1_000_000 if worker == "b" else 0
        for number in range(100_000):
            journal.opened(record(base + number))
            os.write(1, b"o %d\n" % (base + number))
            done = number - 4
            if done >= 0 and done % 7:
                journal.sealed(record(base + done))
                os.write(1, b"s %d\n" % (base + done))
            if number % 20 == 0:
                await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
