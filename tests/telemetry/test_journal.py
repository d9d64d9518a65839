"""The journal of one worker: turning over, full and failing disks, what is said of what was lost."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest

from headgate.core.errors import ConfigError, Overloaded
from headgate.core.record import CallBrief, CallRecord, GapRecord
from headgate.telemetry import Disk, LocalJournal, lock_alive
from headgate.telemetry.frames import FORGOTTEN, GAP, OPENED, SEALED, Frame
from headgate.telemetry.reader import SegmentReader
from tests.support.world import ManualClock, SeededEntropy
from tests.telemetry.builders import call_id, journal, record

SYNC_S = 0.2


class FaultyDisk:
    """A disk that is full or broken while told to be."""

    def __init__(self) -> None:
        self.full = False
        self.broken = False
        self.syncs = 0

    def allocate(self, fd: int, at: int, size: int) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        os.posix_fallocate(fd, at, size)

    def sync(self, fd: int) -> None:
        self.syncs += 1
        if self.broken:
            raise OSError(errno.EIO, "Input/output error")

    @property
    def hook(self) -> Disk:
        return Disk(self.allocate, self.sync)


def frames(folder: Path) -> list[Frame]:
    """Everything in the folder, in order, read as after the writer's death."""
    found: list[Frame] = []
    for path in sorted(folder.glob("*.hgj")):
        found += SegmentReader(str(path)).read(100_000, True)
    return found


def ids(found: list[Frame], kind: int) -> list[str]:
    return [msgspec.msgpack.decode(frame.payload, type=CallRecord).id for frame in found if frame.kind == kind]


def gaps(found: list[Frame]) -> list[GapRecord]:
    return [msgspec.msgpack.decode(frame.payload, type=GapRecord) for frame in found if frame.kind == GAP]


def seal(target: LocalJournal, number: int) -> None:
    item = record(number)
    target.opened(item)
    target.sealed(item)


def test_a_sealed_record_is_readable_before_anything_else_happens(tmp_path: Path) -> None:
    target = journal(tmp_path, ManualClock())
    seal(target, 1)
    (opened, sealed) = frames(tmp_path)
    assert (opened.kind, sealed.kind) == (OPENED, SEALED)
    assert msgspec.msgpack.decode(sealed.payload, type=CallRecord) == record(1)
    brief = msgspec.msgpack.decode(sealed.payload, type=CallBrief)
    assert all(getattr(brief, name) == getattr(record(1), name) for name in CallBrief.__struct_fields__)
    started = msgspec.msgpack.decode(opened.payload, type=CallRecord)
    assert (started.id, started.outcome, started.release) == (call_id(1), "in_flight", "support#17")
    target.close()


def test_many_records_turn_over_many_segments_in_order(tmp_path: Path) -> None:
    target = journal(tmp_path, ManualClock())
    for number in range(1000):
        seal(target, number)
    assert len(list(tmp_path.glob("*.hgj"))) > 3
    assert ids(frames(tmp_path), SEALED) == [call_id(number) for number in range(1000)]
    assert target.lost_total == 0
    target.close()


def test_syncing_follows_within_the_interval(tmp_path: Path) -> None:
    clock, disk = ManualClock(), FaultyDisk()
    target = journal(tmp_path, clock, disk=disk.hook)
    before = disk.syncs
    assert target.unsynced_bytes == 0
    seal(target, 1)
    assert target.unsynced_bytes > 0
    clock.advance(SYNC_S)
    assert (disk.syncs, target.unsynced_bytes) == (before + 1, 0)
    clock.advance(10)
    assert disk.syncs == before + 1, "nothing new, nothing to sync"
    target.close()


def test_a_failing_sync_is_told_once_and_its_end_is_noticed(tmp_path: Path) -> None:
    clock, disk = ManualClock(), FaultyDisk()
    target = journal(tmp_path, clock, disk=disk.hook)
    disk.broken = True
    seal(target, 1)
    clock.advance(SYNC_S * 5)
    assert target.sync_error is not None
    assert [gap.lost for gap in gaps(frames(tmp_path))] == [0]
    disk.broken = False
    clock.advance(SYNC_S * 2)
    assert (target.sync_error, target.unsynced_bytes) == (None, 0)
    target.close()


def test_a_full_disk_loses_records_and_says_how_many(tmp_path: Path) -> None:
    clock, disk = ManualClock(), FaultyDisk()
    target = journal(tmp_path, clock, disk=disk.hook)
    disk.full = True
    number = 0
    while target.lost_total < 7:
        seal(target, number)
        number += 1
    kept = number - 7
    assert target.full is not None
    assert "No space" in target.full
    disk.full = False
    clock.advance(SYNC_S * 2)
    seal(target, number)
    found = frames(tmp_path)
    assert ids(found, SEALED) == [call_id(n) for n in (*range(kept), number)]
    (gap,) = gaps(found)
    assert (gap.lost, "No space" in gap.why) == (7, True)
    assert target.pending_lost == 0
    target.close()


def test_calls_whose_record_was_lost_do_not_read_as_aborted(tmp_path: Path) -> None:
    clock, disk = ManualClock(), FaultyDisk()
    target = journal(tmp_path, clock, disk=disk.hook)
    target.opened(record(0))
    disk.full = True
    number = 1
    while not target.lost_total:
        seal(target, number)
        number += 1
    target.sealed(record(0))
    disk.full = False
    clock.advance(SYNC_S * 2)
    found = frames(tmp_path)
    forgotten = {
        lost for frame in found if frame.kind == FORGOTTEN for lost in msgspec.msgpack.decode(frame.payload)
    }  # fmt: skip
    assert call_id(0) in forgotten
    assert set(ids(found, OPENED)) - set(ids(found, SEALED)) == forgotten
    target.close()


def test_refuse_turns_calls_away_and_keeps_room_for_those_accepted(tmp_path: Path) -> None:
    clock, disk = ManualClock(), FaultyDisk()
    target = journal(tmp_path, clock, disk=disk.hook, full="refuse", reserve=1024)
    disk.full = True
    accepted = []
    number = 0
    with pytest.raises(Overloaded) as refusal:
        while True:
            target.opened(record(number))
            accepted.append(number)
            number += 1
    assert refusal.value.retry_after_s is not None
    for number in accepted:
        target.sealed(record(number))
    assert target.lost_total == 0, "whoever was let in is on record"
    disk.full = False
    clock.advance(SYNC_S * 2)
    target.opened(record(number + 1))
    target.close()


def test_refuse_is_no_obstacle_while_all_is_well(tmp_path: Path) -> None:
    target = journal(tmp_path, ManualClock(), full="refuse", reserve=1024)
    for number in range(1000):
        seal(target, number)
    assert target.lost_total == 0
    target.close()


def test_bodies_go_before_the_record_does(tmp_path: Path) -> None:
    disk = FaultyDisk()
    target = journal(tmp_path, ManualClock(), disk=disk.hook)
    disk.full = True
    target.sealed(record(1, request_body=b"x" * (80 << 10)))
    (only,) = frames(tmp_path)
    assert msgspec.msgpack.decode(only.payload, type=CallRecord).request_body is None
    assert target.lost_total == 0
    target.close()


def test_serve_never_raises(tmp_path: Path) -> None:
    disk = FaultyDisk()
    target = journal(tmp_path, ManualClock(), disk=disk.hook)
    disk.full = True
    for number in range(500):
        seal(target, number)
    assert target.lost_total > 0
    target.close()


def test_segments_are_bounded_when_nobody_drains(tmp_path: Path) -> None:
    clock = ManualClock()
    target = journal(tmp_path, clock, segments=3)
    for number in range(2000):
        seal(target, number)
    assert len(list(tmp_path.glob("*.hgj"))) == 3
    assert target.full is not None
    assert "waiting for the keeper" in target.full
    first = min(tmp_path.glob("*.hgj"))
    first.unlink()  # the keeper came by
    clock.advance(SYNC_S * 2)
    assert target.full is None
    assert [gap.lost for gap in gaps(frames(tmp_path))] == [target.lost_total]
    target.close()


def test_a_record_too_large_loses_its_bodies_first(tmp_path: Path) -> None:
    target = journal(tmp_path, ManualClock(), segment_bytes=4 << 20)
    target.sealed(record(1, request_body=b"x" * (2 << 20), response_body=b"y"))
    target.sealed(record(2, message="m" * (2 << 20)))
    (only,) = frames(tmp_path)
    kept = msgspec.msgpack.decode(only.payload, type=CallRecord)
    assert (kept.id, kept.request_body, kept.response_body) == (call_id(1), None, None)
    assert target.lost_total == 1
    target.close()


def test_the_lock_tells_whether_the_worker_lives(tmp_path: Path) -> None:
    target = journal(tmp_path, ManualClock())
    alive = lock_alive(str(tmp_path))
    assert alive(target.owner)
    assert not alive("nobody.1")
    target.close()
    assert not alive(target.owner)


def test_two_workers_of_one_name_have_two_journals(tmp_path: Path) -> None:
    clock = ManualClock()
    one = LocalJournal(str(tmp_path), "w", clock, SeededEntropy(1), lambda job: job())
    two = LocalJournal(str(tmp_path), "w", clock, SeededEntropy(2), lambda job: job())
    assert one.owner != two.owner
    one.close()
    two.close()


@pytest.mark.parametrize("size", [4096, (64 << 10) + 1])
def test_segment_sizes_that_cannot_work_are_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(ConfigError, match=r"journal\.segment_bytes"):
        journal(tmp_path, ManualClock(), segment_bytes=size)


def test_a_full_disk_at_the_start_serves_without_records_until_there_is_room(tmp_path: Path) -> None:
    clock, disk = ManualClock(), FaultyDisk()
    disk.full = True
    target = journal(tmp_path, clock, disk=disk.hook)
    assert target.full is not None
    seal(target, 1)
    seal(target, 2)
    assert target.lost_total == 2
    disk.full = False
    clock.advance(SYNC_S * 2)
    assert target.full is None
    seal(target, 3)
    found = frames(tmp_path)
    assert ids(found, SEALED) == [call_id(3)]
    assert [gap.lost for gap in gaps(found)] == [2]
    target.close()


def test_a_full_disk_at_the_start_is_refused_where_every_record_counts(tmp_path: Path) -> None:
    disk = FaultyDisk()
    disk.full = True
    with pytest.raises(OSError, match="No space"):
        journal(tmp_path, ManualClock(), disk=disk.hook, full="refuse")


def test_the_policy_can_change_while_it_runs(tmp_path: Path) -> None:
    clock, disk = ManualClock(), FaultyDisk()
    target = journal(tmp_path, clock, disk=disk.hook)
    target.follow("refuse")
    disk.full = True
    with pytest.raises(Overloaded):
        for number in range(5000):
            seal(target, number)
    assert target.lost_total == 0
    target.follow("serve")
    for number in range(5000, 6000):
        seal(target, number)
    assert target.lost_total > 0
    target.close()
