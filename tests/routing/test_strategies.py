"""Strategies: every file of the folder holds what a strategy promises; each one's own order and words."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError, UpstreamError
from headgate.core.snapshot import Route, Target
from headgate.core.stages import Planned
from headgate.core.types import ArtifactRef, Json, JsonObject, Price
from headgate.routing import loading
from headgate.routing.compile import compile_route
from headgate.routing.pace import LEARNED_MIN
from headgate.routing.strategies.best import SCORED_FOR
from headgate.routing.strategy import EXPECTED_OUTPUT, StrategicRoute
from tests.routing.scripted import GOOD, House, Reply
from tests.routing.test_learned import MODEL, tiny
from tests.support.world import run

PRICES = {"a": Price(1.0, 10.0), "b": Price(3.0, 3.0), "c": None}
OPTIONS: dict[str, JsonObject] = {
    "weighted": {"weights": {"a/m": 1, "b/m": 1}},
    "learned": {
        "model": MODEL, "default": "words", "classes": {"code": ["a/m", "b/m"], "words": ["b/m", "c/m"]},
    },
}  # fmt: skip


class Factory:
    """Targets of a house by name, at stated prices."""

    def __init__(
        self, house: House, prices: dict[str, Price | None] = PRICES, facts: dict[str, dict[str, object]] | None = None
    ) -> None:
        self.house = house
        self.prices = prices
        self.facts = facts or {}

    def providers(self) -> list[str]:
        return ["a", "b", "c"]

    def target(self, provider: str, model: str) -> Target | None:
        if provider not in self.house.endpoints:
            return None
        return self.house.target(f"{provider}.{model}", price=self.prices.get(provider), **self.facts.get(provider, {}))


def compiled(
    house: House,
    content: JsonObject,
    prices: dict[str, Price | None] = PRICES,
    facts: dict[str, dict[str, object]] | None = None,
) -> Route:
    document = Artifact(ArtifactRef("route", "r", "1.0.0", ""), content, file="r.yaml", lines={"": 1})
    return compile_route(
        document, Factory(house, prices, facts), lambda wanted: tiny() if wanted == MODEL[6:] else None
    )


def routed(house: House, strategy: Json, targets: list[Json] | None = None, **more: Json) -> Route:
    return compiled(house, {"targets": targets or ["a/m", "b/m", "c/m"], "strategy": strategy, **more})


def order(planned: Planned) -> str:
    return "".join(candidate.target.provider for candidate in planned.candidates)


def plan(house: House, route: Route, **asked: object) -> Planned:
    return house.routing.plan(house.screened(route, **asked))  # type: ignore[arg-type]


def answered(house: House, route: Route, name: str, us: int) -> None:
    """So many good streamed answers that the target's pace is known."""
    paces = house.routing._means.paces  # pyright: ignore[reportPrivateUsage]
    target = next(target for target in route.targets if target.provider == name)
    for _ in range(LEARNED_MIN):
        paces.answered(target, us, us, None, 0)


# -- what holds for each of them


@pytest.mark.parametrize("name", loading.names())
def test_a_strategy_names_every_target_once_with_a_reason_and_health_comes_after_it(name: str) -> None:
    house = House()
    route = routed(house, {"name": name, **OPTIONS.get(name, {})})
    for stream in (True, False):
        planned = plan(house, route, stream=stream)
        found = [str(candidate.target) for candidate in planned.candidates]
        assert found
        assert len(set(found)) == len(found)
        assert set(found) <= {str(target) for target in route.targets}
        assert all(candidate.why for candidate in planned.candidates)
        assert not any(candidate.held for candidate in planned.candidates)
    first = plan(house, route).candidates[0].target
    house.routing.health.failed(first, UpstreamError("overloaded", "x", cool_s=60))
    held = plan(house, route).candidates
    if len(held) > 1:
        assert held[-1].target == first
        assert held[-1].held


@pytest.mark.parametrize("name", loading.names())
def test_a_strategy_decides_alike_from_the_same_seed(name: str) -> None:
    told: list[list[str]] = []
    for _ in range(2):
        house = House()
        route = routed(house, {"name": name, **OPTIONS.get(name, {})})
        told.append([order(plan(house, route)) for _ in range(50)])
    assert told[0] == told[1]


@pytest.mark.parametrize("name", loading.names())
def test_a_strategy_refuses_options_it_does_not_have(name: str) -> None:
    with pytest.raises(ConfigError, match="has no option `colour`"):
        routed(House(), {"name": name, **OPTIONS.get(name, {}), "colour": "red"})


def test_an_ordered_route_is_the_plain_route_and_an_unknown_strategy_a_mistake() -> None:
    house = House()
    assert type(routed(house, "ordered")) is Route
    assert type(routed(house, "cheapest")) is StrategicRoute
    with pytest.raises(ConfigError, match="no strategy `dearest`"):
        routed(house, "dearest")
    with pytest.raises(ConfigError, match=r"no strategy `\.\./x`"):
        routed(house, "../x")
    with pytest.raises(ConfigError, match="needs a name"):
        routed(house, 7)


# -- cheapest


def test_the_cheapest_depends_on_the_size_of_the_call_and_an_unknown_price_goes_last() -> None:
    house = House()
    route = routed(house, "cheapest")
    # a: 1 in, 10 out; b: 3 in, 3 out
    assert order(plan(house, route, chars=400)) == "bac"
    assert order(plan(house, route, chars=400_000)) == "abc"
    assert order(plan(house, route, chars=4000, max_tokens=10)) == "abc"
    planned = plan(house, route, chars=400)
    assert planned.candidates[0].why == (
        "the cheapest of 3 in route/r@1.0.0 for a call of this size: $3 in, $3 out per million tokens"
    )
    assert planned.candidates[2].why.startswith("its price is unknown")


def test_a_limit_above_the_expected_length_changes_nothing() -> None:
    house = House()
    route = routed(house, "cheapest")
    assert order(plan(house, route, max_tokens=EXPECTED_OUTPUT * 100)) == order(plan(house, route))


def test_a_changed_price_reorders_the_next_call() -> None:
    house = House()
    content: JsonObject = {"targets": ["a/m", "b/m"], "strategy": "cheapest"}
    assert order(plan(house, compiled(house, content), chars=400)) == "ba"
    assert order(plan(house, compiled(house, content, {**PRICES, "b": Price(3.0, 30.0)}), chars=400)) == "ab"


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=3, max_size=3), st.integers(4, 10**6))
def test_the_order_is_that_of_the_estimated_cost(rates: list[tuple[float, float]], chars: int) -> None:
    house = House()
    prices: dict[str, Price | None] = {name: Price(*pair) for name, pair in zip("abc", rates, strict=True)}
    route = compiled(house, {"targets": ["a/m", "b/m", "c/m"], "strategy": "cheapest"}, prices)
    planned = plan(house, route, chars=chars)
    costs = [
        planned.input_tokens * price.input + EXPECTED_OUTPUT * price.output
        for candidate in planned.candidates
        if (price := candidate.target.price) is not None and price.input is not None and price.output is not None
    ]
    assert costs == pytest.approx(sorted(costs))


# -- fastest


def test_the_fastest_is_learned_and_who_is_unknown_keeps_its_place_behind() -> None:
    house = House()
    route = routed(house, {"name": "fastest", "explore": 0})
    assert order(plan(house, route)) == "abc"
    answered(house, route, "a", 900_000)
    answered(house, route, "c", 200_000)
    planned = plan(house, route)
    assert order(planned) == "cab"
    assert planned.candidates[0].why.startswith("the fastest in route/r@1.0.0: usually at most 262 ms")
    assert "not been learned" in planned.candidates[2].why
    assert order(plan(house, route, stream=False)) == "abc"


def test_the_others_are_tried_now_and_then() -> None:
    house = House()
    route = routed(house, {"name": "fastest", "explore": 0.2})
    firsts = Counter(plan(house, route).candidates[0].target.provider for _ in range(2000))
    assert 1500 < firsts["a"] < 1700
    assert abs(firsts["b"] - firsts["c"]) < 100
    whys = {plan(house, route).candidates[0].why for _ in range(100)}
    assert "asked now and then, to learn how fast it is" in whys


# -- weighted


def test_calls_are_shared_out_by_weight() -> None:
    house = House()
    route = routed(house, {"name": "weighted", "weights": {"a/m": 3, "b/m": 1, "c/m": 0}})
    firsts = Counter(order(plan(house, route)) for _ in range(2000))
    assert set(firsts) == {"abc", "bac"}
    assert 1400 < firsts["abc"] < 1600
    assert "75.0%" in next(p for _ in range(99) if order(p := plan(house, route)) == "abc").candidates[0].why


def test_a_unit_stays_where_it_is_and_units_are_shared_out() -> None:
    house = House()
    sticky = routed(house, {"name": "weighted", "weights": {"a/m": 1, "b/m": 1, "c/m": 0}, "sticky": "header:X-Unit"})
    assert len({order(plan(house, sticky)) for _ in range(60)}) == 2  # no header: drawn
    seen: Counter[str] = Counter()
    sticky = routed(house, {"name": "weighted", "weights": {"a/m": 1, "b/m": 1, "c/m": 0}, "sticky": "header:x-unit"})
    for unit in range(400):
        orders: set[str] = set()
        for _ in range(2):
            screened = house.screened(sticky)
            screened.grounded.prompted.selected.admitted.call.headers = [(b"x-unit", str(unit).encode())]
            orders.add(order(house.routing.plan(screened)))
        assert len(orders) == 1
        seen.update(orders)
    assert 150 < seen["abc"] < 250
    by_key = routed(house, {"name": "weighted", "weights": {"a/m": 1, "b/m": 1}, "sticky": "key"}, ["a/m", "b/m"])
    assert len({order(plan(house, by_key)) for _ in range(60)}) == 1


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({}, "needs `weights`"),
        ({"weights": {"x/m": 1}}, "no target here"),
        ({"weights": {"a/m": -1}}, "is -1"),
        ({"weights": {"a/m": "much"}}, "not a number"),
        ({"weights": {"a/m": 0, "b/m": 0, "c/m": 0}}, "weighs 0"),
        ({"weights": {"a/m": 1}, "sticky": "moon"}, "`sticky` is not understood"),
        ({"weights": {"a/m": 1}, "sticky": "header:"}, "`sticky` is not understood"),
    ],
)
def test_mistakes_in_weights_are_told(options: JsonObject, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        routed(House(), {"name": "weighted", **options})


# -- best


def test_the_best_weighs_success_pace_and_cost() -> None:
    house = House()
    route = routed(house, {"name": "best", "explore": 0, "weights": {"success": 1, "latency": 0, "cost": 0}})
    house.script("a", UpstreamError("overloaded", "x"))
    house.script("b", Reply(GOOD))

    async def calls() -> None:
        for _ in range(3):
            await house.ask(route)

    assert order(plan(house, route)) == "abc"
    run(calls())
    house.clock.advance(3600.0)  # trouble is forgotten, the share of good answers is not
    orders = [order(plan(house, route)) for _ in range(SCORED_FOR)]
    assert orders[-1] == "bca"
    by_cost = routed(house, {"name": "best", "explore": 0, "weights": {"success": 0, "latency": 0}})
    planned = plan(house, by_cost, chars=400)
    assert order(planned) == "bac"
    assert planned.candidates[0].why == "number 1 of route/r@1.0.0 by success, pace and cost: score 1.00 of 1"
    by_pace = routed(house, {"name": "best", "explore": 0, "weights": {"success": 0, "cost": 0}})
    answered(house, by_pace, "c", 100_000)
    answered(house, by_pace, "b", 900_000)
    assert order(plan(house, by_pace)) == "cab"
    with pytest.raises(ConfigError, match="no part `beauty`"):
        routed(house, {"name": "best", "weights": {"beauty": 1}})


# -- rules


RULES: list[Json] = [
    {"when": {"tools": True}, "targets": ["c/m"]},
    {"when": {"input_tokens_over": 1000, "stream": True}, "targets": ["b/m", "a/m"]},
    {"when": {"header": {"x-plan": "free"}}, "strategy": "cheapest"},
    {"when": {"prompt": "support/summarise"}, "targets": ["b/m"]},
]


def test_the_first_rule_that_holds_decides() -> None:
    house = House()
    route = compiled(house, {"targets": ["a/m", "b/m", "c/m"], "rules": RULES})
    assert order(plan(house, route)) == "abc"
    assert plan(house, route).candidates[0].why == "no rule of route/r@1.0.0 holds: its first choice"
    assert order(plan(house, route, chars=8000)) == "ba"
    assert plan(house, route, chars=8000).candidates[0].why == "rule 2 of route/r@1.0.0 holds"
    assert order(plan(house, route, chars=8000, stream=False)) == "abc"
    screened = house.screened(route)
    screened.grounded.prompted.selected.admitted.call.headers = [(b"x-plan", b"free")]
    planned = house.routing.plan(screened)
    assert order(planned) == "bac"
    assert "in rule 3" in planned.candidates[0].why


@pytest.mark.parametrize(
    ("rules", "wrong"),
    [
        ([], "no list of rules"),
        ([{"when": {"tools": True}}], "needs `when`, and"),
        ([{"targets": ["a/m"]}], "needs `when`, and"),
        ([{"when": {}, "targets": ["a/m"]}], "needs `when`"),
        ([{"when": {"moon": "full"}, "targets": ["a/m"]}], "no condition `moon`"),
        ([{"when": {"dialect": "latin"}, "targets": ["a/m"]}], "no dialect `latin`"),
        ([{"when": {"tools": "yes"}, "targets": ["a/m"]}], "neither true nor false"),
        ([{"when": {"input_tokens_over": -1}, "targets": ["a/m"]}], "no number of tokens"),
        ([{"when": {"prompt": "/x"}, "targets": ["a/m"]}], "no app before"),
        ([{"when": {"header": {}}, "targets": ["a/m"]}], "`header` is not understood"),
        ([{"when": {"tools": True}, "targets": ["x/m", "x/m"]}], "listed twice"),
        ([{"when": {"tools": True}, "targets": ["a/m"], "then": 1}], "has no `then`"),
    ],
)
def test_mistakes_in_rules_are_told(rules: list[Json], wrong: str) -> None:
    house = House()
    house.endpoints["x"] = house.endpoints["a"]
    with pytest.raises(ConfigError, match=wrong):
        compiled(house, {"targets": ["a/m"], "rules": rules})
