"""Whom to ask, in which order and why; how long and how dear the call may become."""

from __future__ import annotations

import msgspec

from headgate.core.chat import ChatRequest, Media, ToolResult
from headgate.core.errors import CannotCarry
from headgate.core.record import CallRecord, SkipRecord
from headgate.core.snapshot import Route, Target
from headgate.core.stages import Candidate, Planned, Screened
from headgate.core.types import Usage, money
from headgate.dialects.base import ABILITIES, CHARS_PER_TOKEN
from headgate.routing.health import Health
from headgate.routing.probe import Prober
from headgate.routing.strategy import Asking, StrategicRoute, Strategy, World

OUTPUT_TOKENS = 4096  # reserved where neither the client nor the catalogue says how long an answer may become
USUAL_MAX = 2048
_MEDIA = {"image": "images", "document": "documents", "audio": "audio"}


class Usual(msgspec.Struct, frozen=True):
    """What a route's plan is while nothing is wrong; `window` is its smallest known context, in tokens.

    `strategy` None: candidates are always asked in this order.
    """

    route: Route
    candidates: tuple[Candidate, ...]
    window: int | None
    declares: bool
    strategy: Strategy | None


class Planner:
    """Orders a route's targets for one call."""

    __slots__ = ("_clock", "_health", "_prober", "_usual", "_world")

    def __init__(self, health: Health, prober: Prober, world: World) -> None:
        self._health = health
        self._prober = prober
        self._world = world
        self._clock = world.clock
        self._usual: dict[
            int, Usual
        ] = {}  # by identity; each entry keeps its route alive, so none is taken for another

    def plan(self, screened: Screened) -> Planned:
        """The candidates in order, all but those that cannot take the call. Raises CannotCarry where none can."""
        selected = screened.grounded.prompted.selected
        route, asked = selected.route, selected.asked
        usual = self._usual.get(id(route)) or self._note(route)
        # the prompt and its context came after the client's characters were counted
        added = len(screened.body) - len(asked.body)
        input_tokens = (asked.input_chars + (added if added > 0 else 0)) // CHARS_PER_TOKEN + 1
        candidates = usual.candidates
        asking: Asking | None = None
        if usual.strategy is not None:
            asking = Asking(screened, input_tokens, self._world)
            candidates = usual.strategy.order(asking)
        if usual.declares or self._health.troubled or (usual.window is not None and input_tokens > usual.window):
            candidates = self._choose(asking or Asking(screened, input_tokens, self._world), usual, candidates)
        first = candidates[0].target
        output_tokens = (asked.max_tokens or first.max_output or OUTPUT_TOKENS) * asked.choices
        estimate = money(first.price, Usage(input_tokens, output_tokens))
        return Planned(screened, candidates, route, input_tokens, output_tokens, estimate)

    def _note(self, route: Route) -> Usual:
        if len(self._usual) >= USUAL_MAX:
            self._usual.clear()
        named = "the model asked for" if route.ref is None else f"first choice of {route.ref}"
        table = "the tier table" if route.ref is None else str(route.ref)
        candidates = tuple(
            Candidate(target, named if at == 0 else f"fallback {at} of {table}")
            for at, target in enumerate(route.targets)
        )
        windows = [target.context for target in route.targets if target.context is not None]
        declares = any(target.abilities is not None for target in route.targets)
        strategy = route.strategy if isinstance(route, StrategicRoute) else None
        usual = Usual(route, candidates, min(windows) if windows else None, declares, strategy)
        self._usual[id(route)] = usual
        return usual

    def _choose(self, asking: Asking, usual: Usual, candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        """Those that can take the call; where none that a strategy prefers can, the route's others that can."""
        record, tokens = asking.record, asking.input_tokens
        preferred = candidates
        wanted = frozenset[str]()
        if usual.declares and asking.chat is not None:  # else the target is the judge of what only its dialect can say
            wanted = needs(asking.chat)
            candidates = _able(preferred, wanted, record) or _able(_beside(usual, preferred), wanted, record)
            if not candidates:
                raise CannotCarry(f"no target of the route can take {_listed(_missing(usual.candidates, wanted))}")
        if usual.window is not None and tokens > usual.window:
            wide = _wide(candidates, tokens, record)
            candidates = (
                wide
                or _wide(_able(_beside(usual, preferred), wanted, record), tokens, record)
                or (
                    # an estimate is no reason to refuse: the provider counts exactly
                    max(candidates, key=lambda candidate: candidate.target.context or 0),
                )
            )
        if self._health.troubled and len(candidates) > 1:
            candidates = self._rested(candidates, record)
        return candidates

    def _rested(self, candidates: tuple[Candidate, ...], record: CallRecord) -> tuple[Candidate, ...]:
        """Targets in trouble go last, the one that is due soonest first among them; those that are due are probed."""
        health = self._health
        now = self._clock.monotonic_ns()
        ready: list[Candidate] = []
        late: list[Candidate] = []  # coming back, and this call is not among its first
        held: list[tuple[int, Candidate]] = []
        passed_over: list[Candidate] = []
        for candidate in candidates:
            target = candidate.target
            standing = health.standing(target, now)
            if standing is None:
                ready.append(candidate)
            elif standing.due_ns is not None:
                why = f"last resort: {standing.worst.told(now)}"
                held.append((standing.due_ns, Candidate(target, why, held=True)))
                continue
            elif health.admits(standing):
                ready.append(Candidate(target, f"{candidate.why}, {standing.worst.told(now)}"))
            else:
                late.append(Candidate(target, f"not among the first calls: {standing.worst.told(now)}"))
                continue
            passed_over = [*late, *(one for _, one in held)]
        held.sort(key=_due)
        for candidate in passed_over:
            record.skipped.append(_skip(candidate.target, f"put last: {candidate.why.partition(': ')[2]}"))
        ordered = (*ready, *late, *(candidate for _, candidate in held))
        for due, candidate in held:
            if due <= now and candidate is not ordered[0]:
                self._prober.start(candidate.target)
        return ordered


def needs(chat: ChatRequest) -> frozenset[str]:
    """The abilities (`dialects.base.ABILITIES`) that a request cannot do without."""
    found: set[str] = set()
    for message in chat.messages:
        for part in message.parts:
            if isinstance(part, Media):
                found.add(_MEDIA.get(part.kind, ""))
            elif isinstance(part, ToolResult):
                found.update(_MEDIA.get(inner.kind, "") for inner in part.parts if isinstance(inner, Media))
    if chat.tools:
        found.add("tools")
    if chat.json_format is not None and chat.json_format.schema is not None:
        found.add("json_schema")
    return ABILITIES.intersection(found)


def _beside(usual: Usual, preferred: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """The route's targets that a strategy left aside, such as those of another class."""
    if len(preferred) == len(usual.candidates):
        return ()
    chosen = {str(candidate.target) for candidate in preferred}
    why = f"none of those preferred by {usual.route.ref} can take the request"
    return tuple(Candidate(one.target, why) for one in usual.candidates if str(one.target) not in chosen)


def _missing(candidates: tuple[Candidate, ...], wanted: frozenset[str]) -> set[str]:
    """What is wanted and at least one of these is known to lack."""
    abilities = [candidate.target.abilities for candidate in candidates]
    return {name for name in wanted if any(able is not None and name not in able for able in abilities)}


def _able(candidates: tuple[Candidate, ...], wanted: frozenset[str], record: CallRecord) -> tuple[Candidate, ...]:
    """Without the targets whose stated abilities the request goes beyond."""
    kept: list[Candidate] = []
    for candidate in candidates:
        lacks = _missing((candidate,), wanted)
        if lacks:
            record.skipped.append(_skip(candidate.target, f"cannot take {_listed(lacks)}"))
        else:
            kept.append(candidate)
    return tuple(kept)


def _wide(candidates: tuple[Candidate, ...], input_tokens: int, record: CallRecord) -> tuple[Candidate, ...]:
    """Without the targets whose window is too small for the estimate."""
    kept: list[Candidate] = []
    for candidate in candidates:
        context = candidate.target.context
        if context is None or context >= input_tokens:
            kept.append(candidate)
        else:
            why = f"its window of {context} tokens is too small for about {input_tokens} tokens of input"
            record.skipped.append(_skip(candidate.target, why))
    return tuple(kept)


def _skip(target: Target, why: str) -> SkipRecord:
    return SkipRecord(target.provider, target.model, why)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _due(pair: tuple[int, Candidate]) -> int:
    return pair[0]
