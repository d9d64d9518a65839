"""A route does not break on the day on which a model that it names retires."""

from __future__ import annotations

from headgate.core.artifact import Artifact
from headgate.core.types import ArtifactRef
from headgate.routing import Account, Catalogue, Lifecycle, Row, Targets, compile_route
from headgate.routing.lifecycle import LifeRow
from tests.routing.scripted import LineEndpoint

TODAY = "2026-12-11"


def targets() -> Targets:
    rows = [Row("anthropic", name, [name]) for name in ("claude-haiku-4-5", "claude-haiku-5-5")]
    rows += [Row("openai", name, [name]) for name in ("old", "new")]
    lives = [
        LifeRow("openai", ["old"], TODAY, "new"),
        LifeRow("anthropic", ["claude-haiku-4-5"], TODAY, "claude-haiku-5-5"),
    ]
    accounts = [Account(LineEndpoint(name, name), name) for name in ("openai", "anthropic")]
    return Targets(accounts, Catalogue(rows, "", TODAY), Lifecycle(lives), TODAY)


def route(**content: object) -> Artifact:
    return Artifact(ArtifactRef("route", "r", "1.0.0", ""), content)  # type: ignore[arg-type]


def test_one_that_retired_into_its_neighbour_is_there_once() -> None:
    for order in (["openai/old", "openai/new"], ["openai/new", "openai/old"]):
        made = compile_route(route(targets=order), targets())
        assert [str(target) for target in made.targets] == ["openai/new"]


def test_a_successor_that_takes_no_prefill_does_not_go_on_and_is_no_mistake() -> None:
    goes_on = {"continue_with": ["anthropic/claude-haiku-4-5"]}
    made = compile_route(route(targets=["openai/new"], on_break=goes_on), targets())
    assert made.continue_with == ()
