"""Route artifacts: what is accepted, and where each mistake is reported."""

from __future__ import annotations

import pytest

from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError
from headgate.core.ports import Deadlines
from headgate.core.types import ArtifactRef, Json, JsonObject
from headgate.routing import Account, Catalogue, Targets, compile_route
from tests.routing.scripted import LineEndpoint

TARGETS = Targets([Account(LineEndpoint(name, "one"), name) for name in ("openai", "anthropic")], Catalogue.load())


def artifact(content: JsonObject) -> Artifact:
    lines = {"": 1, "targets": 2, "targets.0": 3, "targets.1": 4, "deadlines": 5, "deadlines.total_s": 6, "attempts": 7}
    return Artifact(ArtifactRef("route", "r", "1.0.0", "d"), content, file="r.yaml", lines=lines)


def test_a_route() -> None:
    route = compile_route(
        artifact({
            "targets": [{"provider": "openai", "model": "gpt-5-mini"}, "anthropic/claude-haiku-5-5"],
            "deadlines": {"first_token_s": 20, "total_s": 90.5},
            "attempts": 2,
        }),
        TARGETS,
    )  # fmt: skip
    assert [str(target) for target in route.targets] == ["openai/gpt-5-mini", "anthropic/claude-haiku-5-5"]
    assert route.deadlines == Deadlines(3.0, 20.0, 60.0, 90.5)
    assert route.attempts == 2
    assert str(route.ref) == "route/r@1.0.0"
    assert route.targets[0].context == 400_000


def test_defaults() -> None:
    route = compile_route(artifact({"targets": ["openai/gpt-5-mini"]}), TARGETS)
    assert (route.deadlines, route.attempts) == (Deadlines(), 3)


ONE: Json = ["openai/gpt-5-mini"]
MISTAKES: list[tuple[JsonObject, str, str]] = [
    ({}, "r.yaml:2", "needs `targets`"),
    ({"targets": []}, "r.yaml:2", "needs `targets`"),
    ({"targets": "openai/x"}, "r.yaml:2", "needs `targets`"),
    ({"targets": ["openai/m"] * 17}, "r.yaml:2", "17 targets"),
    ({"targets": ["gpt-5-mini"]}, "r.yaml:3", "a provider and a model"),
    ({"targets": [7]}, "r.yaml:3", "a provider and a model"),
    ({"targets": [{"provider": "openai"}]}, "r.yaml:3", "a provider and a model"),
    ({"targets": [{"provider": "openai", "model": "m", "url": "x"}]}, "r.yaml:3", "no `targets.0.url`"),
    ({"targets": ["openai/a b"]}, "r.yaml:3", "cannot be sent"),
    ({"targets": ["openai/m", "nobody/m"]}, "r.yaml:4", "no provider `nobody`"),
    ({"targets": ["openai/m", {"provider": "openai", "model": "m"}]}, "r.yaml:4", "listed twice"),
    ({"targets": ONE, "stratgy": "best"}, "r.yaml:1", "no `stratgy`"),
    ({"targets": ONE, "deadlines": 5}, "r.yaml:5", "not a mapping"),
    ({"targets": ONE, "deadlines": {"total": 5}}, "r.yaml:5", "no `deadlines.total`"),
    ({"targets": ONE, "deadlines": {"total_s": "5"}}, "r.yaml:6", "not a number"),
    ({"targets": ONE, "deadlines": {"total_s": True}}, "r.yaml:6", "not a number"),
    ({"targets": ONE, "deadlines": {"total_s": float("inf")}}, "r.yaml:6", "not a number"),
    ({"targets": ONE, "deadlines": {"total_s": -1}}, "r.yaml:6", "is -1"),
    ({"targets": ONE, "deadlines": {"total_s": 1e9}}, "r.yaml:6", "is 1e+09"),
    ({"targets": ONE, "deadlines": {"total_s": 1, "connect_s": 2}}, "r.yaml:6", "shorter"),
    ({"targets": ONE, "attempts": 0}, "r.yaml:7", "attempts"),
    ({"targets": ONE, "attempts": 11}, "r.yaml:7", "attempts"),
    ({"targets": ONE, "attempts": True}, "r.yaml:7", "attempts"),
]


@pytest.mark.parametrize(("content", "where", "wrong"), MISTAKES)
def test_a_mistake_is_reported_at_its_line(content: JsonObject, where: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_route(artifact(content), TARGETS)
    assert caught.value.where == where
    assert wrong in caught.value.wrong
    assert caught.value.right
