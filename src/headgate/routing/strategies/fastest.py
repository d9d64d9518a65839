"""`fastest`: by what is learned of each target's pace: the median time to the first content of a streamed answer, the
median time of a whole one (`routing.pace`, per worker, fading).

A share of calls, `explore`, goes first to one of the others: without that nobody would learn that it got faster.
Targets whose pace is not known yet keep their place behind those that are known.
"""

from __future__ import annotations

from headgate.core.snapshot import Target
from headgate.core.stages import Candidate
from headgate.routing.options import share
from headgate.routing.strategy import Asking, Built, Given, at_front

OPTIONS = ("explore",)
EXPLORE = 0.05
ORDERS_MAX = 256
_UNKNOWN = float("inf")


def build(given: Given) -> Built:
    """Option `explore`: 0 to 0.5, 0.05 where it is left out."""
    explore = share(given.artifact, f"{given.at}.explore", given.options.get("explore", EXPLORE), most=0.5)
    return Built(Fastest(given.targets, given.within, explore), given.targets)


class Fastest:
    """Medians are bucket ends of half an octave, so that orders repeat: those met before are kept with their words."""

    __slots__ = ("_explore", "_orders", "_targets", "_within")

    def __init__(self, targets: tuple[Target, ...], within: str, explore: float) -> None:
        self._targets = targets
        self._within = within
        self._explore = explore
        self._orders: dict[tuple[bool, tuple[int | None, ...]], tuple[Candidate, ...]] = {}

    def order(self, asking: Asking) -> tuple[Candidate, ...]:
        """The fastest first, or now and then another one."""
        world, stream = asking.world, asking.stream
        medians = tuple([world.paces.median_us(target, stream) for target in self._targets])
        made = self._orders.get((stream, medians))
        if made is None:
            made = self._ordered(stream, medians)
        others = len(made) - 1
        if others and self._explore and (drawn := world.entropy.uniform()) < self._explore:
            index = 1 + min(int(drawn / self._explore * others), others - 1)
            return at_front(made, index, "asked now and then, to learn how fast it is")
        return made

    def _ordered(self, stream: bool, medians: tuple[int | None, ...]) -> tuple[Candidate, ...]:
        if len(self._orders) >= ORDERS_MAX:
            self._orders.clear()
        order = sorted(range(len(medians)), key=[_UNKNOWN if us is None else us for us in medians].__getitem__)
        made = tuple(
            Candidate(self._targets[index], self._why(place, medians[index], stream))
            for place, index in enumerate(order, 1)
        )
        self._orders[stream, medians] = made
        return made

    def _why(self, place: int, median_us: int | None, stream: bool) -> str:
        if median_us is None:
            return f"number {place} of {self._within} as listed: how fast it is has not been learned yet"
        rank = "the fastest" if place == 1 else f"number {place} by pace"
        what = "to its first content" if stream else "for a whole answer"
        return f"{rank} in {self._within}: usually at most {median_us / 1000:,.0f} ms {what}"
