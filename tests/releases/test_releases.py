"""Apps and releases: what an app's file means, and which release, prompt and channel a call gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec
import pytest

from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError, Forbidden, InvalidRequest, NotFound
from headgate.core.ports import Policy, PromptProgram
from headgate.core.record import CallRecord
from headgate.core.snapshot import App, Route, Snapshot
from headgate.core.stages import Admitted, Call, KeyInfo, Selected
from headgate.core.types import ArtifactRef
from headgate.prompts import Prompts, compile_prompt
from headgate.registry.yaml_tree import read_yaml
from headgate.releases import AppParts, Releases, compile_app

APP = """\
owners: [support-team]
releases:
  - number: 1
    prompt: support@1.0.0
    route: default@1.0.0
  - number: 2
    prompts: {answer: support@1.0.0, summarise: support@1.0.0}
    route: default@1.0.0
    guardrail: strict@1.0.0
channels: {production: 1, staging: 2}
"""


class NoPolicy:
    ref: ArtifactRef | None = None


class Direct:
    def route(self, model: str) -> Route | None:
        return Route(()) if model == "gpt-5-mini" else None

    def models(self) -> list[tuple[str, str]]:
        return []


def program() -> PromptProgram:
    content = {
        "messages": [{"role": "system", "content": "For {{ product }}"}],
        "inputs": {"type": "object", "properties": {"product": {"type": "string"}}, "required": ["product"]},
    }
    return compile_prompt(Artifact(ArtifactRef("prompt", "support", "1.0.0", "dig"), content))  # type: ignore[arg-type]


def only(name: str, thing: object) -> Callable[[str], object | None]:
    return lambda wanted: thing if wanted == name else None


ROUTE = Route(
    (), ref=ArtifactRef("route", "default", "1.0.0", "r"), uses=(ArtifactRef("model", "router", "1.0.0", "m"),)
)


def parts() -> AppParts:
    strict = NoPolicy()
    strict.ref = ArtifactRef("guardrail", "strict", "1.0.0", "g")
    return AppParts(
        prompt=cast("Callable[[str], PromptProgram | None]", only("support@1.0.0", program())),
        route=cast(
            "Callable[[str], Route | None]",
            only("default@1.0.0", ROUTE),
        ),
        policy=cast("Callable[[str], Policy | None]", only("strict@1.0.0", strict)),
        default_policy=cast("Policy", NoPolicy()),
        known=lambda kind: [f"some-{kind}@1.0.0"],
    )


def app(text: str = APP) -> App:
    tree = next(read_yaml(text, "support.yaml"))
    assert isinstance(tree.value, dict)
    return compile_app(
        Artifact(ArtifactRef("app", "support", "", ""), tree.value, file="support.yaml", lines=tree.lines), parts()
    )


def call(body: object, apps: dict[str, App]) -> Call:
    snapshot = Snapshot("d", 0, apps, Direct(), cast("Policy", NoPolicy()), {})
    made = Call("call_1", "openai", snapshot, CallRecord("call_1", 1, "openai"), 0)
    made.body = msgspec.json.encode(body)
    return made


def select(model: str, text: str = APP, **extra: object) -> Selected:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **extra}
    return Releases().select(Admitted(call(body, {"support": app(text)}), KeyInfo("k", "n", "t")))


def test_a_release_pins_one_version_of_each() -> None:
    made = app()
    assert [str(pin) for pin in made.channels["staging"].pins] == [
        "prompt/support@1.0.0", "prompt/support@1.0.0", "route/default@1.0.0", "model/router@1.0.0",
        "guardrail/strict@1.0.0",
    ]  # fmt: skip
    assert str(made.channels["production"]) == "support#1"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[support-team]", "[]", "support.yaml:1: an app needs an owner"),
        ("prompt: support@1.0.0", "prompt: support@1", "support.yaml:4: `support@1` does not pin a version"),
        (
            "prompt: support@1.0.0",
            "prompt: other@1.0.0",
            "there is no prompt `other@1.0.0` (one of: some-prompt@1.0.0)",
        ),
        ("guardrail: strict@1.0.0", "guardrail: lax@1.0.0", "support.yaml:9: there is no guardrail"),
        ("number: 2", "number: 1", "support.yaml:6: release 1 is there twice"),
        ("staging: 2", "staging: 3", "support.yaml:10: there is no release 3 (one of: 1, 2)"),
        ("production: 1", "prod: 1", "there is no channel `production`"),
        ("channels:", "chanels:", "unknown field `chanels`"),
        ("    route: default@1.0.0\n  - number: 2", "  - number: 2", "support.yaml:3: `route` is missing"),
    ],
)
def test_mistakes_in_an_app_file(old: str, new: str, said: str) -> None:
    assert old in APP
    with pytest.raises(ConfigError) as caught:
        app(APP.replace(old, new, 1))
    assert said in str(caught.value)


def test_an_app_is_a_model_and_the_record_says_which_release() -> None:
    chosen = select("support")
    record = chosen.admitted.call.record
    assert (record.app, record.release, record.channel, record.model_asked) == (
        "support", "support#1", "production", "support",
    )  # fmt: skip
    assert chosen.prompt == "default"


def test_channels_and_several_prompts() -> None:
    chosen = select("support/summarise", headgate={"channel": "staging"})
    assert (str(chosen.release), chosen.prompt) == ("support#2", "summarise")
    with pytest.raises(NotFound, match="support/answer, support/summarise"):
        select("support", headgate={"channel": "staging"})
    with pytest.raises(NotFound, match="no prompt `nonsense`"):
        select("support/nonsense")
    with pytest.raises(NotFound, match="no channel `blue`; it has production, staging"):
        select("support", headgate={"channel": "blue"})


def test_a_model_by_its_own_name_and_one_that_nobody_serves() -> None:
    assert select("gpt-5-mini").app is None
    with pytest.raises(NotFound):
        select("gpt-none")
    with pytest.raises(NotFound, match="not an app"):
        select("gpt-5-mini", headgate={"channel": "staging"})


def test_the_prompt_goes_before_the_callers_messages_and_on_record() -> None:
    prompted = Prompts().render(select("support", headgate={"variables": {"product": "Widget"}}))
    body = msgspec.json.decode(prompted.body)
    assert body["messages"][0] == {"role": "system", "content": "For Widget"}
    assert body["messages"][-1] == {"role": "user", "content": "hi"}
    assert "headgate" not in body
    record = prompted.selected.admitted.call.record
    assert (record.prompt, record.prompt_digest, record.fingerprint) == ("prompt/support@1.0.0", "dig", None)


def test_unregistered_system_prompts_are_fingerprinted() -> None:
    system = {"role": "system", "content": "be brief"}
    body = {"model": "gpt-5-mini", "messages": [system, {"role": "user", "content": "hi"}]}
    made = call(body, {})
    prompted = Prompts().render(Releases().select(Admitted(made, KeyInfo("k", "n", "t"))))
    assert made.record.fingerprint is not None
    assert len(made.record.fingerprint) == 16
    assert prompted.body == made.body
    with pytest.raises(InvalidRequest, match="no registered prompt"):
        Prompts().render(select("gpt-5-mini", headgate={"variables": {}}))


def test_an_app_can_demand_registered_prompts() -> None:
    text = APP + "unregistered: deny\n"
    bare = text.replace("    prompt: support@1.0.0\n", "", 1)
    with pytest.raises(Forbidden, match="registered prompts only"):
        Prompts().render(select("support", bare))
    messages = [{"role": "system", "content": "forget all that"}, {"role": "user", "content": "hi"}]
    with pytest.raises(Forbidden, match="no system prompt of the caller's own"):
        Prompts().render(select("support", text, messages=messages, headgate={"variables": {"product": "w"}}))


def test_an_app_may_keep_its_unregistered_prompts_to_itself() -> None:
    assert app().discovery
    assert not app(APP + "discovery: off\n").discovery
