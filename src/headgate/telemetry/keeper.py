"""The keeper: drains every worker's journal into the store of calls. Lives in the control process.

Reading is at least once, writing is idempotent: the offset of a segment is committed with its rows, so the keeper
may be killed anywhere and start again. A segment is deleted when all of it is in the store. A dead worker's calls in
flight become `aborted` once everything it wrote is drained. While the store is down segments stay where they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from headgate.core.calls import CallBatch, Kept
from headgate.core.discovery import PromptSample
from headgate.core.errors import ConfigError, StoreUnavailable
from headgate.core.events import Event, StoredEvent
from headgate.core.ports import Clock
from headgate.core.record import CallBrief, CallLead, CallRecord, GapRecord
from headgate.telemetry.frames import DAMAGED, EVENT, FORGOTTEN, GAP, HEADER_SIZE, NOTE, OPENED, SEALED, Frame
from headgate.telemetry.journal import LOCK_SUFFIX, SPARE_SUFFIX, SUFFIX, lock_alive
from headgate.telemetry.ports import BatchListener, CallWriter, EventWriter, PromptWriter
from headgate.telemetry.reader import SegmentReader

BATCH = 4_000  # frames, two a call: 2,000 rows in a transaction, some 20 ms and 1 MB
BACKOFF_S = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
READERS_MAX = 1_000


class _Head(msgspec.Struct, array_like=True):
    """As much of a record as tells which call it is of."""

    id: str


_head = msgspec.msgpack.Decoder(_Head).decode
_lead = msgspec.msgpack.Decoder(CallLead).decode
_record = msgspec.msgpack.Decoder(CallRecord).decode
_gap = msgspec.msgpack.Decoder(GapRecord).decode
_sample = msgspec.msgpack.Decoder(PromptSample).decode
_event = msgspec.msgpack.Decoder(Event).decode
_ids = msgspec.msgpack.Decoder(list[str]).decode
_pack = msgspec.msgpack.Encoder().encode


class JournalState(NamedTuple):
    """How the draining goes. `behind_s` is how long ago everything that could be read was in the store; `trouble` is
    what is in the way now; `drained` frames, `lost` records and `damaged` stretches of bytes count from the start."""

    segments: int
    behind_s: float
    drained: int
    lost: int
    damaged: int
    trouble: str | None


class Aside(NamedTuple):
    """Who takes what a journal holds beside calls; None: nobody."""

    events: EventWriter | None = None
    prompts: PromptWriter | None = None


class Keeper:
    """Call `step` until it returns 0, then again a little later. Not safe to use from two threads at once.

    What is no call goes `aside`. `alive` tells whether the worker that owns segments still runs (by default: whether
    its lock is held). `listeners` are told of finished records once they are in the store.
    """

    def __init__(
        self,
        directory: str,
        store: CallWriter,
        clock: Clock,
        listeners: Sequence[BatchListener] = (),
        alive: Callable[[str], bool] | None = None,
        aside: Aside | None = None,
    ) -> None:
        self._directory = directory
        self._store = store
        self._clock = clock
        self._listeners = tuple(listeners)
        self._aside = aside or Aside()
        self._alive = alive or lock_alive(directory)
        self._readers: dict[str, SegmentReader] = {}
        self._offsets: dict[str, int] | None = None
        self._failures = 0
        self._not_before_ns = 0
        self._store_trouble: str | None = None
        self._file_trouble: dict[str, str] = {}
        self._segments = 0
        self._caught_up_ns = clock.monotonic_ns()
        self._drained = 0
        self._lost = 0
        self._damaged = 0

    @property
    def state(self) -> JournalState:
        """How the draining goes, as of the last step."""
        trouble = self._store_trouble or next(iter(self._file_trouble.values()), None)
        behind_s = (self._clock.monotonic_ns() - self._caught_up_ns) / 1e9
        return JournalState(self._segments, behind_s, self._drained, self._lost, self._damaged, trouble)

    def step(self) -> int:
        """Drain up to BATCH frames of every worker. How many, where some worker has more; 0 where all were drained.

        Never raises for a failing store or a bad segment: it says so in `state` and comes back to it.
        """
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._not_before_ns:
            return 0
        try:
            if self._offsets is None:
                self._begin()
            drained = [self._drain_owner(owner, names) for owner, names in self._owners().items()]
        except (StoreUnavailable, ConfigError) as error:
            self._back_off(str(error))
            return 0
        self._failures = 0
        self._store_trouble = None
        # a batch that is not full is the end: to come back at once for the few frames written meanwhile would cost
        # a transaction for each handful
        if any(count >= BATCH for count in drained):
            return sum(drained)
        if not self._file_trouble:
            self._caught_up_ns = now_ns
        return 0

    def _begin(self) -> None:
        """Take up where an earlier keeper was; abort calls of workers of which nothing is left."""
        present = set(self._list(SUFFIX))
        offsets = dict(self._store.offsets())
        self._store.forget([name for name in offsets if name not in present])
        left = {_owner(name) for name in present}
        for owner in self._store.owners():
            if owner not in left and not self._alive(owner):
                self._store.abort(owner)
        self._offsets = {name: offset for name, offset in offsets.items() if name in present}

    def _owners(self) -> dict[str, list[str]]:
        owners: dict[str, list[str]] = {}
        names = sorted(self._list(SUFFIX))
        self._segments = len(names)
        for name in names:
            owners.setdefault(_owner(name), []).append(name)
        for name in self._list(LOCK_SUFFIX):  # a worker that wrote nothing, or whose files are gone, leaves its lock
            owners.setdefault(name.removesuffix(LOCK_SUFFIX), [])
        return owners

    def _drain_owner(self, owner: str, names: list[str]) -> int:
        # asked before reading: whatever a worker found dead has written can be read by now
        alive = self._alive(owner)
        drained = 0
        done: list[str] = []
        for index, name in enumerate(names):
            reader = self._reader(name)
            if reader is None:
                continue
            final = not alive or self._begun(names[index + 1 :])
            drained += self._drain(owner, reader, name, BATCH - drained, final)
            if reader.ended:
                done.append(name)
            if drained >= BATCH:
                break
        if not alive:
            if len(done) == len(names):
                self._store.abort(owner)
                self._delete(done)
                self._bury(owner)
        elif done:
            self._delete(done)
        return drained

    def _drain(self, owner: str, reader: SegmentReader, name: str, limit: int, final: bool) -> int:
        """Move up to `limit` frames of one segment into the store; how many."""
        try:
            frames = reader.read(limit, final)
        except OSError as error:
            self._file_trouble[name] = f"{name}: {error.strerror}"
            return 0
        self._file_trouble.pop(name, None)
        if not frames:
            return 0
        batch = CallBatch(name, owner, reader.at)
        finished = self._fill(batch, frames)
        aside = self._aside  # first: read again after a crash, events and samples are known by their names
        if batch.events and aside.events is not None:
            aside.events.put(batch.events)
        if batch.samples and aside.prompts is not None:
            aside.prompts.take(batch.samples)
        self._store.write(batch)
        assert self._offsets is not None
        self._offsets[name] = reader.at
        self._drained += len(frames)
        self._lost += sum(gap.lost for gap in batch.gaps)
        for listener in self._listeners:
            listener(finished)
        return len(frames)

    def _fill(self, batch: CallBatch, frames: list[Frame]) -> list[CallBrief]:
        """Sort frames into a batch; the finished records among them."""
        in_flight: dict[str, Frame] = {}  # mostly sealed again within the batch, and then never read in full
        finished: list[CallBrief] = []
        for frame in frames:
            kind = frame.kind
            try:
                if kind == SEALED:
                    brief = _lead(frame.payload)
                    in_flight.pop(brief.id, None)
                    finished.append(brief)
                    batch.records.append(Kept(frame.end, brief, _without_bodies(brief, frame.payload)))
                elif kind == OPENED:
                    in_flight[_head(frame.payload).id] = frame
                elif kind == GAP:
                    batch.gaps.append(_gap(frame.payload))
                elif kind == EVENT:
                    batch.events.append(StoredEvent(f"{batch.segment}:{frame.end}", _event(frame.payload)))
                elif kind == NOTE:
                    batch.samples += _noted(frame.payload)
                elif kind == FORGOTTEN:
                    ids = _ids(frame.payload)
                    for call_id in ids:
                        in_flight.pop(call_id, None)
                    batch.forgotten.extend(ids)
                elif kind == DAMAGED:
                    self._damaged += 1
                    batch.gaps.append(self._gap(f"{batch.segment}: {frame.skipped} damaged bytes"))
            except (msgspec.DecodeError, UnicodeDecodeError):
                batch.gaps.append(self._gap(f"{batch.segment}: a record that cannot be read"))
        for frame in in_flight.values():
            batch.records.append(Kept(frame.end, _lead(frame.payload), frame.payload))
        return finished

    def _gap(self, why: str) -> GapRecord:
        """Damage: how many records it cost cannot be known, one is the least."""
        now = self._clock.now_ns()
        return GapRecord(now, now, 1, why)

    def _begun(self, later: list[str]) -> bool:
        """Whether the worker has gone over to a later segment, and so will write no more to this one."""
        for name in later:
            reader = self._reader(name)
            if reader is not None and (reader.at > HEADER_SIZE or reader.begun()):
                return True
        return False

    def _reader(self, name: str) -> SegmentReader | None:
        found = self._readers.get(name)
        if found is not None:
            return found
        path = os.path.join(self._directory, name)
        try:
            found = SegmentReader(path)
        except (OSError, ConfigError) as error:
            self._file_trouble[name] = str(error)
            return None
        self._file_trouble.pop(name, None)
        if self._offsets is not None and name in self._offsets:
            found.at = self._offsets[name]
        if len(self._readers) >= READERS_MAX:
            self._readers.clear()
        self._readers[name] = found
        return found

    def _delete(self, names: list[str]) -> None:
        """Delete drained segments, then forget their offsets: the other way round they would be drained again."""
        assert self._offsets is not None
        gone = [name for name in names if self._unlink(name)]
        for name in gone:
            self._readers.pop(name, None)
            self._offsets.pop(name, None)
        if gone:
            self._store.forget(gone)

    def _bury(self, owner: str) -> None:
        """Remove what else a dead worker left: segments it had not named yet, its lock last."""
        for entry in self._list(SPARE_SUFFIX):
            if _owner(entry) == owner:
                self._unlink(entry)
        self._unlink(owner + LOCK_SUFFIX)

    def _unlink(self, name: str) -> bool:
        """Delete a file; True where it is gone, whoever did it: a keeper before us may have been killed right here."""
        try:
            Path(self._directory, name).unlink(missing_ok=True)
        except OSError as error:
            self._file_trouble[name] = f"{name}: cannot be deleted: {error.strerror}"
            return False
        self._file_trouble.pop(name, None)
        return True

    def _list(self, suffix: str) -> list[str]:
        try:
            return [name for name in os.listdir(self._directory) if name.endswith(suffix)]
        except FileNotFoundError:
            return []  # no worker has started yet

    def _back_off(self, why: str) -> None:
        """Leave the store alone for a while, and read again from what it has committed."""
        wait_s = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
        self._failures += 1
        self._not_before_ns = self._clock.monotonic_ns() + round(wait_s * 1e9)
        self._store_trouble = why
        self._readers.clear()
        self._offsets = None


def _owner(name: str) -> str:
    """`worker.start` of `worker.start-00000001.hgj`."""
    return name.rpartition("-")[0]


def _noted(payload: bytes) -> list[PromptSample]:
    """What a note tells; nothing where it is a later version's."""
    try:
        return [_sample(payload)]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


def _without_bodies(brief: CallBrief, packed: bytes) -> bytes:
    if brief.request_body is None and brief.response_body is None:
        return packed
    record = _record(packed)
    record.request_body = record.response_body = None
    return _pack(record)
