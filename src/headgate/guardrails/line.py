"""A channel of an answer as it arrives: which it is, how much has come, what is not yet judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from headgate.core.chat import ReasoningDelta, RefusalDelta, TextDelta, ToolArgs
from headgate.guardrails.channel import Channel, JsonChannel, TextChannel
from headgate.guardrails.jsontext import looks_like_json
from headgate.guardrails.patterns import RuleSet
from headgate.guardrails.unread import Spot
from headgate.guardrails.window import Finding

Spoken: TypeAlias = "TextDelta | RefusalDelta | ReasoningDelta | ToolArgs | Spot"
Key: TypeAlias = "tuple[type[Spoken], int, int | str]"


def key_of(delta: Spoken) -> Key:
    """The channel a delta belongs to: its kind, its choice, and which of that kind."""
    kind = type(delta)
    if isinstance(delta, ReasoningDelta):
        return kind, delta.choice, delta.block
    if isinstance(delta, ToolArgs):
        return kind, delta.choice, delta.index
    return kind, delta.choice, delta.path if isinstance(delta, Spot) else 0


class Line:
    """One channel. An answer's text may be JSON, where structured output was asked for: `shaped` once that is known.

    `size` counts the characters that have come. `closed` once the dialect said that its block is complete.
    """

    __slots__ = ("_rules", "channel", "closed", "key", "pending", "shaped", "size")

    def __init__(self, key: Key, rules: RuleSet) -> None:
        json = key[0] is ToolArgs
        self.channel: Channel = JsonChannel(rules) if json else TextChannel(rules)
        self.key = key
        self.shaped = json
        self.closed = False
        self.size = 0
        self.pending: list[str] = []
        self._rules = rules

    @property
    def name(self) -> str:
        """The channel as the record names it."""
        kind, choice, index = self.key
        if kind is ToolArgs:
            return f"choice[{choice}].tool_calls[{index}].arguments"
        if kind is ReasoningDelta:
            return f"choice[{choice}].reasoning[{index}]"
        if kind is Spot:
            return str(index)
        return f"choice[{choice}].{'text' if kind is TextDelta else 'refusal'}"

    def judge(self) -> Sequence[Finding]:
        """Findings in what has come; text that may yet turn out to be JSON stays pending."""
        pending = self.pending
        if not pending:
            return ()
        text = pending[0] if len(pending) == 1 else "".join(pending)
        if not self.shaped and not self._settle_shape(text, False):
            return ()
        pending.clear()
        return self.channel.feed(text)

    def pause(self) -> Sequence[Finding]:
        """Findings as though nothing more came; a match that goes on later is still found."""
        text = "".join(self.pending)
        self.pending.clear()
        self._settle_shape(text, True)
        found = self.channel.feed(text) if text else ()
        return [*found, *self.channel.pause()]

    def end(self) -> Sequence[Finding]:
        """The channel is complete: its last findings."""
        text = "".join(self.pending)
        self.pending.clear()
        self._settle_shape(text, True)
        return self.channel.end(text)

    def _settle_shape(self, text: str, ending: bool) -> bool:
        """Takes text that begins like JSON for JSON. False: too little has come to tell."""
        if self.shaped:
            return True
        json = looks_like_json(text)
        if json is None and not ending:
            return False
        if json:
            self.channel = JsonChannel(self._rules)
        self.shaped = True
        return True
