"""What is known of models: which row a name finds, and whose figures win."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.types import Price, Usage, money
from headgate.routing import Account, Catalogue, Facts, Targets
from headgate.routing.catalogue import Row, undated
from tests.routing.scripted import House

ROWS = [
    Row("v", "m-1", ["m-1", "m-1*"], input=1.0, output=1.0),
    Row("v", "m-1-mini", ["m-1-mini", "m-1-mini*"], input=2.0, output=2.0),
    Row("v", "m-1-mini-x", ["m-1-mini-x"], input=3.0, output=3.0),
    Row("w", "m-1", ["m-1"], input=9.0, output=9.0),
]


def price(catalogue: Catalogue, kind: str, model: str) -> float | None:
    facts = catalogue.find(kind, model)
    return facts.price.input if facts is not None and facts.price is not None else None


@pytest.mark.parametrize(
    ("kind", "model", "found"),
    [
        ("v", "m-1", 1.0),
        ("v", "m-1-pro", 1.0),
        ("v", "m-1-mini", 2.0),
        ("v", "m-1-mini-tiny", 2.0),
        ("v", "m-1-mini-x", 3.0),
        ("v", "m-1-mini-x-2026-01-02", 3.0),
        ("v", "m-1-mini-x-20260102", 3.0),
        ("v", "m-1-mini-x@20260102", 3.0),
        ("v", "m-1-mini-xy", 2.0),
        ("v", "m-2", None),
        ("v", "m-", None),
        ("w", "m-1", 9.0),
        ("w", "m-1-pro", None),
        ("u", "m-1", None),
    ],
)
def test_exact_then_undated_then_the_longest_prefix(kind: str, model: str, found: float | None) -> None:
    assert price(Catalogue(ROWS, "2026-01-01"), kind, model) == found
    assert price(Catalogue(ROWS[::-1], "2026-01-01"), kind, model) == found


@given(st.text(max_size=40))
def test_any_name_can_be_looked_up(name: str) -> None:
    assert name.startswith(undated(name))
    Catalogue(ROWS, "").find("v", name)


def test_the_shipped_catalogue() -> None:
    catalogue = Catalogue.load()
    assert len(catalogue.models("openai")) > 50
    long = catalogue.find("anthropic", "claude-haiku-5-5")
    assert long is not None
    assert long.context == 1_000_000
    assert money(long.price, Usage(100_000, 0)) == pytest.approx(0.01)
    assert money(long.price, Usage(200_000, 0)) == pytest.approx(0.1)
    for kind in ("openai", "anthropic", "google"):
        for model in catalogue.models(kind):
            facts = catalogue.find(kind, model)
            assert facts is not None
            assert facts.price is not None
            assert facts.price.input is not None
            assert (facts.price.long_over is None) == (facts.price.long is None)
    assert catalogue.find("openai_compatible", "gpt-5-mini") is None


def test_a_workspaces_own_figures_win_field_by_field() -> None:
    house = House()
    stated = {"m-1": Facts(price=Price(0.5, 0.5)), "own": Facts(context=8192, abilities=frozenset({"tools"}))}
    targets = Targets([Account(house.endpoints["a"], "v", stated)], Catalogue(
        [Row("v", "m-1", ["m-1"], input=1.0, output=1.0, context=1000)], ""))  # fmt: skip
    known = targets.target("a", "m-1")
    assert known is not None
    assert known.price == Price(0.5, 0.5)
    assert known.context == 1000
    own = targets.target("a", "own")
    assert own is not None
    assert (own.price, own.context, own.abilities) == (None, 8192, frozenset({"tools"}))
    unknown = targets.target("a", "nobody-knows")
    assert unknown is not None
    assert (unknown.price, unknown.context, unknown.abilities) == (None, None, None)
    assert targets.target("z", "m-1") is None
