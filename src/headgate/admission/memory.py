"""Where the ledger lies: a file that all processes of one machine map, or memory of one process alone.

The file survives restarts and kill -9, since what is written into the mapping is the kernel's. After a power cut it is
as it was some seconds before; the control process syncs it.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path

from headgate.admission.lock import KernelLock, NoLock
from headgate.admission.rows import (
    CELL,
    COLUMN_CELLS,
    FORMAT,
    FORMAT_AT,
    HEADER_CELLS,
    MARK,
    MARK_AT,
    ROW_CELLS,
    ROWS_AT,
    SLOT_COUNT_AT,
    SLOTS_AT,
    SLOTS_MAX,
    Cells,
    cells_of,
    column_at,
)
from headgate.core.errors import ConfigError

LEDGER_FILE = "ledger.hgl"
ROWS = 16_384  # 10,000 keys, thousands of tenants, teams and apps; rows of idle accounts are used again
SLOTS = 128  # processes at once, those that are draining included
OPEN_TRIES = 6  # of half a second each

assert SLOTS <= SLOTS_MAX


class Memory:
    """Cells, the lock that guards them, and the slot of this process in them; slot -1: reads only.

    A slot is claimed by a lock on a file of its own, which the kernel frees when the process ends, however it ends.
    """

    __slots__ = ("_claim", "_file", "_folder", "_map", "cells", "guard", "lock", "rows", "slot", "slots")

    def __init__(self, mapped: mmap.mmap, lock: KernelLock | NoLock, folder: Path | None, file: int) -> None:
        self._map = mapped
        self._folder = folder
        self._file = file
        self._claim = -1
        self.guard = -1
        self.lock = lock
        self.cells: Cells = memoryview(mapped).cast("q")
        self.rows = self.cells[ROWS_AT]
        self.slots = self.cells[SLOT_COUNT_AT]
        self.slot = -1

    @classmethod
    def anonymous(cls, rows: int = 256) -> Memory:
        """Memory of this process alone, its one slot claimed."""
        mapped = mmap.mmap(-1, cells_of(rows, 1) * CELL)
        with memoryview(mapped).cast("q") as cells:
            _head(cells, rows, 1)
        memory = cls(mapped, NoLock(), None, -1)
        memory.slot = 0
        return memory

    @classmethod
    def open(cls, folder: Path, rows: int = ROWS, slots: int = SLOTS) -> Memory:
        """The ledger of a state folder, made on first use; no slot is claimed yet.

        Call it in the process that will use it, after any fork. Raises ConfigError where the file is of a newer format,
        is no ledger, cannot be made, or stays locked.
        """
        path = folder / LEDGER_FILE
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(str(path), f"cannot be opened: {error.strerror}", "a file this user may write") from error
        try:
            making = KernelLock(file)  # not the one that guards the cells: a sole worker keeps that
            _patiently(making, path)
            try:
                mapped = _mapped(file, path, rows, slots)
            finally:
                making.free()
            guard = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except BaseException:
            os.close(file)
            raise
        memory = cls(mapped, KernelLock(guard), folder, file)
        memory.guard = guard
        return memory

    def claim(self) -> None:
        """Take a free slot. The caller reclaims what an earlier process left in it. Raises ConfigError: none is free.

        Its columns get their disk blocks here: a write into a hole of a full disk would kill the process.
        """
        assert self._folder is not None
        for slot in range(self.slots):
            claim = self.held_by_nobody(slot)
            if claim < 0:
                continue
            try:
                start = column_at(self.rows, slot) * CELL
                os.posix_fallocate(self._file, start, self.rows * COLUMN_CELLS * CELL)
            except OSError as error:
                os.close(claim)
                where = str(self._folder / LEDGER_FILE)
                raise ConfigError(where, f"cannot grow: {error.strerror}", "room on the disk") from error
            self.slot, self._claim = slot, claim
            return
        raise ConfigError(str(self._folder / LEDGER_FILE), f"{self.slots} processes use it already", "end some")

    def held_by_nobody(self, slot: int) -> int:
        """The claim of a slot as an open descriptor, to be closed; -1 where a living process has it."""
        assert self._folder is not None
        path = self._folder / f"{LEDGER_FILE}.{slot}"
        claim = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(claim)
            return -1
        except BaseException:
            os.close(claim)
            raise
        return claim

    def free(self, claim: int) -> None:
        """Let go of what `held_by_nobody` gave."""
        os.close(claim)

    def others(self) -> list[int]:
        """The slots in use but this process's own."""
        cells = self.cells
        return [slot for slot in range(self.slots) if cells[SLOTS_AT + slot] and slot != self.slot]

    def sync(self) -> None:
        """Have what is in the ledger now survive a power cut. Raises OSError."""
        if self._file >= 0:
            os.fsync(self._file)

    def close(self) -> None:
        """Let go of slot, mapping and file; what is held in the slot is the next process's to reclaim."""
        self.cells.release()
        self._map.close()
        for descriptor in (self._claim, self.guard, self._file):
            if descriptor >= 0:
                os.close(descriptor)
        self._claim = self.guard = self._file = self.slot = -1


def _patiently(lock: KernelLock, path: Path) -> None:
    for _ in range(OPEN_TRIES):
        if lock.take():
            return
        lock.hope()
    raise ConfigError(str(path), "another process keeps it locked", "end that process: it may have been stopped")


def _mapped(file: int, path: Path, rows: int, slots: int) -> mmap.mmap:
    """The file in memory, made whole first where it is new; its mark comes last."""
    size = os.fstat(file).st_size
    right = "remove it: budgets then begin with what the records say was spent"
    made = size == 0 or (size >= CELL and os.pread(file, CELL, 0) == bytes(CELL))
    try:
        if made:
            os.ftruncate(file, 0)  # what a start that was killed left
            os.ftruncate(file, cells_of(rows, slots) * CELL)
            os.posix_fallocate(file, 0, column_at(rows, 0) * CELL)
        size = os.fstat(file).st_size
        if size < HEADER_CELLS * CELL:
            raise ConfigError(str(path), "not a ledger", right)
        mapped = mmap.mmap(file, size)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be mapped: {error.strerror}", "room on the disk") from error
    with memoryview(mapped).cast("q") as cells:
        if made:
            _head(cells, rows, slots)
        wrong = _wrong(cells)
    if wrong is not None:
        mapped.close()
        raise ConfigError(str(path), wrong, right)
    return mapped


def _head(cells: Cells, rows: int, slots: int) -> None:
    cells[FORMAT_AT] = FORMAT
    cells[ROWS_AT] = rows
    cells[SLOT_COUNT_AT] = slots
    cells[MARK_AT] = MARK


def _wrong(cells: Cells) -> str | None:
    """Why a mapped file cannot be used."""
    if cells[MARK_AT] != MARK:
        return "not a ledger"
    if cells[FORMAT_AT] != FORMAT:
        return f"ledger format {cells[FORMAT_AT]}, written by a newer Headgate; this one reads {FORMAT}"
    rows, slots = cells[ROWS_AT], cells[SLOT_COUNT_AT]
    if not (rows > 0 and 0 < slots <= SLOTS_MAX) or len(cells) != cells_of(rows, slots):
        return "a ledger cut short"
    return None


assert ROW_CELLS * CELL == 128  # two cache lines
