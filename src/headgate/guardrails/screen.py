"""The output screen: frames wait until the text in them is cleared, then go out as they came or rewritten.

The only maker of `Passed`. Frames keep their order. The channels of an answer are, for each choice, its text, its
refusal, each block of reasoning, and the arguments of each tool call; each is judged by itself over its whole length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

from headgate.core.chat import (
    Batch,
    Finish,
    Frame,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolArgs,
    ToolStart,
)
from headgate.core.stages import Passed
from headgate.guardrails.channel import Edit, JsonChannel, TextChannel, rewrite
from headgate.guardrails.jsontext import looks_like_json
from headgate.guardrails.patterns import RuleSet
from headgate.guardrails.verdicts import Verdicts
from headgate.guardrails.window import Finding

HELD_BYTES_MAX = 8 * 1024 * 1024
CHANNELS_MAX = 1024
LIMIT_RULE = "screen_limit"

Spoken: TypeAlias = "TextDelta | RefusalDelta | ReasoningDelta | ToolArgs"
_SPOKEN = (TextDelta, RefusalDelta, ReasoningDelta, ToolArgs)


def _commits(frames: Sequence[Frame]) -> bool:
    return any([frame.content for frame in frames])


class OpenScreen:
    """Lets everything through: a policy without output rules."""

    __slots__ = ("_attempt", "_dialect")

    def __init__(self) -> None:
        self._attempt = 1
        self._dialect = ""

    async def feed(self, batch: Batch) -> Passed:
        """All frames, untouched."""
        self._attempt = batch.attempt
        self._dialect = batch.dialect
        return Passed(batch.frames, batch.dialect, batch.attempt, _commits(batch.frames))

    async def finish(self) -> Passed:
        """Nothing is held."""
        return Passed([], self._dialect, self._attempt)


class _Line:
    """A channel as it arrives: which it is, its size so far, and text not yet judged.

    An answer's text may be JSON, where structured output was asked for: `shaped` once that is known.
    """

    __slots__ = ("channel", "key", "pending", "shaped", "size")

    def __init__(self, channel: TextChannel | JsonChannel, key: tuple[type[Spoken], int, int]) -> None:
        self.channel = channel
        self.key = key
        self.shaped = key[0] is not TextDelta
        self.size = 0
        self.pending: list[str] = []


# a delta's text: characters `start` to `end` of its channel
_Piece: TypeAlias = "tuple[_Line, Spoken, int, int]"


class RuleScreen:
    """Applies the output rules to one answer."""

    __slots__ = (
        "_active",
        "_attempt",
        "_blocked",
        "_dialect",
        "_held_bytes",
        "_lines",
        "_queue",
        "_rules",
        "_verdicts",
        "_waiting",
        "_waiting",
    )  # fmt: skip

    def __init__(self, rules: RuleSet, verdicts: Verdicts) -> None:
        self._rules = rules
        self._verdicts = verdicts
        self._attempt = 1
        self._dialect = ""
        self._blocked: str | None = None
        self._restart(1)

    async def feed(self, batch: Batch) -> Passed:
        """What may go out now; a new attempt number starts afresh, and a block is for good."""
        if self._blocked is None:
            if batch.attempt != self._attempt:
                self._restart(batch.attempt)
            self._dialect = batch.dialect
            for frame in batch.frames:
                self._take(frame)
            if self._waiting:
                waiting, self._waiting = self._waiting, []
                for line in waiting:
                    if line.pending:
                        self._judge(line)
            if self._held_bytes > HELD_BYTES_MAX and self._blocked is None and self._stuck():
                self._blocked = self._verdicts.limit(LIMIT_RULE)
        return self._release()

    async def finish(self) -> Passed:
        """The answer is complete: the held tail, or the block once more."""
        if self._blocked is None:
            for line in self._lines.values():
                self._end(line)
        return self._release()

    def _restart(self, attempt: int) -> None:
        self._attempt = attempt
        self._verdicts.attempt = attempt
        self._lines: dict[tuple[type[Spoken], int, int], _Line] = {}
        self._active: dict[int, _Line] = {}  # by choice
        self._queue: deque[tuple[Frame, list[_Piece]]] = deque()
        self._waiting: list[_Line] = []  # channels with text not yet judged
        self._held_bytes = 0

    def _take(self, frame: Frame) -> None:
        """Queues a frame and hands its text to the channels."""
        pieces: list[_Piece] = []
        for delta in frame.deltas:
            if isinstance(delta, _SPOKEN):
                if not (text := delta.text):
                    continue
                line = self._line(delta)
                start = line.size
                line.size = end = start + len(text)
                if not line.pending:
                    self._waiting.append(line)
                line.pending.append(text)
                pieces.append((line, delta, start, end))
            elif isinstance(delta, ToolStart):
                self._interrupt(delta.choice)
            elif isinstance(delta, Finish):
                for line in [line for key, line in self._lines.items() if key[1] == delta.choice]:
                    self._end(line)
        self._queue.append((frame, pieces))
        self._held_bytes += len(frame.wire)

    def _line(self, delta: Spoken) -> _Line:
        """The delta's channel. Where it is another one than the choice's last, that one is interrupted."""
        kind, choice = type(delta), delta.choice
        index = delta.block if isinstance(delta, ReasoningDelta) else delta.index if isinstance(delta, ToolArgs) else 0
        key = (kind, choice, index)
        line = self._active.get(choice)
        if line is not None and line.key == key:
            return line
        self._interrupt(choice)
        line = self._lines.get(key)
        if line is None:
            if len(self._lines) == CHANNELS_MAX:
                self._blocked = self._verdicts.limit(LIMIT_RULE)
            channel = JsonChannel(self._rules) if kind is ToolArgs else TextChannel(self._rules)
            line = self._lines[key] = _Line(channel, key)
        self._active[choice] = line
        return line

    def _interrupt(self, choice: int) -> None:
        line = self._active.pop(choice, None)
        if line is not None:
            self._judge(line, True)
            self._note(line, line.channel.pause())

    def _end(self, line: _Line) -> None:
        text = "".join(line.pending)
        line.pending.clear()
        self._settle_shape(line, text, True)
        self._note(line, line.channel.end(text))

    def _judge(self, line: _Line, ending: bool = False) -> None:
        pending = line.pending
        if pending:
            text = pending[0] if len(pending) == 1 else "".join(pending)
            if not line.shaped and not self._settle_shape(line, text, ending):
                self._waiting.append(line)
                return
            pending.clear()
            findings = line.channel.feed(text)
            if findings:
                self._note(line, findings)

    def _settle_shape(self, line: _Line, text: str, ending: bool) -> bool:
        """Takes text that begins like JSON for JSON. False: too little has come to tell, so it waits."""
        if line.shaped:
            return True
        json = looks_like_json(text)
        if json is None and not ending:
            return False
        if json:
            line.channel = JsonChannel(self._rules)
        line.shaped = True
        return True

    def _note(self, line: _Line, findings: Sequence[Finding]) -> None:
        if findings and self._blocked is None:
            self._blocked = self._verdicts.add(_name(line), findings)

    def _stuck(self) -> bool:
        """Whether the first frame in the queue still waits."""
        return bool(self._queue) and not _cleared(self._queue[0][1])

    def _release(self) -> Passed:
        frames: list[Frame] = []
        commits = False
        queue = self._queue
        if self._blocked is not None:
            queue.clear()
        while queue:
            frame, pieces = queue[0]
            if not _cleared(pieces):
                break
            for line, delta, start, end in pieces:
                if line.channel.edits:
                    _rewrite(frame, delta, line.channel.edits, (start, end))
            queue.popleft()
            self._held_bytes -= len(frame.wire)
            frames.append(frame)
            commits = commits or frame.content
        return Passed(frames, self._dialect, self._attempt, commits, self._blocked)


def _cleared(pieces: Sequence[_Piece]) -> bool:
    for line, _, _, end in pieces:  # noqa: SIM110 - a generator here would cost more than the loop, once per chunk
        if line.channel.cleared < end:
            return False
    return True


def _rewrite(frame: Frame, delta: Spoken, edits: list[Edit], span: tuple[int, int]) -> None:
    """Puts the edits of a channel into the delta that stands in `span` of it; those behind it are done with."""
    start, end = span
    text = rewrite(delta.text, start, edits)
    if text != delta.text:
        delta.text = text
        frame.changed = True
    while edits and edits[0].placed and edits[0].end <= end:
        del edits[0]


def _name(line: _Line) -> str:
    """The channel as the record names it."""
    kind, choice, index = line.key
    if kind is ToolArgs:
        return f"choice[{choice}].tool_calls[{index}].arguments"
    if kind is ReasoningDelta:
        return f"choice[{choice}].reasoning[{index}]"
    return f"choice[{choice}].{'text' if kind is TextDelta else 'refusal'}"
