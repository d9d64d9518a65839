"""A classifier as a document of the workspace: JSON laid out line by line, which YAML reads as it stands."""

from __future__ import annotations

import json
import os
from pathlib import Path

from headgate.core.types import Json, JsonObject, as_object

_ONE_PER_LINE = ("dense", "words")


def written(name: str, version: str, owner: str, content: JsonObject) -> str:
    """The document's text: one top-level field a line, one word a line, always in the same order."""
    fields: JsonObject = {"kind": "model", "name": name, "version": version, "owner": owner, **content}
    return "{\n" + ",\n".join(f"{_json(key)}: {_laid_out(key, value)}" for key, value in fields.items()) + "\n}\n"


def write_document(path: Path, text: str) -> None:
    """Writes the whole file or nothing. Raises OSError."""
    scratch = path.with_name(path.name + ".new")
    with scratch.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def _laid_out(key: str, value: Json) -> str:
    inner = as_object(value)
    if key not in _ONE_PER_LINE or not inner:
        return _json(value)
    return "{\n" + ",\n".join(f"  {_json(word)}: {_json(weights)}" for word, weights in inner.items()) + "\n}"


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=True)
