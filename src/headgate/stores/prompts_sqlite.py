"""Groups of unregistered prompts on SQLite: one file, `prompts.db`, beside the calls. It holds text of prompts."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from headgate.core.discovery import GroupedText, PromptUse, StoredGroup
from headgate.core.keys import EVERY_TENANT
from headgate.stores.calls_schema import open_file, told, transaction

FILE = "prompts.db"
FINGERPRINTS_MAX = 200_000
TEXT_CHARS_MAX = 64_000_000  # of all texts together
STEPS = (
    """
    CREATE TABLE groups (
        tenant_id TEXT NOT NULL, id TEXT NOT NULL, skeleton BLOB NOT NULL, PRIMARY KEY (tenant_id, id)
    ) WITHOUT ROWID;
    CREATE TABLE texts (
        tenant_id TEXT NOT NULL, fingerprint TEXT NOT NULL, group_id TEXT NOT NULL, text TEXT, chars INTEGER NOT NULL,
        last_ns INTEGER NOT NULL, PRIMARY KEY (tenant_id, fingerprint)
    );
    CREATE INDEX texts_by_group ON texts (tenant_id, group_id);
    CREATE INDEX texts_by_time ON texts (last_ns);
    """,
)
_OLDEST = "SELECT last_ns FROM texts ORDER BY last_ns DESC LIMIT 1 OFFSET ?"
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[list[str], list[bool]]).decode


class SqlitePrompts:
    """Implements `prompts.ports.PromptTexts`. Safe to use from several threads. Raises StoreUnavailable."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigError where the file is damaged or newer than this program, StoreUnavailable."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._connection = open_file(self._path, STEPS)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def groups(self) -> list[StoredGroup]:
        """All of them."""
        with self._lock, told(self._path):
            rows = self._connection.execute("SELECT tenant_id, id, skeleton FROM groups").fetchall()
        return [StoredGroup(tenant, id, *_unpack(packed)) for tenant, id, packed in rows]

    def known(self, tenant: str, fingerprint: str) -> bool:
        """Whether the text with this fingerprint was told of before."""
        with self._lock, told(self._path):
            row = self._connection.execute(
                "SELECT 1 FROM texts WHERE tenant_id = ? AND fingerprint = ?", (tenant, fingerprint)
            ).fetchone()
        return row is not None

    def room(self) -> int:
        """How many more characters of text there is room for."""
        with self._lock, told(self._path):
            row = self._connection.execute("SELECT coalesce(sum(length(text)), 0) FROM texts").fetchone()
        return TEXT_CHARS_MAX - int(row[0])

    def put(
        self, texts: Sequence[GroupedText], groups: Sequence[StoredGroup], merged: Sequence[tuple[str, str, str]] = ()
    ) -> None:
        """Keep texts, and the groups that are new or changed, all or none. `merged`: of this tenant, this group's texts
        are that group's from now on."""
        with self._lock, told(self._path), transaction(self._connection):
            self._connection.executemany(
                "INSERT OR REPLACE INTO groups VALUES (?,?,?)",
                [(one.tenant, one.id, _pack((one.words, one.gaps))) for one in groups],
            )
            self._connection.executemany(
                "INSERT OR IGNORE INTO texts VALUES (?,?,?,?,?,?)", [msgspec.structs.astuple(one) for one in texts]
            )
            for tenant, gone, into in merged:
                self._connection.execute(
                    "UPDATE texts SET group_id = ? WHERE tenant_id = ? AND group_id = ?", (into, tenant, gone)
                )
                self._connection.execute("DELETE FROM groups WHERE tenant_id = ? AND id = ?", (tenant, gone))

    def members(self, scope: str) -> Mapping[tuple[str, str], str]:
        """The group of each (tenant, fingerprint)."""
        query = "SELECT tenant_id, fingerprint, group_id FROM texts"
        bound: tuple[str, ...] = ()
        if scope != EVERY_TENANT:
            query, bound = query + " WHERE tenant_id = ?", (scope,)
        with self._lock, told(self._path):
            return {(tenant, mark): group for tenant, mark, group in self._connection.execute(query, bound)}

    def texts(self, tenant: str, group: str) -> list[GroupedText]:
        """The texts of a group, those whose text is not kept included; the first told of first."""
        with self._lock, told(self._path):
            rows = self._connection.execute(
                "SELECT tenant_id, fingerprint, group_id, text, chars, last_ns FROM texts "
                "WHERE tenant_id = ? AND group_id = ? ORDER BY rowid",
                (tenant, group),
            ).fetchall()
        return [GroupedText(*row) for row in rows]

    def touch(self, uses: Sequence[PromptUse]) -> None:
        """These fingerprints are still in use."""
        with self._lock, told(self._path), transaction(self._connection):
            self._connection.executemany(
                "UPDATE texts SET last_ns = max(last_ns, ?) WHERE tenant_id = ? AND fingerprint = ?",
                [(use.last_ns, use.tenant, use.fingerprint) for use in uses if use.fingerprint is not None],
            )

    def retain(self, before_ns: int) -> None:
        """Drop what was not seen since, the oldest beyond FINGERPRINTS_MAX, and groups without texts."""
        with self._lock, told(self._path), transaction(self._connection):
            row = self._connection.execute(_OLDEST, (FINGERPRINTS_MAX,)).fetchone()
            oldest_ns = before_ns if row is None else max(before_ns, row[0] + 1)
            self._connection.execute("DELETE FROM texts WHERE last_ns < ?", (oldest_ns,))
            self._connection.execute(
                "DELETE FROM groups WHERE NOT EXISTS (SELECT 1 FROM texts WHERE texts.tenant_id = groups.tenant_id "
                "AND texts.group_id = groups.id)"
            )
