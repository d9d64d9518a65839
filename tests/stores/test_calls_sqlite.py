"""What is special to the call store on SQLite: its files, their versions, their damage."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import headgate.stores.calls_day as day_store
from headgate.core.calls import CallFilter, Retention
from headgate.core.errors import ConfigError, StoreUnavailable
from headgate.core.ids import CallIds
from headgate.core.keys import EVERY_TENANT
from headgate.stores.calls_schema import DAY_STEPS, INDEX_FILE, RECORD_AT_PLACE, day_of, day_start, open_file, place
from headgate.stores.calls_sqlite import SqliteCalls
from headgate.telemetry import fold
from tests.support.world import ManualClock, SeededEntropy
from tests.telemetry.builders import DAY_NS, NOON, batch, call_id, record

FOREVER = 1 << 62


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.db"))


def test_one_file_per_utc_day_and_bodies_apart(tmp_path: Path) -> None:
    store = SqliteCalls(tmp_path, fold)
    store.write(batch([record(1), record(2, NOON + DAY_NS, request_body=b"x")]))
    days = [day_of(NOON), day_of(NOON + DAY_NS)]
    assert files(tmp_path) == sorted([f"bodies-{days[1]}.db", INDEX_FILE, *(f"calls-{day}.db" for day in days)])
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.glob("*.db"))
    store.retain(NOON + 9 * DAY_NS, Retention(1, 1))
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(("calls-2", "bodies-2"))) == []
    store.close()


def test_days_are_cut_at_utc_midnight() -> None:
    midnight = day_start("2025-11-24")
    assert (day_of(midnight - 1), day_of(midnight)) == ("2025-11-23", "2025-11-24")


@pytest.mark.parametrize("name", [INDEX_FILE, f"calls-{day_of(NOON)}.db", f"bodies-{day_of(NOON)}.db"])
def test_a_file_of_a_newer_version_is_refused_by_name(tmp_path: Path, name: str) -> None:
    store = SqliteCalls(tmp_path, fold)
    store.write(batch([record(1, request_body=b"x")]))
    store.close()
    connection = sqlite3.connect(tmp_path / name)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(ConfigError, match="newer Headgate") as refusal:
        SqliteCalls(tmp_path, fold)
    assert name in refusal.value.where


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "calls-2025-11-24.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(ConfigError, match="not a usable database") as refusal:
        SqliteCalls(tmp_path, fold)
    assert "calls-2025-11-24.db" in refusal.value.where


def test_an_older_file_is_brought_up_to_date_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    open_file(path, ("CREATE TABLE a (n INTEGER); INSERT INTO a VALUES (7)",)).close()
    connection = open_file(path, ("never run again", "ALTER TABLE a ADD COLUMN m INTEGER NOT NULL DEFAULT 8"))
    assert connection.execute("SELECT n, m FROM a").fetchall() == [(7, 8)]
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    open_file(path, ("CREATE TABLE a (n INTEGER)",)).close()
    with pytest.raises(StoreUnavailable):
        open_file(path, ("", "CREATE TABLE b (n INTEGER); INSERT INTO nowhere VALUES (1)"))
    connection = open_file(path, ("",))
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]
    connection.close()


def test_released_steps_are_not_edited() -> None:
    """Until the first release the schema may still change; from then on this number only rises."""
    assert len(DAY_STEPS) == 2


def test_a_call_is_looked_for_around_the_time_in_its_identifier(tmp_path: Path) -> None:
    store = SqliteCalls(tmp_path, fold)
    clock = ManualClock(NOON)
    ids = CallIds(clock, SeededEntropy())
    made = [record(number, NOON + day * DAY_NS + shift) for number, (day, shift) in enumerate(
        [(0, 0), (1, 0), (2, 0), (0, DAY_NS), (0, -DAY_NS)]
    )]  # fmt: skip
    for one, day in zip(made, (0, 1, 2, 0, 0), strict=True):
        clock.wall_ns = NOON + day * DAY_NS
        one.id = ids.mint()
    store.write(batch(made))
    for one in made:
        found = store.call(EVERY_TENANT, one.id)
        assert found is not None
        assert found.received_ns == one.received_ns, "also where the clock was set between the two"
    clock.wall_ns = NOON + 2 * DAY_NS
    assert store.call(EVERY_TENANT, ids.mint()) is None
    store.close()


def test_a_locked_store_is_unavailable_and_says_which_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("headgate.stores.calls_schema.BUSY_S", 0.01)
    store = SqliteCalls(tmp_path, fold)
    other = sqlite3.connect(tmp_path / INDEX_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        store.write(batch([record(1)]))
    other.execute("ROLLBACK")
    other.close()
    store.write(batch([record(1)]))
    assert [item.id for item in store.calls(EVERY_TENANT, CallFilter(), 9).records] == [call_id(1)]
    assert [rollup.calls for rollup in store.rollups(EVERY_TENANT, 0, FOREVER)] == [1], "counted once"
    store.close()


def test_a_full_disk_is_unavailable_and_loses_nothing(tmp_path: Path) -> None:
    store = SqliteCalls(tmp_path, fold)
    store.write(batch([record(1)], end=164))
    day = store._day(day_of(NOON)).connection
    pages = day.execute("PRAGMA page_count").fetchone()[0]
    day.execute(f"PRAGMA max_page_count={pages}")
    many = batch([record(n, message="m" * 400) for n in range(2, 400)], end=50_000)
    with pytest.raises(StoreUnavailable, match="full"):
        store.write(many)
    assert dict(store.offsets()) == {many.segment: 164}
    assert len(store.calls(EVERY_TENANT, CallFilter(), 999).records) == 1
    day.execute("PRAGMA max_page_count=1000000")
    store.write(many)
    assert len(store.calls(EVERY_TENANT, CallFilter(), 999).records) == 399
    store.close()


def test_a_file_that_is_just_being_made_reads_as_empty(tmp_path: Path) -> None:
    store = SqliteCalls(tmp_path, fold)
    (tmp_path / f"calls-{day_of(NOON)}.db").touch()  # made, its tables not yet: what a reader may meet for a moment
    assert store.call(EVERY_TENANT, call_id(1)) is None
    assert store.calls(EVERY_TENANT, CallFilter(), 10, None).records == []
    store.write(batch([record(1)]))
    assert store.call(EVERY_TENANT, call_id(1)) is not None
    store.close()


def test_readers_see_one_moment_while_the_writer_works(tmp_path: Path) -> None:
    store, reader = SqliteCalls(tmp_path, fold), SqliteCalls(tmp_path, fold)
    store.write(batch([record(1)], end=164))
    assert len(reader.calls(EVERY_TENANT, CallFilter(), 9).records) == 1
    store.write(batch([record(2)], end=264))
    assert len(reader.calls(EVERY_TENANT, CallFilter(), 9).records) == 2
    store.retain(NOON + 99 * DAY_NS, Retention(1, 1))
    assert reader.calls(EVERY_TENANT, CallFilter(), 9).records == []
    reader.close()
    store.close()


def test_the_small_index_serves_questions_about_failures(tmp_path: Path) -> None:
    store = SqliteCalls(tmp_path, fold)
    store.write(batch([record(1, outcome="failed")]))
    store.close()
    connection = sqlite3.connect(tmp_path / f"calls-{day_of(NOON)}.db")
    plan = connection.execute(
        "EXPLAIN QUERY PLAN SELECT place FROM calls WHERE 1 AND outcome = ? AND outcome <> 'ok' "
        "ORDER BY received_ns DESC, id DESC LIMIT 5", ("failed",),
    ).fetchall()  # fmt: skip
    assert "calls_not_ok" in str(plan)
    connection.close()


def test_records_come_back_from_whatever_block_they_lie_in(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(day_store, "BLOCK_BYTES", 3_000)
    store = SqliteCalls(tmp_path, fold)
    records = [record(n, NOON + n, message="m" * (n * 37 % 5_000)) for n in range(60)]
    store.write(batch(records[:45], end=4_564))
    store.write(batch(records[45:], end=6_064))
    assert store.calls(EVERY_TENANT, CallFilter(), 99).records == records[::-1]
    assert [store.call("acme", item.id) for item in records] == records
    assert store._day(day_of(NOON)).connection.execute("SELECT count(*) FROM blocks").fetchone()[0] > 20
    store.close()


def test_the_largest_place_is_read_as_it_was_written() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE blocks (block INTEGER PRIMARY KEY, records BLOB)")
    connection.execute("CREATE TABLE calls (place INTEGER)")
    block, start, size = (1 << 25) - 1, (64 << 10) - 1, 1 << 20
    connection.execute("INSERT INTO blocks VALUES (?, ?)", (block, b"a" * start + b"b" * size + b"c"))
    connection.execute("INSERT INTO calls VALUES (?)", (place(block, start, size),))
    assert connection.execute(f"SELECT {RECORD_AT_PLACE} FROM calls").fetchone() == (b"b" * size,)
    connection.close()


def test_a_subject_is_one_row_until_too_many_are_known(tmp_path: Path, monkeypatch) -> None:
    store = SqliteCalls(tmp_path, fold)
    store.write(batch([record(n) for n in range(9)]))
    connection = store._day(day_of(NOON)).connection
    assert connection.execute("SELECT count(*) FROM subjects").fetchone() == (1,)
    monkeypatch.setattr(day_store, "SUBJECTS_MAX", 1)
    store.write(batch([record(n, app=f"app{n % 2}") for n in range(10, 16)], end=2_000))
    assert connection.execute("SELECT count(*) FROM subjects").fetchone() == (7,)
    found = [item.id for item in store.calls("acme", CallFilter(app="app1"), 99).records]
    assert found == [call_id(15), call_id(13), call_id(11)]
    store.close()


def test_subjects_of_a_batch_that_failed_are_written_again(tmp_path: Path) -> None:
    failing = iter([True, False])

    def fold_or_fail(records):
        if next(failing):
            raise sqlite3.OperationalError("disk I/O error")
        return fold(records)

    store = SqliteCalls(tmp_path, fold_or_fail)
    with pytest.raises(StoreUnavailable):
        store.write(batch([record(1)]))
    store.write(batch([record(1)]))
    assert [item.id for item in store.calls("acme", CallFilter(app="support"), 9).records] == [call_id(1)]
    store.close()


def test_only_calls_in_flight_keep_a_record_of_their_own(tmp_path: Path) -> None:
    store = SqliteCalls(tmp_path, fold)
    connection = store._day(day_of(NOON)).connection
    store.write(batch([record(n, outcome="in_flight") for n in range(4)], end=464))
    assert connection.execute("SELECT count(*) FROM in_flight").fetchone() == (4,)
    store.write(batch([record(1)], end=564, forgotten=[call_id(2)]))
    store.write(batch([record(1, outcome="in_flight")], "old-1.hgj"))
    assert connection.execute("SELECT id FROM in_flight ORDER BY id").fetchall() == [(call_id(0),), (call_id(3),)]
    store.abort("w.1")
    assert connection.execute("SELECT count(*) FROM in_flight").fetchone() == (0,)
    store.close()
