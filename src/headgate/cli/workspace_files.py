"""Files of other tools in, files of a workspace out; everything is read and checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from headgate.core.artifact import Artifact, digest
from headgate.core.errors import ConfigError
from headgate.core.types import Json, JsonObject, as_object, as_text
from headgate.prompts import Partials, compile_prompt
from headgate.prompts.translate.draft import FILE_CHARS_MAX, Draft, Format, Given, artifact_of
from headgate.registry import Workspace, load_workspace, read_yaml, write_yaml
from headgate.routing.learned.document import write_document

FILES_MAX = 10_000
DEFAULT_VERSION = "1.0.0"
_ABOUT = ("kind", "name", "version", "owner", "author", "message")


class Batch(msgspec.Struct):
    """What was read, every version set, and what is to be said about it."""

    drafts: list[Draft]
    remarks: list[str]


def read_files(found: Format, paths: Sequence[Path], version: str | None, into: Path | None) -> Batch:
    """The drafts in files and folders, each checked as `headgate check` would.

    Partials are those that were read along, else those of the workspace `into`. Raises ConfigError.
    """
    there = load_workspace(into) if into is not None and into.is_dir() else Workspace()
    files = [(path, read_text(path)) for path in _files(paths, found.SUFFIX)]
    offered: dict[str, str] = {}
    included: set[str] = set()
    for path, text in files:
        plain = _given(path, text, {}, Workspace(), frozenset())
        offered |= {name: version or told or DEFAULT_VERSION for name, told in found.offers(plain).items()}
        included |= found.includes(plain)
    batch = Batch([], [])
    origins: list[str] = []
    for path, text in files:
        for draft in found.read(_given(path, text, offered, there, frozenset(included & set(offered)))):
            draft.version = version or draft.version or DEFAULT_VERSION
            batch.drafts.append(draft)
            batch.remarks += draft.remarks
            origins.append(str(path))
    _check(batch.drafts, origins, there)
    return batch


def read_text(path: Path) -> str:
    """The text of a file. Raises ConfigError."""
    try:
        if path.stat().st_size > FILE_CHARS_MAX:
            raise ConfigError(str(path), f"larger than {FILE_CHARS_MAX} bytes", "one prompt to a file")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"cannot be read: {type(error).__name__}", "a UTF-8 text file") from error


def parse_yaml(text: str, file: str) -> tuple[Json, Mapping[str, int]]:
    """The one document of a YAML text, and its lines. Raises ConfigError."""
    tree = next(read_yaml(text, file), None)
    return (None, {}) if tree is None else (tree.value, tree.lines)


def placed(into: Path, documents: Sequence[JsonObject]) -> list[tuple[Path, str]]:
    """Writes documents into a workspace folder, a file for each kind and name; (file, what was done) in order.

    A version that is there with the same content is left alone; with other content it is refused, and nothing is
    written. Raises ConfigError.
    """
    texts: dict[Path, str] = {}
    done: list[tuple[Path, str]] = []
    for document in documents:
        kind, name = document["kind"], document["name"]
        path = into / (f"{name}.yaml" if kind == "prompt" else f"{name}.{kind}.yaml")
        before = texts.get(path, read_text(path) if path.exists() else "")
        if _is_there(path, before, document):
            done.append((path, "unchanged"))
            continue
        text = write_yaml([document])
        texts[path] = f"{before.rstrip()}\n---\n{text}" if before.strip() else text
        done.append((path, "added to" if before.strip() else "wrote"))
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_document(path, text)
    except OSError as error:
        raise ConfigError(
            str(into), f"cannot be written: {error.strerror}", "a folder that this user may write"
        ) from error
    return done


def _is_there(path: Path, text: str, document: JsonObject) -> bool:
    wanted = tuple(document[key] for key in ("kind", "name", "version"))
    for tree in read_yaml(text, str(path)):
        fields = as_object(tree.value) or {}
        if tuple(as_text(fields.get(key)) for key in ("kind", "name", "version")) != wanted:
            continue
        if digest(_content(fields)) == digest(_content(document)):
            return True
        wrong = f"{wanted[0]}/{wanted[1]}@{wanted[2]} is there with other content, and a version never changes"
        raise ConfigError(f"{path}:{tree.lines['']}", wrong, "another --version")
    return False


def _content(fields: JsonObject) -> JsonObject:
    return {key: value for key, value in fields.items() if key not in _ABOUT}


def _files(paths: Sequence[Path], suffix: str) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ConfigError(str(path), "there is no such file", f"a file `*{suffix}`, or a folder of them")
        inside = sorted(path.rglob(f"*{suffix}")) if path.is_dir() else [path]
        if not inside:
            raise ConfigError(str(path), f"there is no file `*{suffix}` in it", "another folder, or the files by name")
        found += inside
    if len(found) > FILES_MAX:
        raise ConfigError(str(paths[0]), f"more than {FILES_MAX} files", "a folder at a time")
    return found


def _given(path: Path, text: str, offered: Mapping[str, str], there: Workspace, partials: frozenset[str]) -> Given:
    def pinned(name: str) -> str | None:
        if name in offered:
            return f"{name}@{offered[name]}"
        artifact = there.find("partial", name)
        return None if artifact is None else f"{name}@{artifact.ref.version}"

    file = str(path)
    return Given(file, text, lambda yaml: parse_yaml(yaml, file), pinned, partials)


def _check(drafts: Sequence[Draft], origins: Sequence[str], there: Workspace) -> None:
    """Raises ConfigError, at lines of the files read, for what `headgate check` would not take."""
    made = [artifact_of(draft, file) for draft, file in zip(drafts, origins, strict=True)]
    by_pin: dict[str, Artifact] = {}
    for artifact in made:
        address = f"{artifact.ref.name}@{artifact.ref.version}"
        if artifact.ref.kind != "partial":
            continue
        if address in by_pin:
            raise artifact.fault("", f"{artifact.ref} is also in {by_pin[address].file}", "keep one of them")
        by_pin[address] = artifact
    partials = Partials(lambda pinned: by_pin.get(pinned) or there.find("partial", pinned))
    for artifact in made:
        if artifact.ref.kind == "partial":
            partials.compile(artifact)
        else:
            compile_prompt(artifact, partials.look)
