"""The files of the call store on SQLite: their names, their schema by version, how they are opened.

`calls-2026-11-25.db` holds the records, rollups and spend of one UTC day, `bodies-2026-11-25.db` their bodies,
`calls-index.db` how far the journals are drained, the gaps, and the spend of days that were dropped. Retention is
the removal of files.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

from headgate.core.errors import ConfigError, StoreUnavailable

BUSY_S = 5.0
INDEX_FILE = "calls-index.db"
HOUR_NS = 3_600 * 1_000_000_000
DAY_NS = 24 * HOUR_NS

# Of a day: `subjects` are what many calls share, each row once or a few times. A finished call's record lies in a
# block with its neighbours, where `place` says (see `place`); that of a call in flight has a table of its own.
# One tuple per kind of file; its length is the file's format version. A released step is never edited.
DAY_STEPS = (
    """
    CREATE TABLE subjects (
        subject INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, key_id TEXT NOT NULL, app TEXT, release TEXT,
        prompt TEXT, provider TEXT, target_model TEXT, model_asked TEXT NOT NULL
    );
    CREATE TABLE blocks (block INTEGER PRIMARY KEY, records BLOB NOT NULL);
    CREATE TABLE calls (
        received_ns INTEGER NOT NULL, id TEXT NOT NULL, subject INTEGER NOT NULL, outcome TEXT NOT NULL,
        error TEXT, cost_usd REAL, latency_us INTEGER, tokens INTEGER, place INTEGER,
        PRIMARY KEY (received_ns, id)
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX calls_by_id ON calls (id);
    CREATE INDEX calls_not_ok ON calls (received_ns) WHERE outcome <> 'ok';
    CREATE TABLE in_flight (id TEXT PRIMARY KEY, owner TEXT NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE rollups (
        at_ns INTEGER NOT NULL, tenant_id TEXT NOT NULL, app TEXT NOT NULL, provider TEXT NOT NULL,
        model TEXT NOT NULL, sums BLOB NOT NULL,
        PRIMARY KEY (at_ns, tenant_id, app, provider, model)
    ) WITHOUT ROWID;
    CREATE TABLE spend (
        key_id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, usd REAL NOT NULL, calls INTEGER NOT NULL,
        unpriced INTEGER NOT NULL, tokens INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE offsets (segment TEXT PRIMARY KEY, upto INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE made (serial TEXT NOT NULL);
    INSERT INTO made VALUES (lower(hex(randomblob(8))));
    """,
    # which prompt was used how often, by the hour; "" for no app, no registered prompt, no system prompt
    """
    CREATE TABLE prompt_use (
        hour INTEGER NOT NULL, tenant_id TEXT NOT NULL, app TEXT NOT NULL, key_id TEXT NOT NULL, model TEXT NOT NULL,
        prompt TEXT NOT NULL, fingerprint TEXT NOT NULL, calls INTEGER NOT NULL, last_ns INTEGER NOT NULL,
        call_id TEXT NOT NULL,
        PRIMARY KEY (hour, tenant_id, app, key_id, model, prompt, fingerprint)
    ) WITHOUT ROWID;
    """,
)
BODIES_STEPS = (
    """
    CREATE TABLE bodies (
        id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, request BLOB, response BLOB
    ) WITHOUT ROWID;
    """,
)
INDEX_STEPS = (
    """
    CREATE TABLE offsets (segment TEXT PRIMARY KEY, upto INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE gaps (since_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL, lost INTEGER NOT NULL, why TEXT NOT NULL);
    CREATE TABLE past_spend (
        day TEXT NOT NULL, serial TEXT NOT NULL, key_id TEXT NOT NULL, tenant_id TEXT NOT NULL, usd REAL NOT NULL,
        calls INTEGER NOT NULL, unpriced INTEGER NOT NULL, tokens INTEGER NOT NULL,
        PRIMARY KEY (day, serial, key_id)
    ) WITHOUT ROWID;
    """,
)


START_BITS, SIZE_BITS = 17, 21  # of a place, below the number of the block
RECORD_AT_PLACE = (  # SQL: the record of a row of `calls`; constants only
    f"(SELECT substr(records, (place >> {SIZE_BITS} & {(1 << START_BITS) - 1}) + 1, place & {(1 << SIZE_BITS) - 1}) "  # noqa: S608
    f"FROM blocks WHERE block = place >> {START_BITS + SIZE_BITS})"
)


def place(block: int, start: int, size: int) -> int:
    """Where a record lies, in one number: its block, the offset in it and the length, in bytes."""
    return (block << START_BITS | start) << SIZE_BITS | size


def day_of(at_ns: int) -> str:
    """The UTC day of a wall time, `2026-11-25`."""
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d")


def day_start(day: str) -> int:
    """When a UTC day starts, wall ns."""
    return int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def day_path(folder: Path, kind: str, day: str) -> Path:
    """The file of one day; kind is `calls` or `bodies`."""
    return folder / f"{kind}-{day}.db"


def days(folder: Path, kind: str) -> list[str]:
    """The days there is a file for, oldest first."""
    start, found = len(kind) + 1, list[str]()
    for entry in os.listdir(folder):
        if entry.startswith(f"{kind}-2") and entry.endswith(".db"):
            found.append(entry[start:-3])
    return sorted(found)


def open_file(path: Path, steps: tuple[str, ...]) -> sqlite3.Connection:
    """Open a file, made or brought up to date where needed.

    Raises ConfigError where a newer Headgate wrote it or it is no database, StoreUnavailable where it cannot be used.
    """
    with told(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = connect(path)
        try:
            _upgrade(connection, path, steps)
        except sqlite3.DatabaseError as error:
            connection.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                right = "move it away or restore it; calls drained from now on go to a new file"
                raise ConfigError(str(path), f"not a usable database: {error}", right) from error
            raise
        except ConfigError:
            connection.close()
            raise
        return connection


def connect(path: Path) -> sqlite3.Connection:
    """A connection to a file that is there. Raises sqlite3.Error."""
    where = path.absolute().as_uri() + "?mode=rw"
    return sqlite3.connect(where, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


def drop_file(path: Path) -> bool:
    """Remove a database with its companions; whether it was there. Raises OSError."""
    there = path.exists()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return there


@contextlib.contextmanager
def told(path: Path) -> Generator[None]:
    """Turns what the database or the disk throws into StoreUnavailable naming the file."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"{path.name}: {error}") from error


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """Commits on a clean exit, else rolls back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _upgrade(connection: sqlite3.Connection, path: Path, steps: tuple[str, ...]) -> None:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(steps):
        raise ConfigError(
            str(path),
            f"written by a newer Headgate (format {version}; this one reads up to {len(steps)})",
            "run that version, or move the file away",
        )
    # larger pages and a larger cache: a batch writes some 150 pages, each once to the log and once to the file
    connection.execute("PRAGMA page_size=8192")
    connection.execute("PRAGMA cache_size=-8192")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=500")
    # a segment is deleted once its rows are committed, so a commit must survive a power cut
    connection.execute("PRAGMA synchronous=FULL")
    if version == len(steps):
        return
    with transaction(connection):  # all at once: a reader never sees a file that is half made
        for step in steps[version:]:
            for statement in step.split(";"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute(f"PRAGMA user_version={len(steps)}")
