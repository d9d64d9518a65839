"""Which texts workers tell of: each once, redacted, so many a second, and only where discovery is on."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from headgate.core.discovery import PromptSample
from headgate.core.record import CallRecord, GapRecord
from headgate.core.snapshot import App
from headgate.core.stages import Funded
from headgate.dialects import DIALECTS
from headgate.stores.calls_sqlite import SqliteCalls
from headgate.telemetry import Aside, Keeper, Telemetry, fold
from headgate.telemetry.sampling import AT_ONCE, PER_SECOND, REMEMBERED, TEXT_CHARS_MAX, PromptSamples
from tests.support.world import ManualClock, run
from tests.telemetry.builders import call, funded, journal


class Told:
    """Implements `core.ports.Journal`; `room` False: what is told has no place."""

    def __init__(self) -> None:
        self.samples: list[PromptSample] = []
        self.room = True

    def opened(self, record: CallRecord) -> None: ...

    def sealed(self, record: CallRecord) -> None: ...

    def gap(self, gap: GapRecord) -> None: ...

    def sampled(self, sample: PromptSample) -> bool:
        if self.room:
            self.samples.append(sample)
        return self.room


def body_of(dialect: str, system: str) -> bytes:
    """A request with this system prompt."""
    user = {"role": "user", "content": "hi"}
    return msgspec.json.encode(
        {
            "openai": {"model": "m", "messages": [{"role": "system", "content": system}, user]},
            "anthropic": {"model": "m", "max_tokens": 5, "system": system, "messages": [user]},
            "google": {
                "systemInstruction": {"parts": [{"text": system}]},
                "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
            },
        }[dialect]
    )


def planned(clock: ManualClock, system: str, screened: str | None = None, dialect: str = "openai") -> Funded:
    made = funded(call(clock))
    selected = made.planned.screened.grounded.prompted.selected
    one = selected.admitted.call
    one.dialect = dialect
    one.path_model = "m" if dialect == "google" else None
    body = body_of(dialect, system)
    asked = DIALECTS[dialect].ask(body, one.path_model, False)
    changed = asked.body if screened is None else body.replace(system.encode(), screened.encode())
    selected = msgspec.structs.replace(selected, asked=asked)
    grounded = msgspec.structs.replace(
        made.planned.screened.grounded,
        prompted=msgspec.structs.replace(made.planned.screened.grounded.prompted, selected=selected),
    )
    return Funded(msgspec.structs.replace(made.planned, screened=type(made.planned.screened)(grounded, changed)))


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_a_prompt_is_told_of_once_as_it_left(dialect: str) -> None:
    clock, told = ManualClock(), Told()
    samples = PromptSamples(told, clock)
    for _ in range(3):
        samples.look("f1", planned(clock, "Write to ann@example.com", "Write to [EMAIL]", dialect))
    samples.look("f2", planned(clock, "Plain", dialect=dialect))
    assert [(one.fingerprint, one.text, one.cut) for one in told.samples] == [
        ("f1", "Write to [EMAIL]", False), ("f2", "Plain", False),
    ]  # fmt: skip


def test_a_long_text_is_cut() -> None:
    clock, told = ManualClock(), Told()
    PromptSamples(told, clock).look("f1", planned(clock, "x" * (TEXT_CHARS_MAX + 1)))
    (sample,) = told.samples
    assert (len(sample.text), sample.chars, sample.cut) == (TEXT_CHARS_MAX, TEXT_CHARS_MAX + 1, True)


def test_so_many_a_second_and_the_others_later() -> None:
    clock, told = ManualClock(), Told()
    samples, one = PromptSamples(told, clock), planned(clock, "Plain")
    for number in range(500):
        samples.look(f"f{number}", one)
    assert len(told.samples) == AT_ONCE
    clock.advance(2)
    for number in range(500):
        samples.look(f"f{number}", one)
    assert len(told.samples) == AT_ONCE + 2 * PER_SECOND
    assert len({sample.fingerprint for sample in told.samples}) == len(told.samples)


def test_what_had_no_room_is_told_of_later() -> None:
    clock, told = ManualClock(), Told()
    samples, one = PromptSamples(told, clock), planned(clock, "Plain")
    told.room = False
    samples.look("f1", one)
    told.room = True
    samples.look("f1", one)
    assert len(told.samples) == 1


def test_memory_is_bounded_and_what_is_in_use_is_remembered() -> None:
    clock, told = ManualClock(), Told()
    samples, one = PromptSamples(told, clock), planned(clock, "Plain")
    for number in range(3 * REMEMBERED):
        clock.advance(0.1)
        samples.look("steady", one)
        samples.look(f"f{number}", one)
    marks = [sample.fingerprint for sample in told.samples]
    assert marks.count("steady") == 1
    assert len(samples._younger) + len(samples._older) <= 2 * REMEMBERED


def opened(clock: ManualClock, told: Told, discovery: bool, mark: str | None, app: App | None = None) -> None:
    made = planned(clock, "Plain")
    prompted = made.planned.screened.grounded.prompted
    one = prompted.selected.admitted.call
    msgspec.structs.force_setattr(prompted, "selected", msgspec.structs.replace(prompted.selected, app=app))
    one.snapshot = msgspec.structs.replace(one.snapshot, discovery=discovery)
    one.record.fingerprint = mark

    async def page() -> None:
        async with Telemetry(told, clock).witness(one) as witness:
            witness.open(made)

    run(page())


def test_only_where_discovery_is_on_and_the_prompt_is_not_registered() -> None:
    clock, told = ManualClock(), Told()
    opened(clock, told, False, "f1")
    opened(clock, told, True, None)
    opened(clock, told, True, "f1", App("quiet", ("me",), {}, "production", discovery=False))
    assert told.samples == []
    opened(clock, told, True, "f1")
    assert [one.fingerprint for one in told.samples] == ["f1"]


class Taker:
    def __init__(self) -> None:
        self.taken: list[PromptSample] = []

    def take(self, samples) -> None:
        self.taken += samples


def test_samples_come_through_the_journal_to_whoever_takes_them(tmp_path: Path) -> None:
    clock, taker = ManualClock(), Taker()
    target = journal(tmp_path / "journal", clock)
    sample = PromptSample("f1", "Plain " * 100, 600, 1, "call_1", "acme")
    assert target.sampled(sample)
    calls = SqliteCalls(tmp_path / "calls", fold)
    Keeper(str(tmp_path / "journal"), calls, clock, aside=Aside(prompts=taker)).step()
    assert taker.taken == [sample]
    target.close()
    calls.close()


def test_a_journal_that_keeps_room_for_calls_gives_none_away(tmp_path: Path) -> None:
    clock = ManualClock()
    target = journal(tmp_path / "journal", clock, full="refuse", segments=2)
    sample = PromptSample("f1", "x" * 16_000, 16_000, 1, "call_1", "acme")
    taken = 0
    while target.sampled(sample):
        taken += 1
        assert taken < 20
    assert taken > 0
    assert target.pending_lost == 0
    target.close()
