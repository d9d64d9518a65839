"""The sliding window over one text that arrives in pieces: what is decided, and what was found in it.

The same text gives the same findings in the same order, however it is cut. Held back is only what may be the beginning
of a match: never more than the longest match of any rule, mostly nothing or a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from headgate.guardrails.patterns import TOO_MANY, RuleSet, Span, View, encoded


class Finding(NamedTuple):
    """What a rule found in characters `start` to `end`, and what is done: allow, flag, redact, block.

    `rule` ends in `.error` where the check broke down. `replace` is what a redaction puts in place.
    """

    rule: str
    action: str
    start: int
    end: int
    replace: str = ""


class Window:
    """Findings of one text. Offsets count characters from the text's beginning."""

    __slots__ = ("_base", "_begin", "_rules", "_spared", "_text", "decided")

    def __init__(self, rules: RuleSet) -> None:
        self.decided = 0  # every match that starts before is known
        self._rules = rules
        self._text: str = ""  # from one character before `decided`: boundaries look back that far
        self._base = 0
        self._begin: dict[int, int] = {}
        self._spared: list[Span] = []

    def copy(self) -> Window:
        """Another window over the same text so far."""
        other = Window(self._rules)
        other.decided, other._text, other._base = self.decided, self._text, self._base
        other._begin, other._spared = dict(self._begin), list(self._spared)
        return other

    def feed(self, text: str) -> Sequence[Finding]:
        """More of the text; the findings it settles."""
        if self._text:
            text = self._text + text
        rules = self._rules
        data = encoded(text)
        stop = rules.undecided(text, data)
        first = self.decided - self._base
        if stop <= first:
            self._text = text
            return ()
        suspects = rules.suspects(data)
        if not suspects:  # nearly always
            self._slide(text, stop)
            return ()
        found = rules.look(View(text, data, self._base), suspects, self._begin, first, stop)
        self._slide(text, stop)
        return self._judge(found) if found else ()

    def pause(self, text: str = "") -> Sequence[Finding]:
        """More of the text, judged as though it ended here. It may go on: a match over the gap is still found."""
        if self._text:
            text = self._text + text
        elif not text:
            return ()
        rules = self._rules
        data = encoded(text)
        first = self.decided - self._base
        suspects = rules.suspects(data)
        found = rules.look(View(text, data, self._base), suspects, self._begin, first, len(text)) if suspects else ()
        # where nothing was found, where a match might be under way need not be known exactly
        self._slide(text, rules.undecided(text, data) if found else max(len(text) - rules.longest, first))
        return self._judge(found) if found else ()

    def _slide(self, text: str, decided: int) -> None:
        """Forgets what is decided but for its last character."""
        keep = decided - 1 if decided else 0
        self._text = text[keep:]
        self._base += keep
        self.decided = self._base + decided - keep

    def _judge(self, spans: Sequence[Span]) -> list[Finding]:
        """Actions for matches in order: exemptions first, then each rule's own; redactions do not overlap."""
        spared = [span for span in self._spared if span.end > spans[0].start]
        spared += [span for span in spans if span.rule.action == "allow" and not span.failed]
        self._spared = spared
        findings: list[Finding] = []
        for start, end, _, rule, failed in spans:
            if rule is TOO_MANY:
                findings.append(Finding(rule.name, rule.action, start, end))
            elif failed:
                findings.append(Finding(f"{rule.name}.error", self._rules.error_action, start, end))
            elif rule.action != "allow":
                findings.append(self._act(start, end, rule.name, rule.action, rule.replace, spared))
        return findings

    def _act(self, start: int, end: int, rule: str, action: str, replace: str, spared: list[Span]) -> Finding:
        for span in spared:
            if span.start <= start and end <= span.end and (not span.rule.spares or rule in span.rule.spares):
                return Finding(rule, "allow", start, end)
        return Finding(rule, action, start, end, replace)
