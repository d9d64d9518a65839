"""`cheapest`: by what this call would cost at each target, at the prices of now; an unknown price goes last.

The length of the answer is not known yet: `strategy.EXPECTED_OUTPUT` tokens, or the client's lower limit, stand for it.
"""

from __future__ import annotations

from headgate.core.snapshot import Target
from headgate.core.stages import Candidate
from headgate.core.types import Price, Usage, money
from headgate.routing.strategy import Asking, Built, Given

OPTIONS: tuple[str, ...] = ()
ORDERS_MAX = 256


def build(given: Given) -> Built:
    """Takes no options."""
    return Built(Cheapest(given.targets, given.within), given.targets)


class Cheapest:
    """Prices are those of the snapshot, which is made anew where one changes. Orders met before are kept with their
    words."""

    __slots__ = ("_orders", "_prices", "_targets", "_within")

    def __init__(self, targets: tuple[Target, ...], within: str) -> None:
        self._targets = targets
        self._within = within
        self._prices = [target.price for target in targets]
        self._orders: dict[tuple[int, ...], tuple[Candidate, ...]] = {}

    def order(self, asking: Asking) -> tuple[Candidate, ...]:
        """The cheapest first; equals as listed."""
        usage = Usage(asking.input_tokens, asking.output_tokens)
        costs = [_UNKNOWN if (cost := money(price, usage)) is None else cost for price in self._prices]
        order = tuple(sorted(range(len(costs)), key=costs.__getitem__))
        return self._orders.get(order) or self._ordered(order)

    def _ordered(self, order: tuple[int, ...]) -> tuple[Candidate, ...]:
        if len(self._orders) >= ORDERS_MAX:
            self._orders.clear()
        made = tuple(
            Candidate(self._targets[index], self._why(place, self._prices[index]))
            for place, index in enumerate(order, 1)
        )
        self._orders[order] = made
        return made

    def _why(self, place: int, price: Price | None) -> str:
        count = len(self._targets)
        if price is None or price.input is None or price.output is None:
            return f"its price is unknown, so it is number {place} of {count} by cost in {self._within}"
        rank = "the cheapest" if place == 1 else f"number {place}"
        told = f"${price.input:g} in, ${price.output:g} out per million tokens"
        return f"{rank} of {count} in {self._within} for a call of this size: {told}"


_UNKNOWN = float("inf")
