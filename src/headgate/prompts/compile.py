"""A `prompt` artifact to a program."""

from __future__ import annotations

from typing import Literal

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.decode import read
from headgate.core.types import Json, as_object
from headgate.prompts.program import Line, TemplateProgram
from headgate.prompts.template import LanguageError, Template

MESSAGES_MAX = 100
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class MessageSource(msgspec.Struct, forbid_unknown_fields=True):
    """One chat message: its template in `content`."""

    role: Literal["system", "user", "assistant"]
    content: str


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
    """The content of a `prompt` artifact. `inputs` and `output` are JSON Schemas; `description` is for people."""

    messages: list[MessageSource]
    inputs: dict[str, Json] = {}
    settings: Settings = Settings()
    output: dict[str, Json] | None = None
    description: str = ""


def compile_prompt(artifact: Artifact) -> TemplateProgram:
    """The program of a prompt. Raises ConfigError naming file and line."""
    source = read(artifact, PromptSource)
    if not 0 < len(source.messages) <= MESSAGES_MAX:
        raise artifact.fault("messages", f"a prompt has 1 to {MESSAGES_MAX} messages", "add `- role: system`")
    properties = as_object(source.inputs.get("properties", {}))
    if properties is None or source.inputs.get("type", "object") != "object":
        right = "type: object, properties: {product: {type: string}}, required: [product]"
        raise artifact.fault("inputs", "`inputs` is not the JSON Schema of an object", right)
    lines = [_line(artifact, index, message) for index, message in enumerate(source.messages)]
    for index, line in enumerate(lines):
        undeclared = sorted(line.template.variables - set(properties))
        if undeclared:
            raise artifact.fault(
                f"messages.{index}.content",
                f"the template uses `{undeclared[0]}`, which is not declared",
                f"add `{undeclared[0]}` to inputs.properties",
            )
    settings = as_object(msgspec.to_builtins(source.settings)) or {}
    try:
        return TemplateProgram(artifact.ref, lines, source.inputs, settings)
    except ValueError as error:
        abroad = _abroad(source.inputs, "inputs")
        if abroad is not None:
            wrong = "`$ref` names another document, and none is ever fetched"
            raise artifact.fault(
                abroad, wrong, "put the schema under `$defs` and say `$ref: '#/$defs/NAME'`"
            ) from error
        raise artifact.fault("inputs", f"not a valid JSON Schema: {error}", "see json-schema.org") from error


def _abroad(schema: Json, path: str) -> str | None:
    """The dotted path of the first reference out of a schema; None where there is none."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            at = f"{path}.{key}"
            if key in _REFERENCES and isinstance(value, str) and not value.startswith("#"):
                return at
            if (found := _abroad(value, at)) is not None:
                return found
    elif isinstance(schema, list):
        for index, item in enumerate(schema):
            if (found := _abroad(item, f"{path}.{index}")) is not None:
                return found
    return None


def _line(artifact: Artifact, index: int, message: MessageSource) -> Line:
    try:
        return Line(message.role, Template(message.content))
    except LanguageError as error:
        path = f"messages.{index}.content"
        raise artifact.fault(path, f"line {error.line} of the template: {error.wrong}", error.right) from error
