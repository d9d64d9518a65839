"""`strategy` and `rules` of a route artifact. Every mistake is reported at its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.snapshot import Target
from headgate.core.types import Json, as_list, as_object, as_text
from headgate.routing import loading
from headgate.routing.learned.classifier import Classifier
from headgate.routing.rules import RULES_MAX, ByRule, Rule, compile_when
from headgate.routing.strategy import Built, Given, in_order

DEFAULT = "ordered"
Listed = Callable[[str, Json], tuple[Target, ...]]
Models = Callable[[str], Classifier | None]


class StrategyCompiler(msgspec.Struct, frozen=True):
    """Compiles the strategies of one route artifact. `listed` reads a list of targets, `models` finds classifiers."""

    artifact: Artifact
    listed: Listed
    models: Models

    def compile(self) -> Built:
        """The route's strategy with its rules; `Built.targets` are all that may be asked. Raises ConfigError."""
        content = self.artifact.content
        within = str(self.artifact.ref)
        rows = content.get("rules")
        targets: tuple[Target, ...] = ()
        if "targets" in content or rows is not None or not self._brings_targets(content.get("strategy")):
            targets = self.listed("targets", content.get("targets"))
        built = self._built("strategy", content.get("strategy", DEFAULT), targets, within)
        if rows is None:
            return built
        return self._ruled(rows, built, targets)

    def _ruled(self, rows: Json, otherwise: Built, targets: tuple[Target, ...]) -> Built:
        fault = self.artifact.fault
        stated = as_list(rows)
        if not stated or len(stated) > RULES_MAX:
            raise fault("rules", "`rules` is no list of rules", f"1 to {RULES_MAX} of {{when: ..., targets: ...}}")
        rules: list[Rule] = []
        every, uses = dict.fromkeys(otherwise.targets), dict.fromkeys(otherwise.uses)
        for index, row in enumerate(stated):
            at = f"rules.{index}"
            fields = as_object(row)
            if fields is None or "when" not in fields or not {"targets", "strategy"} & set(fields):
                raise fault(
                    at, "a rule needs `when`, and `targets` or `strategy`", "{when: {tools: true}, targets: ...}"
                )
            for name in fields:
                if name not in ("when", "targets", "strategy"):
                    raise fault(f"{at}.{name}", f"a rule has no `{name}`", "one of when, targets, strategy")
            when = compile_when(self.artifact, f"{at}.when", fields["when"])
            own = self.listed(f"{at}.targets", fields["targets"]) if "targets" in fields else targets
            within = f"rule {index + 1}"
            built = self._built(f"{at}.strategy", fields.get("strategy", DEFAULT), own, within)
            rules.append(Rule(when, built.strategy, in_order(own, f"{within} of {self.artifact.ref} holds", within)))
            every |= dict.fromkeys(built.targets)
            uses |= dict.fromkeys(built.uses)
        usual = in_order(targets, f"no rule of {self.artifact.ref} holds: its first choice", str(self.artifact.ref))
        return Built(ByRule(rules, otherwise.strategy, usual), tuple(every), tuple(uses))

    def _built(self, at: str, value: Json, targets: tuple[Target, ...], within: str) -> Built:
        name, options = self._named(at, value)
        module = loading.find(name)
        if module is None:
            raise self.artifact.fault(
                at, f"there is no strategy `{name[:64]}`", f"one of: {', '.join(loading.names())}"
            )
        for option in options:
            if option not in module.OPTIONS:
                right = f"one of: {', '.join(module.OPTIONS)}" if module.OPTIONS else "it takes no options"
                raise self.artifact.fault(f"{at}.{option}", f"`{name}` has no option `{option}`", right)
        given = Given(self.artifact, at, options, targets, self.listed, self._model, within)
        return module.build(given)

    def _named(self, at: str, value: Json) -> tuple[str, Mapping[str, Json]]:
        fields = as_object(value)
        name = as_text(value if fields is None else fields.get("name"))
        if not name:
            raise self.artifact.fault(at, "a strategy needs a name", "cheapest, or {name: weighted, weights: ...}")
        return name, {} if fields is None else {key: option for key, option in fields.items() if key != "name"}

    def _brings_targets(self, value: Json) -> bool:
        """Whether the strategy names targets of its own (classes), so that the route need not."""
        fields = as_object(value)
        return fields is not None and "classes" in fields

    def _model(self, at: str, value: Json) -> Classifier:
        wanted = (as_text(value) or "").removeprefix("model/")
        if wanted.count("@") != 1 or wanted.count(".") < 2:
            raise self.artifact.fault(at, f"`{wanted}` does not pin a version", "name@MAJOR.MINOR.PATCH, router@1.0.0")
        found = self.models(wanted)
        if found is None:
            raise self.artifact.fault(
                at, f"there is no model `{wanted}`", "a document of kind `model` in the workspace"
            )
        return found
