"""How the ledger lies in memory: signed 64-bit cells, one row an account, two cells a row for each process.

    header    HEADER_CELLS cells: mark, format, rows, slots, generation, torn, used, wanted; from SLOTS_AT a cell a slot
    rows      rows x ROW_CELLS: what is spent and how full the buckets are, and the sums of what is held
    columns   slots x rows x COLUMN_CELLS: what the process in each slot holds of each account

Every cell is written by one aligned machine store, so a reader never sees half a number, however a writer dies. Money
is in nano-dollars, times of periods in nanoseconds since the Unix epoch, bucket times in microseconds of the monotonic
clock, bucket levels in unit-microseconds per minute.
"""

from __future__ import annotations

import hashlib
import struct

FORMAT = 1
MARK = int.from_bytes(b"HGLEDGER", "little")
CELL = 8

HEADER_CELLS = 512
MARK_AT, FORMAT_AT, ROWS_AT, SLOT_COUNT_AT, GENERATION_AT, TORN_AT, USED_AT, WANTED_AT = range(8)
SLOTS_AT = 64
SLOTS_MAX = HEADER_CELLS - SLOTS_AT

ROW_CELLS = 16
(
    TAG_HIGH, TAG_LOW, STARTS, SPENT, TOLD, PAST_STARTS, PAST_SPENT, PAST_TOLD, HELD, CALLS, REQUESTS, REQUESTS_LAST,
    TOKENS, TOKENS_LAST, SEEN, _SPARE,
) = range(ROW_CELLS)  # fmt: skip

COLUMN_CELLS = 2  # money held, calls in flight
NO_PERIOD = -1

Cells = memoryview  # of signed 64-bit cells


def tag_of(address: str) -> tuple[int, int]:
    """What an account is found by: 128 bits of BLAKE2b of its address, never (0, 0)."""
    high, low = struct.unpack("<qq", hashlib.blake2b(address.encode("utf-8", "surrogatepass"), digest_size=16).digest())
    return high or 1, low


def cells_of(rows: int, slots: int) -> int:
    """How many cells a ledger has."""
    return HEADER_CELLS + rows * ROW_CELLS + slots * rows * COLUMN_CELLS


def column_at(rows: int, slot: int) -> int:
    """The first cell of a slot's columns."""
    return HEADER_CELLS + rows * ROW_CELLS + slot * rows * COLUMN_CELLS


def turn(cells: Cells, base: int, starts_ns: int) -> None:
    """Makes `starts_ns` the current period of the row at `base`; the one before is kept beside it.

    A clock that jumps ahead and comes back finds both as it left them. Written so that a death between two stores
    leaves the new period with the old one's spending, never with less than it had.
    """
    returns = cells[base + PAST_STARTS] == starts_ns
    spent, told = (cells[base + PAST_SPENT], cells[base + PAST_TOLD]) if returns else (0, 0)
    cells[base + PAST_SPENT] = cells[base + SPENT]
    cells[base + PAST_TOLD] = cells[base + TOLD]
    cells[base + PAST_STARTS] = cells[base + STARTS]
    cells[base + STARTS] = starts_ns
    cells[base + SPENT] = spent
    cells[base + TOLD] = told
