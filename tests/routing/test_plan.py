"""Who is a candidate, in which order and why; what is estimated."""

from __future__ import annotations

import pytest

from headgate.core.errors import CannotCarry, UpstreamError
from headgate.core.record import SkipRecord
from headgate.core.stages import Planned, Screened
from headgate.core.types import Price, Usage, money
from tests.routing.scripted import House


def providers(planned: Planned) -> list[str]:
    return [candidate.target.provider for candidate in planned.candidates]


def skipped(screened: Screened) -> list[SkipRecord]:
    return screened.grounded.prompted.selected.admitted.call.record.skipped


def test_the_usual_plan_is_the_route_with_reasons() -> None:
    house = House()
    screened = house.screened(house.route("a", "b", "c"))
    planned = house.routing.plan(screened)
    assert providers(planned) == ["a", "b", "c"]
    assert [candidate.why for candidate in planned.candidates] == [
        "the model asked for",
        "fallback 1 of the tier table",
        "fallback 2 of the tier table",
    ]
    assert skipped(screened) == []


def test_routes_with_the_same_address_in_memory_are_not_confused() -> None:
    house = House()
    for _ in range(50):
        for names in (("a", "b"), ("b", "a"), ("c",)):
            assert providers(house.routing.plan(house.screened(house.route(*names)))) == list(names)


def test_estimates_are_the_worst_case_of_the_first_candidate() -> None:
    house = House()
    priced = house.target("a", price=Price(1.0, 10.0), max_output=500)
    planned = house.routing.plan(house.screened(house.route(priced), chars=4000))
    assert planned.input_tokens == 1001
    assert planned.output_tokens == 500
    assert planned.estimate_usd == pytest.approx((1001 * 1 + 500 * 10) / 1e6)
    planned = house.routing.plan(house.screened(house.route(priced), max_tokens=100, choices=3))
    assert planned.output_tokens == 300
    assert house.routing.plan(house.screened(house.route("b"))).estimate_usd is None


def test_a_prompt_and_its_context_count_as_input() -> None:
    house = House()
    screened = house.screened(house.route("a"), chars=400)
    longer = Screened(screened.grounded, screened.body + b" " * 4000)
    assert house.routing.plan(screened).input_tokens == 101
    assert house.routing.plan(longer).input_tokens == 1101


def test_a_window_that_is_too_small_is_skipped_with_the_reason() -> None:
    house = House()
    route = house.route(house.target("a", context=100), house.target("b"), house.target("c", context=5000))
    screened = house.screened(route, chars=4000)
    assert providers(house.routing.plan(screened)) == ["b", "c"]
    assert [skip.why for skip in skipped(screened)] == [
        "its window of 100 tokens is too small for about 1001 tokens of input"
    ]


def test_where_every_window_seems_too_small_the_largest_judges_itself() -> None:
    house = House()
    route = house.route(house.target("a", context=100), house.target("b", context=200))
    assert providers(house.routing.plan(house.screened(route, chars=4000))) == ["b"]


def test_abilities_decide_who_can_take_it() -> None:
    house = House()
    blind = house.target("a", abilities=frozenset({"tools"}))
    screened = house.screened(house.route(blind, "b"), say="picture")
    assert providers(house.routing.plan(screened)) == ["b"]
    assert [skip.why for skip in skipped(screened)] == ["cannot take images"]
    assert providers(house.routing.plan(house.screened(house.route(blind, "b")))) == ["a", "b"]
    with pytest.raises(CannotCarry, match="images"):
        house.routing.plan(house.screened(house.route(blind), say="picture"))
    seeing = house.target("a", abilities=frozenset({"images"}))
    assert providers(house.routing.plan(house.screened(house.route(seeing), say="picture"))) == ["a"]


def test_what_only_its_own_dialect_can_say_is_left_to_the_target() -> None:
    house = House()
    blind = house.target("a", abilities=frozenset[str]())
    assert providers(house.routing.plan(house.screened(house.route(blind), say="private"))) == ["a"]


def test_a_target_that_failed_goes_last_and_the_record_says_why() -> None:
    house = House()
    route = house.route("a", "b")
    house.routing.health.failed(route.targets[0], UpstreamError("overloaded", "x", cool_s=8))
    house.clock.advance(1.0)
    screened = house.screened(route)
    planned = house.routing.plan(screened)
    assert providers(planned) == ["b", "a"]
    (skip,) = skipped(screened)
    assert skip.provider == "a"
    assert skip.why.startswith("put last: it failed 1.0 s ago (overloaded) and is left alone for 7.")
    assert planned.candidates[1].why.startswith("last resort: it failed 1.0 s ago")


def test_where_all_failed_the_one_due_soonest_is_asked() -> None:
    house = House()
    route = house.route("a", "b")
    house.routing.health.failed(route.targets[0], UpstreamError("overloaded", "x", cool_s=30))
    house.routing.health.failed(route.targets[1], UpstreamError("overloaded", "x", cool_s=5))
    screened = house.screened(route)
    assert providers(house.routing.plan(screened)) == ["b", "a"]
    assert skipped(screened) == []


def test_long_calls_cost_the_long_price_from_the_first_token() -> None:
    price = Price(1.0, 2.0, 0.1, 1.5, long_over=1000, long=Price(2.0, 4.0, 0.2, 3.0))
    assert money(price, Usage(1000, 10)) == pytest.approx((1000 * 1 + 10 * 2) / 1e6)
    assert money(price, Usage(1001, 10)) == pytest.approx((1001 * 2 + 10 * 4) / 1e6)
    assert money(price, Usage(1001, 10, cached=1000)) == pytest.approx((1 * 2 + 1000 * 0.2 + 10 * 4) / 1e6)
    assert money(Price(1.0, 2.0, long_over=10, long=Price()), Usage(11, 1)) is None


def test_a_fallback_that_failed_is_no_news_while_the_first_choice_is_well() -> None:
    house = House()
    route = house.route("a", "b")
    house.routing.health.failed(route.targets[1], UpstreamError("overloaded", "x"))
    screened = house.screened(route)
    assert providers(house.routing.plan(screened)) == ["a", "b"]
    assert skipped(screened) == []
