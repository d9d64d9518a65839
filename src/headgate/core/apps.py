"""What an app's document says: shared by the registry, which keeps it, and by `releases`, which compiles it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from headgate.core.types import JsonObject

DEFAULT_PROMPT = "default"
TRIAL_CHANNEL = "trial"  # of calls that only try something: no app has such a channel, and coverage leaves them out
RELEASES_MAX = 10_000
ARMS_MAX = 8
SHARE_TOTAL = 10_000  # weights of a split are in hundredths of a percent

Share = Annotated[int, msgspec.Meta(ge=0, le=SHARE_TOTAL)]
Days = Annotated[float, msgspec.Meta(gt=0, le=3650)]


class ReleaseSource(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One release. `prompt` is short for `prompts: {default: ...}`; pins name exact versions (`support@1.4.2`)."""

    number: int
    route: str
    prompt: str | None = None
    prompts: dict[str, str] = {}
    guardrail: str | None = None
    message: str = ""

    @property
    def pins(self) -> list[tuple[str, str]]:
        """(kind, `name@version`) of everything it pins, prompts first."""
        prompts = [*self.prompts.values(), *([] if self.prompt is None else [self.prompt])]
        return [
            *(("prompt", wanted) for wanted in prompts),
            ("route", self.route),
            *([] if self.guardrail is None else [("guardrail", self.guardrail)]),
        ]

    @property
    def named_prompts(self) -> dict[str, str]:
        """Every prompt by its name within the app."""
        return dict(self.prompts) if self.prompt is None else {**self.prompts, DEFAULT_PROMPT: self.prompt}


class ArmSource(msgspec.Struct, forbid_unknown_fields=True):
    """One side of a split: a release and its share in hundredths of a percent."""

    release: int
    share: Share


class SplitSource(msgspec.Struct, forbid_unknown_fields=True):
    """A channel between releases. The first arm is the control. A unit (`user`, `session`, `tenant`, `call`) keeps
    its arm as long as `salt` and shares stay."""

    experiment: str
    salt: str
    unit: Literal["user", "session", "tenant", "call"]
    arms: list[ArmSource]


ChannelTarget: TypeAlias = int | SplitSource  # a release, or a split


class CacheSource(msgspec.Struct, forbid_unknown_fields=True):
    """`ttl_s`: for how long the very same request of one tenant gets the same answer again."""

    ttl_s: float


class DownSource(msgspec.Struct, forbid_unknown_fields=True):
    """What is said where every provider failed: an earlier answer of at most `stale_s`, else the words `answer`."""

    stale_s: float | None = None
    answer: str | None = None


class OwnersSource(msgspec.Struct, forbid_unknown_fields=True):
    """Who answers for what of an app: the wording, what is retrieved, what the policy does. Empty: nobody."""

    prompt: list[str] = []
    retrieval: list[str] = []
    policy: list[str] = []


class DrillSource(msgspec.Struct, forbid_unknown_fields=True):
    """A rollback drill on `channel` that must have gone well within the last `days`."""

    channel: str
    days: Days


class CasesSource(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A test of the release itself that must have come to `min_pass` within the last `days`: with cases of this name,
    or of this digest (its first 12 hex digits or more), which nobody can change."""

    cases: Annotated[str, msgspec.Meta(min_length=1)]
    days: Days
    min_pass: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0


class ReviewSource(msgspec.Struct, forbid_unknown_fields=True):
    """What a protected channel asks for before another release goes live on it.

    `by`: names or ids of keys whose approval counts; empty: any reviewer's. `self_approval`: whether whoever made the
    release, or a version that it brings, may approve it.
    """

    approvals: Annotated[int, msgspec.Meta(ge=1, le=20)] = 1
    by: list[str] = []
    self_approval: bool = False
    protected: tuple[str, ...] = ("production",)
    drill: DrillSource | None = None
    tests: CasesSource | None = None


class AppSource(msgspec.Struct, forbid_unknown_fields=True):
    """An app's document. `channels` maps a channel to a release number, or to a split. `owners`: a list owns all."""

    owners: list[str] | OwnersSource
    releases: list[ReleaseSource]
    channels: dict[str, ChannelTarget]
    default_channel: str = "production"
    unregistered: Literal["allow", "deny"] = "allow"
    bodies: Literal["none", "full"] = "none"
    description: str = ""
    cache: CacheSource | None = None
    when_down: DownSource | None = None
    review: ReviewSource | None = None
    discovery: Literal["on", "off"] = "on"

    @property
    def owned(self) -> OwnersSource:
        """The owners by what they own."""
        owners = self.owners
        return owners if isinstance(owners, OwnersSource) else OwnersSource(owners, owners, owners)


def channel_releases(target: ChannelTarget) -> list[int]:
    """Every release that a channel may answer with, the control first."""
    return [target] if isinstance(target, int) else [arm.release for arm in target.arms]


def settings_of(content: JsonObject) -> JsonObject:
    """An app's document without its releases and channels, which the registry keeps apart."""
    return {key: value for key, value in content.items() if key not in ("releases", "channels")}
