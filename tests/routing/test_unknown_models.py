"""A model nobody knows: its provider's 404 goes to the client, where a known one that was retired is stood in for."""

from __future__ import annotations

from headgate.routing import Account, Catalogue, DirectModels, Facts, Targets, TierTable
from tests.routing.scripted import GOOD, House, LineEndpoint, Reply
from tests.support.world import run

GONE = Reply(b"model_gone", status=404)


def test_a_wrong_name_is_told_and_nobody_stands_in_however_often_it_is_asked() -> None:
    async def play() -> None:
        house = House()
        house.script("a.gpt-zzzz", GONE)
        house.script("b", Reply(GOOD))
        for _ in range(3):
            told = await house.ask(house.route(house.target("a.gpt-zzzz", known=False), "b"))
            assert (told.upstream.kind, told.upstream.status) == ("model_gone", 404)
            assert told.outcomes == [("a", "failed", "model_gone")]
            assert [skipped.provider for skipped in told.record.skipped] == ["b"]

    run(play())


def test_the_same_name_may_be_known_to_another_account() -> None:
    async def play() -> None:
        house = House()
        house.script("a.ft", GONE)
        house.script("b.ft", Reply(GOOD))
        unknown = [house.target(name, known=False) for name in ("a.ft", "b.ft")]
        told = await house.ask(house.route(*unknown, "c"))
        assert told.answer == GOOD
        assert told.record.provider == "b"

    run(play())


def test_a_known_model_that_was_retired_is_stood_in_for() -> None:
    async def play() -> None:
        house = House()
        house.script("a", GONE)
        house.script("b", Reply(GOOD))
        told = await house.ask(house.route("a", "b"))
        assert told.record.provider == "b"

    run(play())


def test_an_unknown_model_whose_provider_is_down_is_stood_in_for() -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"overloaded", status=503))
        house.script("b", Reply(GOOD))
        told = await house.ask(house.route(house.target("a", known=False), "b"))
        assert told.record.provider == "b"

    run(play())


def test_known_is_what_the_catalogue_or_the_settings_name() -> None:
    account = Account(LineEndpoint("openai", "one"), "openai", {"mine": Facts()})
    direct = DirectModels(Targets([account], Catalogue.load()), TierTable.load())
    known: dict[str, bool] = {}
    for name in ("gpt-5-mini", "mine", "gpt-zzzz"):
        route = direct.route(name)
        assert route is not None
        known[name] = route.targets[0].known
    assert known == {"gpt-5-mini": True, "mine": True, "gpt-zzzz": False}
