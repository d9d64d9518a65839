"""The fault catalogue against the verdicts: fail over, tell the client, or neither."""

from __future__ import annotations

import asyncio

import pytest

from headgate.core.errors import CannotCarry, UpstreamError
from headgate.core.ports import Deadlines
from headgate.core.record import CallRecord
from headgate.core.stages import Funded, Screened
from tests.routing.scripted import GOOD, WHOLE, House, Reply, read_all
from tests.support.world import run


def record_of(screened: Screened) -> CallRecord:
    return screened.grounded.prompted.selected.admitted.call.record


def broken(kind: str) -> UpstreamError:
    return UpstreamError(kind, "scripted")


# shape -> what the first target does, streamed; every one of them must be unseen by the client
UNSEEN: dict[str, Reply | UpstreamError] = {
    "F1 500": Reply(b"server_error", status=500),
    "F1 529": Reply(b"overloaded", status=529),
    "F2 429 told": Reply(b"rate_limited 7", status=429),
    "F3 429": Reply(b"rate_limited", status=429),
    "F4 money gone": Reply(b"quota_exhausted", status=429),
    "F5 key refused": Reply(b"auth_failed", status=401),
    "F6 model retired": Reply(b"model_gone", status=404),
    "F10 no such host": broken("dns_failed"),
    "F11 refused": broken("connect_failed"),
    "F11 blackhole": broken("connect_timeout"),
    "F12 expired certificate": broken("tls_failed"),
    "F14 never answers": broken("first_token_timeout"),
    "F15 head, then silence": Reply(broken("idle_timeout")),
    "F17 pings without content": Reply(b"ping\n", 40.0, b"ping\n", 40.0, b"ping\n", GOOD),
    "F17 drip of half a line": Reply(b"te", 40.0, b"xt", 40.0, b":x", GOOD),
    "F18 error instead of a stream": Reply(b"error:server_error\n"),
    "F20 empty body": Reply(),
    "F22 error before content": Reply(b"begin:m\nerror:overloaded\n"),
    "F24 end before content": Reply(b"begin:m\n"),
    "F25 reset before content": Reply(b"begin:m\n", broken("connection_reset")),
    "F29 broken tool call": Reply(b"begin:m\nfinish:error\nlast\n"),
    "F36 head too large": broken("malformed_response"),
    "error body hangs": Reply(b"server_error", None, status=500),
    "error body resets": Reply(b"server_error", broken("connection_reset"), status=503),
}


@pytest.mark.parametrize("shape", UNSEEN)
def test_before_the_commit_the_next_target_answers_unseen(shape: str) -> None:
    async def play() -> None:
        house = House()
        first = UNSEEN[shape]
        house.script("a", first)
        house.script("b", Reply(GOOD))
        timer = asyncio.get_running_loop().call_later(0.05, house.clock.advance, 10.0)
        told = await house.ask(house.route("a", "b"))
        timer.cancel()
        assert told.error is None
        assert told.answer == GOOD
        assert told.batches[-1][0] == 2
        assert [outcome for _, outcome, _ in told.outcomes] == ["failed", "ok"]
        assert told.record.provider == "b"
        assert all(inbound.fate != "open" for inbound in house.transport.inbounds)

    run(play())


WHOLE_UNSEEN: dict[str, Reply | UpstreamError] = {
    "F19 HTML with status 200": Reply(b"<html>"),
    "F20 empty body": Reply(),
    "F20 cut body": Reply(b"begin:m\ntext:he"),
    "F21 no choices": Reply(b""),
    "F25 reset": Reply(b"begin:m\n", broken("connection_reset")),
    "F29 broken tool call": Reply(b"begin:m\nfinish:error\n"),
}


@pytest.mark.parametrize("shape", WHOLE_UNSEEN)
def test_a_whole_answer_fails_over_too(shape: str) -> None:
    async def play() -> None:
        house = House()
        house.script("a", WHOLE_UNSEEN[shape])
        house.script("b", Reply(WHOLE[:10], WHOLE[10:]))
        told = await house.ask(house.route("a", "b"), stream=False)
        assert told.error is None
        assert told.batches == [(2, WHOLE)]
        assert house.transport.inbounds[-1].fate == "released"

    run(play())


AFTER: dict[str, tuple[Reply, str]] = {
    "F16 stall": (Reply(b"text:hello\n", broken("idle_timeout")), "idle_timeout"),
    "F23 error event": (Reply(b"text:hello\n", b"error:overloaded\n"), "overloaded"),
    "F24 clean end without finish": (Reply(b"text:hello\n"), "truncated"),
    "F25 reset": (Reply(b"text:hello\n", broken("connection_reset")), "connection_reset"),
}


@pytest.mark.parametrize("shape", AFTER)
def test_after_the_commit_it_is_told_and_nobody_else_is_asked(shape: str) -> None:
    async def play() -> None:
        house = House()
        reply, kind = AFTER[shape]
        house.script("a", reply)
        house.script("b", Reply(GOOD))
        told = await house.ask(house.route("a", "b"))
        assert told.upstream.kind == kind
        assert house.transport.hosts() == ["a.m"]
        assert told.record.committed
        assert told.outcomes == [("a", "failed", kind)]
        assert house.routing.health.wait_s(house.target("a")) is not None
        assert house.transport.inbounds[0].fate in ("aborted", "released")

    run(play())


def test_held_back_content_may_still_fail_over() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"text:half\n", broken("connection_reset")))
        house.script("b", Reply(GOOD))
        told = await house.ask(house.route("a", "b"), commit=False)
        assert told.error is None
        assert [attempt for attempt, _ in told.batches] == [1, 2]
        assert told.answer == GOOD

    run(play())


@pytest.mark.parametrize("tail", [broken("connection_reset"), b""])
def test_a_refusal_never_fails_over_even_where_its_stream_breaks(tail: UpstreamError | bytes) -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"refuse:no\n", tail))
        house.script("b", Reply(GOOD))
        told = await house.ask(house.route("a", "b"), commit=False)
        assert told.upstream.kind in ("connection_reset", "truncated")
        assert house.transport.hosts() == ["a.m"]

    run(play())


def test_a_complete_refusal_is_an_answer() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"refuse:no\nfinish:refusal\nlast\n"))
        told = await house.ask(house.route("a", "b"), commit=False)
        assert told.error is None
        assert told.outcomes == [("a", "ok", None)]

    run(play())


def test_a_client_fault_goes_to_the_client_verbatim() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"client_fault", status=422))
        told = await house.ask(house.route("a", "b"))
        assert told.upstream.kind == "client_fault"
        assert told.upstream.body == b"client_fault"
        assert told.upstream.attempt_status == 422
        assert house.transport.hosts() == ["a.m"]
        assert house.routing.health.wait_s(house.target("a")) is None

    run(play())


def test_another_dialects_client_fault_loses_its_body() -> None:
    async def play() -> None:
        house = House()
        house.script("c", Reply(b"client_fault", status=400))
        told = await house.ask(house.route("c"))
        assert told.upstream.kind == "client_fault"
        assert told.upstream.body is None

    run(play())


def test_context_too_long_goes_to_a_larger_window_only() -> None:
    async def play() -> None:
        house = House()
        targets = (house.target("a", context=1000), house.target("b", context=1000), house.target("c", context=9000))
        house.script("a", Reply(b"context_too_long", status=400))
        house.script("c", Reply(GOOD))
        told = await house.ask(house.route(*targets))
        assert told.error is None
        assert house.transport.hosts() == ["a.m", "c.m"]
        assert [skip.provider for skip in told.record.skipped] == ["b"]
        assert house.routing.health.wait_s(targets[0]) is None

    run(play())


def test_a_target_that_cannot_carry_the_request_is_skipped() -> None:
    async def play() -> None:
        house = House()
        house.script("b", Reply(GOOD))
        told = await house.ask(house.route("c.mute", "b"))
        assert told.error is None
        assert [(skip.provider, skip.why) for skip in told.record.skipped] == [("c", "mute cannot take this")]
        assert told.record.dropped == []
        only = await house.ask(house.route("c.mute"))
        assert isinstance(only.error, CannotCarry)
        assert only.record.attempts == []

    run(play())


def test_a_request_is_read_once_and_written_for_each_target() -> None:
    async def play() -> None:
        house = House()
        house.script("c", Reply(b"server_error", status=500))
        house.script("c.n", Reply(GOOD))
        told = await house.ask(house.route("c", "c.n"))
        assert told.error is None
        assert house.dialects["one"].read_count == 1
        assert [request.body for request in house.transport.requests] == [
            b'{"model": "m", "translated": "two"}',
            b'{"model": "n", "translated": "two"}',
        ]
        assert told.record.dropped == ["read", "written"]
        house.script("a", Reply(b"server_error", status=500))
        house.script("c", Reply(GOOD))
        told = await house.ask(house.route("a", "c"), lost=("earlier",))
        assert told.record.dropped == ["earlier", "read", "written"]
        assert told.dialects[-1] == told.record.target_dialect == "two"

    run(play())


def test_bytes_pass_untouched_and_only_allowed_headers_go_along() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(GOOD))
        await house.ask(house.route("a"))
        assert house.transport.requests[0].body == b'{"model": "m", "say": "hi"}'
        assert b"client-secret" not in house.transport.requests[0].head

    run(play())


def test_at_most_so_many_attempts() -> None:
    async def play() -> None:
        house = House()
        for name in ("a", "a.x", "b", "b.x"):
            house.script(name, Reply(b"server_error", status=500))
        told = await house.ask(house.route("a", "a.x", "b", "b.x", attempts=2))
        assert house.transport.hosts() == ["a.m", "a.x"]
        assert told.upstream.kind == "server_error"
        assert "a/m: server_error, a/x: server_error" in told.upstream.message

    run(play())


def test_one_total_deadline_for_all_attempts() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(6.0, broken("idle_timeout")))
        house.script("b", Reply(6.0, broken("idle_timeout")))
        told = await house.ask(house.route("a", "b", "c", deadlines=Deadlines(3, 60, 60, 10)))
        assert house.transport.hosts() == ["a.m", "b.m"]
        assert house.transport.requests[1].deadlines == Deadlines(3, 4, 60, 4)
        assert told.upstream.kind == "idle_timeout"

    run(play())


def test_a_whole_answer_may_take_longer_to_its_head() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(WHOLE))
        await house.ask(house.route("a", deadlines=Deadlines(3, 20, 60, 600)), stream=False)
        assert house.transport.requests[0].deadlines.first_token_s == 100

    run(play())


def test_done_then_linger_is_a_success_and_closed_by_us() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(GOOD, None))
        told = await house.ask(house.route("a"))
        assert told.error is None
        assert told.outcomes == [("a", "ok", None)]
        assert house.transport.inbounds[0].fate == "aborted"

    run(play())


@pytest.mark.parametrize("kind", ["idle_timeout", "connection_reset"])
def test_a_finished_answer_whose_stream_never_ends_is_a_success(kind: str) -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"text:hello\nfinish:stop\n", broken(kind)))
        told = await house.ask(house.route("a", "b"))
        assert told.error is None
        assert told.outcomes == [("a", "ok", None)]
        assert house.transport.inbounds[0].fate == "aborted"

    run(play())


def test_a_stream_read_to_its_end_is_released() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(GOOD))
        await house.ask(house.route("a"))
        assert house.transport.inbounds[0].fate == "released"

    run(play())


def test_a_client_that_leaves_aborts_the_connection() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"text:hello\n", None))
        screened = house.screened(house.route("a", "b"))
        work = asyncio.ensure_future(read_all(house, screened))
        while not house.transport.inbounds or house.transport.inbounds[0].steps:
            await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert house.transport.inbounds[0].fate == "aborted"
        assert house.transport.hosts() == ["a.m"]
        assert [attempt.outcome for attempt in record_of(screened).attempts] == ["cancelled"]
        assert house.routing.health.wait_s(house.target("a")) is None

    run(play())


def test_a_client_that_leaves_while_we_connect_is_on_record() -> None:
    async def play() -> None:
        house = House()
        started = asyncio.Event()
        house.script("a", started.set)
        screened = house.screened(house.route("a"))
        work = asyncio.ensure_future(read_all(house, screened))
        await started.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert [attempt.outcome for attempt in record_of(screened).attempts] == ["cancelled"]
        assert house.routing.health.wait_s(house.target("a")) is None

    run(play())


def test_what_is_on_record() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"overloaded", status=529, headers=[(b"request-id", b"req_1")]))
        house.script("b", Reply(0.5, GOOD, headers=[(b"x-request-id", b"req_2")]))
        told = await house.ask(house.route("a", "b"))
        first, second = told.record.attempts
        assert (first.status, first.error, first.request_id, first.why) == (
            529,
            "overloaded",
            "req_1",
            "the model asked for",
        )
        assert (second.status, second.model_answered, second.request_id) == (200, "m-1", "req_2")
        assert (second.input_tokens, second.output_tokens, second.cost_usd) == (3, 2, None)
        assert second.first_token_us == 500_000
        assert second.why == "fallback 1 of the tier table"
        assert (told.record.provider, told.record.target_model, told.record.target_dialect) == ("b", "m", "one")

    run(play())


def test_absurd_usage_is_unknown() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"text:x\nusage:-1,1000000000000\nfinish:stop\nlast\n"))
        told = await house.ask(house.route("a"))
        attempt = told.record.attempts[0]
        assert (attempt.input_tokens, attempt.output_tokens, attempt.cost_usd) == (None, None, None)

    run(play())


MIXED = [
    (["auth_failed", "overloaded"], "overloaded"),
    (["rate_limited", "server_error"], "rate_limited"),
    (["context_too_long", "auth_failed"], "context_too_long"),
    (["auth_failed", "context_too_long"], "context_too_long"),
    (["context_too_long", "overloaded"], "overloaded"),
    (["quota_exhausted", "model_gone"], "quota_exhausted"),
]


@pytest.mark.parametrize(("kinds", "told"), MIXED)
def test_the_most_telling_error_is_told(kinds: list[str], told: str) -> None:
    async def play() -> None:
        house = House()
        names = ("a", "b")
        for name, kind in zip(names, kinds, strict=True):
            house.script(name, Reply(kind.encode(), status=500))
        targets = (house.target("a", context=100), house.target("b", context=1000))
        heard = await house.ask(house.route(*targets))
        assert heard.upstream.kind == told

    run(play())


def test_retry_after_is_the_earliest_end_of_a_cooldown() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"rate_limited 30", status=429))
        house.script("b", Reply(b"overloaded 7", status=503))
        told = await house.ask(house.route("a", "b"))
        assert told.upstream.retry_after_s is not None
        assert 7 <= told.upstream.retry_after_s < 8

    run(play())


def test_leaving_early_cuts_the_answer() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"text:hello\n", GOOD))
        screened = house.screened(house.route("a"))
        async with house.routing.send(Funded(house.routing.plan(screened))) as upstream:
            await upstream.read()
        assert [attempt.outcome for attempt in record_of(screened).attempts] == ["cut"]
        assert house.transport.inbounds[0].fate == "aborted"

    run(play())


def test_a_client_that_leaves_while_an_error_is_read_aborts_the_connection() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"server_error", None, status=500))
        screened = house.screened(house.route("a"))
        work = asyncio.ensure_future(read_all(house, screened))
        while not house.transport.inbounds or house.transport.inbounds[0].steps:
            await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert house.transport.inbounds[0].fate == "aborted"

    run(play())
