"""Drafted prompt files, read as the files of a workspace are."""

from __future__ import annotations

from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError
from headgate.registry import read_documents


def load_draft(text: str) -> Artifact:
    """The one prompt in a text. Raises ConfigError."""
    workspace = read_documents(text, "draft")
    if workspace.faults:
        raise workspace.faults[0]
    known = workspace.known("prompt")
    artifact = workspace.find("prompt", known[0]) if len(known) == 1 else None
    if artifact is None:
        raise ConfigError("draft", "not one prompt", "one document of kind `prompt`")
    return artifact
