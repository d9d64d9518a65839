"""Files of cases: YAML or JSON with a list of them, or JSONL with one a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from headgate.core.errors import ConfigError
from headgate.core.types import Json, JsonObject, as_list, as_object
from headgate.registry import read_yaml

FILE_BYTES_MAX = 4 * 1024 * 1024
RIGHT = "cases: [{user: ..., expect: {contains: ...}}]"


class SuiteFile(NamedTuple):
    """A file's content, the name that its file gives it, and the line of each dotted path."""

    content: JsonObject
    name: str
    lines: dict[str, int]


def read_suite(file: Path) -> SuiteFile:
    """Raises ConfigError: the file, the line, what would be right. What cases hold is looked at by the gateway."""
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(str(file), f"larger than {FILE_BYTES_MAX} bytes", "split it")
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(str(file), "there is no such file", "a file of cases") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), f"cannot be read: {type(error).__name__}", "a UTF-8 text file") from error
    if file.suffix == ".jsonl":
        content, lines = _lines(text, str(file))
    else:
        content, lines = _tree(text, str(file))
    return SuiteFile(content, file.stem, lines)


def _lines(text: str, file: str) -> tuple[JsonObject, dict[str, int]]:
    cases: list[Json] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            case = as_object(json.loads(line))
        except (ValueError, RecursionError) as error:
            told = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deep"
            raise ConfigError(f"{file}:{number}", f"not JSON: {told}", "one case a line") from error
        if case is None:
            raise ConfigError(f"{file}:{number}", "not a case", '{"user": ..., "expect": {...}}')
        lines[f"cases.{len(cases)}"] = number
        cases.append(case)
    return {"cases": cases}, lines


def _tree(text: str, file: str) -> tuple[JsonObject, dict[str, int]]:
    trees = list(read_yaml(text, file))
    if len(trees) != 1:
        raise ConfigError(file, f"{len(trees)} documents", RIGHT)
    value, lines = trees[0].value, trees[0].lines
    listed = as_list(value)
    if listed is not None:  # the cases alone
        return {"cases": listed}, {"" if not path else f"cases.{path}": line for path, line in lines.items()}
    fields = as_object(value)
    if fields is None:
        raise ConfigError(file, "not a list of cases", RIGHT)
    return fields, lines
