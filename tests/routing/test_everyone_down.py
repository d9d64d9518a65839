"""Nobody is left who answers: the call is told soon, with a status and a time that help."""

from __future__ import annotations

import pytest

from headgate.core.errors import UpstreamError
from tests.routing.scripted import GOOD, House, Reply
from tests.support.world import run


@pytest.mark.parametrize("kind", ["connect_failed", "first_token_timeout", "server_error", "malformed_response"])
def test_several_that_fail_are_told_as_nobody_serves(kind: str) -> None:
    async def play() -> None:
        house = House()
        for name in "abc":
            house.script(name, UpstreamError(kind, "scripted"))
        told = await house.ask(house.route("a", "b", "c"))
        assert (told.upstream.kind, told.upstream.status) == (kind, 503)
        assert told.upstream.retry_after_s == 1.0

    run(play())


def test_the_fault_of_the_only_target_is_told_as_such_until_it_is_known_to_be_down() -> None:
    async def play() -> None:
        house = House()
        statuses: list[int] = []
        for _ in range(7):
            house.script("a", UpstreamError("connect_failed", "scripted"))
            statuses.append((await house.ask(house.route("a"))).upstream.status)
        assert statuses == [502] * 4 + [503] * 3

    run(play())


def test_one_that_may_be_asked_again_at_once_is_not_hidden_by_one_that_may_not() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"quota_exhausted", status=429))
        house.script("b", Reply(b"server_error", status=500))
        told = await house.ask(house.route("a", "b"))
        assert house.routing.health.wait_s(house.target("b")) is None
        assert told.upstream.retry_after_s == 1.0

    run(play())


@pytest.mark.parametrize("stream", [True, False])
def test_who_is_known_to_be_silent_is_not_waited_for_in_full(stream: bool) -> None:
    async def play() -> None:
        house = House()
        for _ in range(6):
            house.script("a", UpstreamError("first_token_timeout", "scripted"))
            await house.ask(house.route("a"), stream=stream)
        asked = [request.deadlines.first_token_s for request in house.transport.requests]
        assert asked[0] >= 60
        assert asked[-1] <= 10

    run(play())


def test_a_stream_without_end_and_without_content_is_followed_by_the_next() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(*[b"ping\n" * 20_000] * 20, GOOD))
        house.script("b", Reply(GOOD))
        told = await house.ask(house.route("a", "b"))
        assert told.error is None
        assert told.outcomes == [("a", "failed", "response_too_large"), ("b", "ok", None)]
        assert not house.routing.health.healthy(house.target("a"))

    run(play())
