"""YAML as plain JSON data with line numbers: no tags, no aliases, no surprises of YAML 1.1 (`no` is a string here)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

import msgspec
import yaml

from headgate.core.errors import ConfigError
from headgate.core.types import Json

DEPTH_MAX = 32
FILE_BYTES_MAX = 1024 * 1024
_PLAIN_TAGS = frozenset(
    {"tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"},
)


class Tree(msgspec.Struct, frozen=True):
    """One YAML document: its value, and the line (from 1) of every dotted path (`rules.0.action`; `""` is the top)."""

    value: Json
    lines: dict[str, int]


class _Loader(yaml.CSafeLoader):
    """Resolves nothing by itself: a plain scalar's type is decided below, explicit tags are refused."""

    yaml_implicit_resolvers: dict[str, object] = {}


def read_yaml(text: str, file: str) -> Iterator[Tree]:
    """The documents of a YAML text. Raises ConfigError (`file:line`)."""
    if len(text) > FILE_BYTES_MAX:
        raise ConfigError(file, f"larger than {FILE_BYTES_MAX} bytes", "split it into one file per artifact")
    try:
        for node in cast("Iterator[yaml.Node]", yaml.compose_all(text, Loader=_Loader)):  # pyright: ignore[reportUnknownMemberType] - stub
            walk = _Walk(file)
            yield Tree(walk.read(node, "", 0), walk.lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}" if mark is not None else file
        raise ConfigError(where, f"not valid YAML: {error.problem or error.context}", _hint(error)) from error
    except yaml.YAMLError as error:
        raise ConfigError(
            file, "not valid YAML: a character that YAML does not allow", "save it as UTF-8 text"
        ) from error


def _hint(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem)
    if "tab" in problem or "\\t" in problem:
        return "indent with spaces, not tabs"
    return "check indentation and quotes around this line"


class _Walk:
    """Reads nodes into data. Every node is read once: an alias would be read again, and is refused."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[str, int] = {}
        self._seen: set[int] = set()

    def read(self, node: yaml.Node, path: str, depth: int) -> Json:
        """The value of a node. Raises ConfigError."""
        line = node.start_mark.line + 1
        self.lines[path] = line
        if depth > DEPTH_MAX:
            raise ConfigError(f"{self.file}:{line}", f"nested deeper than {DEPTH_MAX} levels", "make it flatter")
        if id(node) in self._seen:
            raise ConfigError(f"{self.file}:{line}", "YAML aliases are not read here", "write the value out")
        self._seen.add(id(node))
        if node.tag not in _PLAIN_TAGS:
            raise ConfigError(f"{self.file}:{line}", f"YAML tag {node.tag} is not read here", "remove the tag")
        if isinstance(node, yaml.ScalarNode):
            return node.value if node.style else plain_value(node.value)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, _join(path, str(index)), depth + 1) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.MappingNode)
        return self._mapping(node, path, depth)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> Json:
        out: dict[str, Json] = {}
        for key, value in node.value:
            where = f"{self.file}:{key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(where, "a key is not a string", "use a plain word as key")
            if key.value in out:
                raise ConfigError(where, f"`{key.value}` is there twice", "keep one of them")
            inner = _join(path, key.value)
            out[key.value] = self.read(value, inner, depth + 1)
            self.lines[inner] = key.start_mark.line + 1
        return out


def _join(path: str, step: str) -> str:
    return f"{path}.{step}" if path else step


def plain_value(word: str) -> Json:
    """What an unquoted word means: null, true, false, a JSON number, or the word itself."""
    if word in ("", "~", "null"):
        return None
    if word in ("true", "false"):
        return word == "true"
    if word[0] in "+-.0123456789" and "_" not in word:
        for kind in (int, float):
            try:
                number = kind(word)
            except ValueError:
                continue
            return number if math.isfinite(number) else word
    return word
