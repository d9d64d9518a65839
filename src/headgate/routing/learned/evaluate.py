"""How good a classifier is on labelled calls it has not seen: against the majority class and a rule by length, with
confidence intervals, calibration, and money saved against quality lost.

The majority class is the commonest of the rows judged here, which no constant answer can beat; the length rule is the
one that separates the classes best on the training rows. Intervals are 95%: Wilson's for shares (Wilson, 1927), of
paired differences for what is better or lost.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from headgate.routing.learned.classifier import Classifier, Guess
from headgate.routing.learned.labelled import DataSet
from headgate.routing.learned.length import LengthRule, commonest

Z = 1.959964
BINS = 10
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


class Share(NamedTuple):
    """A share of rows, and its 95% interval."""

    value: float
    low: float
    high: float


class Trade(msgspec.Struct, frozen=True):
    """What comes of trusting only what is at least `min_confidence` sure; other calls go to the dearest tier.

    `sent`: the share of calls each tier gets. `quality` and `cost_usd` are means per call, `quality_lost` and `saved`
    (a share) are against always asking the dearest tier. `lot_quality` and `length_quality`: as many calls to each
    tier, but drawn by lot, or the shortest to the cheapest. Cost None where it is not known of every row.
    """

    min_confidence: float
    sent: dict[str, float]
    quality: float
    quality_lost: Share
    lot_quality: float
    length_quality: float
    cost_usd: float | None
    saved: float | None


class Evaluation(msgspec.Struct, frozen=True):
    """Figures of one classifier on one data set. `better_than_*`: accuracy above that baseline's, with the interval of
    the difference. `calibration_error`: the mean gap between confidence and being right (ECE, 10 bins)."""

    model: str
    rows: int
    accuracy: Share
    macro_f1: float
    majority: Share
    majority_f1: float
    length: Share
    length_f1: float
    length_rule: str
    better_than_majority: Share
    better_than_length: Share
    calibration_error: float
    labels: dict[str, int]
    sure: list[tuple[float, float, Share]]
    trades: list[Trade]

    @property
    def beats_both(self) -> bool:
        """Whether the intervals of both differences are above 0."""
        return self.better_than_majority.low > 0 and self.better_than_length.low > 0


def evaluate(model: Classifier, data: DataSet, rule: LengthRule, sends: Mapping[str, str] | None = None) -> Evaluation:
    """The figures on rows that the classifier should not have been trained on.

    `sends` says which tier each class goes to, where classes are not tiers themselves; None: no trades are told then.
    """
    if sends is None and set(model.classes) == set(data.tiers):
        sends = {name: name for name in data.tiers}
    guesses = [model.guess(row.facts) for row in data.rows]
    labels = [row.label for row in data.rows]
    right = [guess.name == label for guess, label in zip(guesses, labels, strict=True)]
    by_length = [rule.guess(row) for row in data.rows]
    length_right = [guess == label for guess, label in zip(by_length, labels, strict=True)]
    majority = commonest(Counter(labels))
    majority_right = [label == majority for label in labels]
    return Evaluation(
        model=str(model.ref),
        rows=len(labels),
        accuracy=wilson(sum(right), len(right)),
        macro_f1=macro_f1([guess.name for guess in guesses], labels),
        majority=wilson(sum(majority_right), len(right)),
        majority_f1=macro_f1([majority] * len(labels), labels),
        length=wilson(sum(length_right), len(right)),
        length_f1=macro_f1(by_length, labels),
        length_rule=f"{rule.shorter} up to {rule.chars} characters, else {rule.longer}",
        better_than_majority=_better(right, majority_right),
        better_than_length=_better(right, length_right),
        calibration_error=calibration_error(guesses, right),
        labels=dict(sorted(Counter(labels).items())),
        sure=_sure(guesses, right),
        trades=[] if sends is None else [_trade(data, guesses, least, sends) for least in THRESHOLDS],
    )


def wilson(right: int, rows: int) -> Share:
    """A share with its 95% interval."""
    if not rows:
        return Share(0.0, 0.0, 1.0)
    share = right / rows
    middle = (share + Z * Z / (2 * rows)) / (1 + Z * Z / rows)
    half = Z / (1 + Z * Z / rows) * math.sqrt(share * (1 - share) / rows + Z * Z / (4 * rows * rows))
    return Share(share, max(middle - half, 0.0), min(middle + half, 1.0))


def macro_f1(guesses: Sequence[str], labels: Sequence[str]) -> float:
    """The mean F1 over the classes that occur."""
    hits = Counter(guess for guess, label in zip(guesses, labels, strict=True) if guess == label)
    said, are = Counter(guesses), Counter(labels)
    return sum(2 * hits[name] / (said[name] + are[name]) for name in are) / len(are)


def calibration_error(guesses: Sequence[Guess], right: Sequence[bool]) -> float:
    """Expected calibration error over BINS bins of equal width."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for guess, good in zip(guesses, right, strict=True):
        bins.setdefault(min(int(guess.confidence * BINS), BINS - 1), []).append((guess.confidence, good))
    gaps = [abs(sum(sure for sure, _ in rows) - sum(good for _, good in rows)) for rows in bins.values()]
    return sum(gaps) / len(guesses)


def _sure(guesses: Sequence[Guess], right: Sequence[bool]) -> list[tuple[float, float, Share]]:
    """For every threshold: the share of calls at or above it, and how many of those are right."""
    out: list[tuple[float, float, Share]] = []
    for least in THRESHOLDS:
        kept = [good for guess, good in zip(guesses, right, strict=True) if guess.confidence >= least]
        out.append((least, len(kept) / len(right), wilson(sum(kept), len(kept))))
    return out


def _better(right: Sequence[bool], other: Sequence[bool]) -> Share:
    return paired([float(one) - float(two) for one, two in zip(right, other, strict=True)])


def paired(gains: Sequence[float]) -> Share:
    """The mean of differences between two answers to the same row, with its 95% interval (normal approximation)."""
    count = len(gains)
    mean = sum(gains) / count
    spread = math.sqrt(sum((gain - mean) ** 2 for gain in gains) / max(count - 1, 1) / count)
    return Share(mean, mean - Z * spread, mean + Z * spread)


def _trade(data: DataSet, guesses: Sequence[Guess], least: float, sends: Mapping[str, str]) -> Trade:
    """What comes of trusting only what is at least so sure."""
    dearest = data.tiers[-1]
    sent_to = [sends[guess.name] if guess.confidence >= least else dearest for guess in guesses]
    counts = Counter(sent_to)
    rows = len(sent_to)
    sent = {name: counts[name] / rows for name in data.tiers}
    lost = paired([row.quality[dearest] - row.quality[tier] for row, tier in zip(data.rows, sent_to, strict=True)])
    by_lot = sum(share * _mean(row.quality[name] for row in data.rows) for name, share in sent.items())
    priced = all(name in row.cost for row in data.rows for name in data.tiers)
    cost = _mean(row.cost[tier] for row, tier in zip(data.rows, sent_to, strict=True)) if priced else None
    whole = _mean(row.cost[dearest] for row in data.rows) if priced else None
    return Trade(
        min_confidence=least,
        sent=sent,
        quality=_mean(row.quality[tier] for row, tier in zip(data.rows, sent_to, strict=True)),
        quality_lost=lost,
        lot_quality=by_lot,
        length_quality=_by_length(data, counts),
        cost_usd=cost,
        saved=None if cost is None or not whole else 1 - cost / whole,
    )


def _by_length(data: DataSet, counts: Counter[str]) -> float:
    """Mean quality where as many calls go to each tier, the shortest to the cheapest."""
    order = sorted(data.rows, key=lambda row: len(row.facts.text))
    tiers = [name for name in data.tiers for _ in range(counts[name])]
    return _mean(row.quality[tier] for row, tier in zip(order, tiers, strict=True))


def _mean(values: Iterable[float]) -> float:
    told = list(values)
    return sum(told) / len(told)
