"""Probes: what is sent, what their answers mean, and that they are no calls."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable

import pytest

from headgate.app.probes import ProbeLines
from headgate.core.errors import UpstreamError
from headgate.core.record import AttemptRecord
from headgate.core.snapshot import Route
from headgate.core.types import Price
from headgate.routing.probe import DEADLINES, PROBES_MAX
from tests.routing.scripted import GOOD, WHOLE, House, Reply
from tests.support.world import run


def broken(kind: str) -> UpstreamError:
    return UpstreamError(kind, "scripted")


async def until(true: Callable[[], object]) -> None:
    for _ in range(100):
        if true():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


async def suspected(house: House, *answers: Reply | UpstreamError | Callable[[], None]) -> Route:
    """a let one call hang; `answers` is what it says to probes. b is well."""
    house.script("a", broken("first_token_timeout"), *answers)
    house.script("b", Reply(GOOD))
    route = house.route(house.target("a", price=Price(1.0, 2.0)), "b")
    told = await house.ask(route)
    assert told.outcomes == [("a", "failed", "first_token_timeout"), ("b", "ok", None)]
    return route


def test_after_one_hang_the_next_call_goes_elsewhere_and_a_probe_finds_out() -> None:
    async def play() -> None:
        house = House()
        route = await suspected(house, Reply(WHOLE))
        told = await house.ask(route)
        assert told.outcomes == [("b", "ok", None)]
        assert told.record.skipped[0].why.startswith("put last: it failed 0.0 s ago (first_token_timeout)")
        await until(lambda: house.probes)
        (probe,) = house.probes
        assert (probe.provider, probe.outcome, probe.input_tokens, probe.output_tokens) == ("a", "ok", 3, 2)
        assert probe.cost_usd == pytest.approx(7e-6)
        request = next(one for one in house.transport.requests if b"x-headgate-probe: 1" in one.head)
        assert json.loads(request.body) == {"model": "m", "translated": "one"}
        assert request.deadlines == DEADLINES
        assert b"openai-beta" not in request.head
        house.script("a", Reply(GOOD))
        assert (await house.ask(route)).outcomes == [("a", "ok", None)]

    run(play())


def test_a_probe_that_fails_opens_and_the_next_one_waits() -> None:
    async def play() -> None:
        house = House()
        route = await suspected(house, broken("first_token_timeout"))
        await house.ask(route)
        await until(lambda: house.probes)
        assert house.probes[0].error == "first_token_timeout"
        assert 8 <= (house.routing.health.wait_s(route.targets[0]) or 0) <= 12
        sent = len(house.transport.requests)
        for _ in range(3):
            assert (await house.ask(route)).outcomes == [("b", "ok", None)]
        assert len(house.transport.requests) == sent + 3
        house.clock.advance(12.0)
        await house.ask(route)
        await until(lambda: len(house.probes) == 2)
        assert 16 <= (house.routing.health.wait_s(route.targets[0]) or 0) <= 24

    run(play())


def test_an_error_answer_is_read_as_any() -> None:
    async def play() -> None:
        house = House()
        route = await suspected(house, Reply(b"rate_limited 30", status=429))
        await house.ask(route)
        await until(lambda: house.probes)
        assert (house.probes[0].status, house.probes[0].error) == (429, "rate_limited")
        assert (house.routing.health.wait_s(route.targets[0]) or 0) >= 30
        assert house.transport.inbounds[-1].fate != "open"

    run(play())


def test_an_answer_that_blames_the_request_is_an_answer() -> None:
    async def play() -> None:
        house = House()
        route = await suspected(house, Reply(b"client_fault", status=400))
        await house.ask(route)
        await until(lambda: house.probes)
        assert house.routing.health.wait_s(route.targets[0]) is None

    run(play())


def test_trouble_with_streams_is_probed_by_a_stream() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"text:hello\n"), Reply(b"text:h\n"), Reply(GOOD))
        house.script("b", Reply(GOOD))
        route = house.route("a", "b")
        assert (await house.ask(route)).upstream.kind == "truncated"
        await house.ask(route)
        await until(lambda: house.probes)
        assert house.probes[0].error == "truncated"
        house.clock.advance(12.0)
        await house.ask(route)
        await until(lambda: len(house.probes) == 2)
        assert house.probes[1].outcome == "ok"
        assert house.routing.health.wait_s(route.targets[0]) is None

    run(play())


def test_where_a_probe_cannot_be_written_calls_find_out() -> None:
    async def play() -> None:
        house = House()
        house.script("a.mute", broken("first_token_timeout"))
        house.script("b", Reply(GOOD))
        route = house.route("a.mute", "b")
        await house.ask(route)
        await house.ask(route)
        await until(lambda: house.probes)
        assert house.probes[0].outcome == "skipped"
        assert house.routing.health.wait_s(route.targets[0]) is None

    run(play())


def test_only_a_few_at_once_and_one_per_target() -> None:
    async def play() -> None:
        house = House()
        names = [f"a.m{number}" for number in range(PROBES_MAX + 3)]
        for name in names:
            house.script(name, lambda: None)
        house.script("b", Reply(GOOD))
        route = house.route(*names, "b")
        for target in route.targets[:-1]:
            house.routing.health.failed(target, broken("first_token_timeout"))
        for _ in range(5):
            await house.ask(route)
            await asyncio.sleep(0)
        probed = [host for host in house.transport.hosts() if host.startswith("a.")]
        assert probed == [f"a.m{number}" for number in range(PROBES_MAX)]

    run(play())


def test_a_probe_that_is_cancelled_lets_go() -> None:
    async def play() -> None:
        house = House()
        route = await suspected(house, lambda: None)
        await house.ask(route)
        await until(lambda: len(house.transport.hosts()) == 4)
        (probe,) = (task for task in asyncio.all_tasks() if task.get_name() == "probe a/m")
        probe.cancel()
        await until(probe.done)
        house.script("a", Reply(WHOLE))
        await house.ask(route)
        await until(lambda: house.probes)
        assert house.probes[-1].outcome == "ok"

    run(play())


def test_probes_are_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    lines = ProbeLines()
    with caplog.at_level(logging.INFO):
        lines.probed(0, AttemptRecord("a", "m", 0, "", ended_us=412_000, outcome="ok", cost_usd=7e-6))
        lines.probed(0, AttemptRecord("a", "m", 0, "", ended_us=9_000, outcome="failed", error="overloaded"))
    assert caplog.messages == [
        "probe of a/m: ok after 412 ms, cost 0.00000700 USD",
        "probe of a/m: failed (overloaded) after 9 ms, cost unknown",
    ]
