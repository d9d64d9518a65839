"""A few of the kills that `make soak` makes by the hundred."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.gateway import Vendors
from tests.e2e.kill_points import killable

POINTS = 10


def test_killed_at_any_moment_nothing_acknowledged_is_lost_and_nothing_is_there_twice(
    slow_vendors: Vendors, tmp_path: Path
) -> None:
    killing = killable(tmp_path, slow_vendors.url, seed=3)
    try:
        killing.round(POINTS)
    finally:
        killing.gateway.process.kill()
    assert sum(killing.kills.values()) == POINTS
    assert killing.whole > 0
