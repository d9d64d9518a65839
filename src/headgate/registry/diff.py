"""What differs between two versions: the text line by line, settings, the contract, and the step it needs."""

from __future__ import annotations

import difflib

import msgspec

from headgate.core.artifact import Artifact, canonical
from headgate.core.types import Json, as_list, as_object, as_text
from headgate.registry.contracts import Bump, least_step

LINES_MAX = 5_000


class Difference(msgspec.Struct, frozen=True):
    """`text` is a unified diff of the wording, `settings` one line for each value that is another (`path: a -> b`);
    `contract` says what callers notice. `needs` is the least step of the version, with its `reasons`."""

    a: str
    b: str
    same: bool
    text: list[str]
    settings: list[str]
    contract: list[str]
    needs: Bump
    reasons: list[str]


def difference(a: Artifact, b: Artifact) -> Difference:
    """What changes from `a` to `b`, two artifacts of one kind."""
    step = least_step(a, b)
    lines = list(difflib.unified_diff(_wording(a), _wording(b), str(a.ref), str(b.ref), lineterm=""))
    return Difference(
        a=str(a.ref),
        b=str(b.ref),
        same=a.ref.digest == b.ref.digest,
        text=lines[:LINES_MAX],
        settings=_settings(a, b),
        contract=step.reasons if step.bump in ("major", "minor") else [],
        needs=step.bump,
        reasons=step.reasons,
    )


def _wording(artifact: Artifact) -> list[str]:
    """The text of a prompt or a partial, message by message; nothing of other kinds."""
    content = artifact.content
    lines: list[str] = []
    for row in as_list(content.get("messages")) or []:
        fields = as_object(row) or {}
        lines += [f"[{fields.get('role')}]", *(as_text(fields.get("content")) or "").splitlines()]
    return lines + (as_text(content.get("content")) or "").splitlines()


def _settings(a: Artifact, b: Artifact) -> list[str]:
    """Every value outside wording and contract that is another."""
    told = {"messages", "content", "inputs", "output"} if a.ref.kind in ("prompt", "partial") else set[str]()
    old, new = dict(_leaves("", _without(a, told))), dict(_leaves("", _without(b, told)))
    return [
        f"{path}: {_shown(old, path)} -> {_shown(new, path)}"
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path)
    ][:LINES_MAX]


def _without(artifact: Artifact, keys: set[str]) -> Json:
    return {key: value for key, value in artifact.content.items() if key not in keys}


def _leaves(path: str, node: Json) -> list[tuple[str, str]]:
    fields, rows = as_object(node), as_list(node)
    if fields is not None:
        return [leaf for key, value in fields.items() for leaf in _leaves(f"{path}.{key}".strip("."), value)]
    if rows is not None:
        return [leaf for index, value in enumerate(rows) for leaf in _leaves(f"{path}.{index}".strip("."), value)]
    return [(path, canonical(node).decode())]


def _shown(leaves: dict[str, str], path: str) -> str:
    return leaves.get(path, "(none)")
