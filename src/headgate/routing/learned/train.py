"""Fits a linear classifier: AdaGrad on the cross entropy with L2 (Duchi et al., 2011), pure Python, repeatable.

The order of rows is drawn by hashing the seed, so the same data and seed give the same artifact, byte for byte.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from headgate.core.errors import ConfigError
from headgate.core.types import JsonObject
from headgate.routing.learned import features
from headgate.routing.learned.classifier import CLASSES_MAX, softmax
from headgate.routing.learned.labelled import DataSet, Labelled
from headgate.routing.learned.length import length_rule

HELD_OUT = 5  # one row in so many fits the temperature, not the weights
ROWS_MIN = 50


class TrainSettings(msgspec.Struct, frozen=True):
    """How to train. `words`: size of the vocabulary; a word must be in `seen_in` rows at least."""

    seed: int = 1
    epochs: int = 12
    rate: float = 0.3
    l2: float = 1e-4
    words: int = 2000
    seen_in: int = 5


class Example(NamedTuple):
    """A row as numbers: figures, the places of its words, what each of those counts, its class."""

    dense: list[float]
    words: list[int]
    scale: float
    label: int


Scored: TypeAlias = "tuple[list[float], int]"


class Weights(NamedTuple):
    """Weights per class: `[class][feature]`, the bias last of `dense`."""

    dense: list[list[float]]
    words: list[list[float]]


def train(data: DataSet, settings: TrainSettings) -> JsonObject:
    """The content of a `model` artifact, without metrics. Raises ConfigError where too little can be learned."""
    counts = Counter(row.label for row in data.rows)
    classes = data.classes
    if len(data.rows) < ROWS_MIN or not 2 <= len(counts) <= CLASSES_MAX:
        wrong = f"{len(data.rows)} rows of {len(counts)} classes"
        raise ConfigError("data", wrong, f"at least {ROWS_MIN} rows of 2 to {CLASSES_MAX} classes")
    order = shuffled(len(data.rows), settings.seed, "split")
    kept = [data.rows[index] for place, index in enumerate(order) if place % HELD_OUT]
    words = choose_words(kept, settings)
    weights = fit(kept, words, classes, settings)
    temperature = calibrate([_scored(data.rows[index], words, classes, weights) for index in order[::HELD_OUT]])
    vocabulary = choose_words(data.rows, settings)
    weights = fit(data.rows, vocabulary, classes, settings)
    return {
        "type": "linear",
        "features": features.VERSION,
        "classes": [*classes],
        "bias": [_short(row[-1]) for row in weights.dense],
        "dense": {name: [_short(row[at]) for row in weights.dense] for at, name in enumerate(features.DENSE)},
        "words": {word: [_short(row[at]) for row in weights.words] for at, word in enumerate(vocabulary)},
        "temperature": _short(temperature),
        "trained": {
            "rows": len(data.rows),
            "seed": settings.seed,
            "settings": {"epochs": settings.epochs, "l2": settings.l2, "words": settings.words},
            "labels": {name: counts.get(name, 0) for name in classes},
            "tolerance": data.tolerance,
            "length_rule": msgspec.to_builtins(length_rule(data)),
            "data": [{"sha256": digest, "rows": rows} for digest, rows in data.sources],
        },
    }


def shuffled(count: int, seed: int, what: str) -> list[int]:
    """0 to count - 1 in an order that the seed decides."""
    prefix = f"{seed}/{what}/"
    return sorted(range(count), key=lambda index: hashlib.blake2b(f"{prefix}{index}".encode(), digest_size=8).digest())


def choose_words(rows: Sequence[Labelled], settings: TrainSettings) -> list[str]:
    """The words that tell most about the class (mutual information), sorted. Words of one row alone are left out: a
    vocabulary is no place for what a single caller wrote."""
    totals = Counter(row.label for row in rows)
    seen: dict[str, Counter[str]] = {}
    for row in rows:
        for word in features.words(row.facts):
            if len(word) <= 24 and word.isprintable():
                seen.setdefault(word, Counter())[row.label] += 1
    told = [
        (-_information(counts, totals, len(rows)), word)
        for word, counts in seen.items()
        if counts.total() >= settings.seen_in
    ]
    return sorted(word for _, word in sorted(told)[: settings.words])


def _information(counts: Counter[str], totals: Counter[str], rows: int) -> float:
    present = counts.total()
    absent = rows - present
    told = 0.0
    for label, total in totals.items():
        for joint, margin in ((counts[label], present), (total - counts[label], absent)):
            if joint:
                told += joint / rows * math.log(joint * rows / (margin * total))
    return told


def _example(row: Labelled, places: Mapping[str, int], classes: Sequence[str]) -> Example:
    found = sorted(places[word] for word in features.known_words(row.facts, places.keys()))
    scale = 1.0 / math.sqrt(len(found)) if found else 0.0
    return Example([*features.dense(row.facts), 1.0], found, scale, classes.index(row.label))


def fit(rows: Sequence[Labelled], words: Sequence[str], classes: Sequence[str], settings: TrainSettings) -> Weights:
    """The weights after `epochs` walks over the rows."""
    places = {word: at for at, word in enumerate(words)}
    examples = [_example(row, places, classes) for row in rows]
    figures, count = len(features.DENSE) + 1, len(words)
    weights = Weights([[0.0] * figures for _ in classes], [[0.0] * count for _ in classes])
    grown = Weights([[1e-8] * figures for _ in classes], [[1e-8] * count for _ in classes])
    for epoch in range(settings.epochs):
        for index in shuffled(len(examples), settings.seed, f"epoch {epoch}"):
            example = examples[index]
            found = softmax(scores_of(example, weights), 1.0)
            told = [(at, example.scale) for at in example.words]
            for one in range(len(classes)):
                error = found[one] - (1.0 if one == example.label else 0.0)
                _step(weights.dense[one], grown.dense[one], enumerate(example.dense), error, settings)
                _step(weights.words[one], grown.words[one], told, error, settings)
    return weights


def _step(
    weights: list[float],
    grown: list[float],
    told: Iterable[tuple[int, float]],
    error: float,
    settings: TrainSettings,
) -> None:
    rate, l2 = settings.rate, settings.l2
    for at, value in told:
        slope = error * value + l2 * weights[at]
        grown[at] += slope * slope
        weights[at] -= rate * slope / math.sqrt(grown[at])


def scores_of(example: Example, weights: Weights) -> list[float]:
    """The score of each class."""
    out: list[float] = []
    for figures, words in zip(weights.dense, weights.words, strict=True):
        score = sum([value * weight for value, weight in zip(example.dense, figures, strict=True)])
        out.append(score + example.scale * sum([words[at] for at in example.words]))
    return out


def _scored(row: Labelled, words: Sequence[str], classes: Sequence[str], weights: Weights) -> Scored:
    example = _example(row, {word: at for at, word in enumerate(words)}, classes)
    return scores_of(example, weights), example.label


def calibrate(scored: Sequence[Scored]) -> float:
    """The temperature with the least cross entropy on rows the weights have not seen; never below 1, since rows of
    the same files are more alike than what comes later."""

    def loss(temperature: float) -> float:
        return -sum(math.log(max(softmax(scores, temperature)[label], 1e-12)) for scores, label in scored)

    return min((round(1.12**step, 4) for step in range(25)), key=loss)


def _short(weight: float) -> float:
    """Four significant digits: what is beyond them is noise, and may differ between machines."""
    return float(f"{weight:.4g}")
