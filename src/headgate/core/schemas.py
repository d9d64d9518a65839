"""What a JSON Schema may do here: nothing beyond itself."""

from __future__ import annotations

from headgate.core.types import Json


def refuse_to_fetch(uri: str) -> Json:
    """In place of a schema library's own retriever, which reads files and asks the network for what a schema names."""
    raise ValueError("a schema refers to itself only")
