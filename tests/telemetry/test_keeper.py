"""The keeper: everything once, whatever dies in between."""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import headgate.stores.calls_day as day_store
import headgate.stores.calls_sqlite as sqlite_store
import headgate.telemetry.keeper as keeper_module
from headgate.core.calls import CallFilter
from headgate.core.errors import StoreUnavailable
from headgate.core.keys import EVERY_TENANT
from headgate.core.record import CallBrief
from headgate.stores.calls_sqlite import SqliteCalls
from headgate.telemetry import JournalSettings, Keeper, LocalJournal, fold
from headgate.telemetry.frames import FORMAT_VERSION, HEADER_SIZE
from tests.support.world import ManualClock, SeededEntropy
from tests.telemetry.builders import DAY_NS, NOON, call_id, journal, record
from tests.telemetry.test_journal import FaultyDisk

FOREVER = 1 << 62
EVERYTHING = CallFilter()


class Bench:
    """A journal folder, a store, and keepers that come and go."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.journals = folder / "journal"
        self.calls = folder / "calls"
        self.heard: list[CallBrief] = []
        self.store = SqliteCalls(self.calls, fold)
        self.keeper = self.new_keeper()

    def new_keeper(self) -> Keeper:
        return Keeper(str(self.journals), self.store, self.clock, [self.heard.extend])

    def restart(self) -> None:
        self.store.close()
        self.store = SqliteCalls(self.calls, fold)
        self.keeper = self.new_keeper()

    def journal(self, worker: str = "w", seed: int = 1, **settings) -> LocalJournal:
        return journal(self.journals, self.clock, worker, seed, **settings)

    def drain(self) -> int:
        total = 0
        while drained := self.keeper.step():
            total += drained
        return total

    def kept(self) -> dict[str, str]:
        """Outcome by call id, of everything; fails where a call is listed twice."""
        found: dict[str, str] = {}
        cursor = None
        while True:
            page = self.store.calls(EVERY_TENANT, EVERYTHING, 1000, cursor)
            for item in page.records:
                assert item.id not in found
                found[item.id] = item.outcome
            cursor = page.cursor
            if cursor is None:
                return found

    def everything(self) -> tuple[object, ...]:
        """All that readers can see."""
        return (
            self.kept(),
            self.store.rollups(EVERY_TENANT, 0, FOREVER),
            dict(self.store.spent_since(0)),
            self.store.gaps(0, FOREVER),
        )

    def segments(self) -> list[Path]:
        return sorted(self.journals.glob("*.hgj"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.store.close()


def seal(target: LocalJournal, *numbers: int, at_ns: int = NOON) -> None:
    for number in numbers:
        item = record(number, at_ns)
        target.opened(item)
        target.sealed(item)


def test_calls_arrive_in_the_store_with_their_listeners_told(bench: Bench) -> None:
    target = bench.journal()
    seal(target, *range(300))
    bench.drain()
    assert bench.kept() == {call_id(number): "ok" for number in range(300)}
    assert [item.id for item in bench.heard] == [call_id(number) for number in range(300)]
    seal(target, 300)
    bench.drain()
    assert len(bench.kept()) == 301
    target.close()


def test_a_step_asks_to_be_called_again_only_where_there_is_more(bench: Bench, monkeypatch) -> None:
    monkeypatch.setattr(keeper_module, "BATCH", 100)
    target = bench.journal()
    seal(target, *range(120))
    assert [bench.keeper.step() for _ in range(3)] == [100, 100, 0]
    assert len(bench.kept()) == 120
    bench.clock.advance(5)
    assert bench.keeper.state.behind_s == 5
    bench.keeper.step()
    assert bench.keeper.state.behind_s == 0
    target.close()


def test_a_keeper_before_any_worker_waits(bench: Bench) -> None:
    assert bench.keeper.step() == 0
    assert bench.keeper.state.trouble is None


def test_a_call_in_flight_is_in_flight_until_it_is_sealed(bench: Bench) -> None:
    target = bench.journal()
    target.opened(record(1))
    bench.drain()
    assert bench.kept() == {call_id(1): "in_flight"}
    assert bench.store.rollups(EVERY_TENANT, 0, FOREVER) == []
    target.sealed(record(1))
    bench.drain()
    assert bench.kept() == {call_id(1): "ok"}
    assert bench.store.rollups(EVERY_TENANT, 0, FOREVER)[0].calls == 1
    target.close()


def test_a_dead_workers_calls_in_flight_are_aborted_and_its_files_go(bench: Bench) -> None:
    dead, living = bench.journal("a", 1), bench.journal("b", 2)
    seal(dead, 1)
    dead.opened(record(2))
    living.opened(record(3))
    bench.drain()
    dead.close()  # to the keeper the same as a kill: the lock is free, a call is open
    bench.drain()
    assert bench.kept() == {call_id(1): "ok", call_id(2): "aborted", call_id(3): "in_flight"}
    assert all(path.name.startswith("b.") for path in bench.journals.iterdir())
    sums = bench.store.rollups(EVERY_TENANT, 0, FOREVER)
    assert {rollup.key.provider: rollup.outcomes for rollup in sums} == {"openai": {"ok": 1}, "": {"aborted": 1}}
    living.close()


def test_a_worker_that_died_while_no_keeper_ran_leaves_nothing_in_flight(bench: Bench) -> None:
    target = bench.journal()
    target.opened(record(1))
    bench.drain()
    target.close()
    for path in bench.journals.iterdir():
        path.unlink()
    bench.restart()
    bench.drain()
    assert bench.kept() == {call_id(1): "aborted"}


def test_drained_segments_are_deleted_and_the_open_one_stays(bench: Bench) -> None:
    target = bench.journal()
    seal(target, *range(600))
    before = bench.segments()
    assert len(before) > 3
    bench.drain()
    bench.keeper.step()
    left = bench.segments()
    assert len(left) <= 2
    assert left[-1] == before[-1]
    assert set(bench.store.offsets()) <= {path.name for path in left}
    target.close()


def test_a_spare_segment_made_too_late_is_used_in_order(bench: Bench) -> None:
    jobs = []
    settings = JournalSettings(segment_bytes=64 << 10)
    target = LocalJournal(str(bench.journals), "w", bench.clock, SeededEntropy(1), jobs.append, settings)
    for number in range(2000):
        seal(target, number)
        if number % 70 == 69:  # about two thirds of a segment: the executor lags behind the turning
            late, jobs[:] = list(jobs), []
            for job in late:
                job()
            bench.drain()
    for job in jobs:
        job()
    target.close()
    bench.drain()
    assert len(bench.kept()) == 2000
    assert bench.store.gaps(0, FOREVER) == []


def test_gap_records_are_kept(bench: Bench) -> None:
    disk = FaultyDisk()
    target = bench.journal(disk=disk.hook)
    disk.full = True
    number = 0
    while target.lost_total < 5:
        seal(target, number)
        number += 1
    disk.full = False
    bench.clock.advance(1)
    bench.drain()
    (gap,) = bench.store.gaps(0, FOREVER)
    assert gap.lost == 5
    assert len(bench.kept()) == number - 5, "what was lost is counted, not listed as in flight"
    assert bench.keeper.state.lost == 5
    target.close()


def test_a_call_whose_record_was_lost_is_not_listed_in_flight(bench: Bench) -> None:
    disk = FaultyDisk()
    target = bench.journal(disk=disk.hook)
    target.opened(record(0))
    bench.drain()
    assert bench.kept() == {call_id(0): "in_flight"}
    disk.full = True
    number = 1
    while not target.lost_total:
        seal(target, number)
        number += 1
    target.sealed(record(0))
    disk.full = False
    bench.clock.advance(1)
    bench.drain()
    assert call_id(0) not in bench.kept()
    target.close()


def spoil(path: Path, at: int, count: int = 8) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + count] = bytes(byte ^ 0x5A for byte in data[at : at + count])
    path.write_bytes(data)


def test_damage_costs_what_it_hit_and_is_told(bench: Bench) -> None:
    target = bench.journal()
    seal(target, *range(20))
    target.close()
    spoil(bench.segments()[0], HEADER_SIZE + 300)
    bench.drain()
    kept = bench.kept()
    assert 18 <= len(kept) <= 20
    (gap,) = bench.store.gaps(0, FOREVER)
    assert "damaged" in gap.why
    assert bench.keeper.state.damaged == 1
    assert bench.segments() == []


def test_a_segment_that_cannot_be_read_stops_no_other(bench: Bench) -> None:
    first, second = bench.journal("a", 1), bench.journal("b", 2)
    seal(first, 1)
    seal(second, 2)
    path = next(path for path in bench.segments() if path.name.startswith("a."))
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 8, FORMAT_VERSION + 1)
    struct.pack_into("<I", data, HEADER_SIZE - 4, zlib.crc32(data[: HEADER_SIZE - 4]))
    path.write_bytes(data)
    first.close()
    second.close()
    bench.drain()
    assert bench.kept() == {call_id(2): "ok"}
    assert path.exists(), "a newer program's records are not ours to throw away"
    assert bench.keeper.state.trouble is not None
    assert "newer Headgate" in bench.keeper.state.trouble


def test_a_disk_that_cannot_read_one_segment_stops_no_other(bench: Bench, monkeypatch) -> None:
    first, second = bench.journal("a", 1), bench.journal("b", 2)
    seal(first, 1)
    seal(second, 2)
    bad = os.stat(next(path for path in bench.segments() if path.name.startswith("a."))).st_ino
    pread = os.pread

    def failing(fd: int, count: int, at: int) -> bytes:
        if os.fstat(fd).st_ino == bad:
            raise OSError(errno.EIO, "Input/output error")
        return pread(fd, count, at)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", failing)
        bench.drain()
        assert bench.kept() == {call_id(2): "ok"}
        assert "Input/output error" in (bench.keeper.state.trouble or "")
    bench.drain()
    assert bench.kept() == {call_id(1): "ok", call_id(2): "ok"}
    assert bench.keeper.state.trouble is None
    first.close()
    second.close()


def test_a_segment_that_cannot_be_deleted_is_not_drained_twice(bench: Bench, monkeypatch) -> None:
    target = bench.journal()
    seal(target, *range(20))
    target.close()

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refused)
        for _ in range(3):
            bench.drain()
        assert "cannot be deleted" in (bench.keeper.state.trouble or "")
        bench.restart()
        bench.drain()
    bench.drain()
    assert bench.segments() == []
    assert sum(rollup.calls for rollup in bench.store.rollups(EVERY_TENANT, 0, FOREVER)) == 20
    assert bench.keeper.state.trouble is None


def test_a_clock_set_back_a_day_costs_nothing(bench: Bench) -> None:
    target = bench.journal()
    for number, day in enumerate((0, 1, -1, 0, 2)):
        seal(target, number, at_ns=NOON + day * DAY_NS)
    target.close()
    bench.drain()
    assert len(bench.kept()) == 5


def test_a_payload_that_makes_no_sense_is_a_gap(bench: Bench) -> None:
    target = bench.journal()
    target._append(2, b"\xc1 no MessagePack")
    target._append(2, b"\x92\xa1a\xa1b")
    seal(target, 1)
    target.close()
    bench.drain()
    assert bench.kept() == {call_id(1): "ok"}
    assert [gap.lost for gap in bench.store.gaps(0, FOREVER)] == [1, 1]


def test_frames_of_an_unknown_kind_are_passed_over(bench: Bench) -> None:
    target = bench.journal()
    target._append(7, b"from the future")
    seal(target, 1)
    target.close()
    bench.drain()
    assert bench.kept() == {call_id(1): "ok"}
    assert bench.store.gaps(0, FOREVER) == []


class DeafStore:
    """A store that fails for a while."""

    def __init__(self, store: SqliteCalls) -> None:
        self.store = store
        self.down = True
        self.asked = 0

    def __getattr__(self, name: str):
        self.asked += 1
        if self.down:
            raise StoreUnavailable("database is locked")
        return getattr(self.store, name)


def test_a_store_that_is_down_is_left_alone_for_longer_and_longer(bench: Bench) -> None:
    target = bench.journal()
    seal(target, *range(10))
    deaf = DeafStore(bench.store)
    bench.keeper = Keeper(str(bench.journals), deaf, bench.clock)  # type: ignore[arg-type] - stands in for the store
    for _ in range(600):
        assert bench.keeper.step() == 0
        bench.clock.advance(0.1)
    assert 5 <= deaf.asked <= 9, "a minute of trouble, a handful of tries"
    assert bench.keeper.state.trouble == "database is locked"
    assert len(bench.segments()) >= 1
    deaf.down = False
    bench.clock.advance(30)
    bench.drain()
    assert len(bench.kept()) == 10
    assert bench.keeper.state.trouble is None
    target.close()


# -- killed anywhere ------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The keeper's process is gone."""


class Fuse:
    """Kills at the n-th dangerous moment: before or after a commit, before or after a deletion."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        self.seen = 0
        transaction, unlink = sqlite_store.transaction, os.unlink

        @contextlib.contextmanager
        def fused(connection):
            self.burn()
            with transaction(connection):
                yield
            self.burn()

        def fused_unlink(path, **more) -> None:
            self.burn()
            unlink(path, **more)
            self.burn()

        monkeypatch.setattr(sqlite_store, "transaction", fused)
        monkeypatch.setattr(day_store, "transaction", fused)
        monkeypatch.setattr(keeper_module.os, "unlink", fused_unlink)

    def burn(self) -> None:
        self.seen += 1
        if self.left == 0:
            self.left = -1
            raise Killed
        if self.left > 0:
            self.left -= 1


def play(bench: Bench) -> None:
    """Two workers over midnight, turning segments, one dying with open calls, a gap, bodies."""
    one, two = bench.journal("a", 1), bench.journal("b", 2)
    for number in range(120):
        at_ns = NOON + (number % 3 - 1) * DAY_NS
        item = record(number, at_ns, request_body=b"{}" if number % 5 == 0 else None)
        target = (one, two)[number % 2]
        target.opened(item)
        if number % 11:
            target.sealed(item)
    spoil(next(path for path in bench.segments() if path.name.startswith("a.")), HEADER_SIZE + 5000)
    one.close()
    two.close()


def finish(bench: Bench, fuse: Fuse) -> int:
    """Drain, starting anew after each kill; how often it was killed."""
    kills = 0
    while True:
        try:
            while bench.keeper.step():
                pass
            bench.keeper.step()
        except Killed:
            kills += 1
            bench.restart()
            continue
        if not bench.segments():
            return kills


def test_killed_at_any_moment_nothing_is_lost_and_nothing_is_twice(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(keeper_module, "BATCH", 100)
    fuse = Fuse(monkeypatch)
    clean = Bench(tmp_path / "clean")
    play(clean)
    start = fuse.seen
    finish(clean, fuse)
    moments = fuse.seen - start
    expected = clean.everything()
    clean.store.close()
    assert moments > 20
    for moment in range(0, moments, 2):
        bench = Bench(tmp_path / f"killed{moment}")
        play(bench)
        fuse.left = moment
        assert finish(bench, fuse) == 1
        # two records of damage have the clock's time: compare all but the wording
        assert bench.everything() == expected
        bench.store.close()


def test_killed_again_and_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(keeper_module, "BATCH", 100)
    fuse = Fuse(monkeypatch)
    clean, bench = Bench(tmp_path / "clean"), Bench(tmp_path / "killed")
    play(clean)
    finish(clean, fuse)
    play(bench)
    kills = 0
    for patience in range(1, 200):
        fuse.left = patience % 7 + 2
        try:
            while bench.keeper.step():
                pass
            bench.keeper.step()
        except Killed:
            kills += 1
            bench.restart()
        if not bench.segments():
            break
    fuse.left = -1
    finish(bench, fuse)
    assert kills > 3
    assert bench.everything() == clean.everything()
    clean.store.close()
    bench.store.close()
