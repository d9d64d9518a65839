"""Goes on with a broken streamed answer at another target, inside the stream that its client has open.

The next target is given what was said so far as the beginning of its answer (a prefill). What it adds is written in
the first target's dialect and read back by that dialect's own reader, so that everything behind routing (the output
screen, the record, the client's side) sees one answer that never broke.
"""

from __future__ import annotations

import msgspec

from headgate.core.chat import (
    Begin,
    ChatRequest,
    Delta,
    Frame,
    Message,
    ReasoningDelta,
    RefusalDelta,
    Text,
    TextDelta,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from headgate.core.types import Usage
from headgate.dialects.base import CHARS_PER_TOKEN, AnswerMeta, AnswerReader, AnswerWriter, Dialect

TOKENS_LEFT_MIN = 16  # with fewer left of the client's limit it is not worth another call
_NOT_PLAIN = (ReasoningDelta, RefusalDelta, ToolStart, ToolArgs)


class Told:
    """What one streamed answer has said so far. `plain`: nothing but one text, which is still open where the format has
    blocks, so that it may be gone on with."""

    __slots__ = ("_block", "_pieces", "begin", "chars", "plain")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._block: int | None = None
        self.begin: Begin | None = None
        self.chars = 0
        self.plain = True

    def turn(self) -> None:
        """Another target goes on, whose format may count blocks of its own."""
        self._block = None

    def note(self, frames: list[Frame]) -> None:
        """More of it."""
        for frame in frames:
            if frame.unsaid is not None or (frame.open_block != self._block and not self._opens(frame.open_block)):
                self.plain = False
            for delta in frame.deltas:
                if type(delta) is TextDelta:
                    self._pieces.append(delta.text)
                    self.chars += len(delta.text)
                    if delta.choice:  # a second answer, which nobody asked for
                        self.plain = False
                elif type(delta) is Begin:
                    self.begin = self.begin or delta
                elif isinstance(delta, _NOT_PLAIN):
                    self.plain = False

    def _opens(self, block: int | None) -> bool:
        """Whether a block is the first one, which begins. Any other, and the end of the first, is more than one text: a
        second, or a thought or a tool of which nothing was shown yet."""
        if self._block is not None or block != 0:
            return False
        self._block = block
        return True

    @property
    def text(self) -> str:
        """All of the text."""
        return "".join(self._pieces)

    @property
    def tokens(self) -> int:
        """About how many tokens it is."""
        return -(-self.chars // CHARS_PER_TOKEN)


class Joint:
    """The rest of an answer, in the stream of its beginning, whose dialect it is."""

    __slots__ = ("_bare", "_before", "_ended", "_reader", "_writer")

    def __init__(self, dialect: Dialect, meta: AnswerMeta, keep_usage: bool, told: Told) -> None:
        self._reader: AnswerReader = dialect.reader(True, keep_usage)
        self._writer: AnswerWriter = dialect.writer(True, meta)
        self._before = 0
        self._bare = False
        self._ended = False
        # both ends come to where the client's stream is: begun, its first text open
        self._reader.feed(self._writer.write([told.begin or Begin(), TextDelta(".")]))

    def goes_on(self, told: Told) -> None:
        """Another target takes over after what was told; it may not be given the white space at its end."""
        self._before = told.tokens
        text = told.text
        self._bare = text != text.rstrip()

    def carry(self, frames: list[Frame], complete: bool) -> list[Frame]:
        """What the next target said, as frames of the first one's dialect. Raises UpstreamError."""
        deltas: list[Delta] = []
        for frame in frames:
            for delta in frame.deltas:
                self._take(delta, deltas)
        data = self._writer.write(deltas)
        if complete and not self._ended:
            self._ended = True
            data += self._writer.end()
        carried = self._reader.feed(data) if data else []
        if self._ended and not (carried and carried[-1].last):
            carried = [*carried, *self._reader.end()]
        for frame in carried:
            frame.alike = 0  # numbered by another reader than the frames before
        return carried

    def _take(self, delta: Delta, deltas: list[Delta]) -> None:
        if type(delta) is Begin or type(delta) is ReasoningDelta:
            return  # the answer has begun, and its client was shown no thinking
        if type(delta) is TextDelta and self._bare:
            text = delta.text.lstrip()  # the white space is there already
            if not text:
                return
            self._bare = False
            deltas.append(TextDelta(text, delta.choice))
        elif type(delta) is UsageDelta:
            deltas.append(UsageDelta(self._summed(delta.usage)))
        else:
            deltas.append(delta)

    def _summed(self, usage: Usage) -> Usage:
        """Of the whole answer: what was told before it broke is an estimate, and was part of the input here."""
        if usage.output is None:
            return usage
        given = None if usage.input is None else max(usage.input - self._before, 0)
        return msgspec.structs.replace(usage, input=given, output=usage.output + self._before, estimated=True)


def prefilled(chat: ChatRequest, told: Told) -> ChatRequest | None:
    """The request whose answer goes on from what was told; None where an answer cannot be gone on with."""
    text = told.text.rstrip()
    if not text or not told.plain or chat.json_format is not None or (chat.n or 1) > 1:
        return None
    left = None if chat.max_tokens is None else chat.max_tokens - told.tokens
    if left is not None and left < TOKENS_LEFT_MIN:
        return None
    messages = list(chat.messages)
    if messages and messages[-1].role == "assistant":  # the client gave a beginning of its own
        messages[-1] = Message("assistant", [*messages[-1].parts, Text(text)], messages[-1].name)
    else:
        messages.append(Message("assistant", [Text(text)]))
    return msgspec.structs.replace(chat, messages=messages, max_tokens=left)
