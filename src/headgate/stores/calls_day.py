"""The writer of one day's file of the call store: calls, their records, rollups and spend, in one transaction a batch.

What calls have in common (whose they are, what was asked, who answered) is a row of `subjects` that they refer to:
the rows of calls stay narrow. Records lie in blocks as the journal had them: SQLite copies a block in one go, where
a column of its own for every record costs more than all other columns together.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Generator, Sequence
from typing import TypeAlias

import msgspec

from headgate.core.apps import TRIAL_CHANNEL
from headgate.core.calls import CallBatch, Kept, Rollup
from headgate.core.discovery import OTHERS
from headgate.core.record import CallBrief, CallLead, CallRecord
from headgate.stores.calls_schema import HOUR_NS, SIZE_BITS, place, transaction

Fold: TypeAlias = Callable[[Sequence[CallBrief]], Sequence[Rollup]]

BLOCK_BYTES = 64 << 10  # reading one record reads its block
SUBJECTS_MAX = 20_000  # remembered; one that comes again after that has two rows, which is no harm
ABORT_BATCH = 500
USES_MAX = 50_000  # rows of `prompt_use`; fingerprints beyond are counted as OTHERS
SET_OFFSET = "INSERT INTO offsets VALUES (?,?) ON CONFLICT DO UPDATE SET upto=max(upto, excluded.upto)"

_PUT = "INSERT OR REPLACE INTO calls VALUES (?,?,?,?,?,?,?,?,?)"
_PUT_OPEN = "INSERT OR IGNORE INTO calls VALUES (?,?,?,'in_flight',NULL,NULL,NULL,NULL,NULL)"
_PUT_OPEN_RECORD = "INSERT OR REPLACE INTO in_flight SELECT id, ?, ? FROM calls WHERE id = ? AND outcome = 'in_flight'"
_LANDED = "DELETE FROM in_flight WHERE id = ?"
_PUT_SUBJECT = "INSERT INTO subjects VALUES (NULL,?,?,?,?,?,?,?,?)"
_PUT_BLOCK = "INSERT INTO blocks VALUES (?,?)"
_ONE_ROLLUP = "SELECT sums FROM rollups WHERE at_ns = ? AND tenant_id = ? AND app = ? AND provider = ? AND model = ?"
_PUT_ROLLUP = "INSERT OR REPLACE INTO rollups VALUES (?,?,?,?,?,?)"
_ADD_SPEND = (
    "INSERT INTO spend VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET usd=usd+excluded.usd, "
    "calls=calls+excluded.calls, unpriced=unpriced+excluded.unpriced, tokens=tokens+excluded.tokens"
)
_COUNT_USE = "SELECT count(*) FROM prompt_use"
_ADD_USE = (
    "UPDATE prompt_use SET calls = calls + ?, call_id = iif(last_ns > ?, call_id, ?), last_ns = max(last_ns, ?) "
    "WHERE hour = ? AND tenant_id = ? AND app = ? AND key_id = ? AND model = ? AND prompt = ? AND fingerprint = ?"
)
_PUT_USE = "INSERT INTO prompt_use VALUES (?,?,?,?,?,?,?,?,?,?)"
_OPEN_OF = "SELECT record FROM in_flight WHERE owner = ? LIMIT ?"
_FORGET = "DELETE FROM calls WHERE id = ? AND outcome = 'in_flight'"

_Use: TypeAlias = tuple[int, str, str, str, str, str, str]
_Subject: TypeAlias = tuple[str, str, str | None, str | None, str | None, str | None, str | None, str]

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(CallRecord).decode
_unpack_rollup = msgspec.msgpack.Decoder(Rollup).decode


class DayWriter:
    """Writes one file. Everything here raises sqlite3.Error. `fold` makes the rollups of finished calls."""

    def __init__(self, connection: sqlite3.Connection, fold: Fold) -> None:
        self.connection = connection
        self._fold = fold
        self._subjects: dict[_Subject, int] = {}

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    def write(self, batch: CallBatch, part: list[Kept]) -> None:
        """Keep the part of a batch that is of this day, and how far it reaches. What was kept before is passed over."""
        with self._writing() as connection:
            row = connection.execute("SELECT upto FROM offsets WHERE segment = ?", (batch.segment,)).fetchone()
            fresh = [kept for kept in part if kept.end > row[0]] if row else part
            finished = [kept for kept in fresh if kept.record.outcome != "in_flight"]
            self._put_finished(finished)
            if len(finished) < len(fresh):
                self._put_open([kept for kept in fresh if kept.record.outcome == "in_flight"], batch.owner)
            self._add_up([kept.record for kept in finished])
            connection.execute(SET_OFFSET, (batch.segment, batch.end))

    def owners(self) -> set[str]:
        """Journal owners with calls in flight."""
        return {owner for (owner,) in self.connection.execute("SELECT DISTINCT owner FROM in_flight")}

    def abort_some(self, owner: str) -> int:
        """Up to ABORT_BATCH of the owner's calls in flight become aborted; how many."""
        with self._writing() as connection:
            rows = connection.execute(_OPEN_OF, (owner, ABORT_BATCH)).fetchall()
            aborted: list[Kept] = []
            for (packed,) in rows:
                record = _unpack(packed)
                record.outcome = "aborted"
                aborted.append(Kept(0, record, _pack(record)))
            self._put_finished(aborted)
            self._add_up([kept.record for kept in aborted])
        return len(aborted)

    def forget(self, ids: list[str]) -> None:
        """Drop those of the calls that are still in flight."""
        rows = [(call_id,) for call_id in ids]
        with self._writing() as connection:
            connection.executemany(_FORGET, rows)
            connection.executemany(_LANDED, rows)

    @contextlib.contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        try:
            with transaction(self.connection):
                yield self.connection
        except BaseException:
            self._subjects.clear()  # some of their rows may have been rolled back
            raise

    def _put_finished(self, finished: list[Kept]) -> None:
        execute, subject = self.connection.execute, self._subject
        block: int = execute("SELECT coalesce(max(block), 0) FROM blocks").fetchone()[0] + 1
        rows: list[tuple[object, ...]] = []
        records: list[bytes] = []
        start, lying = 0, place(block, 0, 0)
        for kept in finished:
            record, packed = kept.record, kept.packed
            size = len(packed)
            rows.append(
                (record.received_ns, record.id, subject(record), record.outcome, record.error, record.cost_usd,
                 record.latency_us, _tokens(record), lying | start << SIZE_BITS | size)
            )  # fmt: skip
            records.append(packed)
            start += size
            if start >= BLOCK_BYTES:
                execute(_PUT_BLOCK, (block, b"".join(records)))
                records.clear()
                block, start = block + 1, 0
                lying = place(block, 0, 0)
        if records:
            execute(_PUT_BLOCK, (block, b"".join(records)))
        self.connection.executemany(_PUT, rows)
        # most were never seen in flight: to ask for those few costs less than to try them all
        landed = {call_id for (call_id,) in execute("SELECT id FROM in_flight")}
        if landed:
            landed.intersection_update([kept.record.id for kept in finished])
            self.connection.executemany(_LANDED, [(call_id,) for call_id in landed])

    def _put_open(self, opened: list[Kept], owner: str) -> None:
        records = [kept.record for kept in opened]
        self.connection.executemany(_PUT_OPEN, [(one.received_ns, one.id, self._subject(one)) for one in records])
        self.connection.executemany(_PUT_OPEN_RECORD, [(owner, kept.packed, kept.record.id) for kept in opened])

    def _subject(self, record: CallBrief) -> int:
        key = (
            record.tenant, record.key_id, record.app, record.release, record.prompt, record.provider,
            record.target_model, record.model_asked,
        )  # fmt: skip
        return self._subjects.get(key) or self._new_subject(key)

    def _new_subject(self, key: _Subject) -> int:
        if len(self._subjects) >= SUBJECTS_MAX:
            self._subjects.clear()
        number = self.connection.execute(_PUT_SUBJECT, key).lastrowid
        assert number is not None
        self._subjects[key] = number
        return number

    def _add_up(self, records: Sequence[CallLead]) -> None:
        connection = self.connection
        rows: list[tuple[object, ...]] = []
        for rollup in self._fold(records):
            row = connection.execute(_ONE_ROLLUP, rollup.key).fetchone()
            if row is not None:
                rollup.add(_unpack_rollup(row[0]))
            rows.append((*rollup.key, _pack(rollup)))
        connection.executemany(_PUT_ROLLUP, rows)
        connection.executemany(_ADD_SPEND, _spend(records))
        self._add_use(records)

    def _add_use(self, records: Sequence[CallLead]) -> None:
        uses: dict[_Use, list[CallLead]] = {}
        for record in records:
            if record.attempts and record.channel != TRIAL_CHANNEL:
                uses.setdefault(_use(record), []).append(record)
        if not uses:
            return
        execute = self.connection.execute
        held: int = execute(_COUNT_USE).fetchone()[0]
        for use, group in uses.items():
            last = max(group, key=_received)
            counted = (len(group), last.received_ns, last.id, last.received_ns)
            if execute(_ADD_USE, (*counted, *use)).rowcount:
                continue
            if held >= USES_MAX and use[-1]:
                use = (*use[:-1], OTHERS)
                if execute(_ADD_USE, (*counted, *use)).rowcount:
                    continue
            execute(_PUT_USE, (*use, len(group), last.received_ns, last.id))
            held += 1


def _use(record: CallLead) -> _Use:
    return (
        record.received_ns // HOUR_NS, record.tenant, record.app or "", record.key_id, record.model_asked,
        record.prompt or "", "" if record.prompt is not None else record.fingerprint or "",
    )  # fmt: skip


def _received(record: CallBrief) -> int:
    return record.received_ns


def _tokens(record: CallBrief) -> int | None:
    if record.input_tokens is None and record.output_tokens is None:
        return None
    return (record.input_tokens or 0) + (record.output_tokens or 0)


def _spend(records: Sequence[CallBrief]) -> list[tuple[object, ...]]:
    by_key: dict[str, list[CallBrief]] = {}
    for record in records:
        if record.key_id:
            by_key.setdefault(record.key_id, []).append(record)
    return [
        (
            key_id,
            group[0].tenant,
            sum([record.cost_usd or 0.0 for record in group]),
            len(group),
            len([1 for record in group if record.cost_usd is None and _owed(record)]),
            sum([(record.input_tokens or 0) + (record.output_tokens or 0) for record in group]),
        )
        for key_id, group in by_key.items()
    ]


def _owed(record: CallBrief) -> bool:
    """A provider worked for it, or may have."""
    return record.input_tokens is not None or record.output_tokens is not None or record.outcome == "aborted"
