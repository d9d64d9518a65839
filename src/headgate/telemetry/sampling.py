"""Texts of unregistered system prompts, each told once, so that control can group them.

What is told is the text as it left for a provider: what a guardrail took out is not in it, and a blocked call tells
nothing. On the request path a prompt that was told before costs one look into a dictionary.
"""

from __future__ import annotations

from headgate.core.discovery import PromptSample
from headgate.core.ports import Clock, Journal
from headgate.core.stages import Funded
from headgate.dialects import DIALECTS

TEXT_CHARS_MAX = 16_384
REMEMBERED = 2_048  # of the younger half; twice that in all
PER_SECOND = 5.0
AT_ONCE = 50.0


class PromptSamples:
    """Tells the journal of prompts that it was not told of lately. Bounded in memory and in texts a second."""

    __slots__ = ("_at_ns", "_clock", "_journal", "_older", "_room", "_younger")

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._younger: set[str] = set()
        self._older: set[str] = set()
        self._room = AT_ONCE
        self._at_ns = clock.monotonic_ns()

    def look(self, fingerprint: str, funded: Funded) -> None:
        """A call with this unregistered prompt is about to be sent."""
        if fingerprint in self._younger:
            return
        if fingerprint in self._older or (self._may() and self._tell(fingerprint, funded)):
            self._remember(fingerprint)

    def _remember(self, fingerprint: str) -> None:
        if len(self._younger) >= REMEMBERED:
            self._older, self._younger = self._younger, set()
        self._younger.add(fingerprint)

    def _may(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        self._room = min(self._room + (now_ns - self._at_ns) / 1e9 * PER_SECOND, AT_ONCE)
        self._at_ns = now_ns
        if self._room < 1:
            return False
        self._room -= 1
        return True

    def _tell(self, fingerprint: str, funded: Funded) -> bool:
        screened = funded.planned.screened
        selected = screened.grounded.prompted.selected
        call, asked = selected.admitted.call, selected.asked
        dialect = DIALECTS[call.dialect]
        if screened.body is not asked.body:
            asked = dialect.ask(screened.body, call.path_model, call.path_stream)
        text = dialect.system_text(asked)
        if text is None:
            return False
        record = call.record
        return self._journal.sampled(
            PromptSample(fingerprint, text[:TEXT_CHARS_MAX], len(text), record.received_ns, record.id, record.tenant)
        )
