"""What an artifact needs beside itself: versions of others that it names."""

from __future__ import annotations

from headgate.core.artifact import Artifact
from headgate.core.types import Json, as_list, as_object, as_text


def references(artifact: Artifact) -> list[tuple[str, str]]:
    """(kind, `name@1.0.0`) of what an artifact's content names; the route's learned strategies and a prompt's or
    partial's partials."""
    content = artifact.content
    if artifact.ref.kind in ("prompt", "partial"):
        named = as_object(content.get("partials")) or {}
        return [("partial", wanted) for wanted in named.values() if isinstance(wanted, str)]
    if artifact.ref.kind == "route":
        return [("model", wanted) for wanted in dict.fromkeys(_models(content))]
    return []


def _models(node: Json) -> list[str]:
    """Every `model: name@1.0.0` below a node: targets name theirs without a version."""
    rows = as_list(node)
    if rows is not None:
        return [found for row in rows for found in _models(row)]
    fields = as_object(node)
    if fields is None:
        return []
    named = (as_text(fields.get("model")) or "").removeprefix("model/")
    own = [named] if named.count("@") == 1 and "/" not in named else []
    return own + [found for key, value in fields.items() if key != "targets" for found in _models(value)]
