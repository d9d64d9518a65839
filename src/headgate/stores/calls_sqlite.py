"""The call store on SQLite: implements `telemetry.ports.CallStore`. One writer process, any number of readers.

A batch may touch several days, and so several files. Each file takes its part, with the segment's new offset, in
one transaction and skips what lies before the offset it has; the index takes the offset last. Whatever the moment
of a crash, reading again from the index's offset writes nothing twice.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from headgate.core.calls import CallBatch, CallFilter, CallPage, Kept, Retention, Rollup
from headgate.core.discovery import PromptUse
from headgate.core.keys import Spend
from headgate.core.record import CallRecord, GapRecord
from headgate.stores.calls_day import SET_OFFSET, DayWriter, Fold
from headgate.stores.calls_read import CallReader
from headgate.stores.calls_schema import (
    BODIES_STEPS,
    DAY_NS,
    DAY_STEPS,
    INDEX_FILE,
    INDEX_STEPS,
    day_of,
    day_path,
    day_start,
    days,
    drop_file,
    open_file,
    told,
    transaction,
)

OPEN_DAYS = 4  # connections the writer keeps


class SqliteCalls:
    """Safe to use from several threads: writing holds a lock, each reading has its own connection.

    `fold` makes the rollups of finished records (`telemetry.rollups.fold`).
    """

    def __init__(self, folder: Path, fold: Fold) -> None:
        """Open the store in a folder, made where it is missing, and bring its files up to date.

        Raises ConfigError where one is damaged or newer than this program, StoreUnavailable where one cannot be used.
        """
        self._folder = folder
        self._fold = fold
        self._lock = threading.Lock()
        self._days: dict[str, DayWriter] = {}
        self._bodies: dict[str, sqlite3.Connection] = {}
        with told(folder):
            os.makedirs(folder, mode=0o700, exist_ok=True)
        for kind, steps in (("calls", DAY_STEPS), ("bodies", BODIES_STEPS)):
            for day in days(folder, kind):
                open_file(day_path(folder, kind, day), steps).close()
        self._index = open_file(folder / INDEX_FILE, INDEX_STEPS)
        self._reader = CallReader(folder)

    def close(self) -> None:
        """Let go of files and connections."""
        with self._lock:
            for opened in (*self._days.values(), *self._bodies.values(), self._index):
                opened.close()
            self._days.clear()
            self._bodies.clear()

    # -- writing ----------------------------------------------------------------------------------------------------

    def offsets(self) -> Mapping[str, int]:
        """How far each segment has been written."""
        with self._lock, told(self._folder / INDEX_FILE):
            return dict(self._index.execute("SELECT segment, upto FROM offsets"))

    def write(self, batch: CallBatch) -> None:
        """Keep a batch, its rollups and its end offset. On return it is durable. Raises StoreUnavailable."""
        by_day: dict[int, list[Kept]] = {
            number: [] for number in {item.record.received_ns // DAY_NS for item in batch.records}
        }
        if len(by_day) > 1:
            for kept in batch.records:
                by_day[kept.record.received_ns // DAY_NS].append(kept)
        else:
            by_day = dict.fromkeys(by_day, batch.records)
        with self._lock, told(self._folder):
            for number in sorted(by_day):
                day = day_of(number * DAY_NS)
                self._write_bodies(day, by_day[number])
                self._day(day).write(batch, by_day[number])
            if batch.forgotten:
                self._forget_calls(batch.forgotten)
            # an offset that a power cut takes back costs a second reading; a gap is told nowhere else
            self._index.execute("PRAGMA synchronous=FULL" if batch.gaps else "PRAGMA synchronous=NORMAL")
            with transaction(self._index):
                self._index.executemany(
                    "INSERT INTO gaps VALUES (?,?,?,?)",
                    [(gap.since_ns, gap.until_ns, gap.lost, gap.why) for gap in batch.gaps],
                )
                self._index.execute(SET_OFFSET, (batch.segment, batch.end))

    def forget(self, segments: Sequence[str]) -> None:
        """The segments are gone: their offsets need not be kept. Raises StoreUnavailable."""
        with self._lock, told(self._folder / INDEX_FILE), transaction(self._index):
            self._index.executemany("DELETE FROM offsets WHERE segment = ?", [(name,) for name in segments])

    def owners(self) -> set[str]:
        """Journal owners with calls in flight. Raises StoreUnavailable."""
        found: set[str] = set()
        with self._lock, told(self._folder):
            for day in days(self._folder, "calls"):
                found |= self._day(day).owners()
        return found

    def abort(self, owner: str) -> int:
        """The owner's calls in flight become aborted; how many. Raises StoreUnavailable."""
        count = 0
        with self._lock, told(self._folder):
            for day in days(self._folder, "calls"):
                while more := self._day(day).abort_some(owner):
                    count += more
        return count

    def retain(self, now_ns: int, retention: Retention) -> int:
        """Drop files of days that are too old; how many. What keys spent in them is kept, gaps of then are not.

        Raises StoreUnavailable.
        """
        dropped = 0
        kept_calls = day_of(now_ns - retention.calls_days * DAY_NS)
        kept_bodies = day_of(now_ns - min(retention.bodies_days, retention.calls_days) * DAY_NS)
        with self._lock, told(self._folder):
            for day in days(self._folder, "bodies"):
                if day < kept_bodies:
                    _close(self._bodies.pop(day, None))
                    dropped += drop_file(day_path(self._folder, "bodies", day))
            for day in days(self._folder, "calls"):
                if day < kept_calls:
                    self._keep_spend(day)
                    _close(self._days.pop(day, None))
                    dropped += drop_file(day_path(self._folder, "calls", day))
            with transaction(self._index):
                self._index.execute("DELETE FROM gaps WHERE until_ns < ?", (day_start(kept_calls),))
        return dropped

    def _write_bodies(self, day: str, part: list[Kept]) -> None:
        rows = [
            (record.id, record.tenant, record.request_body, record.response_body)
            for record in [kept.record for kept in part]
            if record.request_body is not None or record.response_body is not None
        ]
        if rows:
            connection = self._bodies_of(day)
            with transaction(connection):
                connection.executemany("INSERT OR REPLACE INTO bodies VALUES (?,?,?,?)", rows)

    def _forget_calls(self, ids: list[str]) -> None:
        for day in days(self._folder, "calls"):
            self._day(day).forget(ids)

    def _keep_spend(self, day: str) -> None:
        connection = self._day(day).connection
        (serial,) = connection.execute("SELECT serial FROM made").fetchone()
        rows = connection.execute("SELECT key_id, tenant_id, usd, calls, unpriced, tokens FROM spend").fetchall()
        self._index.execute("PRAGMA synchronous=FULL")
        with transaction(self._index):
            # the serial tells this file from one made anew for the same day by a straggler
            self._index.executemany(
                "INSERT OR REPLACE INTO past_spend VALUES (?,?,?,?,?,?,?,?)", [(day, serial, *row) for row in rows]
            )

    def _day(self, day: str) -> DayWriter:
        found = self._days.pop(day, None)
        if found is None:
            _make_room(self._days)
            found = DayWriter(open_file(day_path(self._folder, "calls", day), DAY_STEPS), self._fold)
        self._days[day] = found
        return found

    def _bodies_of(self, day: str) -> sqlite3.Connection:
        found = self._bodies.pop(day, None)
        if found is None:
            _make_room(self._bodies)
            found = open_file(day_path(self._folder, "bodies", day), BODIES_STEPS)
        self._bodies[day] = found
        return found

    # -- reading ----------------------------------------------------------------------------------------------------

    def calls(self, scope: str, wanted: CallFilter, limit: int, cursor: str | None = None) -> CallPage:
        """Calls without bodies, newest first. Raises InvalidRequest for a bad cursor, StoreUnavailable."""
        return self._reader.calls(scope, wanted, limit, cursor)

    def call(self, scope: str, call_id: str) -> CallRecord | None:
        """One call with what bodies are still kept. Raises StoreUnavailable."""
        return self._reader.call(scope, call_id)

    def rollups(self, scope: str, since_ns: int, until_ns: int, app: str | None = None) -> list[Rollup]:
        """Sums per provider and model over the range. Raises StoreUnavailable."""
        return self._reader.rollups(scope, since_ns, until_ns, app)

    def prompt_use(self, scope: str, since_ns: int, until_ns: int, app: str | None = None) -> list[PromptUse]:
        """Which prompts were used how often, by whole hours. Raises StoreUnavailable."""
        return self._reader.prompt_use(scope, since_ns, until_ns, app)

    def gaps(self, since_ns: int, until_ns: int) -> list[GapRecord]:
        """Records that were lost in the range, oldest first. Raises StoreUnavailable."""
        return self._reader.gaps(since_ns, until_ns)

    def spent_since(self, since_ns: int) -> Mapping[str, Spend]:
        """Spend by key id, of every tenant. Raises StoreUnavailable."""
        return self._reader.spent_since(since_ns)


def _make_room(cache: dict[str, DayWriter] | dict[str, sqlite3.Connection]) -> None:
    """Close what was not used for longest."""
    if len(cache) >= OPEN_DAYS:
        cache.pop(next(iter(cache))).close()


def _close(opened: DayWriter | sqlite3.Connection | None) -> None:
    if opened is not None:
        opened.close()
