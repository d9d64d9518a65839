"""`best`: by a score of success, pace and cost with stated weights, as learned by this worker.

score = success x share of good answers + latency x (fastest median / its median) + cost x (cheapest / its cost), each
part between 0 and 1. What is not known yet: success counts as 1, pace as 0.5, cost as 0. A share of calls explores.
Scores of calls of about one size hold for SCORED_FOR of them: they move slowly, and finding them costs 6 us.
"""

from __future__ import annotations

from headgate.core.snapshot import Target
from headgate.core.stages import Candidate
from headgate.core.types import Usage, as_object, money
from headgate.routing.options import number, share
from headgate.routing.strategy import Asking, Built, Given, at_front

OPTIONS = ("explore", "weights")
EXPLORE = 0.05
PARTS = ("success", "latency", "cost")
ROUNDED = 2  # scores alike to so many digits keep the order in which targets are listed: no flapping
ORDERS_MAX = 256
SIZES_MAX = 256
SCORED_FOR = 16
UNKNOWN_PACE = 0.5


def build(given: Given) -> Built:
    """Options `weights` ({success, latency, cost}, 1 each where left out) and `explore` (0 to 0.5)."""
    at = f"{given.at}.weights"
    stated = as_object(given.options.get("weights", {}))
    if stated is None:
        raise given.artifact.fault(at, "`weights` is not a mapping", "{success: 2, latency: 1, cost: 1}")
    for name in stated:
        if name not in PARTS:
            raise given.artifact.fault(f"{at}.{name}", f"a score has no part `{name}`", f"one of: {', '.join(PARTS)}")
    weights = [number(given.artifact, f"{at}.{name}", stated.get(name, 1.0), 0.0, 1000.0) for name in PARTS]
    total = sum(weights)
    if total <= 0:
        raise given.artifact.fault(at, "every part weighs 0", "at least one weight above 0")
    explore = share(given.artifact, f"{given.at}.explore", given.options.get("explore", EXPLORE), most=0.5)
    return Built(Best(given.targets, given.within, [weight / total for weight in weights], explore), given.targets)


class Best:
    """Scores are rounded, so orders repeat: those met before are kept with their words."""

    __slots__ = ("_explore", "_orders", "_scored", "_targets", "_weights", "_within")

    def __init__(self, targets: tuple[Target, ...], within: str, weights: list[float], explore: float) -> None:
        self._targets = targets
        self._within = within
        self._weights = weights
        self._explore = explore
        self._orders: dict[tuple[float, ...], tuple[Candidate, ...]] = {}
        self._scored: dict[tuple[bool, int, int], tuple[int, tuple[Candidate, ...]]] = {}  # by size: calls left, order

    def order(self, asking: Asking) -> tuple[Candidate, ...]:
        """The best score first, or now and then another one."""
        size = (asking.stream, asking.input_tokens.bit_length(), asking.output_tokens.bit_length())
        left, made = self._scored.get(size, (0, ()))
        if not left:
            left, made = SCORED_FOR, self._ordered(tuple(self._scores(asking)))
            if len(self._scored) >= SIZES_MAX:
                self._scored.clear()
        self._scored[size] = (left - 1, made)
        others = len(made) - 1
        entropy = asking.world.entropy
        if others and self._explore and (drawn := entropy.uniform()) < self._explore:
            index = 1 + min(int(drawn / self._explore * others), others - 1)
            return at_front(made, index, "asked now and then, to learn how it does")
        return made

    def _scores(self, asking: Asking) -> list[float]:
        usage = Usage(asking.input_tokens, asking.output_tokens)
        paces, stream = asking.world.paces, asking.stream
        good, quick, cheap = self._weights
        medians = [paces.median_us(target, stream) for target in self._targets]
        costs = [money(target.price, usage) for target in self._targets]
        least_us = min((us for us in medians if us is not None), default=None)
        least_usd = min((usd for usd in costs if usd is not None), default=None)
        scores: list[float] = []
        for target, us, usd in zip(self._targets, medians, costs, strict=True):
            pace = UNKNOWN_PACE if us is None or least_us is None else least_us / us if us else 1.0
            cost = 0.0 if usd is None or least_usd is None else least_usd / usd if usd else 1.0
            scores.append(round(good * paces.success(target) + quick * pace + cheap * cost, ROUNDED))
        return scores

    def _ordered(self, scores: tuple[float, ...]) -> tuple[Candidate, ...]:
        made = self._orders.get(scores)
        if made is not None:
            return made
        if len(self._orders) >= ORDERS_MAX:
            self._orders.clear()
        order = sorted(range(len(scores)), key=lambda index: -scores[index])
        made = tuple(
            Candidate(
                self._targets[index],
                f"number {place} of {self._within} by success, pace and cost: score {scores[index]:.2f} of 1",
            )
            for place, index in enumerate(order, 1)
        )
        self._orders[scores] = made
        return made
