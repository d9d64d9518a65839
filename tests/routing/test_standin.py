"""What may answer in the providers' place: the same answer again, and the app's own words where everyone failed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.errors import UpstreamError
from headgate.core.snapshot import App, Release, StandIns
from headgate.core.stages import Funded
from headgate.routing.answers import ANSWER_BYTES_MAX, OVERHEAD_BYTES, Answers, Kept, digest_of
from tests.routing.scripted import GOOD, WHOLE, House, Reply, Told
from tests.support.world import run

DOWN = Reply(b"overloaded", status=503)
REFUSED = b"begin:m-1\nrefuse:no\nfinish:refusal\nlast\n"
CACHED = StandIns(cache_s=60.0)
WORDS = "Please try again in an hour."


async def ask(
    house: House, stand_ins: StandIns | None, *, say: str = "hi", tenant: str = "t", stream: bool = True,
    headers: tuple[tuple[bytes, bytes], ...] = (), number: int = 1, read_to: int | None = None,
) -> Told:  # fmt: skip
    """Plays the page for an app; `read_to` batches are read, then the client leaves."""
    screened = house.screened(house.route("a", "b"), say=say, stream=stream)
    selected = screened.grounded.prompted.selected
    call, key = selected.admitted.call, msgspec.structs.replace(selected.admitted.key, tenant=tenant)
    call.headers = [*call.headers, *headers]
    call.record.id = f"call_{house.clock.mono_ns}"
    release = Release("shop", number, {}, selected.route, None, ())  # type: ignore[arg-type]
    app = App("shop", ("o",), {"production": release}, "production", stand_ins=stand_ins)
    admitted = msgspec.structs.replace(selected.admitted, key=key)
    selected = msgspec.structs.replace(selected, admitted=admitted, app=app, release=release)
    prompted = msgspec.structs.replace(screened.grounded.prompted, selected=selected)
    screened = msgspec.structs.replace(screened, grounded=msgspec.structs.replace(screened.grounded, prompted=prompted))
    told = Told(call.record)
    try:
        async with house.routing.send(Funded(house.routing.plan(screened))) as upstream:
            while (batch := await upstream.read()) is not None:
                told.batches.append((batch.attempt, b"".join(frame.wire for frame in batch.frames)))
                told.dialects.append(batch.dialect)
                told.frames = batch.frames  # type: ignore[attr-defined]
                if any(frame.content for frame in batch.frames):
                    upstream.commit()
                if read_to is not None and len(told.batches) >= read_to:
                    break
    except UpstreamError as error:
        told.error = error
    return told


def house(*answers: Reply | UpstreamError) -> House:
    made = House()
    made.script("a", *(answers or (Reply(GOOD),)))
    made.script("b", *(answers or (Reply(GOOD),)))
    return made


@pytest.mark.parametrize("stream", [True, False])
def test_the_same_request_gets_the_same_bytes_and_asks_nobody(stream: bool) -> None:
    async def play() -> None:
        at = house(Reply(GOOD if stream else WHOLE))
        first = await ask(at, CACHED, stream=stream)
        at.clock.advance(59.0)
        second = await ask(at, CACHED, stream=stream)
        assert first.error is None
        assert second.error is None
        assert second.answer == first.answer != b""
        assert len(at.transport.requests) == 1
        assert (first.record.stand_in, second.record.stand_in) == ("miss", "hit")
        assert second.record.answer_of == first.record.id
        assert not second.record.attempts

    run(play())


def test_an_answer_is_too_old_at_its_time() -> None:
    async def play() -> None:
        at = house()
        await ask(at, CACHED)
        at.clock.advance(60.1)
        again = await ask(at, CACHED)
        assert again.record.stand_in == "miss"
        assert len(at.transport.requests) == 2

    run(play())


@pytest.mark.parametrize(
    "other",
    [{"say": "ho"}, {"tenant": "u"}, {"stream": False}, {"number": 2}],
    ids=["body", "tenant", "stream", "release"],
)
def test_another_request_is_another_answer(other: dict[str, object]) -> None:
    async def play() -> None:
        at = house()
        await ask(at, CACHED)
        at.script("a", Reply(GOOD if other.get("stream", True) else WHOLE))
        told = await ask(at, CACHED, **other)  # type: ignore[arg-type]
        assert told.record.stand_in == "miss"
        assert len(at.transport.requests) == 2

    run(play())


@pytest.mark.parametrize(
    "answer",
    [
        REFUSED,
        b"begin:m-1\ntext:hello\nfinish:error\nlast\n",
        b"begin:m-1\ntext:hello\nfinish:tool_calls\nlast\n",
        b"begin:m-1\ntext:" + b"x" * (ANSWER_BYTES_MAX + 1) + b"\nfinish:stop\nlast\n",
    ],
    ids=["refusal", "broken", "tool call", "too large"],
)
def test_what_is_not_kept(answer: bytes) -> None:
    async def play() -> None:
        at = house(Reply(answer))
        await ask(at, CACHED)
        assert len(at.routing.answers) == 0

    run(play())


def test_an_answer_nobody_read_to_its_end_is_not_kept() -> None:
    async def play() -> None:
        at = house(Reply(b"begin:m-1\ntext:hel\n", b"text:lo\nfinish:stop\nlast\n"))
        await ask(at, CACHED, read_to=1)
        assert len(at.routing.answers) == 0
        await ask(at, CACHED)
        assert len(at.routing.answers) == 1

    run(play())


def test_what_an_abandoned_try_said_is_not_in_the_answer() -> None:
    async def play() -> None:
        at = house()
        at.script("a", Reply(b"begin:m-1\n", UpstreamError("connection_reset", "scripted")))
        first = await ask(at, CACHED)
        second = await ask(at, CACHED)
        assert first.record.attempts[0].outcome == "failed"
        assert second.record.stand_in == "hit"
        assert second.answer == GOOD

    run(play())


@pytest.mark.parametrize(
    ("said", "looks", "keeps"), [(b"no-cache", False, True), (b"no-store, max-age=0", False, False)]
)
def test_a_client_may_ask_for_a_fresh_answer(said: bytes, looks: bool, keeps: bool) -> None:
    async def play() -> None:
        at = house()
        told = await ask(at, CACHED, headers=((b"cache-control", said),))
        assert len(at.routing.answers) == keeps
        assert (told.record.stand_in is not None) == looks
        await ask(at, CACHED)
        asked = len(at.transport.requests)
        await ask(at, CACHED, headers=((b"cache-control", said),))
        assert len(at.transport.requests) == asked + 1

    run(play())


def test_nothing_is_kept_for_an_app_that_did_not_ask() -> None:
    async def play() -> None:
        at = house()
        told = await ask(at, None)
        assert told.record.stand_in is None
        assert len(at.routing.answers) == 0

    run(play())


def test_an_old_answer_stands_in_where_everyone_failed() -> None:
    async def play() -> None:
        at = house()
        allowed = StandIns(stale_s=3600.0, answer=WORDS)
        first = await ask(at, allowed)
        assert first.record.stand_in is None  # nothing was looked up
        at.script("a", DOWN)
        at.script("b", DOWN)
        at.clock.advance(1800.0)
        told = await ask(at, allowed)
        assert told.error is None
        assert told.answer == GOOD
        assert (told.record.stand_in, told.record.answer_of) == ("stale", first.record.id)
        assert [attempt.outcome for attempt in told.record.attempts] == ["failed", "failed"]
        assert told.batches[0][0] == 3  # a new attempt: what the failed ones may have said does not count
        at.clock.advance(1801.0)
        assert (await ask(at, allowed)).record.stand_in == "fixed"

    run(play())


def test_the_fixed_answer_is_no_providers() -> None:
    async def play() -> None:
        at = house(DOWN)
        told = await ask(at, StandIns(answer=WORDS))
        record = told.record
        assert told.error is None
        assert told.dialects == ["headgate"]
        assert (record.stand_in, record.provider, record.target_model) == ("fixed", None, None)
        assert [type(delta).__name__ for frame in told.frames for delta in frame.deltas] == [  # type: ignore[attr-defined]
            "Begin", "TextDelta", "Finish", "UsageDelta",
        ]  # fmt: skip
        assert "overloaded" in (record.message or "")

    run(play())


@pytest.mark.parametrize(
    ("kind", "status"), [("client_fault", 400), ("context_too_long", 400)], ids=["client", "too long"]
)
def test_a_request_at_fault_is_told_so(kind: str, status: int) -> None:
    async def play() -> None:
        at = house(Reply(kind.encode(), status=status))
        told = await ask(at, StandIns(stale_s=60.0, answer=WORDS))
        assert told.upstream.kind == kind

    run(play())


def test_a_client_fault_after_a_failed_try_is_told_so() -> None:
    async def play() -> None:
        at = house(DOWN)
        at.script("b", Reply(b"client_fault", status=400))
        told = await ask(at, StandIns(answer=WORDS))
        assert told.upstream.kind == "client_fault"

    run(play())


def test_after_the_first_content_nothing_stands_in() -> None:
    async def play() -> None:
        at = house(Reply(b"begin:m-1\ntext:hel\n", UpstreamError("connection_reset", "scripted")))
        told = await ask(at, StandIns(stale_s=60.0, answer=WORDS))
        assert told.upstream.kind == "connection_reset"

    run(play())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3000)), max_size=60))
def test_the_answers_never_take_more_than_they_may(puts: list[tuple[int, int]]) -> None:
    answers = Answers(bytes_max=8192)
    newest: dict[bytes, bytes] = {}
    for at, (number, size) in enumerate(puts):
        digest, data = bytes([number]), bytes([at % 256]) * size
        answers.keep(digest, Kept(data, "one", at, "c", None))
        newest[digest] = data
        held = {key: found.data for key in newest if (found := answers.find(key, 0)) is not None}
        assert answers.bytes == sum(len(data) + OVERHEAD_BYTES for data in held.values()) <= 8192
        assert all(newest[key] == data for key, data in held.items())
        assert len(answers) == len(held)


@given(st.text(), st.lists(st.binary(max_size=4), max_size=4), st.text(), st.lists(st.binary(max_size=4), max_size=4))
def test_two_requests_share_an_answer_only_where_all_is_the_same(
    tenant: str, parts: list[bytes], other_tenant: str, others: list[bytes]
) -> None:
    same = tenant.encode("utf-8", "surrogatepass") == other_tenant.encode("utf-8", "surrogatepass") and parts == others
    assert (digest_of(tenant, parts) == digest_of(other_tenant, others)) == same
