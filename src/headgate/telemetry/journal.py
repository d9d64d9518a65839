"""The append-only local journal of one worker: what `core.ports.Journal` promises, on mapped segment files.

Everything here runs on the worker's event loop but for two jobs handed to `background`: preparing the next segment
and syncing. Power loss can cost what `unsynced_bytes` counts, at most about one sync interval of records; kill -9 of
the process costs nothing that was sealed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Sequence

import msgspec

from headgate.core.discovery import PromptSample
from headgate.core.errors import ConfigError, Overloaded
from headgate.core.events import Event
from headgate.core.ports import Clock, Entropy, TimerHandle
from headgate.core.record import CallRecord, GapRecord
from headgate.telemetry.frames import CLOSED, EVENT, FORGOTTEN, GAP, MAX_PAYLOAD, NOTE, OPENED, SEALED, Header
from headgate.telemetry.segment import Disk, NoSegment, Segment

SUFFIX = ".hgj"
SPARE_SUFFIX = SUFFIX + ".tmp"
LOCK_SUFFIX = ".lock"
REMEMBERED_LOSSES = 10_000
_MIN_SEGMENT = 64 << 10


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds. `segments` counts all segment files in the directory, every worker's: beyond it the journal is full.

    `full`: serve (count the loss, write a gap when there is room) or refuse (new calls raise Overloaded). In `refuse`
    `reserve` bytes are kept for each call already accepted, and a spare segment is always made ahead: with the
    defaults some 4,000 calls may be in flight at once.
    """

    segment_bytes: int = 8 << 20
    segments: int = 128
    sync_s: float = 0.2
    full: str = "serve"
    reserve: int = 4 << 10
    disk: Disk = Disk()


class LocalJournal:
    """Implements `core.ports.Journal` and `EventSink`. One instance per worker process; `close` when done.

    `background` runs a function off the event loop (a one-thread executor; inline in simulation).
    """

    def __init__(
        self,
        directory: str,
        worker: str,
        clock: Clock,
        entropy: Entropy,
        background: Callable[[Callable[[], None]], object],
        settings: JournalSettings | None = None,
    ) -> None:
        self.settings = settings or JournalSettings()
        if self.settings.segment_bytes < _MIN_SEGMENT or self.settings.segment_bytes % 4096:
            raise ConfigError("journal.segment_bytes", "too small or uneven", "a multiple of 4096, 65536 or more")
        self.policy = self.settings.full
        self._directory = directory
        self._clock = clock
        self._entropy = entropy
        self._background = background
        self._disk = self.settings.disk
        encoder = msgspec.msgpack.Encoder()
        self._encode = encoder.encode
        self._encode_into = encoder.encode_into
        self._payload = bytearray()  # of the frame that is being written; used again and again
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self.owner = f"{worker}.{clock.now_ns():x}{entropy.bytes(2).hex()}"
        self._lock = _own(directory, self.owner)
        self._sequence = 0
        self._next: Segment | None = None
        self._preparing = False
        self._syncing = False
        self._timer: TimerHandle | None = None
        self._retired: list[Segment | NoSegment] = []
        self.full: str | None = None  # why nothing can be written, None while all is well
        self.sync_error: str | None = None  # the last sync failed: a power cut may cost more than the interval
        self._sync_told: str | None = None
        self.lost_total = 0
        self.events_lost = 0
        self._lost = 0
        self._lost_since = 0
        self._lost_why = ""
        self._forgotten: list[str] = []
        self._in_flight: set[str] = set()
        self._before = 0  # bytes written to segments that are retired
        self._current = self._begin()
        self._synced = self._current.at  # its header
        self._limit = self._turning_point()
        if self.full is not None:
            self._timer = clock.call_later(self.settings.sync_s, self._tick)

    # -- the port ---------------------------------------------------------------------------------------------------

    def opened(self, record: CallRecord) -> None:
        """Note a call in flight. Raises Overloaded where the journal is full and the policy is `refuse`."""
        if self.policy == "refuse" and not self._room_for(self.settings.reserve):
            raise Overloaded("the call journal is full", retry_after_s=1.0)
        # the leading fields of a CallRecord: read back as one, the rest takes its defaults
        payload = self._payload
        self._encode_into(
            (
                record.id, record.received_ns, record.dialect, record.stream, record.tenant, record.key_id,
                record.app, record.release, record.channel, record.prompt, record.route, record.policy,
                record.model_asked,
            ),
            payload,
        )  # fmt: skip
        if len(payload) <= MAX_PAYLOAD and self._append(OPENED, payload):
            self._in_flight.add(record.id)

    def sealed(self, record: CallRecord) -> None:
        """Write the finished record. Never raises for want of room: the loss is counted and told later."""
        payload = self._payload
        self._encode_into(record, payload)
        if len(payload) <= MAX_PAYLOAD and self._append(SEALED, payload):
            self._in_flight.discard(record.id)
            return
        if record.request_body is not None or record.response_body is not None:
            record.request_body = record.response_body = None
            self.sealed(record)
        else:
            self._lose(record.id, "record too large" if len(payload) > MAX_PAYLOAD else self.full or "no room")

    def gap(self, gap: GapRecord) -> None:
        """Write a gap now, or fold it into the one that is pending."""
        if not self._append(GAP, self._encode(gap)):
            self._lost += gap.lost
            self._lost_since = min(self._lost_since or gap.since_ns, gap.since_ns)
            self._lost_why = self._lost_why or gap.why

    def emit(self, event: Event) -> None:
        """Write an event (`core.ports.EventSink`); one for which there is no room is counted."""
        if not self._append(EVENT, self._encode(event)):
            self.events_lost += 1

    def sampled(self, sample: PromptSample) -> bool:
        """Write the text of an unregistered prompt; where there is no room it is not counted as lost."""
        payload = self._encode(sample)
        if self.full is not None or (self.policy == "refuse" and not self._room_for(len(payload))):
            return False
        return self._append(NOTE, payload)

    # -- state ------------------------------------------------------------------------------------------------------

    @property
    def unsynced_bytes(self) -> int:
        """Bytes a power cut would cost now; kill -9 costs none of them."""
        return self._before + self._current.at - self._synced

    @property
    def in_flight(self) -> int:
        """Calls opened and not sealed yet."""
        return len(self._in_flight)

    def follow(self, policy: str) -> None:
        """Serve or refuse from now on where the journal is full."""
        self.policy = policy
        if self._limit < self._current.end:
            self._limit = self._turning_point()

    @property
    def pending_lost(self) -> int:
        """Records lost and not yet told in a gap."""
        return self._lost

    def close(self) -> None:
        """Sync and end the journal. Open calls will read as aborted. Call when no background job runs."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tell_loss()
        self._current.close(CLOSED)
        self._retired.append(self._current)
        if self._next is not None:
            self._discard(self._next)
            self._next = None
        self._sync_job(self._retired, None, self._before + self._current.at)
        os.close(self._lock)

    def _begin(self) -> Segment | NoSegment:
        """The first segment. Where the disk gives none, `serve` begins without one and `refuse` raises OSError or
        Overloaded."""
        try:
            first = self._create()
            first.publish(self._name())
            first.sync(self._disk)
        except (OSError, Overloaded) as error:
            if self.policy == "refuse":
                raise
            self.full = f"disk: {error.strerror}" if isinstance(error, OSError) else error.message
            return NoSegment()
        return first

    # -- writing ----------------------------------------------------------------------------------------------------

    def _append(self, kind: int, payload: bytes | bytearray) -> bool:
        if self._timer is None:
            self._timer = self._clock.call_later(self.settings.sync_s, self._tick)
        current = self._current
        if current.at < self._limit and current.append(kind, payload):
            return True
        return self._turn(kind, payload)

    def _turn(self, kind: int, payload: bytes | bytearray) -> bool:
        """The slow way: the segment is half full (have the next one made) or full (go over to the next)."""
        if self._limit < self._current.end:
            self._limit = self._current.end
            self._prepare()
        if self._current.append(kind, payload):
            return True
        following, self._next = self._next, None
        if following is None and self.full is None:
            following = self._try_create()  # the executor did not keep up: make it here, once
        if following is None:
            return False
        return self._go_over(following) and self._current.append(kind, payload)

    def _go_over(self, following: Segment) -> bool:
        """Write to `following` from now on; False where the disk refuses it a name."""
        try:
            # named only now, so that names are in the order of use: to the keeper a later one means this one is done
            following.publish(self._name())
        except OSError as error:
            self.full = f"disk: {error.strerror}"
            self._discard(following)
            return False
        old = self._current
        old.close(CLOSED)
        self._retired.append(old)
        self._before += old.at
        self._current = following
        self._limit = self._turning_point()
        self._tell_loss()
        return True

    def _room_for(self, size: int) -> bool:
        """Whether so many bytes are left beside what calls in flight will need."""
        if self.sync_error is not None or (self.full is not None and self._lost):
            return False
        if self._next is None and self.full is None:
            return True  # the spare is being made
        room = self._current.end - self._current.at + (0 if self._next is None else self._next.end)
        return room > len(self._in_flight) * self.settings.reserve + size

    def _turning_point(self) -> int:
        """Where in the current segment the next one is prepared."""
        return 0 if self.policy == "refuse" else self._current.end // 2

    def _lose(self, call_id: str, why: str) -> None:
        now = self._clock.now_ns()
        self._lost_since = self._lost_since or now
        self._lost += 1
        self.lost_total += 1
        self._lost_why = self._lost_why or why
        if call_id in self._in_flight:
            self._in_flight.discard(call_id)
            if len(self._forgotten) < REMEMBERED_LOSSES:  # beyond, a lost call may read as aborted as well
                self._forgotten.append(call_id)

    def _tell_loss(self) -> None:
        if not self._lost:
            return
        gap = GapRecord(self._lost_since, self._clock.now_ns(), self._lost, self._lost_why)
        if self._current.append(GAP, self._encode(gap)):
            self._lost = self._lost_since = 0
            self._lost_why = ""
        for start in range(0, len(self._forgotten), 1000):
            self._current.append(FORGOTTEN, self._encode(self._forgotten[start : start + 1000]))
        self._forgotten = []

    # -- behind the request path --------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._timer = None
        if self.full is not None:
            self._prepare()
        following = self._next
        if self._lost and following is not None:
            self._next = None
            self._go_over(following)
        if self.sync_error != self._sync_told:
            self._sync_told = self.sync_error
            if self.sync_error is not None:
                now = self._clock.now_ns()
                self.gap(GapRecord(now, now, 0, f"{self.sync_error}: a power cut may cost records"))
        if not self._syncing and self.unsynced_bytes:
            self._syncing = True
            retired, self._retired = self._retired, []
            current, mark = self._current, self._before + self._current.at
            self._background(lambda: self._sync_job(retired, current, mark))
        if self.unsynced_bytes or self._lost or self.full is not None:
            self._timer = self._clock.call_later(self.settings.sync_s, self._tick)

    def _sync_job(self, retired: Sequence[Segment | NoSegment], current: Segment | NoSegment | None, mark: int) -> None:
        try:
            for segment in retired:
                segment.sync(self._disk)
            if current is not None:
                current.sync(self._disk)
            self._synced = mark
            self.sync_error = None
        except OSError as error:
            self.sync_error = f"sync failed: {error.strerror}"
        finally:
            for segment in retired:
                segment.release()
            self._syncing = False

    def _prepare(self) -> None:
        if self._next is None and not self._preparing:
            self._preparing = True
            self._background(self._make)

    def _make(self) -> None:
        self._next = self._try_create()
        self._preparing = False

    def _try_create(self) -> Segment | None:
        try:
            made = self._create()
        except OSError as error:
            self.full = f"disk: {error.strerror}"
            return None
        except Overloaded as error:
            self.full = error.message
            return None
        self.full = None
        return made

    def _create(self) -> Segment:
        """A segment without a name. Raises OSError, and Overloaded where the keeper is too far behind."""
        held = sum(1 for entry in os.listdir(self._directory) if SUFFIX in entry)
        if held >= self.settings.segments:
            raise Overloaded(f"{held} journal segments are waiting for the keeper")
        random = self._entropy.bytes(12)
        header = Header(self.settings.segment_bytes, self._clock.now_ns(), int.from_bytes(random[:8], "little"))
        scratch = f"{self.owner}-{random[8:].hex()}{SPARE_SUFFIX}"
        return Segment.create(os.path.join(self._directory, scratch), header, self._disk)

    def _discard(self, spare: Segment) -> None:
        """Remove a segment that was never used; what cannot be removed the keeper buries with us."""
        spare.release()
        with contextlib.suppress(OSError):
            os.unlink(spare.path)

    def _name(self) -> str:
        self._sequence += 1
        return os.path.join(self._directory, f"{self.owner}-{self._sequence:08d}{SUFFIX}")


def _own(directory: str, owner: str) -> int:
    """Hold `<owner>.lock` for life: its lock tells the keeper that we live. It is locked before it gets its name."""
    path = os.path.join(directory, owner + LOCK_SUFFIX)
    fd = os.open(path + ".tmp", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.rename(path + ".tmp", path)
    return fd


def lock_alive(directory: str) -> Callable[[str], bool]:
    """A predicate for the keeper: does the worker that owns these segments still run?"""

    def alive(owner: str) -> bool:
        try:
            fd = os.open(os.path.join(directory, owner + LOCK_SUFFIX), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    return alive
