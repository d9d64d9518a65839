"""What a strategy is: it puts the targets of a route in order for one call, and says of each why it stands there.

Health, abilities and windows come after it: a strategy decides who is preferred, never who is left out for good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.chat import ChatRequest
from headgate.core.errors import CallerError
from headgate.core.ports import Clock, Entropy
from headgate.core.record import CallRecord
from headgate.core.snapshot import Route, Target
from headgate.core.stages import Candidate, Screened
from headgate.core.types import ArtifactRef, Json
from headgate.dialects.base import Dialect
from headgate.routing.learned.classifier import Classifier
from headgate.routing.pace import Paces

EXPECTED_OUTPUT = 500  # tokens of an answer, where the client sets no lower limit: for comparing prices


class World:
    """What strategies of one worker look at and draw from."""

    __slots__ = ("clock", "dialects", "entropy", "paces")

    def __init__(self, clock: Clock, entropy: Entropy, paces: Paces, dialects: Mapping[str, Dialect]) -> None:
        self.clock = clock
        self.entropy = entropy
        self.paces = paces
        self.dialects = dialects


class Asking:
    """One call, as strategies see it. The request is read into canonical form once, and only if somebody asks."""

    __slots__ = ("_chat", "_read", "input_tokens", "screened", "world")

    def __init__(self, screened: Screened, input_tokens: int, world: World) -> None:
        self.screened = screened
        self.input_tokens = input_tokens
        self.world = world
        self._read = False
        self._chat: ChatRequest | None = None

    @property
    def chat(self) -> ChatRequest | None:
        """The request; None where it says things that only its own dialect has."""
        if not self._read:
            self._read = True
            selected = self.screened.grounded.prompted.selected
            dialect = self.world.dialects[selected.admitted.call.dialect]
            try:
                self._chat = dialect.read_request(self.screened.body, selected.asked.stream).chat
            except CallerError:
                return None  # the target is the judge of it, not we
        return self._chat

    @property
    def stream(self) -> bool:
        """Whether the answer is to be streamed."""
        return self.screened.grounded.prompted.selected.asked.stream

    @property
    def output_tokens(self) -> int:
        """How long the answers are expected to be together: EXPECTED_OUTPUT each, or the client's lower limit."""
        asked = self.screened.grounded.prompted.selected.asked
        each = asked.max_tokens
        return (EXPECTED_OUTPUT if each is None or each > EXPECTED_OUTPUT else each) * asked.choices

    @property
    def record(self) -> CallRecord:
        """The call's record, for what was decided."""
        return self.screened.grounded.prompted.selected.admitted.call.record


class Strategy(Protocol):
    """A compiled strategy of one route."""

    def order(self, asking: Asking) -> tuple[Candidate, ...]:
        """The route's targets, or those of one of its classes, in the order they are to be asked; never empty."""
        ...


class Given(msgspec.Struct, frozen=True):
    """What a strategy is built from: its options as the artifact states them, at the dotted path `at`.

    `target` makes the tuple of targets a list in the artifact names, `model` finds a classifier by `name@1.0.0`;
    both raise ConfigError. `within` tells apart who speaks: the route, or one of its classes or rules.
    """

    artifact: Artifact
    at: str
    options: Mapping[str, Json]
    targets: tuple[Target, ...]
    listed: Callable[[str, Json], tuple[Target, ...]]
    model: Callable[[str, Json], Classifier]
    within: str


class StrategyModule(Protocol):
    """A file of `strategies/`, or a plug-in of the group `headgate.strategies`."""

    OPTIONS: tuple[str, ...]

    def build(self, given: Given) -> Built:
        """The strategy. Raises ConfigError with `file:line`."""
        ...


class Built(msgspec.Struct, frozen=True):
    """A strategy (None: the order in which targets are listed), every target it may name, the artifacts it uses."""

    strategy: Strategy | None
    targets: tuple[Target, ...]
    uses: tuple[ArtifactRef, ...] = ()


class StrategicRoute(Route, frozen=True):
    """A route whose order is found anew for every call."""

    strategy: Strategy | None = None


def in_order(targets: tuple[Target, ...], first: str, within: str) -> tuple[Candidate, ...]:
    """Candidates as listed; `first` is what is said of the one in front."""
    return tuple(
        Candidate(target, first if at == 0 else f"fallback {at} of {within}") for at, target in enumerate(targets)
    )


def at_front(candidates: tuple[Candidate, ...], index: int, why: str) -> tuple[Candidate, ...]:
    """The candidate at `index` in front of the others, for a reason of its own."""
    return (Candidate(candidates[index].target, why), *candidates[:index], *candidates[index + 1 :])
