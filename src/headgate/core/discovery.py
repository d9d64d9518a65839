"""Prompts that nobody registered: what workers tell of them, and how often which prompt was used."""

from __future__ import annotations

import msgspec

OTHERS = "*"  # stands for the fingerprints of a day beyond those that are told apart


class PromptSample(msgspec.Struct, array_like=True, tag="prompt", frozen=True, gc=False):
    """The text of an unregistered system prompt, as it left for a provider: after guardrails.

    `fingerprint` is that of the caller's own text. `chars` is the whole length, `text` may be less of it. `call` is the
    one it was seen in, `at_ns` when (wall ns).
    """

    fingerprint: str
    text: str
    chars: int
    at_ns: int
    call: str
    tenant: str

    @property
    def cut(self) -> bool:
        """Whether only the beginning was kept."""
        return len(self.text) < self.chars


class PromptUse(msgspec.Struct, frozen=True, gc=False):
    """How many calls that reached a model used one prompt. `prompt` None: none that is registered; `fingerprint` is
    then that of their system prompt, None where they had none, OTHERS for what is not told apart.

    `app` None: the model was addressed by its own name. `last_ns` and `call` are of the latest.
    """

    tenant: str
    app: str | None
    key_id: str
    model: str
    prompt: str | None
    fingerprint: str | None
    calls: int
    last_ns: int
    call: str


class StoredGroup(msgspec.Struct, frozen=True):
    """Texts of one template. `id` is the fingerprint of the first, `words` are what all have in common, in order.

    `gaps[i]` says whether anything may stand before word i, the last of them whether anything may follow the last word.
    """

    tenant: str
    id: str
    words: list[str]
    gaps: list[bool]


class GroupedText(msgspec.Struct, frozen=True):
    """One fingerprint of a group. `text` None: not kept, the group has enough. `chars` is the whole length."""

    tenant: str
    fingerprint: str
    group: str
    text: str | None
    chars: int
    last_ns: int
