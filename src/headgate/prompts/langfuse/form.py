"""A prompt version in Langfuse's form: what it says, its settings, and what is ours under `config.headgate`.

Partials are in place, examples are messages. One system message is a `text` prompt, anything else a `chat` prompt.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.decode import read
from headgate.core.errors import ConfigError, InvalidRequest
from headgate.core.types import JsonObject, as_object
from headgate.prompts.compile import compile_prompt
from headgate.prompts.literal import literals
from headgate.prompts.partials import Look
from headgate.prompts.program import Line
from headgate.prompts.source import PromptSource

_OPEN, _CLOSE = "{{", "}}"


class ChatMessage(msgspec.Struct, frozen=True):
    """One message: its template in `content`."""

    role: str
    content: str
    type: Literal["chatmessage"] = "chatmessage"


class Form(msgspec.Struct, frozen=True):
    """What depends on the version's content alone."""

    type: Literal["text", "chat"]
    prompt: str | list[ChatMessage]
    config: JsonObject


def form_of(artifact: Artifact, partial: Look) -> Form:
    """Raises InvalidRequest where Langfuse's templates, which know variables only, cannot say it."""
    try:
        lines = compile_prompt(artifact, partial).lines
    except ConfigError as error:
        raise InvalidRequest(f"{artifact.ref} does not compile here: {error.wrong} ({error.right})") from error
    said = [ChatMessage(line.role, _said(artifact, line)) for line in lines]
    kind = type_of(artifact)
    return Form(kind, said[0].content if kind == "text" else said, config_of(artifact))


def type_of(artifact: Artifact) -> Literal["text", "chat"]:
    """What `form_of` would call it, whether or not it can be said."""
    source = read(artifact, PromptSource)
    alone = len(source.messages) == 1 and not source.examples and source.messages[0].role == "system"
    return "text" if alone else "chat"


def config_of(artifact: Artifact) -> JsonObject:
    """Settings by their names, the output as OpenAI has it, and what is ours."""
    source = read(artifact, PromptSource)
    config: JsonObject = dict(as_object(msgspec.to_builtins(source.settings)) or {})
    if source.output is not None:
        config["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": source.output}}
    own: JsonObject = {"version": artifact.ref.version, "digest": artifact.ref.digest}
    if source.inputs:
        own["inputs"] = source.inputs
    if source.description:
        own["description"] = source.description
    return {**config, "headgate": own}


def _said(artifact: Artifact, line: Line) -> str:
    """A message's template in Langfuse's language."""
    found = literals(line.template)
    if found is None or None in found.gaps:
        what = "conditions or loops" if found is None else "filters, paths or expressions"
        raise InvalidRequest(
            f"{artifact.ref} has {what}, and Langfuse's templates know variables only: call it as a model, "
            "so that Headgate renders it"
        )
    names = [name for name in found.gaps if name is not None]
    text = found.texts[0] + "".join(
        f"{_OPEN}{name}{_CLOSE}{after}" for name, after in zip(names, found.texts[1:], strict=True)
    )
    return _checked(artifact, text, names)


def _checked(artifact: Artifact, text: str, names: list[str]) -> str:
    """The text, where an SDK finds these variables in it and no others. Raises InvalidRequest."""
    seen: list[str] = []
    at = 0
    while (start := text.find(_OPEN, at)) >= 0 and (end := text.find(_CLOSE, start)) >= 0:
        seen.append(text[start + 2 : end].strip())
        at = end + 2
    if seen != names:
        raise InvalidRequest(
            f"{artifact.ref} has `{_OPEN}` as text, where an SDK of Langfuse would see a variable: put a space between "
            "the braces, or call it as a model"
        )
    return text
