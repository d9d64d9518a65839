"""LiteLLM's `.prompt` files: settings in front, then a Jinja template in which `System:`, `User:`, `Assistant:` at the
beginning of a line begin a message.

Its templates are of the same family as ours, so they stay as they are, but for optional variables: Jinja prints nothing
for what is missing, our templates refuse it. `NAME.v2.prompt` is version 2 of NAME.
"""

from __future__ import annotations

from pathlib import PurePath

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.decode import read as decode
from headgate.core.types import Json, JsonObject, as_list, as_object, as_text
from headgate.prompts.partials import Partials, expanded, pinned_by
from headgate.prompts.source import PromptSource, written
from headgate.prompts.template import LanguageError, Template
from headgate.prompts.translate.draft import Draft, Exported, Given, Written, named
from headgate.prompts.translate.frontmatter import Front, joined, split
from headgate.prompts.translate.guarded import GuardError, with_defaults
from headgate.prompts.translate.picoschema import to_json_schema
from headgate.prompts.translate.settings import settings_from
from headgate.prompts.translate.turns import LABELS, turns

ABOUT = "LiteLLM .prompt files: YAML, Jinja, lines that begin with a role"
SUFFIX = ".prompt"
READS = True
_TYPES = {
    "string": "string", "str": "string", "integer": "integer", "int": "integer", "float": "number", "number": "number",
    "boolean": "boolean", "bool": "boolean", "array": "array", "list": "array", "object": "object", "dict": "object",
}  # fmt: skip


def offers(given: Given) -> dict[str, str | None]:
    """Nothing: the format has no partials."""
    return {}


def includes(given: Given) -> set[str]:
    """Nothing: the format has no partials."""
    return set()


def read(given: Given) -> list[Draft]:
    """One prompt. Raises ConfigError."""
    front = split(given)
    stem = PurePath(given.file).name.removesuffix(SUFFIX)
    base, _, number = stem.rpartition(".v")
    versioned = bool(base) and number.isdigit() and int(number) > 0
    draft = Draft("prompt", named(base if versioned else stem), {}, f"{int(number)}.0.0" if versioned else None)
    found = turns(given, front.template, front.first_line)
    inputs = _inputs(given, front, [(text, line) for _, text, line in found], draft)
    properties = as_object(inputs.get("properties")) or {}
    optional = set(properties) - {str(name) for name in as_list(inputs.get("required")) or []}
    rows: list[Json] = []
    for role, text, line in found:
        draft.lines[f"messages.{len(rows)}.content"] = line
        try:
            rows.append({"role": role, "content": with_defaults(text, optional)})
        except GuardError as error:
            right = f"{{% if {error.name} is defined %}} around it, or make it required"
            raise given.fault(line + error.line - 1, f"`{error.name}` is optional, and part of more", right) from error
    if inputs:
        draft.content["inputs"] = inputs
    draft.content["messages"] = rows
    _beside(given, front, draft)
    return [draft]


def _inputs(given: Given, front: Front, texts: list[tuple[str, int]], draft: Draft) -> JsonObject:
    """The declared variables; where none are, those of the template, all required."""
    declared = front.mapping(given, "input").get("schema")
    if declared is not None:
        return _schema(given, front, declared, "input.schema")
    names: set[str] = set()
    for text, line in texts:
        try:
            names |= Template(text).variables
        except LanguageError as error:
            raise given.fault(line + error.line - 1, error.wrong, error.right) from error
    if not names:
        return {}
    told = sorted(names)
    draft.remarks.append(f"{given.file}:1: no `input.schema`: inputs taken from the template: {', '.join(told)}")
    return {"type": "object", "properties": {name: {} for name in told}, "required": [*told]}


def _schema(given: Given, front: Front, told: Json, path: str) -> JsonObject:
    """`name?: type` as a JSON Schema; types by LiteLLM's names, else Picoschema, else JSON Schema as it is."""
    fields = as_object(told) or {}
    kinds = {
        key: _TYPES.get(value.partition(",")[0].strip().lower()) if isinstance(value, str) else None
        for key, value in fields.items()
    }
    if not fields or None in kinds.values():
        return to_json_schema(given, told, path, front.lines)
    properties: JsonObject = {key.removesuffix("?"): {"type": kind} for key, kind in kinds.items()}
    required: list[Json] = [key for key in fields if not key.endswith("?")]
    made: JsonObject = {"type": "object", "properties": properties}
    return {**made, "required": required} if required else made


def _beside(given: Given, front: Front, draft: Draft) -> None:
    rest = {name: value for name, value in front.fields.items() if name not in ("input", "output")}
    settings, others = settings_from(rest)
    if settings:
        draft.content["settings"] = settings
    output = front.mapping(given, "output")
    if "schema" in output:
        schema = _schema(given, front, output["schema"], "output.schema")
        draft.content["output"] = schema
    elif output.get("format") not in (None, "text"):
        others.append("output")
    for name in others:
        why = "a route names models" if name == "model" else "it has no place here"
        draft.remarks.append(f"{given.file}:{front.line(name)}: `{name}` left out: {why}")


def write(exported: Exported) -> Written:
    """`NAME.prompt`, its partials written out. Raises ConfigError for text that would begin a message."""
    artifact = exported.prompt
    source = decode(artifact, PromptSource)
    remarks = [f"{artifact.ref}: name a model in the file: `model: openai/gpt-...`"]
    pinned = pinned_by(artifact, source.partials, Partials(exported.partial).look)
    if pinned:
        remarks.append(f"{artifact.ref}: partials are written out: {', '.join(source.partials.values())}")
    if source.examples:
        remarks.append(f"{artifact.ref}: examples are messages like any other there")
    if source.description:
        remarks.append(f"{artifact.ref}: the description left out")
    texts = [
        f"{LABELS[role]} {_text(artifact, path, expanded(text, pinned), remarks)}"
        for path, role, text in written(source)
    ]
    fields: JsonObject = dict(as_object(msgspec.to_builtins(source.settings)) or {})
    if source.inputs:
        fields["input"] = {"schema": _flat(artifact, source.inputs, "inputs", remarks)}
    if source.output is not None:
        fields["output"] = {"format": "json", "schema": _flat(artifact, source.output, "output", remarks)}
    text = joined(fields, "\n\n".join(texts) + "\n", exported.write_yaml(fields))
    return Written({artifact.ref.name + SUFFIX: text}, remarks)


def _text(artifact: Artifact, path: str, text: str, remarks: list[str]) -> str:
    lines = text.strip().split("\n")
    for at, line in enumerate(lines, 1):
        if any(line.strip().startswith(label) for label in LABELS.values()):
            wrong = f"line {at} of the template would begin a message there"
            raise artifact.fault(path, wrong, "another word before the colon")
    kept = "\n".join(line.strip() for line in lines)
    if kept != text:
        remarks.append(f"{artifact.fault(path, '', '').where}: white space at the ends of lines is lost there")
    return kept


def _flat(artifact: Artifact, schema: JsonObject, what: str, remarks: list[str]) -> JsonObject:
    """`name?: type`, all that is said there."""
    required = as_list(schema.get("required")) or []
    out: JsonObject = {}
    lost = [key for key in schema if key not in ("type", "properties", "required")]
    for name, value in (as_object(schema.get("properties")) or {}).items():
        told = as_object(value) or {}
        kind = as_text(told.get("type"))
        if kind not in _TYPES.values():
            kind = "object"
            lost.append(name)
        elif len(told) > 1:
            lost.append(name)
        out[name if name in required else f"{name}?"] = kind
    if lost:
        remarks.append(f"{artifact.ref}: of `{what}` only the types are said there, not all about {', '.join(lost)}")
    return out
