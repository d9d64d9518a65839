"""Queries over the files of the call store on SQLite. Every value is bound; every query names its tenant or says
EVERY_TENANT. Each reading has its own connection, so a long one never stands in the writer's way."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from headgate.core.calls import CallFilter, CallPage, Rollup, RollupKey
from headgate.core.errors import InvalidRequest
from headgate.core.keys import EVERY_TENANT, Spend
from headgate.core.record import CallRecord, GapRecord
from headgate.stores.calls_schema import DAY_NS, INDEX_FILE, connect, day_of, day_path, day_start, days, told

LIMIT_MAX = 1000

_SPEND_OF_CALLS = (
    "SELECT key_id, total(cost_usd), count(*), "
    "sum(cost_usd IS NULL AND (tokens IS NOT NULL OR outcome = 'aborted')), coalesce(sum(tokens), 0) FROM calls "
    "WHERE received_ns >= ? AND outcome <> 'in_flight' AND key_id <> '' GROUP BY key_id"
)
_SPEND_OF_DAY = "SELECT key_id, usd, calls, unpriced, tokens FROM spend"
_SPEND_OF_PAST = (
    "SELECT key_id, total(usd), sum(calls), sum(unpriced), sum(tokens) FROM past_spend WHERE day >= ? GROUP BY key_id"
)

_unpack = msgspec.msgpack.Decoder(CallRecord).decode


class _Cursor(NamedTuple):
    received_ns: int
    id: str


class CallReader:
    """Reads the files in a folder. Holds nothing open between two readings."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def calls(self, scope: str, wanted: CallFilter, limit: int, cursor: str | None) -> CallPage:
        """As `telemetry.ports.CallQueries.calls`; `limit` lies between 1 and LIMIT_MAX."""
        limit = max(1, min(limit, LIMIT_MAX))
        after = None if cursor is None else _parse_cursor(cursor)
        where, values = _conditions(scope, wanted, after)
        # S608: the conditions are made of the constants below, the values are bound
        query = f"SELECT record FROM calls WHERE {where} ORDER BY received_ns DESC, id DESC LIMIT ?"  # noqa: S608
        until_ns = wanted.until_ns if after is None else after.received_ns + 1
        found: list[CallRecord] = []
        for day in reversed(self._days_between(wanted.since_ns, until_ns)):
            with self._reading(day_path(self._folder, "calls", day)) as connection:
                if connection is not None:
                    rows = connection.execute(query, (*values, limit + 1 - len(found)))
                    found.extend(_unpack(packed) for (packed,) in rows)
            if len(found) > limit:
                last = found[limit - 1]
                return CallPage(found[:limit], f"{last.received_ns}.{last.id}")
        return CallPage(found, None)

    def call(self, scope: str, call_id: str) -> CallRecord | None:
        """As `telemetry.ports.CallQueries.call`."""
        tenant, values = _tenant(scope)
        for day in reversed(days(self._folder, "calls")):
            with self._reading(day_path(self._folder, "calls", day)) as connection:
                if connection is None:
                    continue
                query = f"SELECT record FROM calls WHERE {tenant} AND id = ?"  # noqa: S608 - a constant condition
                row = connection.execute(query, (*values, call_id)).fetchone()
            if row is not None:
                return self._with_bodies(day, _unpack(row[0]))
        return None

    def rollups(self, scope: str, since_ns: int, until_ns: int, app: str | None) -> list[Rollup]:
        """As `telemetry.ports.CallQueries.rollups`."""
        tenant, values = _tenant(scope)
        where = f"{tenant} AND at_ns >= ? AND at_ns < ?"
        values = [*values, since_ns, until_ns]
        if app is not None:
            where += " AND app = ?"
            values.append(app)
        found: dict[tuple[str, str], Rollup] = {}
        for day in self._days_between(since_ns, until_ns):
            with self._reading(day_path(self._folder, "calls", day)) as connection:
                if connection is not None:
                    for rollup in _read_rollups(connection, where, values):
                        key = RollupKey(since_ns, scope, app or "", rollup.key.provider, rollup.key.model)
                        found.setdefault((key.provider, key.model), Rollup(key)).add(rollup)
        return [found[key] for key in sorted(found)]

    def gaps(self, since_ns: int, until_ns: int) -> list[GapRecord]:
        """As `telemetry.ports.CallQueries.gaps`."""
        with self._reading(self._folder / INDEX_FILE) as connection:
            if connection is None:
                return []
            rows = connection.execute(
                "SELECT since_ns, until_ns, lost, why FROM gaps WHERE until_ns >= ? AND since_ns < ? "
                "ORDER BY since_ns, rowid LIMIT ?",
                (since_ns, until_ns, LIMIT_MAX),
            )
            return [GapRecord(*row) for row in rows]

    def spent_since(self, since_ns: int) -> Mapping[str, Spend]:
        """As `telemetry.ports.CallQueries.spent_since`.

        Days that were dropped count whole where `since_ns` lies within one: the older calls can no longer be told.
        """
        first = day_of(max(since_ns, 0))
        spends: dict[str, Spend] = {}
        with self._reading(self._folder / INDEX_FILE) as connection:
            if connection is not None:
                _add_spend(spends, connection.execute(_SPEND_OF_PAST, (first,)), since_ns)
        for day in self._days_between(since_ns, None):
            with self._reading(day_path(self._folder, "calls", day)) as connection:
                if connection is None:
                    continue
                if day == first and day_start(day) < since_ns:
                    rows = connection.execute(_SPEND_OF_CALLS, (since_ns,))
                else:
                    rows = connection.execute(_SPEND_OF_DAY)
                _add_spend(spends, rows, since_ns)
        return spends

    def _with_bodies(self, day: str, record: CallRecord) -> CallRecord:
        with self._reading(day_path(self._folder, "bodies", day)) as connection:
            if connection is not None:
                row = connection.execute(
                    "SELECT request, response FROM bodies WHERE tenant_id = ? AND id = ?", (record.tenant, record.id)
                ).fetchone()
                if row is not None:
                    record.request_body, record.response_body = row
        return record

    def _days_between(self, since_ns: int | None, until_ns: int | None) -> list[str]:
        first = "" if since_ns is None else day_of(max(since_ns, 0))
        last = "9" if until_ns is None else day_of(min(max(until_ns - 1, 0), 9000 * 365 * DAY_NS))
        return [day for day in days(self._folder, "calls") if first <= day <= last]

    @contextlib.contextmanager
    def _reading(self, path: Path) -> Generator[sqlite3.Connection | None]:
        """A connection that only reads, within one view of the file; None where retention has just dropped it, and
        where the writer is just making it: until it has a version it has no tables."""
        with told(path):
            try:
                connection = connect(path)
            except sqlite3.OperationalError:
                if path.exists():
                    raise
                yield None
                return
            with contextlib.closing(connection):
                connection.execute("PRAGMA query_only=1")
                connection.execute("BEGIN")
                made: int = connection.execute("PRAGMA user_version").fetchone()[0]
                yield connection if made else None


def _tenant(scope: str) -> tuple[str, list[object]]:
    if not scope:
        raise ValueError("a reading names its tenant, or EVERY_TENANT")
    return ("1", []) if scope == EVERY_TENANT else ("tenant_id = ?", [scope])


def _conditions(scope: str, wanted: CallFilter, after: _Cursor | None) -> tuple[str, list[object]]:
    tenant, values = _tenant(scope)
    parts = [tenant]

    def add(condition: str, *bound: object) -> None:
        parts.append(condition)
        values.extend(bound)

    for column, value in (
        ("app = ?", wanted.app), ("release = ?", wanted.release), ("provider = ?", wanted.provider),
        ("outcome = ?", wanted.outcome), ("key_id = ?", wanted.key_id), ("received_ns >= ?", wanted.since_ns),
        ("received_ns < ?", wanted.until_ns), ("cost_usd >= ?", wanted.min_cost_usd),
        ("latency_us >= ?", wanted.min_latency_us), ("instr(error, ?) > 0", wanted.error),
    ):  # fmt: skip
        if value is not None:
            add(column, value)
    if wanted.outcome is not None and wanted.outcome != "ok":
        add("outcome <> 'ok'")  # lets the planner see that the small index will do
    if wanted.model is not None:
        add("(model_asked = ? OR target_model = ?)", wanted.model, wanted.model)
    if wanted.prompt is not None:
        if "@" in wanted.prompt:
            add("prompt = ?", wanted.prompt)
        else:
            add("prompt >= ? AND prompt < ?", wanted.prompt + "@", wanted.prompt + "A")
    if after is not None:
        add("(received_ns, id) < (?, ?)", after.received_ns, after.id)
    return " AND ".join(parts), values


def _parse_cursor(text: str) -> _Cursor:
    at, dot, call_id = text.partition(".")
    if not dot or not at.isdecimal() or len(at) > 19:
        raise InvalidRequest("`cursor` is not one that a page of calls ended with", param="cursor")
    return _Cursor(int(at), call_id)


def _read_rollups(connection: sqlite3.Connection, where: str, values: list[object]) -> list[Rollup]:
    # S608: `where` is made of constants, the values are bound
    sums = connection.execute(
        "SELECT provider, model, sum(attempts), sum(attempts_ok), sum(attempts_failed), sum(calls), "  # noqa: S608
        "sum(input_tokens), sum(output_tokens), sum(uncounted), total(cost_usd), sum(unpriced) FROM rollups "
        f"WHERE {where} GROUP BY provider, model",
        values,
    )
    found = {(row[0], row[1]): Rollup(RollupKey(0, "", "", row[0], row[1]), *row[2:]) for row in sums}
    tallies = connection.execute(
        f"SELECT provider, model, what, label, sum(n) FROM tallies WHERE {where} "  # noqa: S608
        "GROUP BY provider, model, what, label",
        values,
    )
    for provider, model, what, label, number in tallies:
        rollup = found[provider, model]
        if what == "latency":
            rollup.latency[int(label)] = number
        elif what == "ttft":
            rollup.ttft[int(label)] = number
        else:
            (rollup.outcomes if what == "outcome" else rollup.errors)[label] = number
    return list(found.values())


def _add_spend(spends: dict[str, Spend], rows: sqlite3.Cursor, since_ns: int) -> None:
    for key_id, usd, calls, unpriced, tokens in rows:
        before = spends.get(key_id, Spend())
        spends[key_id] = Spend(
            since_ns, before.usd + usd, before.calls + calls, before.unpriced + unpriced, before.tokens + tokens
        )
