"""kill -9 at 200 moments: nothing acknowledged is lost, nothing is there twice, and what was killed is back in time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway import Vendors
from tests.e2e.kill_points import killable

ROUNDS, POINTS = 20, 10
RESTART_S = 3.0  # the bar of the issue


@pytest.fixture
def slow_vendors(tmp_path: Path) -> Iterator[Vendors]:
    made = Vendors(tmp_path, "--interval-ms", "20")
    yield made
    made.process.stop()


def test_two_hundred_kills(slow_vendors: Vendors, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    killing = killable(tmp_path, slow_vendors.url, seed=20261125)
    try:
        for _ in range(ROUNDS):
            killing.round(POINTS)
    finally:
        killing.gateway.process.kill()
    with capsys.disabled():
        print(f"\n{killing.figures()}")
    assert sum(killing.kills.values()) == ROUNDS * POINTS
    for victim, took in killing.restarts_s.items():
        assert max(took) <= RESTART_S, f"{victim}: {max(took):.2f} s"
