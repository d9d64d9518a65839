"""dotprompt (https://google.github.io/dotprompt): YAML in front, Picoschema, a Handlebars template.

Its templates are translated to ours, a stated subset of them (docs/prompt-formats.md, docs/decisions/014). What is ours
alone is kept in front matter fields that begin with `headgate.`, which its own tools pass over.
"""

from __future__ import annotations

from pathlib import PurePath

from headgate.core.types import Json, JsonObject, as_int, as_list, as_object, as_text
from headgate.prompts.translate.draft import Draft, Exported, Given, Written, named
from headgate.prompts.translate.from_handlebars import Message, Translated, inferred, translate
from headgate.prompts.translate.frontmatter import Front, joined, split
from headgate.prompts.translate.handlebars import parse
from headgate.prompts.translate.picoschema import to_json_schema
from headgate.prompts.translate.settings import settings_from
from headgate.prompts.translate.to_handlebars import Exporter

ABOUT = "dotprompt .prompt files (Genkit): YAML, Picoschema, Handlebars"
SUFFIX = ".prompt"
READS = True
OWN = "headgate."
_OWN_CONTENT = ("settings", "examples", "partials")
_REMARKED = {
    "model": "a route names models: add it to the route of the app",
    "tools": "the application sends tools with its calls",
    "variant": "it became part of the name",
}
_DESCRIBED = ("description",)


def offers(given: Given) -> dict[str, str | None]:
    """A file whose name begins with `_` is a partial."""
    stem = PurePath(given.file).name.removesuffix(SUFFIX)
    return {named(stem): as_text(split(given).fields.get(f"{OWN}version"))} if stem.startswith("_") else {}


def includes(given: Given) -> set[str]:
    """None: what is a partial is told by the file's name."""
    return set()


def read(given: Given) -> list[Draft]:
    """One prompt, or a partial where the file's name begins with `_`. Raises ConfigError."""
    front = split(given)
    nodes = parse(given, front.template, front.first_line)
    declared, remarks = _inputs(given, front)
    inputs = declared or inferred(nodes)
    if declared is None and inputs["properties"]:
        told = ", ".join(as_object(inputs["properties"]) or {})
        remarks.append(f"{given.file}:1: no `input.schema`: inputs taken from the template: {told}")
    made = translate(given, nodes, inputs, front.first_line)
    stem = PurePath(given.file).name.removesuffix(SUFFIX)
    content: JsonObject = {}
    if as_object(inputs.get("properties")):
        content["inputs"] = inputs
    draft = Draft(
        kind="partial" if stem.startswith("_") else "prompt",
        name=_name(given, front, stem, remarks),
        content=content,
        version=as_text(front.fields.get(f"{OWN}version")),
        lines=dict(front.lines),
        remarks=[*remarks, *made.remarks],
    )
    partials = _partials(given, front, made)
    if partials:
        content["partials"] = partials
    if draft.kind == "partial":
        _partial(given, front, draft, made)
    else:
        _prompt(given, front, draft, made)
    _remark(given, front, draft)
    return [draft]


def _name(given: Given, front: Front, stem: str, remarks: list[str]) -> str:
    told = as_text(front.fields.get("name")) or stem.lstrip("_")
    variant = as_text(front.fields.get("variant"))
    full = f"{told}.{variant}" if variant and not told.endswith(f".{variant}") else told
    name = named(full)
    if name != told:
        remarks.append(f"{given.file}:{front.line('name')}: the name `{told}` is `{name}` here")
    return name


def _inputs(given: Given, front: Front) -> tuple[JsonObject | None, list[str]]:
    """The declared variables, defaults among them; None where there are none."""
    told = front.mapping(given, "input")
    defaults = as_object(told.get("default")) or {}
    if "schema" not in told:
        if not defaults:
            return None, []
        return {"type": "object", "properties": {name: {"default": value} for name, value in defaults.items()}}, []
    schema = to_json_schema(given, told["schema"], "input.schema", front.lines)
    if schema.get("type", "object") != "object":
        raise given.fault(front.line("input.schema"), "the input is no object", "a mapping of variables")
    properties = dict(as_object(schema.get("properties")) or {})
    for name, value in defaults.items():
        properties[name] = {**(as_object(properties.get(name)) or {}), "default": value}
    required: list[Json] = [name for name in as_list(schema.get("required")) or [] if name not in defaults]
    rest = {key: value for key, value in schema.items() if key not in ("type", "properties", "required")}
    made: JsonObject = {"type": "object", "properties": properties}
    return {**made, **({"required": required} if required else {}), **rest}, []


def _partials(given: Given, front: Front, made: Translated) -> JsonObject:
    own = front.mapping(given, f"{OWN}partials")
    pins: JsonObject = {}
    for name in made.partials:
        pinned = own.get(name) or given.pinned(named(name))
        if pinned is None:
            right = f"read `_{name}.prompt` with it, or put a partial `{named(name)}` into the workspace first"
            raise given.fault(front.first_line, f"there is no partial `{name}`", right)
        pins[name] = pinned
    return pins


def _partial(given: Given, front: Front, draft: Draft, made: Translated) -> None:
    texts = made.messages
    if len(texts) > 1 or any(message.role != "user" for message in texts):
        raise given.fault(front.first_line, "a partial with `role` in it", "partials are text within one message")
    text = texts[0].text if texts else ""
    draft.content["content"] = text + "\n" if text.endswith("\n") else text  # the last one is not counted here
    draft.lines["content"] = front.first_line


def _prompt(given: Given, front: Front, draft: Draft, made: Translated) -> None:
    if not made.messages:
        raise given.fault(front.first_line, "the template says nothing", "some text")
    count = 2 * (as_int(front.fields.get(f"{OWN}examples")) or 0)
    leading = next((at for at, one in enumerate(made.messages) if one.role != "system"), len(made.messages))
    if not 0 <= count <= len(made.messages) - leading:
        raise given.fault(front.line(f"{OWN}examples"), "more examples than messages", "the number of pairs")
    messages = [*made.messages[:leading], *made.messages[leading + count :]] if count else made.messages
    draft.content["messages"] = [{"role": message.role, "content": message.text} for message in messages]
    if count:
        draft.content["examples"] = _pairs(made.messages[leading : leading + count])
    for index, message in enumerate(messages):
        draft.lines[f"messages.{index}.content"] = message.line
    config = front.mapping(given, "config")
    settings, rest = settings_from({**config, **front.mapping(given, f"{OWN}settings")})
    if settings:
        draft.content["settings"] = settings
    draft.remarks += [
        f"{given.file}:{front.line(f'config.{name}')}: the setting `{name}` has no place" for name in rest
    ]
    _output(given, front, draft)
    description = as_text(front.fields.get("description"))
    if description:
        draft.content["description"] = description


def _pairs(messages: list[Message]) -> list[Json]:
    return [
        {"user": asked.text, "assistant": answered.text}
        for asked, answered in zip(messages[0::2], messages[1::2], strict=True)
    ]


def _output(given: Given, front: Front, draft: Draft) -> None:
    told = front.mapping(given, "output")
    if "schema" in told:
        schema = to_json_schema(given, told["schema"], "output.schema", front.lines)
        if schema.get("type") == "object":
            draft.content["output"] = schema
        else:
            where = f"{given.file}:{front.line('output.schema')}"
            draft.remarks.append(f"{where}: the output is no object, and is not declared: wrap it in one")
    elif told.get("format") not in (None, "text"):
        where = f"{given.file}:{front.line('output.format')}"
        draft.remarks.append(f"{where}: `output.format` without a schema has no place: declare the output's schema")


def _remark(given: Given, front: Front, draft: Draft) -> None:
    """Names what stands in front and was not carried."""
    known = {"name", "config", "input", "output", *_DESCRIBED}
    for name in front.fields:
        if name in known or name.startswith(OWN):
            continue
        why = _REMARKED.get(name, "it has no place here")
        draft.remarks.append(f"{given.file}:{front.line(name)}: `{name}` left out: {why}")


def write(exported: Exported) -> Written:
    """`NAME.prompt`, and `_PARTIAL.prompt` for each partial. Raises ConfigError."""
    made = Exporter(exported)
    files: dict[str, str] = {}
    for file, fields, template in made.documents(OWN):
        files[file + SUFFIX] = joined(fields, template, exported.write_yaml(fields))
    return Written(files, made.remarks)
