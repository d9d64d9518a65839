"""What the files of kind `prompt` and `partial` hold."""

from __future__ import annotations

from typing import Literal

import msgspec

from headgate.core.types import Json


class MessageSource(msgspec.Struct, forbid_unknown_fields=True):
    """One chat message: its template in `content`."""

    role: Literal["system", "user", "assistant"]
    content: str


class ExampleSource(msgspec.Struct, forbid_unknown_fields=True):
    """A question and the answer that it should get; both are templates with the prompt's variables."""

    user: str
    assistant: str


class Settings(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """Model settings pinned with the prompt; a client's own settings win over them."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


class PromptSource(msgspec.Struct, forbid_unknown_fields=True):
    """The content of a `prompt` artifact. `inputs` and `output` are JSON Schemas; `description` is for people.

    `partials` maps the names that templates include to pinned versions, `legal: legal@1.2.0`. `examples` are put
    after the leading system messages.
    """

    messages: list[MessageSource]
    inputs: dict[str, Json] = {}
    settings: Settings = Settings()
    output: dict[str, Json] | None = None
    description: str = ""
    partials: dict[str, str] = {}
    examples: list[ExampleSource] = []


class PartialSource(msgspec.Struct, forbid_unknown_fields=True):
    """The content of a `partial` artifact: a template's text that prompts include, and the variables it needs."""

    content: str
    inputs: dict[str, Json] = {}
    description: str = ""
    partials: dict[str, str] = {}


def written(source: PromptSource) -> list[tuple[str, str, str]]:
    """(path, role, template) of all that is sent, in order: examples follow the leading system messages."""
    messages = [
        (f"messages.{index}.content", message.role, message.content) for index, message in enumerate(source.messages)
    ]
    leading = next((at for at, (_, role, _) in enumerate(messages) if role != "system"), len(messages))
    examples = [
        (f"examples.{index}.{role}", role, text)
        for index, example in enumerate(source.examples)
        for role, text in (("user", example.user), ("assistant", example.assistant))
    ]
    return [*messages[:leading], *examples, *messages[leading:]]
