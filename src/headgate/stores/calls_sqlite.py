"""The call store on SQLite: implements `telemetry.ports.CallStore`. One writer process, any number of readers.

A batch may touch several days, and so several files. Each file takes its part, with the segment's new offset, in
one transaction and skips what lies before the offset it has; the index takes the offset last. Whatever the moment
of a crash, reading again from the index's offset writes nothing twice.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from headgate.core.calls import CallBatch, CallFilter, CallPage, Kept, Retention, Rollup
from headgate.core.keys import Spend
from headgate.core.record import CallRecord, GapRecord
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
ABORT_BATCH = 500

_PUT = "INSERT OR REPLACE INTO calls VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_PUT_OPEN = "INSERT OR IGNORE INTO calls VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_ADD_ROLLUP = (
    "INSERT INTO rollups VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET "
    "attempts=attempts+excluded.attempts, attempts_ok=attempts_ok+excluded.attempts_ok, "
    "attempts_failed=attempts_failed+excluded.attempts_failed, calls=calls+excluded.calls, "
    "input_tokens=input_tokens+excluded.input_tokens, output_tokens=output_tokens+excluded.output_tokens, "
    "uncounted=uncounted+excluded.uncounted, cost_usd=cost_usd+excluded.cost_usd, unpriced=unpriced+excluded.unpriced"
)
_ADD_TALLY = "INSERT INTO tallies VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET n=n+excluded.n"
_ADD_SPEND = (
    "INSERT INTO spend VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET usd=usd+excluded.usd, "
    "calls=calls+excluded.calls, unpriced=unpriced+excluded.unpriced, tokens=tokens+excluded.tokens"
)
_SET_OFFSET = "INSERT INTO offsets VALUES (?,?) ON CONFLICT DO UPDATE SET upto=max(upto, excluded.upto)"

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(CallRecord).decode


class SqliteCalls:
    """Safe to use from several threads: writing holds a lock, each reading has its own connection.

    `fold` makes the rollups of finished records (`telemetry.rollups.fold`).
    """

    def __init__(self, folder: Path, fold: Callable[[Sequence[CallRecord]], Sequence[Rollup]]) -> None:
        """Open the store in a folder, made where it is missing, and bring its files up to date.

        Raises ConfigError where one is damaged or newer than this program, StoreUnavailable where one cannot be used.
        """
        self._folder = folder
        self._fold = fold
        self._lock = threading.Lock()
        self._days: dict[str, sqlite3.Connection] = {}
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
            for connection in (*self._days.values(), *self._bodies.values(), self._index):
                connection.close()
            self._days.clear()
            self._bodies.clear()

    # -- writing ----------------------------------------------------------------------------------------------------

    def offsets(self) -> Mapping[str, int]:
        """How far each segment has been written."""
        with self._lock, told(self._folder / INDEX_FILE):
            return dict(self._index.execute("SELECT segment, upto FROM offsets"))

    def write(self, batch: CallBatch) -> None:
        """Keep a batch, its rollups and its end offset. On return it is durable. Raises StoreUnavailable."""
        by_day: dict[str, list[Kept]] = {}
        last, day = -1, ""
        for kept in batch.records:
            number = kept.record.received_ns // DAY_NS
            if number != last:
                last, day = number, day_of(kept.record.received_ns)
            by_day.setdefault(day, []).append(kept)
        with self._lock, told(self._folder):
            for day, part in by_day.items():
                self._write_bodies(day, part)
                self._write_day(day, batch, part)
            if batch.forgotten:
                self._forget_calls(batch.forgotten)
            # an offset that a power cut takes back costs a second reading; a gap is told nowhere else
            self._index.execute("PRAGMA synchronous=FULL" if batch.gaps else "PRAGMA synchronous=NORMAL")
            with transaction(self._index):
                self._index.executemany(
                    "INSERT INTO gaps VALUES (?,?,?,?)",
                    [(gap.since_ns, gap.until_ns, gap.lost, gap.why) for gap in batch.gaps],
                )
                self._index.execute(_SET_OFFSET, (batch.segment, batch.end))

    def forget(self, segments: Sequence[str]) -> None:
        """The segments are gone: their offsets need not be kept. Raises StoreUnavailable."""
        with self._lock, told(self._folder / INDEX_FILE), transaction(self._index):
            self._index.executemany("DELETE FROM offsets WHERE segment = ?", [(name,) for name in segments])

    def owners(self) -> set[str]:
        """Journal owners with calls in flight. Raises StoreUnavailable."""
        found: set[str] = set()
        with self._lock, told(self._folder):
            for day in days(self._folder, "calls"):
                rows = self._day(day).execute("SELECT DISTINCT owner FROM calls WHERE outcome = 'in_flight'")
                found.update(owner for (owner,) in rows)
        return found

    def abort(self, owner: str) -> int:
        """The owner's calls in flight become aborted; how many. Raises StoreUnavailable."""
        count = 0
        with self._lock, told(self._folder):
            for day in days(self._folder, "calls"):
                while more := self._abort_some(self._day(day), owner):
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

    def _write_day(self, day: str, batch: CallBatch, part: list[Kept]) -> None:
        connection = self._day(day)
        with transaction(connection):
            row = connection.execute("SELECT upto FROM offsets WHERE segment = ?", (batch.segment,)).fetchone()
            upto = row[0] if row else 0
            fresh = [kept for kept in part if kept.end > upto] if upto else part
            finished = [kept for kept in fresh if kept.record.outcome != "in_flight"]
            in_flight = [kept for kept in fresh if kept.record.outcome == "in_flight"]
            connection.executemany(_PUT, [_row(kept.record, kept.packed, None) for kept in finished])
            connection.executemany(_PUT_OPEN, [_row(kept.record, kept.packed, batch.owner) for kept in in_flight])
            self._add_up(connection, [kept.record for kept in finished])
            connection.execute(_SET_OFFSET, (batch.segment, batch.end))

    def _write_bodies(self, day: str, part: list[Kept]) -> None:
        rows = [
            (record.id, record.tenant, record.request_body, record.response_body)
            for _, record, _ in part
            if record.request_body is not None or record.response_body is not None
        ]
        if rows:
            connection = self._open(self._bodies, "bodies", day, BODIES_STEPS)
            with transaction(connection):
                connection.executemany("INSERT OR REPLACE INTO bodies VALUES (?,?,?,?)", rows)

    def _add_up(self, connection: sqlite3.Connection, records: list[CallRecord]) -> None:
        rollups = self._fold(records)
        connection.executemany(
            _ADD_ROLLUP,
            [
                (*rollup.key, rollup.attempts, rollup.attempts_ok, rollup.attempts_failed, rollup.calls,
                 rollup.input_tokens, rollup.output_tokens, rollup.uncounted, rollup.cost_usd, rollup.unpriced)
                for rollup in rollups
            ],
        )  # fmt: skip
        connection.executemany(_ADD_TALLY, [row for rollup in rollups for row in _tallies(rollup)])
        connection.executemany(_ADD_SPEND, _spend(records))

    def _forget_calls(self, ids: list[str]) -> None:
        rows = [(call_id,) for call_id in ids]
        for day in days(self._folder, "calls"):
            connection = self._day(day)
            with transaction(connection):
                connection.executemany("DELETE FROM calls WHERE id = ? AND outcome = 'in_flight'", rows)

    def _abort_some(self, connection: sqlite3.Connection, owner: str) -> int:
        with transaction(connection):
            rows = connection.execute(
                "SELECT record FROM calls WHERE owner = ? AND outcome = 'in_flight' LIMIT ?", (owner, ABORT_BATCH)
            ).fetchall()
            records = [_unpack(packed) for (packed,) in rows]
            for record in records:
                record.outcome = "aborted"
            connection.executemany(_PUT, [_row(record, _pack(record), None) for record in records])
            self._add_up(connection, records)
        return len(records)

    def _keep_spend(self, day: str) -> None:
        connection = self._day(day)
        (serial,) = connection.execute("SELECT serial FROM made").fetchone()
        rows = connection.execute("SELECT key_id, tenant_id, usd, calls, unpriced, tokens FROM spend").fetchall()
        self._index.execute("PRAGMA synchronous=FULL")
        with transaction(self._index):
            # the serial tells this file from one made anew for the same day by a straggler
            self._index.executemany(
                "INSERT OR REPLACE INTO past_spend VALUES (?,?,?,?,?,?,?,?)", [(day, serial, *row) for row in rows]
            )

    def _day(self, day: str) -> sqlite3.Connection:
        return self._open(self._days, "calls", day, DAY_STEPS)

    def _open(
        self, cache: dict[str, sqlite3.Connection], kind: str, day: str, steps: tuple[str, ...]
    ) -> sqlite3.Connection:
        found = cache.pop(day, None)
        if found is None:
            if len(cache) >= OPEN_DAYS:
                cache.pop(next(iter(cache))).close()
            found = open_file(day_path(self._folder, kind, day), steps)
        cache[day] = found
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

    def gaps(self, since_ns: int, until_ns: int) -> list[GapRecord]:
        """Records that were lost in the range, oldest first. Raises StoreUnavailable."""
        return self._reader.gaps(since_ns, until_ns)

    def spent_since(self, since_ns: int) -> Mapping[str, Spend]:
        """Spend by key id, of every tenant. Raises StoreUnavailable."""
        return self._reader.spent_since(since_ns)


def _row(record: CallRecord, packed: bytes, owner: str | None) -> tuple[object, ...]:
    return (
        record.id, record.tenant, record.received_ns, record.outcome, owner, record.key_id, record.app,
        record.release, record.prompt, record.provider, record.target_model, record.model_asked, record.error,
        record.cost_usd, record.latency_us, _tokens(record), packed,
    )  # fmt: skip


def _tokens(record: CallRecord) -> int | None:
    if record.input_tokens is None and record.output_tokens is None:
        return None
    return (record.input_tokens or 0) + (record.output_tokens or 0)


def _tallies(rollup: Rollup) -> list[tuple[object, ...]]:
    kinds = (
        ("latency", rollup.latency), ("ttft", rollup.ttft), ("outcome", rollup.outcomes), ("error", rollup.errors),
    )  # fmt: skip
    return [(*rollup.key, what, str(label), number) for what, counts in kinds for label, number in counts.items()]


def _spend(records: Sequence[CallRecord]) -> list[tuple[object, ...]]:
    sums: dict[str, list[float]] = {}
    tenants: dict[str, str] = {}
    for record in records:
        if not record.key_id:
            continue
        tokens = _tokens(record)
        total = sums.get(record.key_id)
        if total is None:
            tenants[record.key_id] = record.tenant
            total = sums[record.key_id] = [0.0, 0, 0, 0]
        total[0] += record.cost_usd or 0.0
        total[1] += 1
        total[2] += record.cost_usd is None and (tokens is not None or record.outcome == "aborted")
        total[3] += tokens or 0
    return [(key_id, tenants[key_id], *total) for key_id, total in sums.items()]


def _close(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        connection.close()
