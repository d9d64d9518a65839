"""Queries over the files of the call store on SQLite. Every value is bound; every query names its tenant or says
EVERY_TENANT. Each reading has its own connection, so a long one never stands in the writer's way."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from headgate.core.calls import CallFilter, CallPage, Rollup, RollupKey
from headgate.core.discovery import PromptUse
from headgate.core.errors import InvalidRequest
from headgate.core.ids import minted_ns
from headgate.core.keys import EVERY_TENANT, Spend
from headgate.core.record import CallRecord, GapRecord
from headgate.stores.calls_schema import (
    DAY_NS,
    HOUR_NS,
    INDEX_FILE,
    RECORD_AT_PLACE,
    connect,
    day_of,
    day_path,
    day_start,
    days,
    told,
)

LIMIT_MAX = 1000
_NS_MAX = (1 << 63) - 1

_RECORD = (  # S608: a constant
    f"SELECT coalesce({RECORD_AT_PLACE}, (SELECT record FROM in_flight WHERE in_flight.id = calls.id)) FROM calls"  # noqa: S608
)
_SPEND_OF_CALLS = (
    "SELECT key_id, total(cost_usd), count(*), "
    "sum(cost_usd IS NULL AND (tokens IS NOT NULL OR outcome = 'aborted')), coalesce(sum(tokens), 0) "
    "FROM calls CROSS JOIN subjects USING (subject) "
    "WHERE received_ns >= ? AND outcome <> 'in_flight' AND key_id <> '' GROUP BY key_id"
)
_SPEND_OF_DAY = "SELECT key_id, usd, calls, unpriced, tokens FROM spend"
_SPEND_OF_PAST = (
    "SELECT key_id, total(usd), sum(calls), sum(unpriced), sum(tokens) FROM past_spend WHERE day >= ? GROUP BY key_id"
)

_unpack = msgspec.msgpack.Decoder(CallRecord).decode
_unpack_rollup = msgspec.msgpack.Decoder(Rollup).decode


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
        query = f"{_RECORD} WHERE {where} ORDER BY received_ns DESC, id DESC LIMIT ?"
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
        query = f"{_RECORD} WHERE id = ?"
        if values:
            query += f" AND subject IN (SELECT subject FROM subjects WHERE {tenant})"  # noqa: S608 - a constant
        for day in self._days_of(call_id):
            with self._reading(day_path(self._folder, "calls", day)) as connection:
                if connection is None:
                    continue
                row = connection.execute(query, (call_id, *values)).fetchone()
            if row is not None:
                return self._with_bodies(day, _unpack(row[0]))
        return None

    def rollups(self, scope: str, since_ns: int, until_ns: int, app: str | None) -> list[Rollup]:
        """As `telemetry.ports.CallQueries.rollups`."""
        tenant, values = _tenant(scope)
        query = f"SELECT sums FROM rollups WHERE {tenant} AND at_ns >= ? AND at_ns < ?"  # noqa: S608 - constants
        values = [*values, since_ns, until_ns]
        if app is not None:
            query += " AND app = ?"
            values.append(app)
        found: dict[tuple[str, str, str], Rollup] = {}
        for day in self._days_between(since_ns, until_ns):
            with self._reading(day_path(self._folder, "calls", day)) as connection:
                if connection is not None:
                    for (packed,) in connection.execute(query, values):
                        rollup = _unpack_rollup(packed)
                        key = RollupKey(since_ns, scope, rollup.key.app, rollup.key.provider, rollup.key.model)
                        found.setdefault((key.provider, key.model, key.app), Rollup(key)).add(rollup)
        return [found[key] for key in sorted(found)]

    def prompt_use(self, scope: str, since_ns: int, until_ns: int, app: str | None) -> list[PromptUse]:
        """As `telemetry.ports.CallQueries.prompt_use`."""
        tenant, values = _tenant(scope)
        query = (
            "SELECT tenant_id, app, key_id, model, prompt, fingerprint, sum(calls), max(last_ns), call_id "  # noqa: S608 - constants
            f"FROM prompt_use WHERE {tenant} AND hour >= ? AND hour < ?"
        )
        values = [*values, since_ns // HOUR_NS, -(-until_ns // HOUR_NS)]
        if app is not None:
            query += " AND app = ?"
            values.append(app)
        query += (
            " GROUP BY tenant_id, app, key_id, model, prompt, fingerprint"  # of call_id: that with the max (SQLite)
        )
        found: dict[tuple[str, ...], PromptUse] = {}
        for day in self._days_between(since_ns // HOUR_NS * HOUR_NS, until_ns):
            with self._reading(day_path(self._folder, "calls", day)) as connection:
                if connection is not None:
                    for row in connection.execute(query, values):
                        _add_use(found, row)
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

    def _days_of(self, call_id: str) -> list[str]:
        """The days to look for a call: those around the time in its identifier, where there are files of them."""
        known = days(self._folder, "calls")
        minted = minted_ns(call_id)
        if minted is not None:
            near = [day_of(max(minted + offset, 0)) for offset in (0, -DAY_NS, DAY_NS)]
            if near[0] in known:
                return [day for day in near if day in known]
        return known[::-1]

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
    """What of a call's row is asked for. The conditions are constants, the values are bound."""
    subject, bound = _subject_conditions(scope, wanted)
    parts, values = ["1"], list[object]()
    if bound:
        parts.append(f"subject IN (SELECT subject FROM subjects WHERE {subject})")  # noqa: S608
        values += bound
    for column, value in (
        ("outcome = ?", wanted.outcome), ("received_ns >= ?", wanted.since_ns), ("received_ns < ?", wanted.until_ns),
        ("cost_usd >= ?", wanted.min_cost_usd), ("latency_us >= ?", wanted.min_latency_us),
        ("instr(error, ?) > 0", wanted.error),
    ):  # fmt: skip
        if value is not None:
            parts.append(column)
            values.append(value)
    if wanted.outcome is not None and wanted.outcome != "ok":
        parts.append("outcome <> 'ok'")  # lets the planner see that the small index will do
    if after is not None:
        parts.append("(received_ns, id) < (?, ?)")
        values += after
    return " AND ".join(parts), values


def _subject_conditions(scope: str, wanted: CallFilter) -> tuple[str, list[object]]:
    tenant, values = _tenant(scope)
    parts = [tenant]
    for column, value in (
        ("app = ?", wanted.app), ("release = ?", wanted.release), ("provider = ?", wanted.provider),
        ("key_id = ?", wanted.key_id),
    ):  # fmt: skip
        if value is not None:
            parts.append(column)
            values.append(value)
    if wanted.model is not None:
        parts.append("(model_asked = ? OR target_model = ?)")
        values += [wanted.model, wanted.model]
    if wanted.prompt is not None:
        if "@" in wanted.prompt:
            parts.append("prompt = ?")
            values.append(wanted.prompt)
        else:
            parts.append("prompt >= ? AND prompt < ?")
            values += [wanted.prompt + "@", wanted.prompt + "A"]
    return " AND ".join(parts), values


def _parse_cursor(text: str) -> _Cursor:
    at, dot, call_id = text.partition(".")
    if not dot or not at.isdecimal() or len(at) > 19 or int(at) > _NS_MAX:
        raise InvalidRequest("`cursor` is not one that a page of calls ended with", param="cursor")
    return _Cursor(int(at), call_id)


def _add_use(found: dict[tuple[str, ...], PromptUse], row: tuple[Any, ...]) -> None:
    key, (calls, last_ns, call) = row[:6], row[6:]
    tenant, app, key_id, model, prompt, fingerprint = key
    before = found.get(key)
    if before is not None:
        calls += before.calls
        last_ns, call = max((last_ns, call), (before.last_ns, before.call))
    found[key] = PromptUse(
        tenant, app or None, key_id, model, prompt or None, fingerprint or None, calls, last_ns, call
    )


def _add_spend(spends: dict[str, Spend], rows: sqlite3.Cursor, since_ns: int) -> None:
    for key_id, usd, calls, unpriced, tokens in rows:
        before = spends.get(key_id, Spend())
        spends[key_id] = Spend(
            since_ns, before.usd + usd, before.calls + calls, before.unpriced + unpriced, before.tokens + tokens
        )
