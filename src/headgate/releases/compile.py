"""An app's file to `core.snapshot.App`: releases that pin one version of each artifact, channels that point at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.decode import read
from headgate.core.ports import Policy, PromptProgram
from headgate.core.snapshot import App, Release, Route, StandIns
from headgate.core.types import ArtifactRef

T = TypeVar("T")

DEFAULT_PROMPT = "default"
RELEASES_MAX = 10_000
KEPT_S_MAX = 30 * 86_400.0  # of an answer that may be given again
ANSWER_CHARS_MAX = 4000


class ReleaseSource(msgspec.Struct, forbid_unknown_fields=True):
    """One release in an app's file. `prompt` is short for `prompts: {default: ...}`; pins name exact versions."""

    number: int
    route: str
    prompt: str | None = None
    prompts: dict[str, str] = {}
    guardrail: str | None = None


class CacheSource(msgspec.Struct, forbid_unknown_fields=True):
    """`ttl_s`: for how long the very same request of one tenant gets the same answer again."""

    ttl_s: float


class DownSource(msgspec.Struct, forbid_unknown_fields=True):
    """What is said where every provider failed: an earlier answer of at most `stale_s`, else the words `answer`."""

    stale_s: float | None = None
    answer: str | None = None


class AppSource(msgspec.Struct, forbid_unknown_fields=True):
    """An app's file. `channels` maps a channel to a release number."""

    owners: list[str]
    releases: list[ReleaseSource]
    channels: dict[str, int]
    default_channel: str = "production"
    unregistered: Literal["allow", "deny"] = "allow"
    bodies: Literal["none", "full"] = "none"
    description: str = ""
    cache: CacheSource | None = None
    when_down: DownSource | None = None


class AppParts(msgspec.Struct, frozen=True):
    """How to come by what a release pins; each look-up takes `name@1.4.2` and returns None where there is none.

    `default_policy` serves releases that name no guardrail.
    """

    prompt: Callable[[str], PromptProgram | None]
    route: Callable[[str], Route | None]
    policy: Callable[[str], Policy | None]
    default_policy: Policy
    known: Callable[[str], list[str]]


def compile_app(artifact: Artifact, parts: AppParts) -> App:
    """The app of a document of kind `app`. Raises ConfigError naming file and line."""
    source = read(artifact, AppSource)
    if not source.owners or not all(source.owners):
        raise artifact.fault("owners", "an app needs an owner", "owners: [support-team]")
    if not 0 < len(source.releases) <= RELEASES_MAX:
        raise artifact.fault("releases", "an app needs a release", "releases: [{number: 1, route: default@1.0.0}]")
    releases: dict[int, Release] = {}
    for index, one in enumerate(source.releases):
        if one.number in releases or one.number < 1:
            raise artifact.fault(
                f"releases.{index}.number", f"release {one.number} is there twice or below 1", "count up"
            )
        releases[one.number] = _release(artifact, index, one, parts)
    for channel, number in source.channels.items():
        if number not in releases:
            known = ", ".join(map(str, sorted(releases)))
            raise artifact.fault(f"channels.{channel}", f"there is no release {number}", f"one of: {known}")
    if source.default_channel not in source.channels:
        known = ", ".join(source.channels) or "none yet"
        raise artifact.fault(
            "default_channel", f"there is no channel `{source.default_channel}`", f"add it to `channels` ({known})"
        )
    return App(
        name=artifact.ref.name,
        owners=tuple(source.owners),
        channels={channel: releases[number] for channel, number in source.channels.items()},
        default_channel=source.default_channel,
        unregistered=source.unregistered,
        bodies=source.bodies,
        stand_ins=_stand_ins(artifact, source),
    )


def _stand_ins(artifact: Artifact, source: AppSource) -> StandIns | None:
    cache, down = source.cache, source.when_down or DownSource()
    kept = {"cache.ttl_s": None if cache is None else cache.ttl_s, "when_down.stale_s": down.stale_s}
    for path, seconds in kept.items():
        if seconds is not None and not 0 < seconds <= KEPT_S_MAX:
            raise artifact.fault(path, f"`{path}` is {seconds:g}", f"seconds, above 0 and at most {KEPT_S_MAX:.0f}")
    if down.answer is not None and not 0 < len(down.answer.strip()) <= ANSWER_CHARS_MAX:
        right = f"1 to {ANSWER_CHARS_MAX} characters"
        raise artifact.fault("when_down.answer", f"an answer of {len(down.answer)} characters", right)
    if source.when_down is not None and down.stale_s is None and down.answer is None:
        raise artifact.fault("when_down", "it says neither `stale_s` nor `answer`", "when_down: {answer: ...}")
    if cache is None and source.when_down is None:
        return None
    return StandIns(kept["cache.ttl_s"], down.stale_s, down.answer)


def _release(artifact: Artifact, index: int, source: ReleaseSource, parts: AppParts) -> Release:
    at = f"releases.{index}"
    named = dict(source.prompts)
    if source.prompt is not None:
        if DEFAULT_PROMPT in named:
            raise artifact.fault(f"{at}.prompt", "`prompt` and `prompts.default` name the same thing", "keep one")
        named[DEFAULT_PROMPT] = source.prompt
    prompts: dict[str, PromptProgram] = {}
    for name, wanted in named.items():
        path = f"{at}.prompt" if name == DEFAULT_PROMPT and source.prompt is not None else f"{at}.prompts.{name}"
        prompts[name] = _pinned(artifact, path, "prompt", wanted, parts.prompt(_exact(artifact, path, wanted)), parts)
    path = f"{at}.route"
    route = _pinned(artifact, path, "route", source.route, parts.route(_exact(artifact, path, source.route)), parts)
    policy = parts.default_policy
    if source.guardrail is not None:
        path = f"{at}.guardrail"
        found = parts.policy(_exact(artifact, path, source.guardrail))
        policy = _pinned(artifact, path, "guardrail", source.guardrail, found, parts)
    pins: list[ArtifactRef | None] = [
        *(program.ref for program in prompts.values()),
        *dict.fromkeys(partial for program in prompts.values() for partial in program.uses),
        route.ref,
        *route.uses,
        policy.ref,
    ]
    return Release(
        app=artifact.ref.name,
        number=source.number,
        prompts=prompts,
        route=route,
        policy=policy,
        pins=tuple(pin for pin in pins if pin is not None),
    )


def _exact(artifact: Artifact, path: str, wanted: str) -> str:
    if wanted.count("@") != 1 or wanted.count(".") < 2:
        raise artifact.fault(
            path, f"`{wanted}` does not pin a version", "name@MAJOR.MINOR.PATCH, such as support@1.0.0"
        )
    return wanted


def _pinned(artifact: Artifact, path: str, kind: str, wanted: str, found: T | None, parts: AppParts) -> T:
    if found is None:
        known = ", ".join(parts.known(kind)) or "none yet"
        raise artifact.fault(path, f"there is no {kind} `{wanted}`", f"one of: {known}")
    return found
