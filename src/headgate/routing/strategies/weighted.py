"""`weighted`: calls are shared out by weight. With `sticky`, the same unit goes to the same target every time.

Option `weights` maps a target to a number above or equal to 0; targets left out weigh 1. Option `sticky`: `key` (the
API key) or `header:NAME` (lower-case); a call without that header is drawn like any other.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from itertools import accumulate

from headgate.core.stages import Candidate
from headgate.core.types import as_object, as_text
from headgate.routing.options import number
from headgate.routing.strategy import Asking, Built, Given

OPTIONS = ("sticky", "weights")
WEIGHT_MAX = 1e6
_HEADER = "header:"
_WHOLE = 2.0**64


def build(given: Given) -> Built:
    """Raises ConfigError for a weight of a target that is not in the route, or where all weigh nothing."""
    at = f"{given.at}.weights"
    stated = as_object(given.options.get("weights"))
    if not stated:
        raise given.artifact.fault(at, "`weighted` needs `weights`", "{openai/gpt-6-luna: 3, google/...: 1}")
    names = [str(target) for target in given.targets]
    for name in stated:
        if name not in names:
            raise given.artifact.fault(f"{at}.{name}", f"`{name}` is no target here", f"one of: {', '.join(names)}")
    weights = [number(given.artifact, f"{at}.{name}", stated.get(name, 1.0), 0.0, WEIGHT_MAX) for name in names]
    if sum(weights) <= 0:
        raise given.artifact.fault(at, "every target weighs 0", "at least one weight above 0")
    sticky = as_text(given.options.get("sticky"))
    known = sticky in (None, "key") or (sticky or "").removeprefix(_HEADER).strip() not in ("", sticky)
    if not known or ("sticky" in given.options and sticky is None):
        raise given.artifact.fault(f"{given.at}.sticky", "`sticky` is not understood", "key, or header:x-session-id")
    return Built(Weighted(given, weights, sticky), given.targets)


class Weighted:
    """Every order there can be is made beforehand: one for each target in front, the others by weight behind it."""

    __slots__ = ("_ends", "_header", "_orders", "_salt", "_sticky")

    def __init__(self, given: Given, weights: list[float], sticky: str | None) -> None:
        total = sum(weights)
        drawn = [index for index, weight in enumerate(weights) if weight > 0]
        self._ends = list(accumulate(weights[index] / total for index in drawn))
        by_weight = sorted(range(len(weights)), key=lambda index: -weights[index])
        self._orders: list[tuple[Candidate, ...]] = []
        for first in drawn:
            kept = "kept for its unit" if sticky else "drawn"
            why = f"{kept} by weight, {weights[first] / total:.1%} of {given.within}"
            behind = [given.targets[index] for index in by_weight if index != first]
            fallbacks = [Candidate(t, f"fallback {at} by weight of {given.within}") for at, t in enumerate(behind, 1)]
            self._orders.append((Candidate(given.targets[first], why), *fallbacks))
        self._sticky = sticky
        self._header = sticky.removeprefix(_HEADER).encode() if sticky and sticky != "key" else None
        self._salt = str(given.artifact.ref.name).encode()

    def order(self, asking: Asking) -> tuple[Candidate, ...]:
        """One of the orders, drawn by weight."""
        unit = self._unit(asking) if self._sticky else None
        drawn = asking.world.entropy.uniform() if unit is None else self._drawn(unit)
        return self._orders[min(bisect_right(self._ends, drawn), len(self._orders) - 1)]

    def _unit(self, asking: Asking) -> bytes | None:
        admitted = asking.screened.grounded.prompted.selected.admitted
        return admitted.key.id.encode() if self._header is None else admitted.call.header(self._header)

    def _drawn(self, unit: bytes) -> float:
        """The unit's own number in [0, 1), the same in every worker and for every version of the route."""
        digest = hashlib.blake2b(unit, digest_size=8, key=self._salt[:64]).digest()
        return int.from_bytes(digest) / _WHOLE
