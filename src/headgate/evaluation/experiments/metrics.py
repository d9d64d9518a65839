"""What is measured in an experiment, and what is kept of it: sums over units, from which every interval is made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import msgspec

from headgate.core.errors import ConfigError

KINDS = ("binary", "mean", "ratio")
NUMBERS = ("cost_usd", "latency_s", "ttft_s", "tokens")
FLAGS = ("refused", "error")
SCORE = "score:"
CALLS = "calls"
METRICS_MAX = 20


class Metric(msgspec.Struct, frozen=True):
    """One thing to compare arms by. `min_effect` is the smallest difference that matters, for a safety metric the harm
    that is still allowed: absolute, or as a part of the control's own value where `relative` (not of a binary metric).

    `source` is `score:NAME` or one of NUMBERS and FLAGS. A `binary` metric of a number says whether it is above
    `threshold` (a 95th percentile is watched as the share of calls above it). A `ratio` is the sum of `source` over
    the sum of `over`, which is another source; binary and mean are over the calls whose value is known.
    """

    name: str
    kind: str
    source: str
    min_effect: float
    better: str = "higher"
    relative: bool = False
    threshold: float | None = None
    over: str = CALLS

    @property
    def sign(self) -> float:
        """1 where higher is better, else -1."""
        return 1.0 if self.better == "higher" else -1.0

    @property
    def heavy(self) -> bool:
        """Whether single values may be many times the mean: money, time and tokens, unless cut at a threshold."""
        return self.kind != "binary" and (self.source in NUMBERS or self.over in NUMBERS)

    def reading(self, value: float | None) -> float | None:
        """What one call's value counts as. None where it is not known, or is no answer to a yes-or-no question."""
        if value is None or not math.isfinite(value):
            return None
        if self.threshold is not None:
            return float(value > self.threshold)
        return float(value) if self.kind != "binary" or value in (0, 1) else None


def check_metric(metric: Metric, where: str) -> None:
    """Raises ConfigError for a metric that cannot be measured."""
    if metric.kind not in KINDS:
        raise ConfigError(where, f"`{metric.kind}` is no kind of metric", f"one of {', '.join(KINDS)}")
    _check_source(metric.source, (*NUMBERS, *FLAGS), where)
    _check_source(metric.over, (CALLS, *NUMBERS, *FLAGS), where)
    if metric.better not in ("higher", "lower"):
        raise ConfigError(where, f"better: `{metric.better}`", "better: higher, or better: lower")
    if not 0 < metric.min_effect < math.inf:
        raise ConfigError(where, "min_effect is not above 0", "the smallest difference that matters, such as 0.02")
    if metric.relative and metric.kind == "binary":
        raise ConfigError(where, "a binary metric is relative", "its min_effect in points: 0.02 for 2 of 100")
    if metric.threshold is not None and metric.kind != "binary":
        raise ConfigError(where, "only a binary metric has a threshold", "kind: binary, or no threshold")
    if metric.kind == "binary" and metric.source in NUMBERS and metric.threshold is None:
        raise ConfigError(
            where, f"{metric.source} is neither yes nor no", "a threshold: the value above which it counts"
        )
    if (metric.kind == "ratio") != (metric.over != CALLS):
        raise ConfigError(where, "`over` belongs to a ratio, and a ratio needs it", "kind: ratio with over: SOURCE")


def _check_source(source: str, known: tuple[str, ...], where: str) -> None:
    if source not in known and not (source.startswith(SCORE) and len(source) > len(SCORE)):
        raise ConfigError(where, f"`{source}` is nothing that is measured", f"score:NAME, or one of {', '.join(known)}")


class UnitSums(msgspec.Struct, gc=False):
    """Sums over the units of one arm. A unit's `y` is the sum of the metric over its calls, its `x` the sum of what it
    is divided by (for binary and mean: how many of its calls have a value); `yy`, `xy`, `xx` are sums of products.

    Calls of one user are alike: whoever counts them as independent finds differences that are not there.
    """

    units: int = 0
    y: float = 0.0
    x: float = 0.0
    yy: float = 0.0
    xy: float = 0.0
    xx: float = 0.0

    def add(self, y: float, x: float = 1.0) -> None:
        """One more unit."""
        self.units += 1
        self.y += y
        self.x += x
        self.yy += y * y
        self.xy += x * y
        self.xx += x * x

    def plus(self, other: UnitSums) -> UnitSums:
        """Both together."""
        return UnitSums(
            self.units + other.units,
            self.y + other.y,
            self.x + other.x,
            self.yy + other.yy,
            self.xy + other.xy,
            self.xx + other.xx,
        )

    @classmethod
    def of(cls, units: Iterable[tuple[float, float]]) -> UnitSums:
        """From one (y, x) a unit."""
        sums = cls()
        for y, x in units:
            sums.add(y, x)
        return sums

    @property
    def single(self) -> bool:
        """Whether every unit has one observation, so that counts can be judged exactly."""
        return self.units == self.x == self.xx


class ArmData(msgspec.Struct, frozen=True):
    """What is known of one arm. `units` are all that were exposed, with values or without: the split is tested on them.

    `fallback_calls` were answered by something else than the arm's own first choice. `metrics` are by name and hold
    all calls; `own` the same without those answered by a fallback, where that was asked for.
    """

    units: int = 0
    calls: int = 0
    fallback_calls: int = 0
    metrics: Mapping[str, UnitSums] = {}
    own: Mapping[str, UnitSums] = {}


class Stage(msgspec.Struct, frozen=True):
    """A time in which the weights stayed as they were. A unit belongs to the stage and the arm it was first seen in.

    `weights` are by arm, those that traffic was really split by (`Layout.shares`).
    """

    weights: Mapping[str, float]
    arms: Mapping[str, ArmData]
