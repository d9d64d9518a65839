"""The output screen: frames wait until the text in them is cleared, then go out as they came or rewritten.

The only maker of `Passed`. Frames keep their order. The channels of an answer are, for each choice, its text, its
refusal, each block of reasoning, the arguments of each tool call, and what else comes in pieces (`unread`); each is
judged by itself over its whole length. What is held of one waits until its own text, its end or the end of its choice
decides it, and all later frames wait with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from headgate.core.chat import Batch, Finish, Frame, ReasoningDelta, RefusalDelta, TextDelta, ToolArgs, ToolStart
from headgate.core.stages import Passed
from headgate.guardrails.channel import Edit, TextChannel, rewrite
from headgate.guardrails.line import Key, Line, Spoken, key_of
from headgate.guardrails.patterns import RuleSet
from headgate.guardrails.tree import is_clean
from headgate.guardrails.unread import Spot, Unread
from headgate.guardrails.verdicts import Verdicts
from headgate.guardrails.window import Finding

HELD_BYTES_MAX = 8 * 1024 * 1024
HELD_FRAMES_MAX = 16 * 1024
CHANNELS_MAX = 1024
LIMIT_RULE: Final = "screen_limit"

_SPOKEN: Final = (TextDelta, RefusalDelta, ReasoningDelta, ToolArgs)


class OpenScreen:
    """Lets everything through: a policy without output rules."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = Batch([], 1, "")

    async def feed(self, batch: Batch) -> Passed:
        """All frames, untouched."""
        self._last = batch
        commits = False
        for frame in batch.frames:
            if frame.content:
                commits = True
                break
        return Passed(batch.frames, batch.dialect, batch.attempt, commits)

    async def finish(self) -> Passed:
        """Nothing is held."""
        return Passed([], self._last.dialect, self._last.attempt)


# a delta's text: characters `start` to `end` of its channel
_Piece: TypeAlias = "tuple[Line, Spoken, int, int]"


class RuleScreen:
    """Applies the output rules to one answer. `asked_in` is the dialect of the client: what only a client of the
    answer's own dialect gets is looked at where it is the same."""

    __slots__ = (
        "_active", "_alike", "_asked_in", "_attempt", "_blocked", "_dialect", "_held_bytes", "_line", "_lines",
        "_open", "_overfull", "_queue", "_rules", "_unread", "_verdicts", "_waiting",
    )  # fmt: skip

    def __init__(self, rules: RuleSet, verdicts: Verdicts, asked_in: str) -> None:
        self._rules = rules
        self._verdicts = verdicts
        self._asked_in = asked_in
        self._dialect = ""
        self._blocked: str | None = None
        self._restart(1)

    async def feed(self, batch: Batch) -> Passed:
        """What may go out now; a new attempt number starts afresh, and a block is for good."""
        if self._blocked is None:
            if batch.attempt != self._attempt:
                self._restart(batch.attempt)
            self._dialect = batch.dialect
            frames = batch.frames
            if len(frames) == 1 and self._alike and frames[0].alike == self._alike:
                self._take_alike(frames[0])
            else:
                for frame in frames:
                    self._take(frame)
            if self._waiting:
                waiting, self._waiting = self._waiting, []
                for line in waiting:
                    if line.pending:
                        findings = line.judge()
                        if findings:
                            self._note(line.name, findings)
                        elif line.pending:
                            self._waiting.append(line)
            if self._held_bytes > HELD_BYTES_MAX or len(self._queue) > HELD_FRAMES_MAX:
                self._relieve()
        return self._release()

    async def finish(self) -> Passed:
        """The answer is complete: the held tail, or the block once more."""
        if self._blocked is None:
            for line in self._lines.values():
                self._note(line.name, line.end())
        return self._release()

    def _restart(self, attempt: int) -> None:
        self._attempt = attempt
        self._verdicts.attempt = attempt
        self._lines: dict[Key, Line] = {}
        self._active: dict[int, Line] = {}  # by choice, the one that spoke last
        self._open: int | None = None  # the block left open, where the dialect has such
        self._queue: deque[tuple[Frame, Sequence[_Piece]]] = deque()
        self._waiting: list[Line] = []  # channels with text not yet judged
        self._alike = 0  # the number in the last frame, where that held nothing but one text
        self._line: Line | None = None  # the channel of that text
        self._held_bytes = 0
        self._overfull = False
        self._unread = Unread(self._rules, self._verdicts)

    def _take_alike(self, frame: Frame) -> None:
        """`_take` for a frame that differs from the last in nothing but its text, as most do: more of the same channel,
        judged at once (1 us saved)."""
        delta = frame.deltas[0]
        line = self._line
        if type(delta) is not TextDelta or line is None or self._active.get(delta.choice) is not line:
            self._take(frame)
            return
        if line.pending or not line.shaped:
            self._take(frame)
            return
        start = line.size
        line.size = end = start + len(delta.text)
        self._queue.append((frame, ((line, delta, start, end),)))
        self._held_bytes += len(frame.wire)
        findings = line.channel.feed(delta.text)
        if findings:
            self._note(line.name, findings)

    def _take(self, frame: Frame) -> None:
        """Queues a frame and hands its text to the channels."""
        self._alike = 0
        pieces: list[_Piece] = []
        if frame.last and not self._lines and self._is_clean(frame):
            self._put(frame, pieces)
            return
        if frame.open_block is not None and frame.open_block != self._open:
            self._block(frame.open_block)
        for delta in frame.deltas:
            if isinstance(delta, _SPOKEN):
                if delta.text:
                    pieces.append(self._hand(delta))
            elif isinstance(delta, ToolStart):
                self._start(delta, frame)
            elif isinstance(delta, Finish):
                self._finish(delta.choice)
        if self._dialect == self._asked_in and not frame.drop:
            unread = self._unread
            if len(pieces) != 1 or not unread.is_like_the_last(frame.wire, pieces[0][1].text):
                spots = unread.look(frame, [piece[1].text for piece in pieces])
                pieces += [self._hand(spot) for spot in spots]
                self._blocked = self._blocked or unread.blocked
        if frame.alike and len(pieces) == 1 and self._open is None:
            self._note_alike(frame, pieces[0])
        if frame.open_block is None and self._open is not None:
            self._block(None)
        self._put(frame, pieces)

    def _note_alike(self, frame: Frame, piece: _Piece) -> None:
        """The next frames of this form need no look at what stands beside their text, if this one has had it."""
        line, delta, _, _ = piece
        if self._dialect != self._asked_in or self._unread.is_like_the_last(frame.wire, delta.text):
            self._alike, self._line = frame.alike, line

    def _put(self, frame: Frame, pieces: Sequence[_Piece]) -> None:
        self._queue.append((frame, pieces))
        self._held_bytes += len(frame.wire)

    def _is_clean(self, frame: Frame) -> bool:
        """Whether a whole answer holds nothing at all that a rule could match."""
        if frame.wire[:1] != b"{":
            return False
        try:
            return is_clean(frame.wire, self._rules)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False

    def _hand(self, delta: Spoken) -> _Piece:
        """Gives a delta's text to its channel. Where that is another one than its choice's last, that one may rest."""
        key = (TextDelta, delta.choice, 0) if type(delta) is TextDelta else key_of(delta)
        line = self._active.get(delta.choice)
        if line is None or line.key != key:
            self._rest(delta.choice)
            line = self._lines.get(key)
            if line is None:
                if len(self._lines) == CHANNELS_MAX:
                    self._blocked = self._verdicts.failed(LIMIT_RULE, "block")
                line = self._lines[key] = Line(key, self._rules)
            self._active[delta.choice] = line
        line.closed = False
        start = line.size
        line.size = end = start + len(delta.text)
        if not line.pending:
            self._waiting.append(line)
        line.pending.append(delta.text)
        return line, delta, start, end

    def _start(self, call: ToolStart, frame: Frame) -> None:
        """A tool call begins. Its name is judged here where the frame itself does not go out."""
        self._rest(call.choice)
        if self._dialect == self._asked_in:
            return
        channel = TextChannel(self._rules)
        self._note(f"choice[{call.choice}].tool_calls[{call.index}].name", channel.end(call.name))
        if channel.edits:
            call.name = rewrite(call.name, 0, channel.edits)
            frame.changed = True

    def _rest(self, choice: int) -> None:
        """Another channel of the choice begins. Reasoning, and a block that is complete, hold nothing back any longer.

        Reasoning comes before the answer and is shown apart from it. Held to the end of its choice, a last word that
        could begin an address would turn every such stream into one piece.
        """
        line = self._active.get(choice)
        if line is not None and (line.closed or line.key[0] is ReasoningDelta):
            del self._active[choice]
            self._note(line.name, line.pause())

    def _block(self, now: int | None) -> None:
        """Notes which block is open. Blocks come one after another, so the one before is complete."""
        line = self._active.get(0)
        if line is not None and self._open is not None:
            line.closed = True
        self._open = now

    def _finish(self, choice: int) -> None:
        for line in self._lines.values():
            if line.key[1] == choice:
                self._note(line.name, line.end())

    def _note(self, channel: str, findings: Sequence[Finding]) -> None:
        if findings and self._blocked is None:
            self._blocked = self._verdicts.add(channel, findings)

    def _relieve(self) -> None:
        """More is held than may be. Where the policy allows errors, all tails are judged as they stand and let go."""
        if self._blocked is not None or not self._queue or _cleared(self._queue[0][1]):
            return
        if not self._overfull:
            self._overfull = True
            self._blocked = self._verdicts.failed(LIMIT_RULE, self._rules.error_action)
        if self._blocked is None:
            for line in self._lines.values():
                self._note(line.name, line.pause())

    def _release(self) -> Passed:
        frames: list[Frame] = []
        commits = False
        queue = self._queue
        if self._blocked is not None:
            queue.clear()
        while queue:
            frame, pieces = queue[0]
            edited = False
            for line, _, _, end in pieces:
                channel = line.channel
                if channel.cleared < end:
                    return Passed(frames, self._dialect, self._attempt, commits, self._blocked)
                if channel.edits:
                    edited = True
            if edited:
                for line, delta, start, end in pieces:
                    _rewrite(frame, delta, line.channel.edits, (start, end))
            self._held_bytes -= len(frame.wire)
            queue.popleft()
            frames.append(frame)
            if frame.content:
                commits = True
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
        if isinstance(delta, Spot):
            delta.put(text, frame)
        else:
            delta.text = text
            frame.changed = True
    while edits and edits[0].placed and edits[0].end <= end:
        del edits[0]
