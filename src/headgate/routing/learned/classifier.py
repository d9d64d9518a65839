"""A linear classifier (multinomial logistic regression) as a `model` artifact holds it: plain data, nothing executed.

Probabilities are softmax(scores / temperature); the temperature is fitted on rows the weights have not seen (Guo et
al., "On Calibration of Modern Neural Networks", 2017), so that 0.8 means right four times in five on such data.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.decode import read
from headgate.core.types import ArtifactRef, Json, JsonObject
from headgate.routing.learned import features
from headgate.routing.learned.features import Facts
from headgate.routing.learned.length import LengthRule

CLASSES_MAX = 16
WORDS_MAX = 20_000


class TrainedSource(msgspec.Struct, forbid_unknown_fields=True):
    """What a classifier was made of. `data` are digests of the files, `length_rule` is the best rule by length."""

    rows: int
    seed: int
    settings: dict[str, float]
    labels: dict[str, int]
    tolerance: float
    length_rule: LengthRule
    data: list[dict[str, Json]]


class ModelSource(msgspec.Struct, forbid_unknown_fields=True):
    """An artifact of kind `model`. `dense` and `words` give one weight per class, in the order of `classes`.

    Classes that are tiers of models stand with the cheapest first. `trained` and `metrics` say what it was made of and
    how good it was; they change nothing at run time.
    """

    type: Literal["linear"]
    features: int
    classes: list[str]
    bias: list[float]
    dense: dict[str, list[float]]
    words: dict[str, list[float]]
    temperature: float
    trained: TrainedSource | None = None
    metrics: JsonObject = {}


class Guess(NamedTuple):
    """The likeliest class and its probability."""

    name: str
    confidence: float


class Classifier:
    """Ready to be asked; immutable. `ref` is the artifact it came from."""

    __slots__ = ("_bias", "_dense", "_vocabulary", "_words", "classes", "ref", "temperature")

    def __init__(self, source: ModelSource, ref: ArtifactRef) -> None:
        self.ref = ref
        self.classes = tuple(source.classes)
        self.temperature = source.temperature
        self._bias = source.bias
        self._dense = [source.dense[name] for name in features.DENSE]
        self._words = source.words
        self._vocabulary = frozenset(source.words)

    def probabilities(self, facts: Facts) -> list[float]:
        """One for each class; they add up to 1."""
        scores = list(self._bias)
        places = range(len(scores))
        for value, weights in zip(features.dense(facts), self._dense, strict=True):
            if value:
                for at in places:
                    scores[at] += value * weights[at]
        found = features.known_words(facts, self._vocabulary)
        if found:
            scale = 1.0 / math.sqrt(len(found))
            told = [self._words[word] for word in sorted(found)]  # sorted: sums come out alike in every process
            for at in places:
                scores[at] += scale * sum([weights[at] for weights in told])
        return softmax(scores, self.temperature)

    def guess(self, facts: Facts) -> Guess:
        """The likeliest class; of equals the first."""
        found = self.probabilities(facts)
        best = max(found)
        return Guess(self.classes[found.index(best)], best)


def softmax(scores: list[float], temperature: float) -> list[float]:
    """Scores as probabilities."""
    top = max(scores)
    grown = [math.exp((score - top) / temperature) for score in scores]
    total = sum(grown)
    return [one / total for one in grown]


def compile_model(artifact: Artifact) -> Classifier:
    """The classifier of an artifact of kind `model`. Raises ConfigError with `file:line`."""
    source = read(artifact, ModelSource)
    if source.features != features.VERSION:
        wrong = f"it was trained on version {source.features} of the features, this is version {features.VERSION}"
        raise artifact.fault("features", wrong, "train it again with `headgate route train`")
    count = len(source.classes)
    if not 2 <= count <= CLASSES_MAX or len(set(source.classes)) < count:
        raise artifact.fault("classes", f"{count} classes", f"2 to {CLASSES_MAX} different ones")
    if len(source.words) > WORDS_MAX:
        raise artifact.fault("words", f"{len(source.words)} words", f"at most {WORDS_MAX}")
    if set(source.dense) != set(features.DENSE):
        raise artifact.fault("dense", "not the figures that are computed here", ", ".join(features.DENSE))
    if not 0.01 <= source.temperature <= 100:
        raise artifact.fault("temperature", f"`temperature` is {source.temperature:g}", "0.01 to 100")
    rows = {"bias": source.bias, **{f"dense.{n}": w for n, w in source.dense.items()}}
    rows |= {f"words.{word}": weights for word, weights in source.words.items()}
    for at, weights in rows.items():
        if len(weights) != count or not all(math.isfinite(weight) for weight in weights):
            raise artifact.fault(at, f"`{at}` has {len(weights)} weights", f"{count} finite numbers, one per class")
    return Classifier(source, artifact.ref)
