"""Puts findings on the call's record: what was found where and what was done, never the text."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.core.record import CallRecord, VerdictRecord
from headgate.guardrails.window import Finding

VERDICTS_MAX = 200
OVERFLOW_RULE = "verdict_limit"


class Verdicts:
    """The verdicts of one direction of one call. `attempt` is the try being judged; 0 is the request."""

    __slots__ = ("_direction", "_policy", "_record", "attempt")

    def __init__(self, record: CallRecord, direction: str, policy: str) -> None:
        self.attempt = 0
        self._record = record
        self._direction = direction
        self._policy = policy

    def add(self, channel: str, findings: Sequence[Finding]) -> str | None:
        """Records findings; the first rule among them that blocks. Past VERDICTS_MAX one entry says that more came."""
        blocked: str | None = None
        for finding in findings:
            self._put(finding.rule, finding.action, channel, finding.start, finding.end)
            if finding.action == "block" and blocked is None:
                blocked = finding.rule
        return blocked

    def failed(self, rule: str, error_action: str, channel: str = "") -> str | None:
        """Records that the screen itself could not do its work; `rule` where that ends the call."""
        blocks = error_action == "block"
        self._put(rule, "block" if blocks else "allow", channel, 0, 0)
        return rule if blocks else None

    def _put(self, rule: str, action: str, channel: str, start: int, end: int) -> None:
        kept = self._record.verdicts
        if len(kept) > VERDICTS_MAX and action != "block":
            return
        if len(kept) == VERDICTS_MAX and action != "block":
            rule, action, channel, start, end = OVERFLOW_RULE, "flag", "", 0, 0
        kept.append(VerdictRecord(rule, self._direction, action, channel, start, end, self._policy, self.attempt))
