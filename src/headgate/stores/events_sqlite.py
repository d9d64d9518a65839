"""Events on SQLite: one file, `events.db`, beside the calls."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from headgate.core.events import Event, EventFilter, Figure, StoredEvent
from headgate.stores.calls_schema import open_file, told, transaction

FILE = "events.db"
EVENTS_MAX = 100_000
STEPS = (
    """
    CREATE TABLE events (
        id TEXT PRIMARY KEY, at_ns INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL,
        severity INTEGER NOT NULL, figures TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX events_by_time ON events (at_ns);
    """,
)
_SEVERITIES = ("info", "warning", "critical")
_figures = msgspec.json.Decoder(dict[str, Figure])


class SqliteEvents:
    """Implements `telemetry.ports.EventStore`. Safe to use from several threads. Raises StoreUnavailable."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._connection = open_file(self._path, STEPS)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def put(self, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        """Keep events; those that were not kept already."""
        new: list[StoredEvent] = []
        with self._lock, told(self._path), transaction(self._connection):
            for stored in events:
                event = stored.event
                done = self._connection.execute(
                    "INSERT OR IGNORE INTO events VALUES (?,?,?,?,?,?,?)",
                    (
                        stored.id, event.at_ns, event.kind, event.subject, event.text, _rank(event.severity),
                        msgspec.json.encode(event.figures).decode(),
                    ),
                )  # fmt: skip
                if done.rowcount:
                    new.append(stored)
        return new

    def find(self, wanted: EventFilter) -> list[StoredEvent]:
        """What fits, newest first."""
        parts, values = ["severity >= ?"], list[object]([_rank(wanted.severity)])
        for part, value in (
            ("at_ns >= ?", wanted.since_ns), ("at_ns < ?", wanted.until_ns), ("kind = ?", wanted.kind),
            ("subject = ?", wanted.subject),
        ):  # fmt: skip
            if value is not None:
                parts.append(part)
                values.append(value)
        query = (
            f"SELECT id, at_ns, kind, subject, text, severity, figures FROM events WHERE {' AND '.join(parts)} "  # noqa: S608 - constants
            "ORDER BY at_ns DESC, id DESC LIMIT ?"
        )
        with self._lock, told(self._path):
            rows: list[tuple[str, int, str, str, str, int, str]] = self._connection.execute(
                query, (*values, wanted.limit)
            ).fetchall()
        return [
            StoredEvent(row[0], Event(row[2], row[1], row[3], row[4], _SEVERITIES[row[5]], _figures.decode(row[6])))
            for row in rows
        ]

    def retain(self, before_ns: int) -> None:
        """Drop what is older, and the oldest beyond EVENTS_MAX."""
        with self._lock, told(self._path), transaction(self._connection):
            self._connection.execute("DELETE FROM events WHERE at_ns < ?", (before_ns,))
            self._connection.execute(
                "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY at_ns DESC LIMIT -1 OFFSET ?)",
                (EVENTS_MAX,),
            )


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else 0
