"""The witness: what the record says, whatever way the call ends."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from headgate.core.chat import Begin, Finish, ReasoningDelta, TextDelta, ToolArgs, ToolStart, UsageDelta
from headgate.core.errors import (
    BudgetExceeded,
    InvalidRequest,
    Overloaded,
    PolicyBlocked,
    Unauthenticated,
    UpstreamError,
)  # fmt: skip
from headgate.core.record import AttemptRecord, CallRecord, GapRecord
from headgate.core.snapshot import App
from headgate.core.types import Price, Usage
from headgate.telemetry import Telemetry
from headgate.telemetry.bodies import BODY_BYTES_MAX, CUT_MARK
from tests.support.world import ManualClock, run
from tests.telemetry.builders import call, funded, passed, target


class MemoryJournal:
    """Implements `core.ports.Journal`: what it was told, in order, as it was at that moment."""

    def __init__(self) -> None:
        self.told: list[tuple[str, CallRecord]] = []
        self.gaps: list[GapRecord] = []
        self.full = False
        self.broken = False

    def opened(self, record: CallRecord) -> None:
        if self.full:
            raise Overloaded("the call journal is full")
        self.told.append(("opened", msgspec.structs.replace(record)))

    def sealed(self, record: CallRecord) -> None:
        if self.broken:
            raise ValueError("cannot encode")
        self.told.append(("sealed", msgspec.structs.replace(record)))

    def gap(self, gap: GapRecord) -> None:
        self.gaps.append(gap)

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told]


class World:
    def __init__(self, bodies: str = "none") -> None:
        self.clock = ManualClock()
        self.journal = MemoryJournal()
        self.heard: list[CallRecord] = []
        self.telemetry = Telemetry(self.journal, self.clock, [self.heard.append])
        self.call = call(self.clock, bodies=bodies)

    @property
    def record(self) -> CallRecord:
        return self.call.record

    def leave_with(self, error: BaseException, after=None) -> CallRecord:
        """The record of a page that raised `error`, after what `after(witness)` did."""

        async def page() -> None:
            async with self.telemetry.witness(self.call) as witness:
                if after is not None:
                    after(witness)
                raise error

        with pytest.raises(type(error)):
            run(page())
        return self.record


def answer(world: World, *parts, plan=None) -> CallRecord:
    async def page() -> None:
        async with world.telemetry.witness(world.call) as witness:
            witness.open(plan or funded(world.call))
            for part in parts:
                world.clock.advance(0.1)
                witness.saw(part)
            witness.seal()

    run(page())
    return world.record


def at_openai(world: World, **fields) -> None:
    values = {"provider": "openai", "model": "gpt-4o-mini", "started_us": 10, "why": "first"}
    world.record.attempts.append(AttemptRecord(**{**values, **fields}))


def test_a_plain_answer_is_recorded_with_tokens_cost_and_times() -> None:
    world = World()
    at_openai(world, outcome="ok")
    usage = Usage(input=1000, output=200, cached=400, reasoning=50)
    record = answer(
        world,
        passed(Begin("id", "gpt-4o-mini-2024"), TextDelta("Hel"), commits=True),
        passed(TextDelta("lo"), Finish("stop", "stop"), UsageDelta(usage)),
        plan=funded(world.call, target(price=Price(1.0, 4.0, cached_input=0.5)), stream=True),
    )
    assert world.journal.kinds == ["opened", "sealed"]
    assert (record.outcome, record.status, record.finish) == ("ok", 200, "stop")
    assert record.model_answered == "gpt-4o-mini-2024"
    assert record.stream
    assert record.committed
    assert (record.input_tokens, record.output_tokens) == (1000, 200)
    assert (record.cached_tokens, record.reasoning_tokens) == (400, 50)
    assert not record.tokens_estimated
    assert record.cost_usd == pytest.approx((600 * 1.0 + 400 * 0.5 + 200 * 4.0) / 1e6)
    assert (record.ttft_us, record.latency_us) == (100_000, 200_000)
    assert record.attempts[0].cost_usd == record.cost_usd
    assert world.heard == [record]
    assert (record.snapshot, record.peer) == ("d" * 64, "10.0.0.9")


def test_tokens_nobody_told_are_estimated_and_say_so() -> None:
    world = World()
    at_openai(world, outcome="ok")
    record = answer(world, passed(TextDelta("x" * 41), ToolStart(0, "t", "f"), ToolArgs(0, "y" * 4), Finish("stop")))
    assert (record.input_tokens, record.output_tokens) == (40, 12)
    assert record.tokens_estimated
    assert record.cost_usd == pytest.approx((40 * 1.0 + 12 * 4.0) / 1e6)


def test_an_unknown_price_is_no_price() -> None:
    world = World()
    at_openai(world, outcome="ok")
    told = passed(TextDelta("x"), Finish("stop"), UsageDelta(Usage(input=1, output=1)))
    record = answer(world, told, plan=funded(world.call, target(price=None)))
    assert record.cost_usd is None
    assert record.input_tokens == 1


def test_the_price_is_that_of_the_target_that_answered() -> None:
    world = World()
    at_openai(world, outcome="failed", error="server_error")
    at_openai(world, provider="anthropic", model="claude", outcome="ok")
    both = funded(world.call, target(price=Price(100.0, 100.0)), target("anthropic", "claude", Price(2.0, 3.0)))
    told = passed(TextDelta("x"), Finish("stop"), UsageDelta(Usage(input=10, output=10)), attempt=2)
    record = answer(world, told, plan=both)
    assert record.provider == "anthropic"
    assert record.cost_usd == pytest.approx(50 / 1e6)
    assert record.attempts[0].cost_usd is None


def test_usage_is_folded_field_by_field() -> None:
    world = World()
    at_openai(world, outcome="ok")
    record = answer(
        world,
        passed(UsageDelta(Usage(input=25, output=1, cached=5))),
        passed(TextDelta("hi"), Finish("stop"), UsageDelta(Usage(output=9))),
    )
    assert (record.input_tokens, record.output_tokens, record.cached_tokens) == (25, 9, 5)
    assert not record.tokens_estimated


def test_another_attempt_starts_the_answer_afresh() -> None:
    world = World()
    at_openai(world, outcome="ok")
    record = answer(
        world,
        passed(Begin(None, "first"), UsageDelta(Usage(input=9, output=9)), commits=False, attempt=1),
        passed(Begin(None, "second"), TextDelta("x" * 8), Finish("stop"), attempt=2),
    )
    assert record.model_answered == "second"
    assert (record.input_tokens, record.output_tokens) == (40, 2)


def test_time_to_first_token_waits_for_content() -> None:
    world = World()
    record = answer(world, passed(Begin(), commits=False), passed(TextDelta("x")), passed(Finish("stop")))
    assert record.ttft_us == 200_000


def test_a_blocked_answer_is_blocked_and_names_the_rule() -> None:
    world = World()
    at_openai(world, outcome="ok")
    record = answer(world, passed(TextDelta("ok so far")), passed(blocked="no_cards", commits=False))
    assert (record.outcome, record.error, record.status) == ("blocked", "policy_blocked", 200)
    assert record.message is not None
    assert "no_cards" in record.message
    assert record.finish is None, "a finish reason is never invented"


@pytest.mark.parametrize(
    ("error", "outcome", "status", "code"),
    [
        (Unauthenticated("no"), "refused", 401, "unauthenticated"),
        (InvalidRequest("bad"), "refused", 400, "invalid_request"),
        (BudgetExceeded("spent"), "refused", 429, "budget_exhausted"),
        (PolicyBlocked("no", rule="r", direction="input"), "blocked", 400, "policy_blocked"),
        (UpstreamError("server_error", "500"), "failed", 502, "server_error"),
        (Overloaded("full"), "failed", 503, "overloaded"),
        (ZeroDivisionError("secret text"), "failed", 500, "internal_error"),
        (asyncio.CancelledError(), "cancelled", None, "client_closed"),
        (BrokenPipeError("gone"), "cancelled", None, "client_closed"),
    ],
)
def test_every_way_out_before_a_provider_seals_one_record(error, outcome, status, code) -> None:
    world = World()
    record = world.leave_with(error)
    assert (record.outcome, record.status, record.error) == (outcome, status, code)
    assert (record.input_tokens, record.cost_usd) == (None, None)
    assert "secret" not in (record.message or "")
    assert world.journal.kinds == ["sealed"]
    assert world.heard == [record]


def test_a_client_that_leaves_mid_stream_is_billed_what_it_saw() -> None:
    world = World()

    def stream(witness) -> None:
        at_openai(world)
        witness.open(funded(world.call, stream=True))
        witness.saw(passed(UsageDelta(Usage(input=30, output=1)), TextDelta("z" * 80)))

    record = world.leave_with(asyncio.CancelledError(), stream)
    assert (record.outcome, record.status, record.error) == ("cancelled", 200, "client_closed")
    assert (record.input_tokens, record.output_tokens) == (30, 20)
    assert record.tokens_estimated
    assert record.cost_usd == pytest.approx((30 + 20 * 4) / 1e6)


def test_a_provider_that_only_failed_is_owed_nothing_known() -> None:
    world = World()

    def ask(witness) -> None:
        witness.open(funded(world.call))
        at_openai(world, outcome="failed", error="server_error", status=500)

    record = world.leave_with(UpstreamError("server_error", "500"), ask)
    assert (record.input_tokens, record.output_tokens, record.cost_usd) == (None, None, None)
    assert record.provider == "openai"


def test_a_stream_broken_after_its_first_content_had_a_200() -> None:
    world = World()

    def stream(witness) -> None:
        at_openai(world, error="connection_reset", outcome="failed")
        witness.open(funded(world.call, stream=True))
        witness.saw(passed(ReasoningDelta("abcd")))

    record = world.leave_with(UpstreamError("connection_reset", "reset"), stream)
    assert (record.outcome, record.status, record.output_tokens) == ("failed", 200, 1)


def test_a_page_left_without_a_seal_is_sealed() -> None:
    world = World()

    async def page() -> None:
        async with world.telemetry.witness(world.call) as witness:
            witness.open(funded(world.call))

    run(page())
    assert world.journal.kinds == ["opened", "sealed"]
    assert world.record.outcome == "ok"


def test_what_happens_after_the_seal_changes_nothing() -> None:
    world = World()

    async def page() -> None:
        async with world.telemetry.witness(world.call) as witness:
            witness.open(funded(world.call))
            witness.saw(passed(TextDelta("x"), Finish("stop")))
            witness.seal()
            witness.seal()
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run(page())
    assert world.journal.kinds == ["opened", "sealed"]
    assert world.record.outcome == "ok"


def test_a_full_journal_that_refuses_is_on_record_where_there_is_room() -> None:
    world = World()
    world.journal.full = True

    async def page() -> None:
        async with world.telemetry.witness(world.call) as witness:
            witness.open(funded(world.call))

    with pytest.raises(Overloaded):
        run(page())
    assert world.journal.kinds == ["sealed"]
    assert (world.record.outcome, world.record.status) == ("failed", 503)


def test_a_record_that_cannot_be_written_is_a_gap_and_never_an_error() -> None:
    world = World()
    world.journal.broken = True
    answer(world, passed(TextDelta("x"), Finish("stop")))
    assert [gap.lost for gap in world.journal.gaps] == [1]
    assert world.heard, "the budget is settled all the same"


def test_bodies_are_kept_only_where_configured() -> None:
    world = World()
    record = answer(world, passed(TextDelta("hello"), wire=b"data: hello"))
    assert (record.request_body, record.response_body) == (None, None)


def test_bodies_are_what_was_screened_never_what_came_in() -> None:
    world = World(bodies="full")
    record = answer(world, passed(TextDelta("[redacted]"), Finish("stop"), wire=b"data: 4111 1111"))
    assert record.request_body == b'{"screened":true}'
    assert record.response_body is not None
    assert b"4111" not in record.response_body
    assert record.response_body.splitlines()[0] == b'{"type":"text","text":"[redacted]","choice":0}'


def test_an_app_decides_for_itself_whether_bodies_are_kept() -> None:
    world = World(bodies="full")
    app = App("support", ("me",), {}, "production", bodies="none")
    record = answer(world, passed(TextDelta("x")), plan=funded(world.call, app=app))
    assert record.request_body is None
    assert record.app == "support"


def test_bodies_are_bounded() -> None:
    world = World(bodies="full")
    chunk = passed(TextDelta("x" * 10_000))
    record = answer(world, *([chunk] * 40))
    assert record.response_body is not None
    assert len(record.response_body) <= BODY_BYTES_MAX + 16
    assert record.response_body.endswith(CUT_MARK)


def test_names_of_any_length_do_not_crowd_out_the_record() -> None:
    world = World()
    world.record.model_asked = "m" * 5_000_000
    world.record.dropped = ["d" * 1000] * 10_000
    record = answer(world, passed(Begin(None, "a" * 5_000_000), TextDelta("x"), Finish("stop")))
    assert len(msgspec.msgpack.encode(record)) < 50_000
    opened = world.journal.told[0][1]
    assert len(opened.model_asked) == 200


def test_absurd_counts_tell_nothing() -> None:
    world = World()
    at_openai(world, outcome="ok")
    record = answer(world, passed(TextDelta("x" * 8), Finish("stop"), UsageDelta(Usage(input=-1, output=2**63))))
    assert (record.input_tokens, record.output_tokens, record.tokens_estimated) == (40, 2, True)


def test_a_finish_that_nobody_knows_is_on_record_in_the_providers_own_word() -> None:
    record = answer(World(), passed(TextDelta("x"), Finish("other", "brand_new")))
    assert (record.outcome, record.finish) == ("ok", "brand_new")


def test_a_call_that_was_refused_before_anybody_looked_at_it_is_on_record() -> None:
    journal = MemoryJournal()
    clock = ManualClock()
    turned_away = call(clock)
    Telemetry(journal, clock).refused(turned_away, Overloaded("too many large requests"))
    ((what, record),) = journal.told
    assert (what, record.id, record.outcome, record.error) == ("sealed", turned_away.id, "failed", "overloaded")
    assert (record.status, record.latency_us) == (503, 0)
