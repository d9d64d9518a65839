"""Five thousand streams at once through one worker: none breaks, and memory stays within its bound.

The load tool and the provider are those of the benchmarks (C), so that the gateway is what is measured.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.load import phases, processes
from benchmarks.load.contestants import MOCK_PORT, Contestant, headgate

from headgate.app.roster import read_roster

STREAMS, CHUNKS, INTERVAL_US, RAMP_S = 5000, 20, 2_000_000, 20
MOST_MB = 300.0
AT_ONCE = 0.95  # of the streams must have been open at one moment
PORT = 8140


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[None]:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    phases.build(tmp_path)
    process = processes.start([str(tmp_path / "mock"), str(MOCK_PORT)], 1, tmp_path / "mock.log")
    yield
    processes.stop(process)


class Watch:
    """The most calls in flight and the most memory that a gateway's workers were seen with."""

    def __init__(self, served: Contestant) -> None:
        self._state = served.folder / "state"
        self._done = threading.Event()
        self.in_flight = 0
        self.memory_mb = 0.0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._done.wait(0.5):
            for line in read_roster(self._state):
                self.in_flight = max(self.in_flight, line.in_flight)
                self.memory_mb = max(self.memory_mb, processes.rss_mb([line.pid]))

    def stop(self) -> None:
        """Look no more."""
        self._done.set()
        self._thread.join()


def test_five_thousand_streams(mock: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    served = headgate(tmp_path, PORT, everything=False)
    process, _ = phases.cold(served, tmp_path / "headgate.log")
    settings = (("chunks", CHUNKS), ("interval_us", INTERVAL_US))
    load = ("-s", "-c", str(STREAMS), "-n", str(STREAMS), "-R", str(RAMP_S))
    watch = Watch(served)
    began = time.monotonic()
    try:
        phase = phases.Phase("streams", load, mock=settings)
        line: dict[str, Any] = phases.run(served, phase, tmp_path, process.pid)
        took = time.monotonic() - began
        time.sleep(1.5)
        watch.stop()
        (worker,) = read_roster(served.folder / "state")
    finally:
        processes.stop(process)
    with capsys.disabled():
        print(
            f"\n{line['load']['ok']} of {STREAMS} streams whole, {watch.in_flight} of them at once, in {took:.0f} s; "
            f"worker {watch.memory_mb:.0f} MB at most"
        )
    assert line["load"]["ok"] == STREAMS, json.dumps(line["load"])
    assert watch.in_flight >= STREAMS * AT_ONCE
    assert watch.memory_mb <= MOST_MB
    assert worker.in_flight == 0
