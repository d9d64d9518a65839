"""Models that retire, and prices with dates."""

from __future__ import annotations

import re
from datetime import date

import pytest

from headgate.core.errors import UpstreamError
from headgate.routing import Account, Catalogue, Life, Lifecycle, Row, Targets, TierTable, shipped
from headgate.routing.catalogue import DatedPrice
from headgate.routing.lifecycle import LifeRow
from tests.routing.scripted import GOOD, House, LineEndpoint, Reply
from tests.support.world import run

ROWS = [
    LifeRow("openai", ["old", "older*"], "2026-10-23", "new"),
    LifeRow("openai", ["lonely"], "2026-10-23"),
    LifeRow("openai", ["soon"], "2026-12-11", "new"),
]
ACCOUNT = Account(LineEndpoint("work", "one"), "openai")


def targets(today: str, account: Account = ACCOUNT) -> Targets:
    rows = [Row("openai", name, [name], 1.0, 2.0) for name in ("old", "lonely", "soon", "new")]
    return Targets([account], Catalogue(rows, "2026-11-25", today), Lifecycle(ROWS), today)


@pytest.mark.parametrize(
    ("name", "today", "served", "stands_for", "follows"),
    [
        ("old", "2026-10-22", "old", None, "new"),
        ("old", "2026-10-23", "new", "old, retired 2026-10-23", None),
        ("old-2024-05-13", "2026-10-23", "new", "old-2024-05-13, retired 2026-10-23", None),
        ("older-still", "2027-01-01", "new", "older-still, retired 2026-10-23", None),
        ("lonely", "2027-01-01", "lonely", None, None),
        ("soon", "2026-11-25", "soon", None, "new"),
        ("new", "2027-01-01", "new", None, None),
    ],
)
def test_after_its_day_the_successor_stands_in(
    name: str, today: str, served: str, stands_for: str | None, follows: str | None
) -> None:
    target = targets(today).target("work", name)
    assert target is not None
    assert (target.model, target.stands_for) == (served, stands_for)
    assert (None if target.successor is None else target.successor.model) == follows
    assert target.provider == "work"


def test_what_an_account_states_wins() -> None:
    account = Account(ACCOUNT.endpoint, "openai", lives={"old": Life("2099-01-01", "lonely")})
    target = targets("2026-11-25", account).target("work", "old")
    assert target is not None
    assert (target.model, target.retires) == ("old", "2099-01-01")


def test_a_model_that_is_gone_early_is_followed_by_its_successor_first() -> None:
    async def play() -> None:
        house = House()
        follows = house.target("a.new")
        house.script("a.soon", Reply(b"model_gone", status=404))
        house.script("a.new", Reply(GOOD))
        house.script("b", Reply(GOOD))
        told = await house.ask(house.route(house.target("a.soon", successor=follows, retires="2026-12-11"), "b"))
        assert [(one.provider, one.model, one.outcome) for one in told.record.attempts] == [
            ("a", "soon", "failed"), ("a", "new", "ok"),
        ]  # fmt: skip
        assert "successor" in told.record.attempts[1].why

    run(play())


def test_a_successor_is_not_asked_for_other_failures() -> None:
    async def play() -> None:
        house = House()
        house.script("a.soon", UpstreamError("connect_failed", "scripted"))
        house.script("a.new", Reply(GOOD))
        house.script("b", Reply(GOOD))
        told = await house.ask(house.route(house.target("a.soon", successor=house.target("a.new")), "b"))
        assert told.outcomes[-1][0] == "b"

    run(play())


def test_who_stands_in_is_told_in_the_attempt() -> None:
    async def play() -> None:
        house = House()
        house.script("a.new", Reply(GOOD))
        told = await house.ask(house.route(house.target("a.new", stands_for="old, retired 2026-10-23")))
        assert told.record.attempts[0].why.endswith("in the place of old, retired 2026-10-23")

    run(play())


@pytest.mark.parametrize(("today", "found"), [("2026-11-30", 1.0), ("2026-12-01", 3.0), ("2027-06-01", 5.0)])
def test_a_price_holds_from_its_day_on(today: str, found: float) -> None:
    later = [DatedPrice("2027-01-01", 5.0, 6.0), DatedPrice("2026-12-01", 3.0, 4.0)]
    catalogue = Catalogue([Row("openai", "m", ["m"], 1.0, 2.0, later=later)], "", today)
    facts = catalogue.find("openai", "m")
    assert facts is not None
    assert facts.price is not None
    assert facts.price.input == found
    assert sorted(catalogue.dates) == ["2026-12-01", "2027-01-01"]


def test_what_ships_is_sound() -> None:
    lives, names = Lifecycle.load(), {(row.provider, row.model) for row in shipped().models}
    assert lives.sources.keys() == {"openai", "anthropic", "google"}
    assert all(url.startswith("https://") for url in lives.sources.values())
    catalogue = Catalogue.load()
    for row in lives.rows:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", row.retires)
        date.fromisoformat(row.retires)
        if row.successor is not None:
            assert catalogue.find(row.provider, row.successor) is not None, row.successor
            end = lives.find(row.provider, row.successor)
            assert end is None or end.retires > row.retires
    peers = [peer for kind in ("openai", "anthropic", "google") for peer in TierTable.load().peers(kind, "gpt-4o")]
    assert names
    assert all(lives.find(kind, model) is None for kind, model in peers)
