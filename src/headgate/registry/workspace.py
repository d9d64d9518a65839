"""A workspace: a folder of YAML files that hold artifacts and apps. Read only; nothing in it is executed.

Every document names its `kind` and `name`; artifacts also their `version`. What else a document holds is the
artifact's content and goes into its digest, but for `owner`, `author` and `message`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from headgate.core.artifact import KINDS, Artifact, digest
from headgate.core.errors import ConfigError
from headgate.core.types import ArtifactRef, Json, as_text
from headgate.registry.versions import is_name, newest, parse_version
from headgate.registry.yaml_tree import FILE_BYTES_MAX, Tree, read_yaml

FILES_MAX = 20_000
APP_KIND = "app"
_ABOUT = ("owner", "author", "message")


class Workspace(msgspec.Struct):
    """What a folder holds. `apps` are documents of kind `app`, by name; they have no version of their own.

    `faults` are all mistakes found; a workspace with faults is not served. `digest` is the SHA-256 (hex) of all files.
    """

    artifacts: dict[tuple[str, str], dict[str, Artifact]] = {}
    apps: dict[str, Artifact] = {}
    faults: list[ConfigError] = []
    digest: str = ""

    def documents(self) -> list[Artifact]:
        """Everything: artifacts, then apps."""
        return [*(one for versions in self.artifacts.values() for one in versions.values()), *self.apps.values()]

    def find(self, kind: str, wanted: str) -> Artifact | None:
        """The artifact that `name@1.4.2` or `name@1` means; a bare name means its newest version."""
        name, _, version = wanted.partition("@")
        versions = self.artifacts.get((kind, name), {})
        exact = newest(version, versions) if version else max(versions, key=_order, default=None)
        return versions.get(exact) if exact is not None else None

    def known(self, kind: str) -> list[str]:
        """Every `name@version` of a kind, sorted."""
        return sorted(
            f"{name}@{version}"
            for (found, name), versions in self.artifacts.items()
            if found == kind
            for version in versions
        )


def _order(version: str) -> tuple[int, int, int]:
    return parse_version(version) or (0, 0, 0)


def load_workspace(folder: Path) -> Workspace:
    """Reads every `*.yaml` and `*.yml` below the folder. Mistakes are collected in `faults`; never raises for content.

    Raises ConfigError where the folder itself cannot be read.
    """
    if not folder.is_dir():
        raise ConfigError(
            str(folder), "there is no such workspace folder", "make it, or name another with `workspace:`"
        )
    out = Workspace()
    seen = hashlib.sha256()
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".yaml", ".yml") and path.is_file())
    if len(files) > FILES_MAX:
        raise ConfigError(str(folder), f"more than {FILES_MAX} YAML files", "split the workspace")
    for path in files:
        try:
            _load_file(path, out, seen.update)
        except ConfigError as error:
            out.faults.append(error)
    out.digest = seen.hexdigest()
    return out


def _load_file(path: Path, out: Workspace, seen: Callable[[bytes], object]) -> None:
    file = str(path)
    if path.stat().st_size > FILE_BYTES_MAX:
        raise ConfigError(file, f"larger than {FILE_BYTES_MAX} bytes", "split it into one file per artifact")
    raw = path.read_bytes()
    seen(f"{file}\0{len(raw)}\0".encode() + raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}", "not UTF-8 text", "save the file as UTF-8") from error
    _take_all(text, file, out)


def read_documents(text: str, file: str) -> Workspace:
    """The workspace that one text makes; `file` is what its mistakes are told of. Raises ConfigError for what is no
    YAML."""
    out = Workspace()
    _take_all(text, file, out)
    return out


def _take_all(text: str, file: str, out: Workspace) -> None:
    for tree in read_yaml(text, file):
        try:
            _take(tree, file, out)
        except ConfigError as error:
            out.faults.append(error)


def _take(tree: Tree, file: str, out: Workspace) -> None:
    if tree.value is None:
        return
    if not isinstance(tree.value, dict):
        raise ConfigError(f"{file}:{tree.lines['']}", "a document must be a mapping", "begin with `kind: prompt`")
    fields = dict(tree.value)
    kind = as_text(fields.pop("kind", None))
    name = as_text(fields.pop("name", None))
    probe = Artifact(ArtifactRef(kind or "?", name or "?", "?", ""), {}, file=file, lines=tree.lines)
    if kind is None or (kind != APP_KIND and kind not in KINDS):
        raise probe.fault("kind", f"unknown kind `{kind}`", f"one of: {APP_KIND}, {', '.join(KINDS)}")
    if name is None or not is_name(name):
        raise probe.fault(
            "name", f"`{name}` is no name", "lower-case letters, digits, `-`, `_`, `.`, such as `support`"
        )
    if kind == APP_KIND:
        _take_app(name, fields, probe, out)
    else:
        _take_artifact(kind, name, fields, probe, out)


def _take_app(name: str, fields: dict[str, Json], probe: Artifact, out: Workspace) -> None:
    if name in out.apps:
        raise probe.fault("name", f"app `{name}` is there twice, also in {out.apps[name].file}", "keep one of them")
    ref = ArtifactRef(APP_KIND, name, "", digest(fields))
    out.apps[name] = msgspec.structs.replace(probe, ref=ref, content=fields)


def _take_artifact(kind: str, name: str, fields: dict[str, Json], probe: Artifact, out: Workspace) -> None:
    version = fields.pop("version", None)
    if not isinstance(version, str) or parse_version(version) is None:
        raise probe.fault("version", f"`{version}` is no version", "MAJOR.MINOR.PATCH, such as 1.4.2")
    about = {field: _about(fields.pop(field, None), field, probe) for field in _ABOUT}
    versions = out.artifacts.setdefault((kind, name), {})
    made = msgspec.structs.replace(probe, ref=ArtifactRef(kind, name, version, digest(fields)), content=fields, **about)
    if version in versions:
        other = versions[version]
        same = "the same content" if other.ref.digest == made.ref.digest else "other content"
        right = "a version never changes: give this one the next number" if same == "other content" else "remove one"
        raise probe.fault("version", f"{made.ref} is also in {other.file}, with {same}", right)
    versions[version] = made


def _about(value: Json, field: str, probe: Artifact) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise probe.fault(field, f"`{field}` is not text", f"{field}: support-team")
    return value
