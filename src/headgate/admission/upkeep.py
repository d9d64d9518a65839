"""What is made good in the ledger after a process died, inside the critical section."""

from __future__ import annotations

from typing import NamedTuple

from headgate.admission.memory import Memory
from headgate.admission.rows import (
    CALLS,
    COLUMN_CELLS,
    HEADER_CELLS,
    HELD,
    ROW_CELLS,
    SLOTS_AT,
    SPENT,
    USED_AT,
    column_at,
)


class Reclaimed(NamedTuple):
    """What a process that died had held: calls in flight (of limited concurrency), nano-dollars over all accounts."""

    calls: int
    nano: int


def empty(memory: Memory, slot: int) -> Reclaimed:
    """Charge what stands in a slot's columns to the periods that are current: a provider may have done the work."""
    cells = memory.cells
    start = column_at(memory.rows, slot)
    left = cells[start : start + cells[USED_AT] * COLUMN_CELLS].tolist()
    calls = nano = 0
    for at, value in enumerate(left):
        if not value:
            continue
        base = HEADER_CELLS + (at >> 1) * ROW_CELLS
        if at & 1:
            calls += value
            cells[base + CALLS] -= value
        else:
            nano += value
            cells[base + SPENT] += value
            cells[base + HELD] -= value
        cells[start + at] = 0
    return Reclaimed(calls, nano)


def mend(memory: Memory) -> None:
    """A process died inside the section: the sums of what is held are made anew from the columns."""
    cells = memory.cells
    used = cells[USED_AT]
    held, calls = [0] * used, [0] * used
    for slot in range(memory.slots):
        if not cells[SLOTS_AT + slot]:
            continue
        start = column_at(memory.rows, slot)
        column = cells[start : start + used * COLUMN_CELLS].tolist()
        held = [sum(pair) for pair in zip(held, column[::2], strict=True)]
        calls = [sum(pair) for pair in zip(calls, column[1::2], strict=True)]
    for row in range(used):
        base = HEADER_CELLS + row * ROW_CELLS
        cells[base + HELD], cells[base + CALLS] = held[row], calls[row]
