"""The ledger: what every limited key, team, tenant and app has used and holds, one truth for all workers of a machine.

A call is checked against all its scopes and charged to all of them in one short critical section. What a process holds
stands in a column of its own beside the sums, so that it can be reclaimed when the process is dead: charged in full,
since a provider may have done the work. The reasons are in docs/decisions/009-ledger.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headgate.admission.account import Account
from headgate.admission.bucket import MINUTE_US, add, level
from headgate.admission.holds import Hold, Notice, Share, Standing
from headgate.admission.memory import Memory
from headgate.admission.rows import (
    CALLS,
    HEADER_CELLS,
    HELD,
    NO_PERIOD,
    PAST_SPENT,
    PAST_STARTS,
    REQUESTS,
    ROW_CELLS,
    SEEN,
    SLOTS_AT,
    SPENT,
    STARTS,
    TOKENS,
    TOLD,
    TORN_AT,
    WANTED_AT,
)
from headgate.admission.table import MINUTE_NS, Table
from headgate.admission.upkeep import Reclaimed, empty, mend
from headgate.core.errors import CallerError, ConfigError, Overloaded
from headgate.core.ports import Clock

WARN_PERCENT = 80
SETTLE_IN_TRIES = 6  # of half a second: a sole worker that has no calls lets go within one


class SharedLedger:
    """Implements `admission.ports.Ledger`. Every call to it happens on one thread."""

    __slots__ = ("_cells", "_clock", "_late", "_lock", "_memory", "_sole", "_table", "notices")

    def __init__(self, memory: Memory, clock: Clock) -> None:
        self._memory = memory
        self._cells = memory.cells
        self._lock = memory.lock
        self._clock = clock
        self._table = Table(memory)
        self._sole = False
        self._late: list[tuple[Hold, int | None, int | None]] = []
        self.notices: list[Notice] = []

    @classmethod
    def open(cls, folder: Path, clock: Clock, sole: bool = False) -> SharedLedger:
        """The ledger of a state folder, for a process that makes calls. Open it after any fork.

        `sole`: no other is expected, so the lock is kept between calls until another process wants it. Raises
        ConfigError, also where a stopped process holds the ledger.
        """
        memory = Memory.open(folder)
        try:
            memory.claim()
            ledger = cls(memory, clock)
            ledger._settle_in()
            ledger._sole = sole
        except BaseException:
            memory.close()
            raise
        return ledger

    @classmethod
    def look(cls, folder: Path, clock: Clock) -> SharedLedger:
        """The same, to read only: `standing` and `sync`. Raises ConfigError."""
        return cls(Memory.open(folder), clock)

    @classmethod
    def alone(cls, clock: Clock, rows: int = 4096) -> SharedLedger:
        """A ledger of this process alone, in memory."""
        return cls(Memory.anonymous(rows), clock)

    # -- calls ------------------------------------------------------------------------------------------------------

    def gone(self, accounts: Sequence[Account], wall_ns: int) -> CallerError | None:
        """The refusal where the money of an account is known to be spent. Takes no lock: a refusal costs next to
        nothing, however many there are."""
        cells = self._cells
        for account in accounts:
            if account.budget_nano is not None:
                refusal = account.gone(cells, wall_ns)
                if refusal is not None:
                    return refusal
        return None

    def count(self, accounts: Sequence[Account], wall_ns: int) -> CallerError | None:
        """One request of every account at once; the refusal where one of them has no room. Raises Overloaded."""
        self._enter()
        try:
            cells = self._cells
            now_us = self._clock.monotonic_ns() // 1000
            for account in accounts:
                if cells[account.base] != account.tag_high:
                    self._table.bind(accounts, wall_ns)
                refusal = account.too_fast(cells, now_us)
                if refusal is not None:
                    return refusal
            for account in accounts:
                if account.rpm is not None:
                    cells[account.base + REQUESTS] += MINUTE_US
            return None
        finally:
            self._leave()

    def hold(
        self, accounts: Sequence[Account], nano: int, tokens: int, wall_ns: int, counted: Account | None = None
    ) -> Hold | CallerError:
        """Hold the worst case of one call on every account, or on none: then the refusal. Raises Overloaded.

        `counted`: the account whose request this is, where it was not known at the door.
        """
        self._enter()
        try:
            cells = self._cells
            now_us = self._clock.monotonic_ns() // 1000
            for account in accounts:
                if cells[account.base] != account.tag_high:
                    self._table.bind(accounts, wall_ns)
                refusal = account.refuses(cells, nano, tokens, now_us, wall_ns)
                if refusal is None and account is counted:
                    refusal = account.too_fast(cells, now_us)
                if refusal is not None:
                    self._note_refusal(account, nano)
                    return refusal
            if counted is not None and counted.rpm is not None:
                cells[counted.base + REQUESTS] += MINUTE_US
            minute = wall_ns // MINUTE_NS
            return Hold([self._take(account, nano, tokens, minute) for account in accounts])
        finally:
            self._leave()

    def _take(self, account: Account, nano: int, tokens: int, minute: int) -> Share:
        """The column first: where a process dies in between, the sums are made anew from the columns."""
        cells, base, mine = self._cells, account.base, account.column
        cells[base + SEEN] = minute
        starts_ns = NO_PERIOD
        if account.budget_nano is None:
            nano = 0
        else:
            starts_ns = account.starts_ns
            cells[mine] += nano
            cells[base + HELD] += nano
        called = account.most is not None
        if called:
            cells[mine + 1] += 1
            cells[base + CALLS] += 1
        rate = account.tpm
        took = 0
        if rate is not None:
            took = tokens if tokens < rate else rate
            cells[base + TOKENS] += took * MINUTE_US
        return account, nano, starts_ns, took, called

    def settle(self, hold: Hold, nano: int | None, tokens: int | None) -> None:
        """Charge what it really was; None charges what was held. Again: replaces the first charge, ends nothing twice.

        Never raises: where the ledger is busy for too long it is made up for at the next chance.
        """
        if not self._lock.take():
            self._late.append((hold, nano, tokens))
            return
        try:
            self._begin()
            self._settle(hold, nano, tokens)
        finally:
            self._leave()

    def _settle(self, hold: Hold, nano: int | None, tokens: int | None) -> None:
        cells, first = self._cells, not hold.settled
        charged = hold.charged
        for account, held, starts_ns, took, called in hold.shares:
            if cells[account.base] != account.tag_high:  # its row was given up while it held nothing
                if self._table.find(account) is None:
                    continue
                self._table.bind((account,), self._clock.now_ns())
            base, mine = account.base, account.column
            if starts_ns != NO_PERIOD:
                hold.charged = held if nano is None else nano
                # spent before held goes: where we die in between, the call counts twice rather than not at all
                self._charge(account, starts_ns, hold.charged - charged)
                if first and held:
                    cells[base + HELD] -= held
                    cells[mine] -= held
            if first and called:
                cells[base + CALLS] -= 1
                cells[mine + 1] -= 1
            if account.tpm is not None:
                before = took if first else hold.charged_tokens
                used = took if tokens is None else tokens
                if used != before:
                    add(cells, base + TOKENS, used - before)
        hold.settled = True
        hold.charged_tokens = max([share[3] for share in hold.shares]) if tokens is None else tokens

    def _charge(self, account: Account, starts_ns: int, nano: int) -> None:
        """Add to the period that a call began in, be it the current one or the one before."""
        cells, base = self._cells, account.base
        if cells[base + STARTS] == starts_ns:
            spent = cells[base + SPENT] + nano
            cells[base + SPENT] = spent = spent if spent > 0 else 0
            budget = account.budget_nano
            if budget is not None and spent * 100 >= budget * WARN_PERCENT:
                self._note(account, budget, spent, 100 if spent >= budget else WARN_PERCENT)
        elif cells[base + PAST_STARTS] == starts_ns:
            cells[base + PAST_SPENT] = max(cells[base + PAST_SPENT] + nano, 0)

    def _note_refusal(self, account: Account, nano: int) -> None:
        """A budget that is nearly spent and refuses calls is spent, though some cents are left."""
        budget = account.budget_nano
        if budget is not None and account.starts_ns == self._cells[account.base + STARTS]:
            spent = self._cells[account.base + SPENT]
            if spent * 100 >= budget * WARN_PERCENT and spent + nano > budget:
                self._note(account, budget, spent, 100)

    def _note(self, account: Account, budget: int, spent: int, percent: int) -> None:
        """The mark in the row is the budget and, as its lowest bit, whether it was all: another budget is told anew."""
        cells, base = self._cells, account.base
        told = cells[base + TOLD]
        mark = budget << 1 | (percent == 100)
        if told >> 1 != budget or told < mark:
            cells[base + TOLD] = mark
            self.notices.append(Notice(account, percent, spent))

    # -- upkeep -----------------------------------------------------------------------------------------------------

    def seed(self, accounts: Sequence[Account], wall_ns: int) -> None:
        """Raise what counts as spent to what the records say; it never lowers it.

        The records lag behind by the calls not drained yet, and are ahead after a power cut. Raises Overloaded.
        """
        cells = self._cells
        late = [
            account
            for account in accounts
            if account.budget_nano is not None
            and account.seed.usd
            and cells[account.base] == account.tag_high
            and (
                cells[account.base + STARTS] != account.period(wall_ns)
                or cells[account.base + SPENT] < account.seeded_nano(account.starts_ns)
            )
        ]
        if not late:
            return
        self._enter()
        try:
            self._table.bind(late, wall_ns)
            for account in late:
                self._table.seed(account, wall_ns)
        finally:
            self._leave()

    def reclaim(self) -> Reclaimed:
        """Charge what dead processes held, in full, and free it. Where the ledger is busy: nothing, try again later."""
        calls = nano = 0
        memory = self._memory
        others = memory.others()
        if self._sole:
            self._lend(others)
        for slot in others:
            try:
                claim = memory.held_by_nobody(slot)
            except OSError:  # no descriptor is free: it can wait until one is
                break
            if claim < 0:
                continue
            try:
                if not self._lock.take():
                    break
                try:
                    self._begin()
                    found = empty(memory, slot)
                    self._cells[SLOTS_AT + slot] = 0
                finally:
                    self._leave()
                calls, nano = calls + found.calls, nano + found.nano
            finally:
                memory.free(claim)
        return Reclaimed(calls, nano)

    def _lend(self, others: Sequence[int]) -> None:
        """Let another process have the lock that is kept, where one came; keep it again where all others are gone."""
        if self._lock.held and self._cells[WANTED_AT]:
            self._lock.free()
        elif not others and self._cells[WANTED_AT] and self._lock.take():
            try:
                self._begin()
                if not self._memory.others():
                    self._cells[WANTED_AT] = 0
            finally:
                self._leave()

    def standing(self, account: Account, wall_ns: int) -> Standing:
        """How an account stands, read without a lock; by the records where no call of it was counted yet."""
        starts_ns = account.period(wall_ns)
        spent = account.seeded_nano(starts_ns)
        row = self._table.find(account)
        if row is None:
            return Standing(spent)
        cells, base = self._cells, HEADER_CELLS + row * ROW_CELLS
        for at, of in ((STARTS, SPENT), (PAST_STARTS, PAST_SPENT)):
            if cells[base + at] == starts_ns:
                spent = max(spent, cells[base + of])
                break
        now_us = self._clock.monotonic_ns() // 1000
        return Standing(
            spent,
            cells[base + HELD],
            cells[base + CALLS],
            level(cells, base + REQUESTS, account.rpm, now_us),
            level(cells, base + TOKENS, account.tpm, now_us),
        )

    def sync(self) -> None:
        """Have the ledger of now survive a power cut. Raises OSError."""
        self._memory.sync()

    def close(self) -> None:
        """Let go of it. What is still held is charged in full by whoever looks next."""
        self._memory.close()

    # -- the critical section -----------------------------------------------------------------------------------------

    def _enter(self) -> None:
        if not self._lock.take():
            raise Overloaded("the ledger of limits and budgets is held by a stopped process", retry_after_s=1.0)
        try:
            self._begin()
        except BaseException:
            self._leave()
            raise

    def _begin(self) -> None:
        cells = self._cells
        if cells[TORN_AT]:  # who had the lock before died with it
            mend(self._memory)
        cells[TORN_AT] = 1
        if self._late:
            late, self._late = self._late, []
            for hold, nano, tokens in late:
                self._settle(hold, nano, tokens)

    def _leave(self) -> None:
        cells = self._cells
        cells[TORN_AT] = 0
        if not self._sole or cells[WANTED_AT]:
            self._lock.free()

    def _settle_in(self) -> None:
        """Begin with an empty column: what an earlier process left in the slot is charged."""
        for _ in range(SETTLE_IN_TRIES):
            self._cells[WANTED_AT] = 1  # said again and again: one that thinks it is alone may just have unsaid it
            if self._lock.take():
                break
            self._lock.hope()
        if not self._lock.held:
            right = "end the process that was stopped"
            raise ConfigError("the ledger of limits", "a process that does not run keeps it locked", right)
        self._enter()
        self._cells[WANTED_AT] = 1
        try:
            empty(self._memory, self._memory.slot)
            self._cells[SLOTS_AT + self._memory.slot] = 1
        finally:
            self._leave()
