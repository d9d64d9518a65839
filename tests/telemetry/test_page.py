"""The witness on the page, with a real journal: what is on disk at the moment the client gets its last byte."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import msgspec
import pytest

from headgate.core.chat import Batch, Finish, Frame, TextDelta, UsageDelta
from headgate.core.errors import PolicyBlocked, Unauthenticated, UpstreamError
from headgate.core.record import AttemptRecord, CallRecord
from headgate.core.stages import Passed
from headgate.core.types import Usage
from headgate.pipeline import Gate, answer
from headgate.telemetry import Telemetry
from headgate.telemetry.frames import OPENED, SEALED
from headgate.telemetry.reader import SegmentReader
from tests.support.world import ManualClock, run
from tests.telemetry.builders import call, funded, journal

WHOLE = [TextDelta("Hello"), Finish("stop"), UsageDelta(Usage(10, 5))]


class Rooms:
    """Every room but telemetry, as short as can be. `raises` maps the name of a step to what it throws."""

    def __init__(self, made, raises: dict[str, BaseException], batches: list[list[object]]) -> None:
        self.funded = funded(made, stream=True)
        self.record = made.record
        self.raises = raises
        self.batches = [Batch([Frame(b"x", list(deltas), content=True)], 1, "openai") for deltas in batches]
        self.settled: list[float | None] = []

    def _maybe(self, step: str) -> None:
        if step in self.raises:
            raise self.raises[step]

    def admit(self, made):
        self._maybe("admit")

    select = render = plan = lambda self, given: given

    async def ground(self, prompted):
        return prompted

    async def screen_input(self, grounded):
        self._maybe("screen_input")

    @contextlib.contextmanager
    def reserve(self, planned):
        try:
            yield self.funded
        finally:
            self.settled.append(self.record.cost_usd)

    @contextlib.asynccontextmanager
    async def send(self, given):
        self.record.attempts.append(AttemptRecord("openai", "gpt-4o-mini", 1, "first"))
        self.record.provider, self.record.target_model = "openai", "gpt-4o-mini"
        yield self

    async def read(self):
        self._maybe("read")
        if self.batches:
            return self.batches.pop(0)
        if "hang" in self.raises:
            await asyncio.Event().wait()
        return None

    def commit(self) -> None: ...

    def output(self, screened):
        return self

    async def feed(self, batch: Batch) -> Passed:
        return Passed(batch.frames, batch.dialect, batch.attempt, commits=True)

    async def finish(self) -> Passed:
        return Passed([], "openai", 1)


class Reply:
    """Looks at the journal when the last byte goes out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.at_the_end: list[CallRecord] | None = None
        self.written = asyncio.Event()

    async def write(self, passed: Passed) -> None:
        self.written.set()

    async def end(self, passed: Passed) -> None:
        self.at_the_end = sealed(self.folder)


def frames(folder: Path, kind: int) -> list[CallRecord]:
    found = []
    for path in sorted(folder.glob("*.hgj")):
        for frame in SegmentReader(str(path)).read(100, True):
            if frame.kind == kind:
                found.append(msgspec.msgpack.decode(frame.payload, type=CallRecord))
    return found


def sealed(folder: Path) -> list[CallRecord]:
    return frames(folder, SEALED)


class Page:
    def __init__(self, folder: Path, raises=None, batches=None) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.journal = journal(folder, self.clock)
        self.call = call(self.clock)
        self.rooms = Rooms(self.call, raises or {}, batches or [])
        self.reply = Reply(folder)
        self.gate = Gate()
        self.gate.telemetry = Telemetry(self.journal, self.clock)
        for room in ("admission", "releases", "prompts", "retrieval", "guardrails", "routing"):
            setattr(self.gate, room, self.rooms)

    async def answer(self) -> None:
        await answer(self.gate, self.call, self.reply)


def test_the_record_is_in_the_journal_before_the_last_byte(tmp_path: Path) -> None:
    page = Page(tmp_path, batches=[WHOLE])
    run(page.answer())
    assert page.reply.at_the_end is not None
    (record,) = page.reply.at_the_end
    assert (record.outcome, record.finish, record.output_tokens) == ("ok", "stop", 5)
    assert page.rooms.settled == [record.cost_usd]
    assert record.cost_usd is not None
    assert [item.outcome for item in frames(tmp_path, OPENED)] == ["in_flight"]


@pytest.mark.parametrize(
    ("step", "error", "outcome", "opened"),
    [
        ("admit", Unauthenticated("no"), "refused", 0),
        ("screen_input", PolicyBlocked("no", rule="r", direction="input"), "blocked", 0),
        ("read", UpstreamError("overloaded", "busy"), "failed", 1),
    ],
)
def test_a_call_that_was_not_answered_is_on_record_all_the_same(tmp_path, step, error, outcome, opened) -> None:
    page = Page(tmp_path, {step: error})
    with pytest.raises(type(error)):
        run(page.answer())
    (record,) = sealed(tmp_path)
    assert (record.outcome, record.error) == (outcome, error.reason)
    assert len(frames(tmp_path, OPENED)) == opened


def test_a_client_that_hangs_up_mid_stream_is_on_record_with_what_it_saw(tmp_path: Path) -> None:
    page = Page(tmp_path, {"hang": RuntimeError()}, [[TextDelta("x" * 40)]])

    async def hang_up() -> None:
        task = asyncio.create_task(page.answer())
        await page.reply.written.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(hang_up())
    (record,) = sealed(tmp_path)
    assert (record.outcome, record.output_tokens, record.tokens_estimated) == ("cancelled", 10, True)
    assert page.reply.at_the_end is None
