"""One channel of an answer (or one string of a request): what of it may go out, and how it must be rewritten.

Offsets count characters of the channel's raw text: for tool-call arguments that is JSON text as it was sent, although
rules see the unescaped contents of its strings.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

import msgspec

from headgate.guardrails.jsontext import CLOSE, OPEN_LOOSE, OPEN_STRING, RUN, JsonText, Token
from headgate.guardrails.patterns import RuleSet, encoded
from headgate.guardrails.prose import Prose
from headgate.guardrails.window import Finding, Window

BARE_CHARS_MAX = 1024


class Edit(msgspec.Struct, gc=False):
    """Characters `start` to `end` become `text`. `placed` once the new text stands in some piece."""

    start: int
    end: int
    text: str
    placed: bool = False


class Channel(Protocol):
    """What both kinds of channel do."""

    total: int
    cleared: int
    edits: list[Edit]

    def feed(self, text: str) -> Sequence[Finding]:
        """More of the channel; the findings it settles. Text before `cleared` may go out, rewritten by `edits`."""
        ...

    def pause(self) -> Sequence[Finding]:
        """Another part of the answer begins: nothing is held back any longer, a match over the gap is still found."""
        ...

    def end(self, text: str = "") -> Sequence[Finding]:
        """The channel is complete with this last text."""
        ...


def rewrite(text: str, start: int, edits: Sequence[Edit]) -> str:
    """The piece of a channel that begins at `start`, with the edits that fall into it."""
    stop = start + len(text)
    at = start
    out: list[str] = []
    for edit in edits:
        if edit.start >= stop:
            break
        if edit.end <= start:
            continue
        first = max(edit.start, start)
        out.append(text[at - start : first - start])
        if not edit.placed:
            out.append(edit.text)
            edit.placed = True
        at = min(edit.end, stop)
    out.append(text[at - start :])
    return "".join(out)


class TextChannel:
    """Plain text."""

    __slots__ = ("_covered", "_prose", "_window", "cleared", "edits", "total")

    def __init__(self, rules: RuleSet) -> None:
        self.total = 0
        self.cleared = 0
        self.edits: list[Edit] = []
        self._window: Window | Prose = Window(rules)
        self._prose: Prose | None = None  # the same, once a backslash has come
        self._covered = 0  # the end of the last redaction

    def feed(self, text: str) -> Sequence[Finding]:
        """See Channel."""
        if "\\" in text and self._prose is None:
            self._escape()
        self.total += len(text)
        window = self._window
        findings = window.feed(text)
        if findings:
            self._edit(findings)
        if window.decided > self.cleared:
            self.cleared = window.decided
        return findings

    def pause(self) -> Sequence[Finding]:
        """See Channel."""
        return () if self.cleared == self.total else self._pause("")

    def end(self, text: str = "") -> Sequence[Finding]:
        """See Channel."""
        if not text:
            return self.pause()
        if "\\" in text and self._prose is None:
            self._escape()
        self.total += len(text)
        return self._pause(text)

    def _pause(self, text: str) -> Sequence[Finding]:
        findings = self._window.pause(text)
        if findings:
            self._edit(findings)
        self.cleared = self.total
        return findings

    def _escape(self) -> None:
        if isinstance(self._window, Window):
            self._window = self._prose = Prose(self._window, self.total)

    def _edit(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            if finding.action == "redact" and finding.end > self._covered:
                start = finding.start if self._prose is None else self._prose.opening(finding.start)
                replace = finding.replace if finding.start >= self._covered else ""
                self.edits.append(Edit(max(start, self._covered), finding.end, replace))
                self._covered = finding.end


class JsonChannel:
    """JSON text: each string by its contents, each bare value by itself; what a redaction leaves is JSON again."""

    __slots__ = ("_lexer", "_rules", "_value", "cleared", "edits", "total")

    def __init__(self, rules: RuleSet) -> None:
        self.total = 0
        self.cleared = 0
        self.edits: list[Edit] = []
        self._rules = rules
        self._lexer = JsonText()
        self._value: _Value | None = None

    def feed(self, text: str) -> Sequence[Finding]:
        """See Channel."""
        self.total += len(text)
        value = self._value
        if value is not None and self._lexer.goes_on(text):  # most chunks are more of a string
            findings = value.go_on(text, self.edits)
        else:
            findings = self._take(self._lexer.feed(text))
        self.cleared = max(self.cleared, self._decided())
        return findings

    def pause(self) -> Sequence[Finding]:
        """See Channel."""
        findings = () if self._value is None or self.cleared == self.total else self._value.pause(self.edits)
        self.cleared = self.total
        return findings

    def end(self, text: str = "") -> Sequence[Finding]:
        """See Channel. Most arguments come whole and hold nothing: those are seen through without a look at values."""
        findings: Sequence[Finding] = ()
        fresh = self.total == 0
        self.total += len(text)
        if not fresh or "\\" in text or not self._rules.clean(encoded(text)):
            findings = [*self._take(self._lexer.feed(text)), *self._take(self._lexer.end())]
        self._lexer = JsonText(self.total)
        self.cleared = self.total
        return findings

    def _decided(self) -> int:
        return self._lexer.at if self._value is None else self._value.decided()

    def _take(self, tokens: Sequence[Token]) -> list[Finding]:
        findings: list[Finding] = []
        value = self._value
        for token in tokens:
            if token.kind == RUN:
                if value is not None:
                    value.add(token)
            elif token.kind == CLOSE:
                if value is not None:
                    findings += value.pause(self.edits)
                value = None
            else:
                value = _Value(self._rules, token)
        self._value = value
        if value is not None:
            findings += value.judge(self.edits)
        return findings


class _Value:
    """A string's contents or a bare value of JSON text, and where each character of it stands in the raw text."""

    __slots__ = (
        "_bare", "_covered", "_end", "_loose", "_places", "_quoted", "_said", "_size", "_start", "_starts",
        "_string", "_tail", "_window",
    )  # fmt: skip

    def __init__(self, rules: RuleSet, opening: Token) -> None:
        start = opening.start
        self._start = start
        self._string = opening.kind == OPEN_STRING
        self._loose = opening.kind == OPEN_LOOSE
        self._window: Window | Prose = Window(rules)
        self._starts: list[int] = []
        self._places: list[tuple[int, bool]] = []  # raw place of each run, and whether it is an escape sequence
        self._said: list[str] = []
        self._size = 0
        self._end = start
        self._covered = 0
        self._tail = start  # raw end of a bare value without the spaces after it
        self._bare = ""  # what a bare value becomes, between quotes
        self._quoted = False

    def add(self, run: Token) -> None:
        """One more run."""
        escape = run.end - run.start != len(run.text)
        if escape or not self._places or self._places[-1][1]:  # else it goes on with the last
            self._starts.append(self._size)
            self._places.append((run.start, escape))
        self._said.append(run.text)
        self._size += len(run.text)
        self._end = run.end
        if not self._string and (stripped := run.text.rstrip()):
            self._tail = run.start + len(stripped)

    def go_on(self, text: str, edits: list[Edit]) -> list[Finding]:
        """Findings in more of a string's raw text, in which no escape begins."""
        if not self._places or self._places[-1][1]:
            self._starts.append(self._size)
            self._places.append((self._end, False))
        self._size += len(text)
        self._end += len(text)
        findings = self._window.feed(text)
        return self._settle(findings, edits) if findings else []

    def judge(self, edits: list[Edit]) -> list[Finding]:
        """Findings in what was added."""
        text = self._added()
        if not self._kept_whole():
            self._quote(edits)
        findings = self._window.feed(text) if text else ()
        return self._settle(findings, edits) if findings else []

    def pause(self, edits: list[Edit]) -> list[Finding]:
        """Findings as though the value ended here."""
        if not self._kept_whole():
            self._quote(edits)
        text = self._added()
        findings = self._window.pause(text)
        settled = self._settle(findings, edits) if findings else []
        self._quote(edits)
        return settled

    def _added(self) -> str:
        """The text that was added and not yet judged."""
        said = self._said
        text = said[0] if len(said) == 1 else "".join(said)
        said.clear()
        if "\\" in text and isinstance(self._window, Window):
            self._window = Prose(self._window, self._size - len(text))
        return text

    def _quote(self, edits: list[Edit]) -> None:
        """Puts a string in place of a bare value, as far as it has come."""
        if self._bare and not self._quoted:
            self._quoted = True
            edits.append(Edit(self._start, self._tail, f'"{self._bare}"'))

    def decided(self) -> int:
        """The raw place before which everything is decided. A bare value is decided as a whole."""
        return self._start if self._kept_whole() else self._raw(self._window.decided)

    def _kept_whole(self) -> bool:
        return not self._string and not self._loose and self._size <= BARE_CHARS_MAX

    def _raw(self, at: int) -> int:
        if at >= self._size:
            return self._end
        run = bisect_right(self._starts, at) - 1
        place, escape = self._places[run]
        return place if escape else place + at - self._starts[run]

    def _settle(self, findings: Sequence[Finding], edits: list[Edit]) -> list[Finding]:
        settled: list[Finding] = []
        for finding in findings:
            start, end = self._raw(finding.start), self._raw(finding.end)
            settled.append(finding._replace(start=start, end=end))
            if finding.action != "redact" or finding.end <= self._covered:
                continue
            said = finding.replace if finding.start >= self._covered else ""
            said = msgspec.json.encode(said).decode()[1:-1] if not self._loose else said
            if self._kept_whole():
                self._bare = self._bare or said
            else:
                first = self._window.opening(finding.start) if isinstance(self._window, Prose) else finding.start
                edits.append(Edit(self._raw(max(first, self._covered)), end, said))
            self._covered = finding.end
        return settled
