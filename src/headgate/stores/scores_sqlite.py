"""Scores on SQLite: one file, `scores.db`, beside the calls.

A score whose call is known carries that call's facts, so that sums need no look into the files of calls. A score that
waits has `look_ns`, the wall time at which its call is looked for next. What a sender's retry would bring again is told
by (scope, id); of several scores with the same call, name, source and author the latest given is current, whatever
the order of arrival.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from headgate.core.scores import (
    ArmSums,
    CallFacts,
    Fate,
    GivenScore,
    Metric,
    ScoreFilter,
    StoredScore,
    UnitSums,
    WaitingCall,
)
from headgate.stores.calls_schema import open_file, told, transaction
from headgate.stores.scores_read import ScoreReader

FILE = "scores.db"
SCORES_MAX = 5_000_000  # some 2 GB; the oldest given go first
PER_CALL_MAX = 200  # history included
STEPS = (
    """
    CREATE TABLE scores (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, id TEXT NOT NULL, call_id TEXT NOT NULL,
        call_ns INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, source TEXT NOT NULL, author TEXT NOT NULL,
        at_ns INTEGER NOT NULL, number REAL, label TEXT, comment TEXT, current INTEGER NOT NULL, look_ns INTEGER,
        tenant_id TEXT, app TEXT, release TEXT, prompt TEXT, unit TEXT, arm TEXT,
        UNIQUE (scope, id)
    );
    CREATE INDEX scores_of_call ON scores (call_id);
    CREATE INDEX scores_waiting ON scores (look_ns) WHERE look_ns IS NOT NULL;
    CREATE INDEX scores_by_name ON scores (name, call_ns) WHERE current = 1 AND look_ns IS NULL;
    CREATE INDEX scores_by_time ON scores (call_ns);
    CREATE TABLE corrections (seq INTEGER PRIMARY KEY, text TEXT NOT NULL);
    """,
)
_PUT = "INSERT INTO scores VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_SAME = (
    "SELECT seq, at_ns FROM scores WHERE call_id = ? AND name = ? AND source = ? AND author = ? AND current = 1 "
    "AND seq <> ? AND (look_ns IS NULL) = ? AND (look_ns IS NULL OR scope = ?)"
)
_SAID = (
    "SELECT 1 FROM scores LEFT JOIN corrections USING (seq) WHERE call_id = ? AND name = ? AND source = ? "
    "AND author = ? AND (at_ns = ? OR (? AND current = 1)) AND kind = ? AND number IS ? AND label IS ? "
    "AND comment IS ? AND text IS ? AND scope = ?"
)
_DUE = (
    "SELECT scope, call_id, min(call_ns) FROM scores WHERE look_ns <= ? GROUP BY scope, call_id ORDER BY min(look_ns) "
    "LIMIT ?"
)
_WAITING_ROWS = (
    "SELECT seq, name, source, author, at_ns FROM scores "
    "WHERE call_id = ? AND scope = ? AND look_ns IS NOT NULL ORDER BY at_ns, seq"
)
_JOIN = (
    "UPDATE scores SET look_ns = NULL, call_ns = ?, tenant_id = ?, app = ?, release = ?, prompt = ?, unit = ?, "
    "arm = ? WHERE seq = ?"
)


class SqliteScores:
    """Implements `telemetry.ports.ScoreStore`. Safe to use from several threads. Raises StoreUnavailable."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigError where the file is damaged or newer than this program, StoreUnavailable."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._connection = open_file(self._path, STEPS)
        self._reader = ScoreReader(self._path)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    # -- writing ----------------------------------------------------------------------------------------------------

    def put(self, given: Sequence[GivenScore]) -> list[Fate]:
        """Keep scores, all or none; what became of each.

        new; replaced: it took the place of an earlier one; late: a later one was there, it is history; known: its id,
        or the very same score, is kept already and nothing changed; full: the call has PER_CALL_MAX scores.
        """
        with self._lock, told(self._path), transaction(self._connection):
            return [self._put(one) for one in given]

    def waiting(self, scope: str) -> int:
        """How many scores of a scope wait for their calls."""
        with self._lock, told(self._path):
            row = self._connection.execute(
                "SELECT count(*) FROM scores WHERE look_ns IS NOT NULL AND scope = ?", (scope,)
            ).fetchone()
        return int(row[0])

    def due(self, now_ns: int, limit: int) -> list[WaitingCall]:
        """Calls that are to be looked for now."""
        with self._lock, told(self._path):
            return [WaitingCall(*row) for row in self._connection.execute(_DUE, (now_ns, limit))]

    def join(self, waiting: WaitingCall, facts: CallFacts) -> None:
        """The call is known now: its scores are those of that call from here on."""
        with self._lock, told(self._path), transaction(self._connection):
            rows = self._connection.execute(_WAITING_ROWS, (waiting.call, waiting.scope)).fetchall()
            for seq, name, source, author, at_ns in rows:
                self._connection.execute(
                    _JOIN,
                    (
                        facts.received_ns, facts.tenant, facts.app, facts.release, facts.prompt, facts.unit, facts.arm,
                        seq,
                    ),
                )  # fmt: skip
                self._settle(seq, (waiting.call, name, source, author), at_ns, waiting.scope, True)

    def postpone(self, waiting: WaitingCall, look_ns: int) -> None:
        """The call is not known yet: look for it again at `look_ns`."""
        with self._lock, told(self._path), transaction(self._connection):
            self._connection.execute(
                "UPDATE scores SET look_ns = ? WHERE call_id = ? AND scope = ? AND look_ns IS NOT NULL",
                (look_ns, waiting.call, waiting.scope),
            )

    def retain(self, before_ns: int) -> None:
        """Drop scores of calls received before, and the oldest given beyond SCORES_MAX."""
        with self._lock, told(self._path), transaction(self._connection):
            self._connection.execute("DELETE FROM scores WHERE call_ns < ?", (before_ns,))
            self._connection.execute("DELETE FROM scores WHERE seq <= (SELECT max(seq) FROM scores) - ?", (SCORES_MAX,))
            self._connection.execute("DELETE FROM corrections WHERE seq NOT IN (SELECT seq FROM scores)")

    def _put(self, given: GivenScore) -> Fate:
        score, facts = given.score, given.facts
        execute = self._connection.execute
        if execute("SELECT 1 FROM scores WHERE scope = ? AND id = ?", (given.scope, score.id)).fetchone() is not None:
            return "known"
        if self._said_already(given):
            return "known"
        held = execute("SELECT count(*) FROM scores WHERE call_id = ?", (score.call,)).fetchone()[0]
        if held >= PER_CALL_MAX:
            return "full"
        look_ns = None if facts is not None else given.look_ns
        known = (None,) * 6
        if facts is not None:
            known = (facts.tenant, facts.app, facts.release, facts.prompt, facts.unit, facts.arm)
        seq = execute(
            _PUT,
            (
                given.scope, score.id, score.call, given.call_ns, score.name, score.kind, score.source, score.author,
                score.at_ns, score.number, score.label, score.comment, 1, look_ns, *known,
            ),
        ).lastrowid  # fmt: skip
        assert seq is not None
        if score.correction is not None:
            execute("INSERT INTO corrections VALUES (?,?)", (seq, score.correction))
        who = (score.call, score.name, score.source, score.author)
        return self._settle(seq, who, score.at_ns, given.scope, facts is not None)

    def _said_already(self, given: GivenScore) -> bool:
        """Whether a score of this author says the very same at the same time; the current one where no time was
        said."""
        score = given.score
        row = self._connection.execute(
            _SAID,
            (
                score.call, score.name, score.source, score.author, score.at_ns, not given.timed, score.kind,
                score.number, score.label, score.comment, score.correction, given.scope,
            ),
        ).fetchone()  # fmt: skip
        return row is not None

    def _settle(self, seq: int, who: tuple[str, str, str, str], at_ns: int, scope: str, joined: bool) -> Fate:
        """Which of an author's scores is current: the one given last."""
        rows: list[tuple[int, int]] = self._connection.execute(_SAME, (*who, seq, joined, scope)).fetchall()
        if not rows:
            return "new"
        late = max(before for _, before in rows) > at_ns
        losers = [seq] if late else [before for before, _ in rows]
        self._connection.executemany("UPDATE scores SET current = 0 WHERE seq = ?", [(one,) for one in losers])
        return "late" if late else "replaced"

    # -- reading ----------------------------------------------------------------------------------------------------

    def find(self, scope: str, wanted: ScoreFilter) -> list[StoredScore]:
        """What fits, the latest kept first."""
        return self._reader.find(scope, wanted)

    def of_calls(self, scope: str, calls: Sequence[str]) -> list[StoredScore]:
        """The current scores of some calls, joined or waiting, in the order in which they were kept."""
        return self._reader.of_calls(scope, calls)

    def sums(self, scope: str, metric: Metric) -> list[ArmSums]:
        """The sums of a metric per app, release and arm."""
        return self._reader.sums(scope, metric)

    def units(self, scope: str, metric: Metric, limit: int) -> list[UnitSums]:
        """The sums of a metric per app, release, arm and unit, `limit` of them at most."""
        return self._reader.units(scope, metric, limit)
