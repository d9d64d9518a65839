"""A guardrail artifact ready to run, and the policy of having none."""

from __future__ import annotations

from headgate.core.errors import PolicyBlocked
from headgate.core.stages import Call, Grounded, Screened
from headgate.core.types import ArtifactRef
from headgate.guardrails.body import screen_body
from headgate.guardrails.patterns import RuleSet
from headgate.guardrails.screen import OpenScreen, RuleScreen
from headgate.guardrails.verdicts import Verdicts


class OpenPolicy:
    """No rules: everything passes, and nothing is spent on it."""

    __slots__ = ()

    ref: ArtifactRef | None = None

    async def screen_input(self, grounded: Grounded) -> Screened:
        """The request as it is."""
        return Screened(grounded, grounded.body)

    def output(self, screened: Screened) -> OpenScreen:
        """A screen that lets everything through."""
        return OpenScreen()


OPEN_POLICY = OpenPolicy()


class RulePolicy:
    """Pattern rules on input and output; either may be None. Input and output are judged by the same matching."""

    __slots__ = ("_input", "_label", "_output", "ref")

    def __init__(self, ref: ArtifactRef, inputs: RuleSet | None, outputs: RuleSet | None) -> None:
        self.ref: ArtifactRef | None = ref
        self._label = str(ref)
        self._input = inputs
        self._output = outputs

    async def screen_input(self, grounded: Grounded) -> Screened:
        """The request with redactions; byte for byte the same where there are none. Raises PolicyBlocked."""
        call = _call(grounded)
        call.record.policy = self._label
        rules = self._input
        if rules is None:
            return Screened(grounded, grounded.body)
        body, blocked = screen_body(grounded.body, rules, Verdicts(call.record, "input", self._label))
        if blocked is not None:
            message = f"the request was refused by rule {blocked} of {self._label}"
            raise PolicyBlocked(message, rule=blocked, direction="input")
        return Screened(grounded, body)

    def output(self, screened: Screened) -> OpenScreen | RuleScreen:
        """A fresh screen for one call."""
        rules = self._output
        if rules is None:
            return OpenScreen()
        call = _call(screened.grounded)
        return RuleScreen(rules, Verdicts(call.record, "output", self._label), call.dialect)


def _call(grounded: Grounded) -> Call:
    return grounded.prompted.selected.admitted.call
