"""Which row of the ledger is whose. Everything but `find` is done inside the critical section."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.admission.account import Account
from headgate.admission.memory import Memory
from headgate.admission.rows import (
    CALLS,
    COLUMN_CELLS,
    GENERATION_AT,
    HEADER_CELLS,
    HELD,
    NO_PERIOD,
    PAST_STARTS,
    ROW_CELLS,
    SEEN,
    SPENT,
    STARTS,
    TAG_HIGH,
    TAG_LOW,
    USED_AT,
    column_at,
)
from headgate.core.errors import Overloaded

EVICT_SHARE = 16  # of a full ledger's rows, one in so many is given up at once
IDLE_MINUTES = 2  # buckets of a row that rested for so long are empty but for debts
MINUTE_NS = 60_000_000_000


class Table:
    """Finds rows, hands them out, and gives idle ones up where the ledger is full. Bounded by the ledger's rows."""

    __slots__ = ("_cells", "_column", "_generation", "_index", "_rows")

    def __init__(self, memory: Memory) -> None:
        self._cells = memory.cells
        self._rows = memory.rows
        self._column = column_at(memory.rows, max(memory.slot, 0))
        self._index: dict[tuple[int, int], int] = {}
        self._generation = -1

    def bind(self, accounts: Sequence[Account], wall_ns: int) -> None:
        """See that every account has its row, with what the records say was spent. Raises Overloaded: all are in use.

        Those that have one are marked as used first, so that none is given up for another of the same call.
        """
        cells, minute = self._cells, wall_ns // MINUTE_NS
        for account in accounts:
            if cells[account.base] == account.tag_high:
                cells[account.base + SEEN] = minute
        for account in accounts:
            if cells[account.base] == account.tag_high:
                continue
            row = self.find(account)
            if row is None:
                row = self._new(account, minute)
            account.base = HEADER_CELLS + row * ROW_CELLS
            account.column = self._column + row * COLUMN_CELLS
            cells[account.base + SEEN] = minute
            if account.budget_nano is not None:
                self.seed(account, wall_ns)

    def seed(self, account: Account, wall_ns: int) -> None:
        """Raise what a bound account has spent to what the records say of the current period."""
        spent = account.spent(self._cells, wall_ns)
        seeded = account.seeded_nano(account.starts_ns)
        if seeded > spent:
            self._cells[account.base + SPENT] = seeded

    def find(self, account: Account) -> int | None:
        """The account's row, if it has one. Needs no lock."""
        cells = self._cells
        generation = cells[GENERATION_AT]
        if self._generation != generation:
            rows = cells[HEADER_CELLS : HEADER_CELLS + cells[USED_AT] * ROW_CELLS]
            high, low = rows[TAG_HIGH::ROW_CELLS].tolist(), rows[TAG_LOW::ROW_CELLS].tolist()
            self._index = {tag: row for row, tag in enumerate(zip(high, low, strict=True)) if tag[0]}
            self._generation = generation
        return self._index.get(account.tag)

    def _new(self, account: Account, minute: int) -> int:
        """A row for an account that was just looked for in vain: the index is as of now."""
        cells = self._cells
        row = cells[USED_AT]
        if row < self._rows:
            cells[USED_AT] = row + 1
        else:
            row = self._free(minute)
        base = HEADER_CELLS + row * ROW_CELLS
        for at in range(ROW_CELLS):
            cells[base + at] = 0
        cells[base + STARTS] = cells[base + PAST_STARTS] = NO_PERIOD
        cells[base + TAG_LOW] = account.tag[1]
        cells[base + TAG_HIGH] = account.tag[0]
        cells[GENERATION_AT] += 1  # last: who reads without the lock looks again
        self._index[account.tag] = row
        self._generation = cells[GENERATION_AT]
        return row

    def _free(self, minute: int) -> int:
        """A row of a full ledger: those that hold nothing and rested longest are given up."""
        cells = self._cells
        bases = [HEADER_CELLS + row * ROW_CELLS for row in range(self._rows)]
        free = [base for base in bases if not cells[base]]
        if not free:
            idle = sorted(
                (cells[base + SEEN], base)
                for base in bases
                if not cells[base + HELD]
                and not cells[base + CALLS]
                and abs(minute - cells[base + SEEN]) >= IDLE_MINUTES
            )
            free = [base for _, base in idle[: max(self._rows // EVICT_SHARE, 1)]]
            if not free:
                raise Overloaded("more keys, teams, tenants and apps have limits than the ledger holds")
            for base in free:
                self._index.pop((cells[base + TAG_HIGH], cells[base + TAG_LOW]), None)
                cells[base + TAG_HIGH] = 0
        return (free[0] - HEADER_CELLS) // ROW_CELLS
