"""Artifacts: immutable, semantically versioned content, whatever its kind."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from headgate.core.errors import ConfigError
from headgate.core.types import ArtifactRef, Json, JsonObject

KINDS = ("prompt", "partial", "route", "retriever", "guardrail", "tools", "evaluator", "dataset", "model")


class Artifact(msgspec.Struct, frozen=True):
    """One version of one artifact. `content` is what the digest covers: all that changes behaviour, settings included.

    `lines` maps dotted paths of the source file (`rules.0.action`, `""` for the top) to line numbers from 1.
    """

    ref: ArtifactRef
    content: JsonObject
    owner: str = ""
    author: str = ""
    message: str = ""
    file: str = ""
    lines: Mapping[str, int] = {}

    def fault(self, path: str, wrong: str, right: str) -> ConfigError:
        """The error for a mistake at a dotted path: `file:line`, what is wrong, what would be right."""
        known = path
        while known and known not in self.lines:
            known = known.rpartition(".")[0]
        line = self.lines.get(known)
        where = self.file or str(self.ref)
        return ConfigError(f"{where}:{line}" if line else where, wrong, right)


def canonical(content: Json) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8; integral floats as integers, so that 1.0 and 1 are one content."""
    return msgspec.json.encode(_plain(content), order="deterministic")


def digest(content: Json) -> str:
    """SHA-256 (hex) of the canonical JSON."""
    return hashlib.sha256(canonical(content)).hexdigest()


def _plain(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
