"""A provider's name must not lead to what only we can reach."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from headgate.core.errors import UpstreamError
from headgate.core.types import Origin
from headgate.wire.addresses import permitted
from headgate.wire.resolver import ENTRIES_MAX, Resolver
from tests.support.world import ManualClock, run

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"]
PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "0.0.0.0", "::", "::1",
    "169.254.1.1", "fe80::1", "fd12:3456::1", "100.64.0.1", "192.0.2.1", "198.18.0.1", "240.0.0.1", "255.255.255.255",
    "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    "2002:a00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "fec0::1",
]  # fmt: skip
NEVER = ["169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254", "::ffff:169.254.169.254",
         "64:ff9b::a9fe:a9fe", "224.0.0.1", "ff02::1"]  # fmt: skip
NUMBERS = ["2130706433", "0x7f000001", "127.1", "0x7f.1", "0177.0.0.1", "127.0.0.0x1", "017700000001", "1.2.3.4.5",
           "010.0.0.1", "127.0.0.1."]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    assert permitted(address, False)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_need_the_flag(address: str) -> None:
    assert not permitted(address, False)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "fd12:3456::1", "::ffff:10.0.0.1"])
def test_the_flag_opens_private_networks(address: str) -> None:
    assert permitted(address, True)


@pytest.mark.parametrize("address", NEVER)
def test_no_flag_opens_metadata_services(address: str) -> None:
    assert not permitted(address, True)
    assert not permitted(address, False)


class Names:
    """A name server of a few names; `None` never answers."""

    def __init__(self, **names: Sequence[str]) -> None:
        self.names = names
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        found = self.names.get(host.partition(".")[0])
        if found is None:
            raise OSError("no such name")
        return found


def origin(host: str, allow_private: bool = False) -> Origin:
    return Origin("https", host, 443, allow_private)


def kind(host: str, names: Names, allow_private: bool = False) -> str:
    with pytest.raises(UpstreamError) as caught:
        run(Resolver(ManualClock(), names).resolve(origin(host, allow_private), 3.0))
    assert host not in caught.value.message
    return caught.value.kind


@pytest.mark.parametrize("host", [*PRIVATE, *NEVER, "[::1]"])
def test_literals_are_checked_without_a_look_up(host: str) -> None:
    names = Names()
    assert kind(host, names) == "address_refused"
    assert names.asked == []


@pytest.mark.parametrize("host", NUMBERS)
def test_numbers_that_resolvers_would_read_as_addresses_are_refused_whatever_the_flag(host: str) -> None:
    names = Names()
    assert kind(host, names) == "address_refused"
    assert kind(host, names, True) == "address_refused"
    assert names.asked == []


def test_a_public_name_that_points_inside_is_refused() -> None:
    assert kind("inside.example", Names(inside=["10.0.0.1", "::1"])) == "address_refused"


def test_of_a_mixed_answer_only_the_public_part_is_used() -> None:
    async def ask() -> list[str]:
        return await Resolver(ManualClock(), Names(mixed=["10.0.0.1", "8.8.8.8"])).resolve(origin("mixed.example"), 3)

    assert run(ask()) == ["8.8.8.8"]


def test_unknown_names_fail_as_such() -> None:
    assert kind("nowhere.example", Names()) == "dns_failed"
    assert kind("empty.example", Names(empty=[])) == "dns_failed"


def test_answers_are_kept_for_a_while_and_pinned() -> None:
    async def ask() -> None:
        clock = ManualClock()
        names = Names(api=["8.8.8.8"])
        resolver = Resolver(clock, names)
        assert await resolver.resolve(origin("api.example"), 3) == ["8.8.8.8"]
        names.names = {"api": ["127.0.0.1"]}  # rebinding within the life of the answer
        assert await resolver.resolve(origin("api.example"), 3) == ["8.8.8.8"]
        clock.advance(31)
        with pytest.raises(UpstreamError) as caught:
            await resolver.resolve(origin("api.example"), 3)
        assert caught.value.kind == "address_refused"
        resolver.forget("api.example")
        names.names = {"api": ["1.1.1.1"]}
        assert await resolver.resolve(origin("api.example"), 3) == ["1.1.1.1"]

    run(ask())


def test_the_cache_is_bounded() -> None:
    async def ask() -> None:
        class Any(Names):
            async def __call__(self, host: str) -> Sequence[str]:
                return ["8.8.8.8"]

        resolver = Resolver(ManualClock(), Any())
        for number in range(ENTRIES_MAX * 2):
            await resolver.resolve(origin(f"h{number}.example"), 3)
        assert len(resolver._cache) == ENTRIES_MAX  # type: ignore[reportPrivateUsage]

    run(ask())


def test_a_silent_name_server_is_given_up() -> None:
    async def ask() -> str:
        clock = ManualClock()

        async def silent(host: str) -> Sequence[str]:
            await asyncio.Event().wait()
            return []

        task = asyncio.ensure_future(Resolver(clock, silent).resolve(origin("api.example"), 3))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        clock.advance(3)
        with pytest.raises(UpstreamError) as caught:
            await task
        return caught.value.kind

    assert run(ask()) == "connect_timeout"


def test_a_failing_name_server_leaves_the_last_answer_in_force_for_a_while() -> None:
    async def ask() -> None:
        clock = ManualClock()
        names = Names(api=["8.8.8.8"])
        resolver = Resolver(clock, names)
        await resolver.resolve(origin("api.example"), 3)
        names.names = {}
        clock.advance(600)
        assert await resolver.resolve(origin("api.example"), 3) == ["8.8.8.8"]
        assert len(names.asked) == 2
        clock.advance(31)
        with pytest.raises(UpstreamError) as caught:
            await resolver.resolve(origin("api.example"), 3)
        assert caught.value.kind == "dns_failed"

    run(ask())


def test_many_callers_share_one_look_up_and_one_that_leaves_takes_nobody_along() -> None:
    async def ask() -> None:
        asked: list[str] = []
        go = asyncio.Event()

        async def slow(host: str) -> Sequence[str]:
            asked.append(host)
            await go.wait()
            return ["8.8.8.8"]

        resolver = Resolver(ManualClock(), slow)
        tasks = [asyncio.ensure_future(resolver.resolve(origin("api.example"), 3)) for _ in range(5)]
        for _ in range(5):
            await asyncio.sleep(0)
        tasks[0].cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        go.set()
        assert await asyncio.gather(*tasks[1:]) == [["8.8.8.8"]] * 4
        assert tasks[0].cancelled()
        assert asked == ["api.example"]

    run(ask())
