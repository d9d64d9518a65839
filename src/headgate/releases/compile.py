"""An app's file to `core.snapshot.App`: releases that pin one version of each artifact, channels that point at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from headgate.core.apps import (
    ARMS_MAX,
    DEFAULT_PROMPT,
    RELEASES_MAX,
    SHARE_TOTAL,
    TRIAL_CHANNEL,
    AppSource,
    ChannelTarget,
    DownSource,
    ReleaseSource,
    SplitSource,
    channel_releases,
)
from headgate.core.artifact import Artifact
from headgate.core.assign import split
from headgate.core.decode import read
from headgate.core.ports import Policy, PromptProgram
from headgate.core.snapshot import App, Arm, Release, Route, Split, StandIns
from headgate.core.types import ArtifactRef

T = TypeVar("T")

KEPT_S_MAX = 30 * 86_400.0  # of an answer that may be given again
ANSWER_CHARS_MAX = 4000


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
    owned = source.owned
    owners = tuple(dict.fromkeys([*owned.prompt, *owned.retrieval, *owned.policy]))
    if not owners or not all(owners):
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
    for channel, target in source.channels.items():
        _check_target(artifact, channel, target, releases)
    if source.default_channel not in source.channels:
        known = ", ".join(source.channels) or "none yet"
        raise artifact.fault(
            "default_channel", f"there is no channel `{source.default_channel}`", f"add it to `channels` ({known})"
        )
    return App(
        name=artifact.ref.name,
        owners=owners,
        channels={channel: releases[channel_releases(target)[0]] for channel, target in source.channels.items()},
        splits={
            channel: _split(target, releases)
            for channel, target in source.channels.items()
            if isinstance(target, SplitSource)
        },
        default_channel=source.default_channel,
        unregistered=source.unregistered,
        bodies=source.bodies,
        discovery=source.discovery == "on",
        stand_ins=_stand_ins(artifact, source),
    )


def _check_target(artifact: Artifact, channel: str, target: ChannelTarget, releases: Mapping[int, Release]) -> None:
    """Raises ConfigError where a channel points at no release, or at a split that does not add up."""
    path = f"channels.{channel}"
    if channel == TRIAL_CHANNEL:
        raise artifact.fault(path, f"`{channel}` is where calls are kept that only try something", "another name")
    for number in channel_releases(target):
        if number not in releases:
            known = ", ".join(map(str, sorted(releases)))
            raise artifact.fault(path, f"there is no release {number}", f"one of: {known}")
    if isinstance(target, SplitSource):
        shares = sum(arm.share for arm in target.arms)
        if len({arm.release for arm in target.arms}) < len(target.arms):
            raise artifact.fault(path, "a release is on two arms", "each arm another release")
        if not 2 <= len(target.arms) <= ARMS_MAX or shares != SHARE_TOTAL:
            right = f"2 to {ARMS_MAX} arms whose shares add up to {SHARE_TOTAL}"
            raise artifact.fault(path, f"{len(target.arms)} arms, {shares} in all", right)


def _split(source: SplitSource, releases: Mapping[int, Release]) -> Split:
    arms = tuple(Arm(releases[arm.release], arm.share) for arm in source.arms)
    layout = split(source.salt, {str(arm.release): arm.share for arm in source.arms})
    return Split(source.experiment, source.unit, arms, layout)


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
    if source.prompt is not None and DEFAULT_PROMPT in source.prompts:
        raise artifact.fault(f"{at}.prompt", "`prompt` and `prompts.default` name the same thing", "keep one")
    named = source.named_prompts
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
