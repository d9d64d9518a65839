"""`learned`: a classifier reads the request, and each class has targets of its own. Too little confidence takes the
default class.

Options: `model` (`router@1.0.0`), `classes` (each class of the model to a list of targets), `default` (a class),
`min_confidence` (0 to 1).
"""

from __future__ import annotations

from collections.abc import Mapping

from headgate.core.record import RoutedRecord
from headgate.core.snapshot import Target
from headgate.core.stages import Candidate
from headgate.core.types import as_object, as_text
from headgate.routing.learned.classifier import Classifier
from headgate.routing.learned.features import facts_of
from headgate.routing.options import share
from headgate.routing.strategy import Asking, Built, Given, in_order

OPTIONS = ("classes", "default", "min_confidence", "model")
MIN_CONFIDENCE = 0.7


def build(given: Given) -> Built:
    """Raises ConfigError where the classes are not those of the model."""
    artifact, at, options = given.artifact, given.at, given.options
    model = given.model(f"{at}.model", options.get("model"))
    stated = as_object(options.get("classes"))
    known = ", ".join(model.classes)
    if stated is None or set(stated) != set(model.classes):
        raise artifact.fault(f"{at}.classes", f"the classes of {model.ref} are {known}", "targets for each of them")
    default = as_text(options.get("default"))
    if default not in model.classes:
        raise artifact.fault(f"{at}.default", f"`default` is no class of {model.ref}", f"one of: {known}")
    least = share(artifact, f"{at}.min_confidence", options.get("min_confidence", MIN_CONFIDENCE))
    classes = {name: given.listed(f"{at}.classes.{name}", stated[name]) for name in model.classes}
    every = dict.fromkeys(target for name in model.classes for target in classes[name])
    return Built(Learned(model, classes, default, least), tuple(every), (model.ref,))


class Learned:
    """What was decided goes on the call's record: class, confidence, model."""

    __slots__ = ("_classes", "_default", "_least", "_model")

    def __init__(
        self, model: Classifier, classes: Mapping[str, tuple[Target, ...]], default: str, least: float
    ) -> None:
        self._model = model
        self._classes = {name: in_order(targets, "", f"class `{name}`") for name, targets in classes.items()}
        self._default = default
        self._least = least

    def order(self, asking: Asking) -> tuple[Candidate, ...]:
        """The targets of the class, or of the default."""
        chat = asking.chat
        ref = self._model.ref
        if chat is None:
            asking.record.routed = RoutedRecord("learned", self._default, model=str(ref))
            return self._of(self._default, f"class `{self._default}`: {ref} cannot read such a request")
        found, confidence = self._model.guess(facts_of(chat))
        if confidence >= self._least:
            chosen, why = found, f"class `{found}`: {ref} is {confidence:.0%} sure"
        else:
            chosen = self._default
            why = f"class `{chosen}` by default: {ref} is only {confidence:.0%} sure of `{found}`"
        asking.record.routed = RoutedRecord("learned", chosen, found, round(confidence, 4), str(ref))
        return self._of(chosen, why)

    def _of(self, name: str, why: str) -> tuple[Candidate, ...]:
        first, *others = self._classes[name]
        return (Candidate(first.target, why), *others)
