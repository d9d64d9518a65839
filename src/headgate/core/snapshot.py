"""The compiled, immutable configuration a worker serves from. Swapped whole; each call pins one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from headgate.core.assign import Layout
from headgate.core.ports import Deadlines, Endpoint, Policy, PromptProgram, Retriever
from headgate.core.types import ArtifactRef, Price


class Target(msgspec.Struct, frozen=True):
    """provider x model: the unit of health. `abilities` None where unknown; `context` is the window in tokens.

    `known` False: neither the catalogue nor the account's settings have the model's name. `retires` is the UTC day on
    which the vendor takes it away, `successor` the model that follows it; `stands_for` the retired model in whose
    place this one is.
    """

    provider: str
    model: str
    endpoint: Endpoint
    price: Price | None = None
    context: int | None = None
    max_output: int | None = None
    abilities: frozenset[str] | None = None
    known: bool = True
    retires: str | None = None
    successor: Target | None = None
    stands_for: str | None = None

    def __str__(self) -> str:
        """`openai/gpt-4o-mini`."""
        return f"{self.provider}/{self.model}"


class Hedging(msgspec.Struct, frozen=True):
    """When a second target is asked while the first dawdles: after `after_s` (None: the target's own 95th percentile),
    for `share` of the route's calls at most."""

    after_s: float | None = None
    share: float = 0.05


class Route(msgspec.Struct, frozen=True):
    """Whom to ask, in order. `ref` is None for a route made from the tier table.

    `continue_with`: who may go on with a streamed answer that breaks off in front of its client; empty: nobody.
    `uses` are artifacts that decide with it (a `model`), pinned with it. `hedge` None: one target at a time.
    """

    targets: tuple[Target, ...]
    ref: ArtifactRef | None = None
    deadlines: Deadlines = Deadlines()
    attempts: int = 3
    continue_with: tuple[Target, ...] = ()
    uses: tuple[ArtifactRef, ...] = ()
    hedge: Hedging | None = None


class Release(msgspec.Struct, frozen=True):
    """`support#17`: one version of each artifact an app uses. `prompts` maps the name within the app to a program."""

    app: str
    number: int
    prompts: Mapping[str, PromptProgram]
    route: Route
    policy: Policy
    pins: tuple[ArtifactRef, ...]
    retriever: Retriever | None = None

    def __str__(self) -> str:
        """`support#17`."""
        return f"{self.app}#{self.number}"


class StandIns(msgspec.Struct, frozen=True):
    """What may answer in the providers' place; None: that may not.

    `cache_s`: the answer to the very same request of the same tenant, given so many seconds ago at most, without
    asking anyone. Where everyone has failed: such an answer of the last `stale_s` seconds, else the words `answer`.
    """

    cache_s: float | None = None
    stale_s: float | None = None
    answer: str | None = None


class Arm(msgspec.Struct, frozen=True):
    """One side of a split, and its share in hundredths of a percent."""

    release: Release
    share: int


class Split(msgspec.Struct, frozen=True):
    """A channel between releases, for an experiment. A `unit` (user, session, tenant, call) stays on its arm; the
    first arm is the control. `layout` says whose is which, by the release's number."""

    experiment: str
    unit: str
    arms: tuple[Arm, ...]
    layout: Layout

    def arm_of(self, unit: str) -> Release:
        """The release that a unit gets."""
        number = self.layout.arm_of(unit)
        return next(arm.release for arm in self.arms if str(arm.release.number) == number)


class App(msgspec.Struct, frozen=True):
    """What a client addresses as its model. `bodies`: none or full. `unregistered`: allow or deny. `discovery`: whether
    texts of its unregistered prompts may be told to control, where the snapshot has them told at all.

    `channels` hold the control's release where a channel is split; `splits` the rest of it.
    """

    name: str
    owners: tuple[str, ...]
    channels: Mapping[str, Release]
    default_channel: str
    unregistered: str = "allow"
    bodies: str = "none"
    stand_ins: StandIns | None = None
    splits: Mapping[str, Split] = {}
    discovery: bool = True


class DirectRoutes(Protocol):
    """Routes for models addressed by their own name rather than through an app."""

    def route(self, model: str) -> Route | None:
        """The requested target first, then its peers of the same tier; None for a model nobody serves."""
        ...

    def models(self) -> list[tuple[str, str]]:
        """(model, provider) pairs known by name."""
        ...


class Recognised(msgspec.Struct, frozen=True, gc=False):
    """The registered version that a call's own messages are a rendering of. `how`: `text` where they are the prompt
    word for word, `template` where variables stand in it."""

    ref: ArtifactRef
    how: str


class Recogniser(Protocol):
    """Knows registered prompts by their text. `turns` gives the first so many (role, text) messages behind the system
    prompt, fewer where there are fewer."""

    def by_system(self, text: str, digest: str, turns: Callable[[int], Sequence[tuple[str, str]]]) -> Recognised | None:
        """By the system prompt, and what follows it where the version has more. `digest` is the text's SHA-256."""
        ...

    def by_turn(self, turns: Callable[[int], Sequence[tuple[str, str]]]) -> Recognised | None:
        """By the first message, where there is no system prompt."""
        ...


class Snapshot(msgspec.Struct, frozen=True):
    """Everything a call needs to be answered. `digest` is the SHA-256 of the sources it was compiled from."""

    digest: str
    loaded_ns: int
    apps: Mapping[str, App]
    direct: DirectRoutes
    policy: Policy
    endpoints: Mapping[str, Endpoint]
    bodies: str = "none"
    journal_full: str = "serve"
    changes_ns: int | None = None  # wall time at which prices or models change that it was compiled with
    discovery: bool = False  # whether texts of unregistered prompts are told to control
    known: Recogniser | None = None  # prompts that callers may have put together themselves
