"""A prompt of ours in dotprompt's words: Handlebars for what it can say, told where that is not quite the same."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.decode import read
from headgate.core.errors import ConfigError
from headgate.core.types import Json, JsonObject, as_object
from headgate.prompts.source import PartialSource, PromptSource, written
from headgate.prompts.translate.draft import Exported
from headgate.prompts.translate.expression import Compared, Expression, Filter, Not, Path, Tested, Value, plain
from headgate.prompts.translate.ours import Choice, Included, Loop, Piece, Remark, Said, Shown, pieces

_ROLES = {"system": "system", "user": "user", "assistant": "model"}
_CONFIG = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_tokens": "maxOutputTokens",
    "stop": "stopSequences",
}
_LOOP = {"index0": "@index", "first": "@first", "last": "@last"}
GUARD = "{{!}}"  # beside it a tag does not stand alone on its line


class _Item(msgspec.Struct):
    """Text, or a tag; one that takes away the line it stands on alone is `lonely`."""

    text: str
    tag: bool = False
    lonely: bool = False


class Exporter:
    """Writes one prompt and its partials; `remarks` grow on the way."""

    def __init__(self, exported: Exported) -> None:
        self._exported = exported
        self.remarks: list[str] = []

    def documents(self, own: str) -> list[tuple[str, JsonObject, str]]:
        """(file without its ending, front matter, template) of the prompt, then of its partials. Raises ConfigError."""
        artifact = self._exported.prompt
        source = read(artifact, PromptSource)
        found = [(artifact.ref.name, self._front(artifact, source, own), self._template(artifact, source))]
        todo, done = list(source.partials.items()), set[str]()
        while todo:
            name, pinned = todo.pop(0)
            if name in done:
                continue
            done.add(name)
            partial = self._exported.partial(pinned)
            if partial is None:
                raise artifact.fault(f"partials.{name}", f"there is no partial `{pinned}`", "its file in the workspace")
            inner = read(partial, PartialSource)
            template = _Template(partial, "content", inner.inputs, self.remarks)
            fields = self._shared(partial, inner.inputs, inner.partials, own)
            found.append((f"_{name}", fields, template.said(inner.content.removesuffix("\n"))))
            todo += inner.partials.items()
        return found

    def _shared(self, artifact: Artifact, inputs: JsonObject, partials: dict[str, str], own: str) -> JsonObject:
        fields: JsonObject = {f"{own}version": artifact.ref.version}
        if partials:
            fields[f"{own}partials"] = dict(partials)
        if inputs:
            fields["input"] = _input(inputs)
        return fields

    def _front(self, artifact: Artifact, source: PromptSource, own: str) -> JsonObject:
        settings = as_object(msgspec.to_builtins(source.settings)) or {}
        config: JsonObject = {_CONFIG[name]: value for name, value in settings.items() if name in _CONFIG}
        rest: JsonObject = {name: value for name, value in settings.items() if name not in _CONFIG}
        fields: JsonObject = {"name": artifact.ref.name}
        if source.description:
            fields["description"] = source.description
        if config:
            fields["config"] = config
        if rest:
            fields[f"{own}settings"] = rest
        fields |= self._shared(artifact, source.inputs, source.partials, own)
        if source.examples:
            fields[f"{own}examples"] = len(source.examples)
        if source.output is not None:
            fields["output"] = {"format": "json", "schema": source.output}
        return fields

    def _template(self, artifact: Artifact, source: PromptSource) -> str:
        items: list[_Item] = []
        for path, role, text in written(source):
            if not text.strip():
                raise artifact.fault(path, "a message without text cannot be told here", "leave it out")
            items.append(_Item(f'{{{{role "{_ROLES[role]}"}}}}', tag=True))
            items += _Template(artifact, path, source.inputs, self.remarks).items(text)
        return _joined(artifact, _kept(items))


def _input(inputs: JsonObject) -> JsonObject:
    """Our inputs as `input`: defaults stand apart there."""
    properties = as_object(inputs.get("properties")) or {}
    defaults: JsonObject = {}
    plain_: JsonObject = {}
    for name, schema in properties.items():
        fields = as_object(schema)
        if fields is not None and "default" in fields:
            defaults[name] = fields["default"]
            plain_[name] = {key: value for key, value in fields.items() if key != "default"}
        else:
            plain_[name] = schema
    told: JsonObject = {"schema": {"type": "object", **inputs, "properties": plain_}}
    return {"default": defaults, **told} if defaults else told


class _Template:
    def __init__(self, artifact: Artifact, path: str, inputs: JsonObject, remarks: list[str]) -> None:
        self._artifact = artifact
        self._path = path
        self._properties = as_object(inputs.get("properties")) or {}
        self._remarks = remarks
        self._out: list[_Item] = []

    def said(self, source: str) -> str:
        """A partial's text."""
        return _joined(self._artifact, _kept(self.items(source)))

    def items(self, source: str) -> list[_Item]:
        """The template as text and tags. Raises ConfigError for what Handlebars has no words for."""
        self._pieces(pieces(self._artifact, self._path, source), ())
        return self._out

    def _pieces(self, found: Sequence[Piece], names: tuple[str, ...]) -> None:
        for piece in found:
            if isinstance(piece, Said):
                self._out.append(_Item(piece.text))
            elif isinstance(piece, Remark):
                self._tag("{{!-- " + piece.text.replace("--}}", "-- }}") + " --}}", lonely=True)
            elif isinstance(piece, Included):
                self._tag("{{> " + piece.name + "}}", lonely=True)
            elif isinstance(piece, Shown):
                self._shown(piece.what, names)
            elif isinstance(piece, Choice):
                self._choice(piece, names)
            else:
                self._loop(piece, names)

    def _tag(self, text: str, lonely: bool = False) -> None:
        self._out.append(_Item(text, tag=True, lonely=lonely))

    def _shown(self, what: Expression, names: tuple[str, ...]) -> None:
        tree = self._given(plain(what))
        if isinstance(tree, Value) and isinstance(tree.value, str):
            self._out.append(_Item(tree.value))
        elif isinstance(tree, Filter) and tree.name == "tojson":
            boolean = isinstance(tree.inner, Path) and self._kind(tree.inner) == "boolean"
            path = self._path_of(tree.inner, names)
            self._tag("{{" + path + "}}" if boolean else "{{json " + path + "}}")
        else:
            self._tag("{{" + self._path_of(tree, names) + "}}")

    def _given(self, tree: Expression) -> Expression:
        """A default that the variable's schema states is the front matter's to say."""
        if isinstance(tree, Filter) and tree.name in ("default", "d") and isinstance(tree.inner, Path):
            schema = as_object(self._properties.get(tree.inner.steps[0])) or {}
            first = tree.arguments[0] if len(tree.arguments) == 1 else None
            if len(tree.inner.steps) == 1 and "default" in schema and first == Value(schema["default"]):
                return tree.inner
        return tree

    def _kind(self, path: Path) -> Json:
        schema = as_object(self._properties.get(path.steps[0])) or {}
        kind = schema.get("type")
        kinds = [one for one in kind if one != "null"] if isinstance(kind, list) else [kind]
        return kinds[0] if len(path.steps) == 1 and len(kinds) == 1 else None

    def _path_of(self, tree: Expression, names: tuple[str, ...]) -> str:
        tree = self._given(plain(tree))
        if isinstance(tree, Value) and not isinstance(tree.value, list | dict):
            return json.dumps(tree.value, ensure_ascii=False)
        if not isinstance(tree, Path):
            raise self._fault("this expression", "a plain variable: compute the rest in the application")
        first, *rest = tree.steps
        if first == "loop":
            if len(rest) != 1 or rest[0] not in _LOOP:
                raise self._fault(f"`loop.{'.'.join(rest)}`", f"one of: {', '.join(_LOOP)}")
            return _LOOP[rest[0]]
        if any(step.isdigit() for step in rest):
            raise self._fault("an item by its number", "a loop, or a variable of its own")
        return ".".join(tree.steps if first in names or not names else ("@root", *tree.steps))

    def _choice(self, choice: Choice, names: tuple[str, ...]) -> None:
        opened = ""
        for at, (condition, inside) in enumerate(choice.branches):
            call = self._condition(condition, names)
            if at == 0:
                opened = call.split()[0]
            self._tag("{{" + ("#" if at == 0 else "else ") + call + "}}", lonely=True)
            self._pieces(inside, names)
        if choice.otherwise is not None:
            self._tag("{{else}}", lonely=True)
            self._pieces(choice.otherwise, names)
        self._tag("{{/" + opened + "}}", lonely=True)

    def _condition(self, condition: Expression, names: tuple[str, ...]) -> str:
        tree, negated = plain(condition), False
        while isinstance(tree, Not):
            tree, negated = plain(tree.inner), not negated
        if isinstance(tree, Compared):
            helper = "ifEquals" if tree.same != negated else "unlessEquals"
            return f"{helper} {self._path_of(tree.left, names)} {self._path_of(tree.right, names)}"
        if isinstance(tree, Tested):
            if tree.test not in ("defined", "undefined", "none"):
                raise self._fault(f"`is {tree.test}`", "`is defined`, or a comparison")
            negated ^= tree.positive != (tree.test == "defined")
            where = self._artifact.fault(self._path, "", "").where
            self._remarks.append(f'{where}: `is {tree.test}` becomes a test of truth: "" and 0 count as missing there')
            tree = tree.inner
        return ("unless " if negated else "if ") + self._path_of(tree, names)

    def _loop(self, loop: Loop, names: tuple[str, ...]) -> None:
        over = plain(loop.over)
        fields = isinstance(over, Filter) and over.name == "items" and len(loop.names) == 2
        if isinstance(over, Filter) and fields:
            over = over.inner
        if len(loop.names) != (2 if fields else 1):
            raise self._fault(f"a loop over {len(loop.names)} names", "one name, or two over `|items`")
        given = " ".join(reversed(loop.names)) if fields else loop.names[0]
        self._tag("{{#each " + self._path_of(over, names) + f" as |{given}|}}}}", lonely=True)
        self._pieces(loop.inside, (*names, *loop.names))
        if loop.otherwise is not None:
            self._tag("{{else}}", lonely=True)
            self._pieces(loop.otherwise, names)
        self._tag("{{/each}}", lonely=True)

    def _fault(self, what: str, right: str) -> ConfigError:
        return self._artifact.fault(self._path, f"Handlebars cannot say {what}", right)


def _kept(items: list[_Item]) -> list[_Item]:
    """With what keeps white space at either end: it is no part of a file's template."""
    ends = [items[0], items[-1]] if items else []
    before, after = (not one.tag and one.text != one.text.strip() for one in ends) if ends else (False, False)
    guards = [_Item(GUARD, tag=True), _Item(GUARD, tag=True)]  # one alone would take its line away
    return [*(guards if before else []), *items, *(guards if after else [])]


def _joined(artifact: Artifact, items: list[_Item]) -> str:
    """Texts and tags put together, so that text is read as text and no line is lost."""
    merged: list[_Item] = []
    for item in items:
        if merged and not item.tag and not merged[-1].tag:
            merged[-1] = _Item(merged[-1].text + item.text)
        else:
            merged.append(item)
    out = ""
    for at, item in enumerate(merged):
        after = merged[at + 1] if at + 1 < len(merged) else None
        if not item.tag:
            out += _text(artifact, item.text, after is not None)
            continue
        before = "" if at == 0 or merged[at - 1].tag else merged[at - 1].text
        follows = "" if after is None or after.tag else after.text
        out += item.text
        if item.lonely and _alone(before, follows, at == 0 or (at == 1 and not merged[0].tag), after is None):
            tidy = not before[before.rfind("\n") + 1 :] and not follows.partition("\n")[0] and "\n" in follows
            out += "\n" if tidy else GUARD
    return out


def _alone(before: str, after: str, first: bool, last: bool) -> bool:
    begins = not before[before.rfind("\n") + 1 :].strip() and ("\n" in before or first)
    ends = not after.partition("\n")[0].strip() and ("\n" in after or last)
    return begins and ends


def _text(artifact: Artifact, text: str, followed: bool) -> str:
    """Text in which nothing is a tag, whether one follows it or not."""
    if "\\{{" in text or (followed and text.endswith("{")):
        right = "put a space between them, or a string in its place"
        raise artifact.fault("", "Handlebars cannot say a brace or a backslash right before braces", right)
    text = text.replace("{{", "\\{{")
    return text + "\\" if followed and text.endswith("\\") else text
