"""A prompt file drafted from what was observed of a group: what varied becomes typed inputs, the rest is the text.

The draft renders every observed text exactly: text is written so that the template language leaves it alone, and each
input's values are what stood between two constant parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import yaml

from headgate.core.types import Json, JsonObject
from headgate.prompts.skeleton import Skeleton

ENUM_MAX = 5  # values, each seen three times on average
ENUM_SEEN = 3
INTEGER_DIGITS_MAX = 15  # exact in every JSON reader
NAME_CHARS_MIN, NAME_CHARS_MAX = 3, 40
MARKS = frozenset("%#")
RESERVED = frozenset({
    "and", "else", "elif", "endfor", "endif", "false", "for", "if", "in", "is", "loop", "none", "not", "null", "or",
    "true",
})  # fmt: skip


class Input(msgspec.Struct):
    """One varying part: its name, its JSON Schema, and what it held in each observed text."""

    name: str
    schema: JsonObject
    values: list[Json]


class Draft(msgspec.Struct):
    """The content of a drafted prompt, and the variables that bring back each observed text."""

    template: str
    inputs: list[Input]
    observed: list[str]

    def variables(self, index: int) -> dict[str, Json]:
        """What fills the template for an observed text."""
        return {one.name: one.values[index] for one in self.inputs}


def draft(skeleton: Skeleton, texts: Sequence[str]) -> Draft:
    """The draft of a group. Raises ValueError where a text is not of the skeleton."""
    split = [skeleton.split(text) for text in texts]
    filled = [values for values in split if values is not None]
    if len(filled) < len(split) or not texts:
        raise ValueError("a text is not of the group's template")
    blocks, columns = _tightened(skeleton.blocks, [list(column) for column in zip(*filled, strict=True)])
    inputs: list[Input] = []
    names: list[str] = []
    for before, values in zip(blocks, columns, strict=False):
        known = next((one for one in inputs if _texts(one) == values), None)
        if known is None:
            known = _input(_name(before, {one.name for one in inputs}, len(inputs) + 1), values)
            inputs.append(known)
        names.append(known.name)
    return Draft(as_template(blocks, names), inputs, list(texts))


def written(made: Draft, name: str, owner: str | None, about: str) -> str:
    """The draft as a prompt file. `about` goes into the message."""
    properties: JsonObject = {one.name: one.schema for one in made.inputs}
    head: JsonObject = {"kind": "prompt", "name": name, "version": "1.0.0"}
    if owner is not None:
        head["owner"] = owner
    head["message"] = about
    if made.inputs:
        head["inputs"] = {"type": "object", "properties": properties, "required": [*properties]}
    head["messages"] = [{"role": "system", "content": made.template}]
    return as_yaml(head)


def as_yaml(document: JsonObject) -> str:
    """A document as workspace files are written: keys in their order, text of several lines as blocks."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)


class _Dumper(yaml.SafeDumper):
    """Text of several lines as a block, where YAML can say it so."""


def _represented(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))  # pyright: ignore[reportUnknownMemberType] - stub


_Dumper.add_representer(str, _represented)


def _style(text: str) -> str | None:
    """A block where it is read back as it was; quotes where a plain word could be taken for something else."""
    lines = text.split("\n")
    if len(lines) > 1 and lines[0] and all(line.isprintable() for line in lines) and not text.startswith(" "):
        return "|"
    plain = text.isprintable() and text[:1].isalpha() and text not in ("null", "true", "false")
    return None if plain else '"'


def _tightened(blocks: list[str], columns: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """White space that all values of a part begin or end with belongs to the text around it."""
    blocks = list(blocks)
    for index, values in enumerate(columns):
        while values[0][:1].isspace() and all(value[:1] == values[0][:1] for value in values):
            blocks[index] += values[0][0]
            values[:] = [value[1:] for value in values]
        while values[0][-1:].isspace() and all(value[-1:] == values[0][-1:] for value in values):
            blocks[index + 1] = values[0][-1] + blocks[index + 1]
            values[:] = [value[:-1] for value in values]
    return blocks, columns


def _input(name: str, values: list[str]) -> Input:
    if all(_is_integer(value) for value in values):
        return Input(name, {"type": "integer"}, [int(value) for value in values])
    distinct = sorted(set(values))
    if 1 < len(distinct) <= ENUM_MAX and len(values) >= ENUM_SEEN * len(distinct):
        return Input(name, {"type": "string", "enum": [*distinct]}, [*values])
    return Input(name, {"type": "string"}, [*values])


def _texts(one: Input) -> list[str]:
    return [str(value) for value in one.values]


def _is_integer(value: str) -> bool:
    digits = value.removeprefix("-")
    plain = digits.isascii() and digits.isdigit() and len(digits) <= INTEGER_DIGITS_MAX
    return plain and str(int(value)) == value


def _name(before: str, taken: set[str], number: int) -> str:
    """`customer` after `Customer: `; `part_2` where the text gives no name."""
    label = before.rstrip()
    word = ""
    if label.endswith((":", "=")):
        for sign in reversed(label[:-1].rstrip()):
            if not (sign.isascii() and (sign.isalnum() or sign == "_")):
                break
            word = sign + word
    word = word.lower()[:NAME_CHARS_MAX]
    if not word[:1].isalpha() or len(word) < NAME_CHARS_MIN or word in RESERVED:
        word = "part"
    if word != "part" and word not in taken:
        return word
    while f"{word}_{number}" in taken:
        number += 1
    return f"{word}_{number}"


def as_template(blocks: Sequence[str], names: Sequence[str]) -> str:
    """A template that says `blocks` as they are, with the variables `names` between them."""
    parts = [_plain(blocks[0], bool(names))]
    for index, name in enumerate(names):
        parts.append("{{ " + name + " }}")
        parts.append(_plain(blocks[index + 1], index + 1 < len(names)))
    return "".join(parts)


def _plain(text: str, variable_follows: bool) -> str:
    """Text that the template language leaves alone: braces that would open a tag are written as a string."""
    out: list[str] = []
    at = 0
    while (start := text.find("{", at)) >= 0:
        stop = start
        while text[stop : stop + 1] == "{":
            stop += 1
        following = text[stop : stop + 1]
        braces = text[start:stop]
        opens = len(braces) > 1 or (following in MARKS if following else variable_follows)
        out += [text[at:start], '{{ "' + braces + '" }}' if opens else braces]
        at = stop
    return "".join(out) + text[at:]
