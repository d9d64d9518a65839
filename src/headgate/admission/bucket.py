"""A leaky bucket in two cells of the ledger: it holds one minute's worth and drains evenly.

The level counts unit-microseconds per minute, so that draining and waiting are exact in integers. The clock is the
machine's monotonic one, the same for every process. It starts anew with the machine: a time that lies ahead of it is of
before, and then nothing drains for what is not known to have passed.
"""

from __future__ import annotations

from headgate.admission.rows import Cells

MINUTE_US = 60_000_000
LEVEL_MAX = 1 << 62


def drained(cells: Cells, at: int, per_minute: int, now_us: int) -> int:
    """The level of the bucket at cells `at` (level, last) and `at + 1`, brought up to `now_us`."""
    elapsed = now_us - cells[at + 1]
    if not elapsed:
        return cells[at]
    left = cells[at]
    if left:
        if elapsed > 0:
            left -= elapsed * per_minute
            left = left if left > 0 else 0
        cells[at] = left
    cells[at + 1] = now_us
    return left


def wait_us(full: int, units: int, per_minute: int) -> int:
    """How many microseconds until `units` (at most the whole bucket) fit into a bucket filled to `full`; 0: now."""
    excess = full + (units if units < per_minute else per_minute) * MINUTE_US - per_minute * MINUTE_US
    return -(-excess // per_minute) if excess > 0 else 0


def add(cells: Cells, at: int, units: int) -> None:
    """Charge (or, negative, give back) units without asking; a debt drains like the rest."""
    left = cells[at] + units * MINUTE_US
    cells[at] = 0 if left < 0 else min(left, LEVEL_MAX)


def level(cells: Cells, at: int, per_minute: int | None, now_us: int) -> int:
    """Units in a bucket at `now_us`, rounded up, without touching it; more than `per_minute` is a debt."""
    if per_minute is None:
        return 0
    left = cells[at] - max(now_us - cells[at + 1], 0) * per_minute
    return -(-left // MINUTE_US) if left > 0 else 0
