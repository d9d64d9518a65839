"""Accounts of one vendor, by key or region: a bad one condemns no other; a vendor that fails everywhere is found."""

from __future__ import annotations

from headgate.core.errors import UpstreamError
from headgate.core.snapshot import Route
from headgate.routing.breaker import STREAK
from tests.routing.scripted import GOOD, House, Reply
from tests.support.world import run

DOWN = Reply(b"overloaded", status=503)
REFUSED = Reply(b"auth_failed", status=401)
CALLS = 40


def tries(house: House) -> dict[str, int]:
    """Requests by host."""
    hosts = house.transport.hosts()
    return {host: hosts.count(host) for host in dict.fromkeys(hosts)}


async def calls(house: House, route: Route, count: int = CALLS) -> int:
    """How many of so many calls, a hundred a second, were answered."""
    answered = 0
    for _ in range(count):
        answered += (await house.ask(route)).error is None
        house.clock.advance(0.01)
    return answered


def test_one_bad_account_condemns_no_other_of_its_vendor() -> None:
    """`a` and `b` are keys of one vendor, `c` is another vendor."""

    async def play() -> None:
        house = House()
        house.script("a", DOWN)
        house.script("b", Reply(GOOD))
        house.script("c", Reply(GOOD))
        assert await calls(house, house.route("a", "b", "c")) == CALLS
        assert tries(house) == {"a.m": STREAK, "b.m": CALLS}
        assert house.routing.health.healthy(house.target("b"))
        assert [whom for whom, _ in house.routing.health.held()] == ["a/m"]

    run(play())


def test_a_region_that_is_gone_takes_its_models_along_and_no_other_region() -> None:
    async def play() -> None:
        house = House()
        for name in ("a", "a.x"):
            house.script(name, UpstreamError("connect_failed", "scripted"))
        for name in ("b", "b.x"):
            house.script(name, Reply(GOOD))
        assert await calls(house, house.route("a", "b")) == CALLS
        assert await calls(house, house.route("a.x", "b.x")) == CALLS
        assert "a.x" not in tries(house)
        assert tries(house)["a.m"] == STREAK
        assert [whom for whom, _ in house.routing.health.held()] == ["a"]

    run(play())


def test_a_key_that_is_refused_is_asked_once_and_the_vendors_other_key_answers() -> None:
    async def play() -> None:
        house = House()
        house.script("a", REFUSED)
        house.script("a.x", REFUSED)
        house.script("b", Reply(GOOD))
        assert await calls(house, house.route("a", "b")) == CALLS
        assert await calls(house, house.route("a.x", "b")) == CALLS
        assert tries(house) == {"a.m": 1, "b.m": 2 * CALLS}

    run(play())


def test_where_every_key_is_refused_each_is_asked_once_and_the_other_vendor_answers() -> None:
    async def play() -> None:
        house = House()
        house.script("a", REFUSED)
        house.script("b", REFUSED)
        house.script("c", Reply(GOOD))
        assert await calls(house, house.route("a", "b", "c")) == CALLS
        assert tries(house) == {"a.m": 1, "b.m": 1, "c.m": CALLS}
        assert sorted(whom for whom, _ in house.routing.health.held()) == ["a", "b"]

    run(play())


def test_where_nobody_has_a_good_key_the_client_is_told_so_and_nobody_is_hammered() -> None:
    async def play() -> None:
        house = House()
        house.script("a", REFUSED)
        house.script("b", REFUSED)
        route = house.route("a", "b")
        told = await house.ask(route)
        assert told.upstream.kind == "auth_failed"
        assert await calls(house, route) == 0
        assert len(house.transport.hosts()) <= (CALLS + 1) * 1.2

    run(play())


def test_a_vendor_that_fails_with_every_key_is_found_within_a_few_calls() -> None:
    async def play() -> None:
        house = House()
        house.script("a", DOWN)
        house.script("b", DOWN)
        house.script("c", Reply(GOOD))
        assert await calls(house, house.route("a", "b", "c")) == CALLS
        assert tries(house) == {"a.m": STREAK, "b.m": STREAK, "c.m": CALLS}

    run(play())
