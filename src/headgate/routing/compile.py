"""From a `route` artifact to the route a snapshot serves from. Every mistake is reported at its line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.ports import Deadlines
from headgate.core.snapshot import Hedging, Route, Target
from headgate.core.types import Json, as_int, as_list, as_object, as_text
from headgate.dialects import DIALECTS
from headgate.dialects.base import PREFILL
from headgate.routing.compile_strategy import Models, StrategyCompiler
from headgate.routing.learned.classifier import Classifier
from headgate.routing.names import NAME_RULE, usable
from headgate.routing.strategy import StrategicRoute
from headgate.routing.targets import TargetFactory

TARGETS_MAX = 16
ATTEMPTS_MAX = 10
ATTEMPTS = 3
HEDGES_MAX = 0.05  # of a route's calls: beyond, hedging makes the load that it flees from
# seconds (`min_rate`: characters a second): the least that can work, and the most that a client may be kept waiting
DEADLINE_BOUNDS = {
    "connect_s": (0.01, 60.0),
    "first_token_s": (0.01, 3600.0),
    "idle_s": (0.01, 3600.0),
    "total_s": (0.01, 7200.0),
    "min_rate": (0.0, 1000.0),
}
_FIELDS = ("targets", "strategy", "rules", "deadlines", "attempts", "on_break", "hedge")


def _no_model(_: str) -> Classifier | None:
    return None


def compile_route(artifact: Artifact, targets: TargetFactory, models: Models = _no_model) -> Route:
    """The route an artifact describes. Raises ConfigError with `file:line`.

    Content: `targets`, a list of `provider/model` or `{provider, model}` in the order they are to be asked;
    `strategy` and `rules`, where another order is wanted (`models` finds a classifier by `name@1.0.0`);
    `deadlines` in seconds (`connect_s`, `first_token_s`, `idle_s`, `total_s`) and `min_rate`; `attempts`, how many
    targets one call may try; `on_break`, what happens where a streamed answer breaks off in front of its client;
    `hedge`, when a second target is asked beside one that dawdles.
    """
    content = artifact.content
    _known(artifact, "", content, _FIELDS)
    built = StrategyCompiler(artifact, lambda at, rows: _targets(artifact, at, rows, targets), models).compile()
    route = Route(
        targets=built.targets,
        ref=artifact.ref,
        deadlines=_deadlines(artifact, content.get("deadlines")),
        attempts=_attempts(artifact, content.get("attempts", ATTEMPTS)),
        continue_with=_continue_with(artifact, content.get("on_break"), targets),
        uses=built.uses,
        hedge=_hedge(artifact, content.get("hedge")),
    )
    if built.strategy is None:
        return route
    return StrategicRoute(**msgspec.structs.asdict(route), strategy=built.strategy)


def compile_continue_with(artifact: Artifact, at: str, value: Json, factory: TargetFactory) -> tuple[Target, ...]:
    """Targets that may go on with a broken answer. Raises ConfigError for one whose model is not known to do that."""
    found = _targets(artifact, at, value, factory)
    kept: list[Target] = []
    for index, target in enumerate(found):
        if takes_prefill(target):
            kept.append(target)
        elif target.stands_for is None:  # a successor that cannot is no mistake of anybody's
            wrong = f"`{target}` is not known to go on with the beginning of an answer"
            right = "a model that takes a prefill, or `prefill` among its `abilities` at the provider's account"
            raise artifact.fault(f"{at}.{index}", wrong, right)
    return tuple(kept)


def takes_prefill(target: Target) -> bool:
    """Whether the target goes on with the beginning of an answer: stated, or known by its name."""
    if target.abilities is not None and PREFILL in target.abilities:
        return True
    return DIALECTS[target.endpoint.dialect].takes_prefill(target.model)


def _continue_with(artifact: Artifact, value: Json, factory: TargetFactory) -> tuple[Target, ...]:
    if value is None or value == "error":
        return ()
    fields = as_object(value)
    if fields is None or "continue_with" not in fields:
        raise artifact.fault("on_break", "`on_break` is not understood", "error, or {continue_with: [provider/model]}")
    _known(artifact, "on_break", fields, ("continue_with",))
    return compile_continue_with(artifact, "on_break.continue_with", fields["continue_with"], factory)


def _hedge(artifact: Artifact, value: Json) -> Hedging | None:
    if value is None:
        return None
    fields = as_object(value)
    if fields is None:
        raise artifact.fault("hedge", "`hedge` is not a mapping", "{after_s: auto, share: 0.05}")
    _known(artifact, "hedge", fields, ("after_s", "share"))
    after, share = fields.get("after_s", "auto"), fields.get("share", HEDGES_MAX)
    if after != "auto" and not _between(after, 0.01, 600.0):
        raise artifact.fault("hedge.after_s", "`after_s` is no usable time", "auto, or 0.01 to 600 seconds")
    if not _between(share, 0.0, HEDGES_MAX):
        raise artifact.fault("hedge.share", "`share` is no usable part of all calls", f"0 to {HEDGES_MAX}")
    return Hedging(None if after == "auto" else float(cast("float", after)), float(cast("float", share)))


def _between(value: Json, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _known(artifact: Artifact, path: str, value: Mapping[str, Json], names: tuple[str, ...]) -> None:
    for name in value:
        if name not in names:
            at = f"{path}.{name}" if path else name
            raise artifact.fault(at, f"a route has no `{at}`", f"one of {', '.join(names)}")


def _targets(artifact: Artifact, path: str, value: Json, factory: TargetFactory) -> tuple[Target, ...]:
    rows = as_list(value)
    right = "a list such as [openai/gpt-5-mini, anthropic/claude-haiku-5-5]"
    if not rows:
        raise artifact.fault(path, f"a route needs `{path}`", right)
    if len(rows) > TARGETS_MAX:
        raise artifact.fault(path, f"{len(rows)} targets", f"at most {TARGETS_MAX}")
    made: list[Target] = []
    for index, row in enumerate(rows):
        at = f"{path}.{index}"
        provider, model = _names(artifact, at, row)
        target = factory.target(provider, model)
        if target is None:
            known = ", ".join(factory.providers()) or "none is configured"
            raise artifact.fault(at, f"there is no provider `{provider}`", f"one of the providers: {known}")
        if any(str(target) == str(other) for other in made):
            if target.stands_for is not None or any(one.stands_for for one in made if str(one) == str(target)):
                continue  # retired into one that is there already
            raise artifact.fault(at, f"`{target}` is listed twice", "each target once")
        made.append(target)
    return tuple(made)


def _names(artifact: Artifact, at: str, row: Json) -> tuple[str, str]:
    right = "`provider/model`, or {provider: ..., model: ...}"
    fields = as_object(row)
    if fields is not None:
        _known(artifact, at, fields, ("provider", "model"))
        provider, model = as_text(fields.get("provider")), as_text(fields.get("model"))
    else:
        provider, _, model = (as_text(row) or "").partition("/")
    if not provider or not model:
        raise artifact.fault(at, "a target needs a provider and a model", right)
    if not usable(model):
        raise artifact.fault(at, "the model's name cannot be sent", NAME_RULE)
    return provider, model


def _deadlines(artifact: Artifact, value: Json) -> Deadlines:
    if value is None:
        return Deadlines()
    fields = as_object(value)
    if fields is None:
        raise artifact.fault("deadlines", "`deadlines` is not a mapping", "{first_token_s: 20, total_s: 300}")
    _known(artifact, "deadlines", fields, tuple(DEADLINE_BOUNDS))
    seconds: dict[str, float] = {}
    for name, number in fields.items():
        low, high = DEADLINE_BOUNDS[name]
        unit = "characters a second" if name == "min_rate" else "seconds"
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise artifact.fault(f"deadlines.{name}", f"`{name}` is not a number of {unit}", f"{low:g} to {high:g}")
        if not low <= number <= high:
            raise artifact.fault(f"deadlines.{name}", f"`{name}` is {number:g}", f"{low:g} to {high:g} {unit}")
        seconds[name] = float(number)
    made = Deadlines(**seconds)
    if "total_s" in seconds and made.total_s < made.connect_s:
        raise artifact.fault("deadlines.total_s", "`total_s` is shorter than `connect_s`", "at least as long")
    return made


def _attempts(artifact: Artifact, value: Json) -> int:
    number = as_int(value)
    if number is None or not 1 <= number <= ATTEMPTS_MAX:
        raise artifact.fault("attempts", "`attempts` is not a usable number", f"a whole number, 1 to {ATTEMPTS_MAX}")
    return number
