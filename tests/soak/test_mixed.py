"""Mixed load for half an hour: memory, descriptors and threads of every process stay where they were.

`HEADGATE_SOAK_MINUTES=3` makes it short; the slope is then less sure.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.crowd import Crowd, descriptors, resident_mb, threads
from tests.e2e.gateway import Gateway, Vendors, fetch, until
from tests.e2e.workspace import documents, providers
from tests.support.world import run

MINUTES = float(os.environ.get("HEADGATE_SOAK_MINUTES", "30"))
AT_ONCE, ROUND = 16, 400
WARM_PART = 1 / 3  # of the time passes before the slope is looked at
LOOK_S = 1.0
SLOPE_MB_PER_MIN = 0.5
SHORT_MIN, SLOPE_SHORT = 10.0, 2.0  # a short soak sees caches and pools that still fill


@dataclass
class Watched:
    """What one process was seen with: seconds since the start, MB, descriptors, threads."""

    pid: int
    seen: list[tuple[float, float, int, int]] = field(default_factory=list[tuple[float, float, int, int]])

    def look(self, at_s: float) -> None:
        """Look once more."""
        self.seen.append((at_s, resident_mb(self.pid), descriptors(self.pid), threads(self.pid)))

    def late(self) -> list[tuple[float, float, int, int]]:
        """What was seen once it was warm."""
        warm_s = self.seen[-1][0] * WARM_PART
        return [one for one in self.seen if one[0] >= warm_s]

    def slope(self) -> float:
        """MB per minute once it was warm, by least squares."""
        times = [at_s / 60 for at_s, *_ in self.late()]
        sizes = [mb for _, mb, *_ in self.late()]
        mean_t, mean_s = sum(times) / len(times), sum(sizes) / len(sizes)
        over = sum((t - mean_t) * (s - mean_s) for t, s in zip(times, sizes, strict=True))
        return over / sum((t - mean_t) ** 2 for t in times)

    def told(self) -> str:
        """One line."""
        first, last = self.late()[0], self.late()[-1]
        return (
            f"{first[1]:.1f} -> {last[1]:.1f} MB ({self.slope():+.3f} MB a minute), "
            f"{first[2]} -> {last[2]} descriptors, {first[3]} -> {last[3]} threads"
        )


def test_mixed_load_leaves_everything_flat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vendors = Vendors(tmp_path, "--interval-ms", "5")
    accounts = {**providers(vendors.url), **providers(vendors.url, "-slow")}
    own = Gateway(tmp_path, {"providers": accounts}, documents()).start()
    processes = {"worker": Watched(own.worker()), "control": Watched(own.control())}
    done, began = threading.Event(), time.monotonic()

    def watch() -> None:
        while not done.wait(LOOK_S):
            for one in processes.values():
                one.look(time.monotonic() - began)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    crowds = [Crowd(own, f"slow-{vendor}", own.key, seed=3) for vendor in ("openai", "anthropic", "google")]
    try:
        while time.monotonic() - began < MINUTES * 60:
            for crowd in crowds:
                run(crowd.come(ROUND // len(crowds), AT_ONCE), 120)
            odd(own)
        done.set()
        watching.join()
        with capsys.disabled():
            total = sum(crowd.begun for crowd in crowds)
            print(f"\n{MINUTES:g} minutes, {total} calls of clients, {sum(one.whole for one in crowds)} whole")
            for name, one in processes.items():
                print(f"{name}: {one.told()}")
        assert [one.wrong for one in crowds] == [[], [], []]
        assert (own.worker(), own.control()) == (processes["worker"].pid, processes["control"].pid)
        until(lambda: own.api("GET", "/api/workers")["workers"][0]["in_flight"] == 0, 10, "nothing is in flight")
        most = SLOPE_SHORT if MINUTES < SHORT_MIN else SLOPE_MB_PER_MIN
        for one in processes.values():
            assert one.slope() <= most
            assert one.late()[-1][2] <= max(fds for _, _, fds, _ in one.late()[: len(one.late()) // 2]) + 4
            assert one.late()[-1][3] <= max(count for *_, count in one.late()[: len(one.late()) // 2])
    finally:
        done.set()
        own.process.kill()
        vendors.process.stop()


def odd(own: Gateway) -> None:
    """What no client should send, and what an operator reads meanwhile."""
    assert own.ask({"model": "no-such-app", "messages": []}).status in (400, 404)
    assert own.ask(b"{").status == 400
    assert own.ask({"model": "to-openai", "messages": [{"role": "user", "content": "x" * 300_000}]}).status == 200
    assert fetch(own.url + "/v1/models").status == 401
    assert fetch(own.url + "/nowhere").status == 404
    own.api("GET", "/api/calls?limit=100")
    own.make_key()
