"""Langfuse's prompt objects: `{name, type, prompt, config, version, labels, tags}`, as its API gives them.

Its templates know `{{name}}` and `@@@langfusePrompt:name=x|version=1@@@`, a partial here. Versions are whole numbers
there (`prompts/langfuse/numbers.py`). What is ours alone, the types of inputs, is kept in `config.headgate`.
"""

from __future__ import annotations

import json

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.decode import read as decode
from headgate.core.errors import ConfigError, InvalidRequest
from headgate.core.types import Json, JsonObject, as_int, as_list, as_object, as_text
from headgate.prompts.langfuse.numbers import number_of, version_of
from headgate.prompts.source import PartialSource, PromptSource, written
from headgate.prompts.translate.draft import Draft, Exported, Given, Written, is_variable, named
from headgate.prompts.translate.expression import Path, Value, plain
from headgate.prompts.translate.ours import Included, Piece, Remark, Said, Shown, pieces
from headgate.prompts.translate.settings import settings_from
from headgate.prompts.translate.text import TemplateText

ABOUT = "Langfuse prompts, JSON as its API gives them"
SUFFIX = ".json"
READS = True
_MARK = "@@@"
_TAG = "langfusePrompt:"
_DIGITS_MAX = 12
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_KNOWN = frozenset({"name", "type", "prompt", "config", "version", "labels", "tags", "commitMessage"})
# what its API tells about a prompt beside
_ABOUT = frozenset({"id", "createdAt", "updatedAt", "projectId", "createdBy", "isActive", "resolutionGraph"})
_OWN = "headgate"


def offers(given: Given) -> dict[str, str | None]:
    """Text prompts may be included by others: names and versions."""
    found = [as_object(row) or {} for row in _rows(given)[0]]
    return {
        named(as_text(row.get("name")) or ""): _version(row) for row in found if row.get("type", "text") == "text"
    }  # fmt: skip


def includes(given: Given) -> set[str]:
    """The names that composition tags include."""
    parts = given.text.split(_MARK + _TAG)[1:]
    said = [_fields(part.partition(_MARK)[0]) for part in parts]
    return {named(one["name"]) for one in said if "name" in one}


def read(given: Given) -> list[Draft]:
    """The prompts in a file: one object, a list of them, or `{data: [...]}`. Raises ConfigError."""
    rows, lines, prefix = _rows(given)
    drafts: list[Draft] = []
    for index, value in enumerate(rows):
        row = as_object(value)
        at = f"{prefix}{index}" if len(rows) > 1 or prefix else ""
        if row is None or "prompt" not in row:
            raise given.fault(
                lines.get(at, 1), "this is no prompt of Langfuse", '{"name": ..., "type": ..., "prompt": ...}'
            )
        drafts.append(_Reader(given, row, lines, f"{at}." if at else "").draft())
    return drafts


def _rows(given: Given) -> tuple[list[Json], dict[str, int], str]:
    try:
        value: Json = msgspec.json.decode(given.text)
    except (msgspec.DecodeError, RecursionError) as error:
        said = str(error)
        _, _, place = said.rpartition("(byte ")
        raw = given.text.encode()
        at = int(place[:-1]) if place[:-1].isdigit() else len(raw.rstrip()) if "truncated" in said else 0
        line = raw.count(b"\n", 0, at) + 1
        raise given.fault(line, f"not valid JSON: {said}", "the JSON that Langfuse's API gives") from error
    try:
        lines = dict(given.parse(given.text)[1])
    except ConfigError:
        lines = {}  # JSON that YAML reads otherwise: only its lines are lost
    rows = as_list(value)
    if rows is not None:
        return rows, lines, ""
    listed = as_list((as_object(value) or {}).get("data"))
    return (listed, lines, "data.") if listed is not None else ([value], lines, "")


def _fields(tag: str) -> dict[str, str]:
    """`name=x|version=1`."""
    pairs = [part.partition("=") for part in tag.split("|")]
    return {name: value for name, _, value in pairs}


def _version(row: JsonObject) -> str | None:
    number = as_int(row.get("version"))
    return None if number is None else version_of(number)


class _Reader:
    def __init__(self, given: Given, row: JsonObject, lines: dict[str, int], prefix: str) -> None:
        self._given = given
        self._row = row
        self._lines = lines
        self._prefix = prefix
        self._variables: dict[str, None] = {}
        self._partials: dict[str, Json] = {}
        self._remarks: list[str] = []

    def draft(self) -> Draft:
        row = self._row
        name = as_text(row.get("name")) or ""
        config = as_object(row.get("config")) or {}
        own = as_object(config.get(_OWN)) or {}
        draft = Draft("prompt", named(name), {}, _version(row), as_text(row.get("commitMessage")) or "")
        if row.get("type", "text") == "text" and draft.name in self._given.partials:
            draft.kind = "partial"
        if draft.name != name:
            self._remark("name", f"the name `{name}` is `{draft.name}` here")
        messages = self._messages(draft)
        inputs = as_object(own.get("inputs")) or self._inputs()
        if inputs:
            draft.content["inputs"] = inputs
        if self._partials:
            draft.content["partials"] = dict(self._partials)
        if draft.kind == "partial":
            draft.content["content"] = as_text((as_object(messages[0]) or {}).get("content")) or ""
            draft.lines = {"content": self._line("prompt")}
        else:
            draft.content["messages"] = messages
            self._config(draft, config, own)
        self._beside()
        draft.remarks = self._remarks
        return draft

    def _messages(self, draft: Draft) -> list[Json]:
        told = self._row["prompt"]
        if isinstance(told, str):
            draft.lines["messages.0.content"] = self._line("prompt")
            if draft.kind == "prompt":
                self._remark("prompt", "a text prompt has no role: it is the system message here")
            return [{"role": "system", "content": self._template(told, "prompt")}]
        rows = as_list(told)
        if not rows:
            raise self._fault("prompt", "neither a text nor messages", '"prompt": [{"role": ..., "content": ...}]')
        messages: list[Json] = []
        for index, value in enumerate(rows):
            at, row = f"prompt.{index}", as_object(value) or {}
            if row.get("type") == "placeholder":
                if index < len(rows) - 1:
                    right = "end with it: the client's messages follow those of the prompt"
                    raise self._fault(at, f"the placeholder `{row.get('name')}` stands before messages", right)
                self._remark(
                    at, f"the placeholder `{row.get('name')}` left out: the client's messages follow by themselves"
                )
                continue
            role, text = _ROLES.get(as_text(row.get("role")) or ""), as_text(row.get("content"))
            if role is None or text is None:
                raise self._fault(at, "no message with a role and a text", "role: system, user or assistant")
            draft.lines[f"messages.{len(messages)}.content"] = self._line(f"{at}.content")
            messages.append({"role": role, "content": self._template(text, f"{at}.content")})
        return messages

    def _template(self, text: str, path: str) -> str:
        """A template of ours that says the same."""
        out = TemplateText()
        at = 0
        while at < len(text):
            starts = [found for found in (text.find("{{", at), text.find(_MARK + _TAG, at)) if found >= 0]
            start = min(starts, default=len(text))
            out.text(text[at:start])
            if start == len(text):
                break
            closing = "}}" if text[start] == "{" else _MARK
            end = text.find(closing, start + len(closing))
            if end < 0:
                raise self._fault(path, f"`{text[start : start + 20]}` is not closed", closing)
            inner = text[start + len(closing) : end]
            if closing == _MARK:
                out.block('{% include "' + self._partial(inner.removeprefix(_TAG), path) + '" %}')
            else:
                out.block("{{ " + self._variable(inner.strip(), path) + " }}")
            at = end + len(closing)
        return str(out)

    def _variable(self, name: str, path: str) -> str:
        if not is_variable(name):
            raise self._fault(path, f"`{name}` is no name of a variable here", "letters, digits and `_`")
        self._variables[name] = None
        return name

    def _partial(self, tag: str, path: str) -> str:
        """The name that a composition tag includes, `name=x|version=1`."""
        said = _fields(tag)
        name = said.get("name", "")
        short = named(name)
        if "version" in said and said["version"].isdigit():
            version = version_of(int(said["version"])) if len(said["version"]) < _DIGITS_MAX else None
            pin = None if version is None else f"{short}@{version}"
        else:
            pin = self._given.pinned(short)
            self._remark(path, f"`{name}` is included by a label, which moves: it is pinned at {pin} here")
        if pin is None:
            right = f"read `{name}` with it, or name a version: {_MARK}{_TAG}name={name}|version=1{_MARK}"
            raise self._fault(path, f"there is no partial `{name}`", right)
        if self._partials.setdefault(short, pin) != pin:
            raise self._fault(path, f"`{name}` is included in two versions", "one of them")
        return short

    def _inputs(self) -> JsonObject:
        if not self._variables:
            return {}
        properties: JsonObject = {name: {"type": "string"} for name in self._variables}
        return {"type": "object", "properties": properties, "required": [*self._variables]}

    def _config(self, draft: Draft, config: JsonObject, own: JsonObject) -> None:
        rest = {name: value for name, value in config.items() if name != _OWN}
        settings, others = settings_from(rest)
        if settings:
            draft.content["settings"] = settings
        for name in others:
            if name == "response_format" and (schema := _schema_of(config[name])) is not None:
                draft.content["output"] = schema
            elif name == "model":
                self._remark("config.model", "`model` left out: a route names models")
            else:
                self._remark(f"config.{name}", f"`config.{name}` left out: it has no place here")
        for name in ("description", "examples"):
            if name in own:
                draft.content[name] = own[name]

    def _beside(self) -> None:
        for label in as_list(self._row.get("labels")) or []:
            if label != "latest":
                self._remark("labels", f"the label `{label}` left out: point a channel of the app at a release")
        if self._row.get("tags"):
            self._remark("tags", "tags left out")
        for name in self._row:
            if name not in _KNOWN and name not in _ABOUT:
                self._remark(name, f"`{name}` left out: it has no place here")

    def _line(self, path: str) -> int:
        known = self._prefix + path
        while known and known not in self._lines:
            known = known.rpartition(".")[0]
        return self._lines.get(known, 1)

    def _remark(self, path: str, said: str) -> None:
        self._remarks.append(f"{self._given.file}:{self._line(path)}: {said}")

    def _fault(self, path: str, wrong: str, right: str) -> ConfigError:
        return self._given.fault(self._line(path), wrong, right)


def _schema_of(value: Json) -> JsonObject | None:
    form = as_object(value) or {}
    return as_object((as_object(form.get("json_schema")) or {}).get("schema"))


def write(exported: Exported) -> Written:
    """`NAME.json`, and one for each partial. Raises ConfigError for templates that are more than names in braces."""
    files: dict[str, str] = {}
    remarks: list[str] = []
    artifact = exported.prompt
    source = decode(artifact, PromptSource)
    prompt: list[Json] = [
        {"role": role, "content": _said(artifact, path, text, source.partials, remarks)}
        for path, role, text in written(source)
    ]
    if source.examples:
        remarks.append(f"{artifact.ref}: examples are messages like any other there")
    files[artifact.ref.name + SUFFIX] = _object(artifact, "chat", prompt, _told(source))
    todo, done = list(source.partials.values()), set[str]()
    while todo:
        pinned = todo.pop(0)
        if pinned in done:
            continue
        done.add(pinned)
        partial = exported.partial(pinned)
        if partial is None:
            raise artifact.fault("partials", f"there is no partial `{pinned}`", "its file in the workspace")
        inner = decode(partial, PartialSource)
        text = _said(partial, "content", inner.content.removesuffix("\n"), inner.partials, remarks)
        config: JsonObject = {_OWN: {"inputs": inner.inputs}} if inner.inputs else {}
        taken = partial.ref.name + SUFFIX in files
        name = f"{partial.ref.name}-{partial.ref.version}" if taken else partial.ref.name
        files[name + SUFFIX] = _object(partial, "text", text, config)
        todo += inner.partials.values()
    return Written(files, remarks)


def _told(source: PromptSource) -> JsonObject:
    """`config`: settings by their names, the output as OpenAI has it, and what is ours."""
    config: JsonObject = dict(as_object(msgspec.to_builtins(source.settings)) or {})
    if source.output is not None:
        config["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": source.output}}
    own: JsonObject = {}
    if source.inputs:
        own["inputs"] = source.inputs
    if source.description:
        own["description"] = source.description
    return {**config, _OWN: own} if own else config


def _object(artifact: Artifact, kind: str, prompt: Json, config: JsonObject) -> str:
    value: JsonObject = {
        "name": artifact.ref.name,
        "type": kind,
        "prompt": prompt,
        "config": config,
        "version": _number(artifact, "version", artifact.ref.version),
        "labels": [],
        "tags": [],
    }
    if artifact.message:
        value["commitMessage"] = artifact.message
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _said(artifact: Artifact, path: str, source: str, pins: dict[str, str], remarks: list[str]) -> str:
    out, text = "", ""
    for piece in pieces(artifact, path, source):
        if isinstance(piece, Said):
            text += piece.text
        elif isinstance(piece, Remark):
            remarks.append(f"{artifact.fault(path, '', '').where}: a comment left out")
        elif isinstance(piece, Shown) and isinstance(piece.what, Value) and isinstance(piece.what.value, str):
            text += piece.what.value
        else:
            out += _plain(artifact, path, text, True) + _tag(artifact, path, piece, pins)
            text = ""
    return out + _plain(artifact, path, text, False)


def _tag(artifact: Artifact, path: str, piece: Piece, pins: dict[str, str]) -> str:
    if isinstance(piece, Included):
        name, _, version = pins[piece.name].partition("@")
        return f"{_MARK}{_TAG}name={name}|version={_number(artifact, path, version)}{_MARK}"
    if isinstance(piece, Shown) and isinstance(tree := plain(piece.what), Path) and len(tree.steps) == 1:
        return "{{" + tree.steps[0] + "}}"
    wrong = "Langfuse has variables only: no conditions, loops, paths or filters"
    raise artifact.fault(path, wrong, "another format, or the parts as variables")


def _number(artifact: Artifact, path: str, version: str) -> int:
    try:
        return number_of(version)
    except InvalidRequest as error:
        raise artifact.fault(path, error.message, "a version of smaller numbers") from error


def _plain(artifact: Artifact, path: str, text: str, followed: bool) -> str:
    """Text in which Langfuse sees no tag."""
    if "{{" in text or _MARK + _TAG in text or (followed and text.endswith("{")):
        raise artifact.fault(path, "Langfuse cannot say two braces as text", "one brace, or a space between them")
    return text
