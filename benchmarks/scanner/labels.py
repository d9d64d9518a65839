"""The labels and the sdists they speak of. Nothing is downloaded unless asked for."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

LABELS = Path(__file__).parent / "labels"


@dataclass
class Project:
    """One labelled project. `complete` maps a path or folder to the kinds labelled there, `all` for every kind."""

    name: str
    version: str
    sha256: str
    group: str
    complete: dict[str, str] = field(default_factory=dict)
    places: list[tuple[str, int, str]] = field(default_factory=list)

    def covers(self, path: str, kind: str) -> bool:
        """Whether a finding there must have a label to be right."""
        if "/tests/" in path or path.rpartition("/")[2].startswith("test_"):
            return False
        return any(path.startswith(part) and kinds in ("all", kind) for part, kinds in self.complete.items())


def projects(group: str) -> list[Project]:
    """Every labelled project of a set (`tuning`, `unseen`, `all`)."""
    out: dict[str, Project] = {}
    with (LABELS / "complete.csv").open() as file:
        for row in csv.DictReader(file):
            made = out.setdefault(row["package"], Project(row["package"], "", "", row["set"]))
            made.complete[row["path"]] = row["kinds"]
    for project in out.values():
        with (LABELS / f"{project.name}.csv").open() as file:
            for row in csv.DictReader(file):
                project.version, project.sha256 = row["version"], row["sdist_sha256"]
                project.places.append((row["path"], int(row["line"]), row["kind"]))
    return [project for project in out.values() if group in (project.group, "all")]


def fetch(project: Project, folder: Path) -> None:
    """Downloads one sdist with pip, without building or installing it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*command, "--dest", folder, f"{project.name}=={project.version}"], check=True)


def unpack(project: Project, sdists: Path, into: Path) -> Path:
    """The folder of a project's sources. Raises SystemExit where its sdist is missing or another one."""
    stem = f"{project.name.replace('-', '_')}-{project.version}"
    file = sdists / f"{stem}.tar.gz"
    if not file.is_file():
        sys.exit(f"{file} is missing: put the sdist there, or say --fetch")
    if hashlib.sha256(file.read_bytes()).hexdigest() != project.sha256:
        sys.exit(f"{file} is not the sdist that was labelled (SHA-256 {project.sha256})")
    with tarfile.open(file) as archive:
        archive.extractall(into, filter="data")
    return into / stem
