"""Queries over the file of scores. Every value is bound; every query names its tenant or says EVERY_TENANT."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TypeAlias

from headgate.core.keys import EVERY_TENANT
from headgate.core.scores import ArmSums, CallFacts, Kind, Metric, Score, ScoreFilter, Source, StoredScore, UnitSums
from headgate.stores.calls_schema import connect, told

CALLS_MAX = 1_000  # a query asks for

_COLUMNS = (
    "seq, id, call_id, call_ns, name, kind, source, author, at_ns, number, label, comment, text, current, look_ns, "
    "tenant_id, app, release, prompt, unit, arm"
)
_Row: TypeAlias = tuple[
    int, str, str, int, str, Kind, Source, str, int, float | None, str | None, str | None, str | None, int, int | None,
    str | None, str | None, str | None, str | None, str | None, str | None,
]  # fmt: skip


class ScoreReader:
    """Reads the file; each reading has its own connection, so a long one never stands in the writer's way."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, scope: str, wanted: ScoreFilter) -> list[StoredScore]:
        """As `telemetry.ports.ScoreStore.find`."""
        parts, values = _whose(scope)
        for part, value in (
            ("call_id = ?", wanted.call), ("name = ?", wanted.name), ("app = ?", wanted.app),
            ("release = ?", wanted.release), ("source = ?", wanted.source), ("call_ns >= ?", wanted.since_ns),
            ("call_ns < ?", wanted.until_ns), ("seq < ?", wanted.before),
        ):  # fmt: skip
            if value is not None:
                parts.append(part)
                values.append(value)
        if not wanted.history:
            parts.append("current = 1")
        query = (
            f"SELECT {_COLUMNS} FROM scores LEFT JOIN corrections USING (seq) "  # noqa: S608 - constants
            f"WHERE {' AND '.join(parts)} ORDER BY seq DESC LIMIT ?"
        )
        with self._reading() as connection:
            return [_stored(row) for row in connection.execute(query, (*values, wanted.limit))]

    def of_calls(self, scope: str, calls: Sequence[str]) -> list[StoredScore]:
        """As `telemetry.ports.ScoreStore.of_calls`; of the first CALLS_MAX calls."""
        asked = list(calls[:CALLS_MAX])
        parts, values = _whose(scope)
        query = (
            f"SELECT {_COLUMNS} FROM scores LEFT JOIN corrections USING (seq) "  # noqa: S608 - constants
            f"WHERE call_id IN ({','.join('?' * len(asked))}) AND current = 1 AND {' AND '.join(parts)} ORDER BY seq"
        )
        with self._reading() as connection:
            return [_stored(row) for row in connection.execute(query, (*asked, *values))]

    def sums(self, scope: str, metric: Metric) -> list[ArmSums]:
        """As `telemetry.ports.ScoreStore.sums`."""
        inner, values = _units_of(scope, metric)
        query = (
            "SELECT app, release, arm, count(*), sum(n), total(t), total(s), total(1.0 * n * n), total(t * t), "  # noqa: S608 - constants
            f"total(n * t) FROM ({inner}) GROUP BY app, release, arm ORDER BY app, release, arm"
        )
        with self._reading() as connection:
            return [ArmSums(*row) for row in connection.execute(query, values)]

    def units(self, scope: str, metric: Metric, limit: int) -> list[UnitSums]:
        """As `telemetry.ports.ScoreStore.units`."""
        inner, values = _units_of(scope, metric)
        with self._reading() as connection:
            return [
                UnitSums(*row)
                for row in connection.execute(f"{inner} ORDER BY app, release, arm, u LIMIT ?", (*values, limit))
            ]

    @contextlib.contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        with told(self._path), contextlib.closing(connect(self._path)) as connection:
            connection.execute("PRAGMA query_only=1")
            yield connection


def _whose(scope: str) -> tuple[list[str], list[object]]:
    """Whose scores: those of the tenant's calls, and those that the tenant gave and that wait."""
    if not scope:
        raise ValueError("a reading names its tenant, or EVERY_TENANT")
    if scope == EVERY_TENANT:
        return ["1"], []
    return ["(tenant_id = ? OR (look_ns IS NOT NULL AND scope = ?))"], [scope, scope]


def _units_of(scope: str, metric: Metric) -> tuple[str, list[object]]:
    """One row per app, release, arm and unit: the number of scores n, their sum t, the sum of squares s."""
    values: list[object] = []
    if metric.label is None:
        value, parts = "number", ["number IS NOT NULL"]
    else:
        value, parts = "(label = ?)", ["kind = 'label'"]
        values += [metric.label, metric.label, metric.label]
    parts += ["name = ?", "current = 1", "look_ns IS NULL"]
    values.append(metric.name)
    whose, bound = ([], []) if scope == EVERY_TENANT else (["tenant_id = ?"], [scope])
    parts += whose
    values += bound
    for part, wanted in (
        ("source = ?", metric.source), ("app = ?", metric.app), ("call_ns >= ?", metric.since_ns),
        ("call_ns < ?", metric.until_ns),
    ):  # fmt: skip
        if wanted is not None:
            parts.append(part)
            values.append(wanted)
    query = (
        f"SELECT app, release, arm, coalesce(unit, call_id) AS u, count(*) AS n, total({value}) AS t, "  # noqa: S608 - constants
        f"total({value} * {value}) AS s FROM scores WHERE {' AND '.join(parts)} GROUP BY app, release, arm, u"
    )
    return query, values


def _stored(row: _Row) -> StoredScore:
    (seq, id, call, call_ns, name, kind, source, author, at_ns, number, label, comment, text, current, look_ns,
     tenant, app, release, prompt, unit, arm) = row  # fmt: skip
    score = Score(id, call, name, kind, source, author, at_ns, number, label, comment, text)
    facts = None
    if look_ns is None:
        facts = CallFacts(tenant or "", call_ns, app, release, prompt, unit, arm)
    return StoredScore(seq, score, call_ns, facts, bool(current))
