"""A learned route: the class decides whom to ask, doubt takes the default, and the record says so."""

from __future__ import annotations

import pytest

from headgate.core.errors import ConfigError
from headgate.core.record import CallRecord, RoutedRecord
from headgate.core.stages import Planned
from headgate.core.types import JsonObject
from headgate.telemetry.explain import explain
from tests.routing.scripted import House
from tests.routing.test_learned import MODEL
from tests.routing.test_strategies import compiled, order

CLASSES: JsonObject = {"code": ["a/m", "b/m"], "words": ["c/m"]}
LEARNED: JsonObject = {"name": "learned", "model": MODEL, "classes": CLASSES, "default": "code", "min_confidence": 0.7}


def asked(say: str) -> tuple[Planned, CallRecord]:
    house = House()
    screened = house.screened(compiled(house, {"strategy": LEARNED}), say=say)
    return house.routing.plan(screened), screened.grounded.prompted.selected.admitted.call.record


@pytest.mark.parametrize(
    ("say", "providers", "routed", "why"),
    [
        ("a poem", "c", RoutedRecord("learned", "words", "words", 0.982, MODEL), "class `words`: model/tiny@1.0.0 is"),
        ("a function", "ab", RoutedRecord("learned", "code", "code", 0.982, MODEL), "is 98% sure"),
        ("hello", "ab", RoutedRecord("learned", "code", "code", 0.5, MODEL), "only 50% sure of `code`"),
        ("private", "ab", RoutedRecord("learned", "code", model=MODEL), "cannot read"),
    ],
)
def test_the_class_decides(say: str, providers: str, routed: RoutedRecord, why: str) -> None:
    planned, record = asked(say)
    assert order(planned) == providers
    assert record.routed == routed
    assert why in planned.candidates[0].why
    record.outcome = "ok"
    assert any("tiny@1.0.0" in line for line in explain(record))


def test_the_model_is_pinned_with_the_route() -> None:
    route = compiled(House(), {"strategy": LEARNED})
    assert [str(ref) for ref in route.uses] == [MODEL]
    assert [str(target) for target in route.targets] == ["a/m", "b/m", "c/m"]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"model": "tiny"}, "does not pin a version"),
        ({"model": "other@1.0.0"}, "no model `other@1.0.0`"),
        ({"classes": {"code": ["a/m"]}}, "the classes of model/tiny@1.0.0 are code, words"),
        ({"default": "poetry"}, "no class of model/tiny@1.0.0"),
        ({"min_confidence": 7}, "is 7"),
        ({"classes": {"code": ["x/m"], "words": ["c/m"]}}, "no provider `x`"),
    ],
)
def test_mistakes_are_told(change: JsonObject, wrong: str) -> None:
    house = House()
    with pytest.raises(ConfigError, match=wrong):
        compiled(house, {"strategy": {**LEARNED, **change}})


def test_where_no_target_of_the_class_can_take_it_others_of_the_route_are_asked() -> None:
    house = House()
    blind: dict[str, dict[str, object]] = {
        "a": {"abilities": frozenset[str](), "context": 10_000},
        "b": {"abilities": frozenset({"images"}), "context": 10_000},
        "c": {"abilities": frozenset[str](), "context": 100},
    }
    route = compiled(house, {"strategy": {**LEARNED, "default": "words"}}, facts=blind)
    for how, providers in (({"say": "a poem", "chars": 4000}, "ab"), ({"say": "picture"}, "b"), ({"say": "x"}, "c")):
        screened = house.screened(route, **how)  # type: ignore[arg-type]
        planned = house.routing.plan(screened)
        assert order(planned) == providers
        skipped = [skip.provider for skip in screened.grounded.prompted.selected.admitted.call.record.skipped]
        assert ("c" in skipped) is (providers != "c")
    assert planned.candidates[0].why.startswith("class `words` by default")
    big = house.routing.plan(house.screened(route, say="a poem", chars=400_000))
    assert order(big) == "c"  # too long for everyone: the class judges itself
