"""`headgate scan --extract DIR`: the prompts that were found, as versioned prompt files."""

from __future__ import annotations

from pathlib import Path

from headgate.cli.tables import say
from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError
from headgate.core.types import ArtifactRef, Json, JsonObject
from headgate.prompts import compile_prompt
from headgate.prompts.adopt import as_template, as_yaml
from headgate.scanner import Extracted, Finding, Left, extracted

VERSION = "1.0.0"


def prompts_of(findings: list[Finding], owner: str | None) -> tuple[list[tuple[Extracted, str]], list[Left]]:
    """Every prompt that can be written, with its file, each compiled as a gateway does it; and what is left."""
    made, left = extracted(findings)
    files: list[tuple[Extracted, str]] = []
    for one in made:
        content = _content(one)
        try:
            compile_prompt(Artifact(ArtifactRef("prompt", one.name, VERSION, ""), content))
        except ConfigError as error:
            left.append(Left(one.finding, error.wrong))
            continue
        head: JsonObject = {"kind": "prompt", "name": one.name, "version": VERSION}
        if owner is not None:
            head["owner"] = owner
        head["message"] = f"Extracted from {one.finding.path}:{one.finding.line}."
        files.append((one, as_yaml({**head, **content})))
    return files, left


def _content(one: Extracted) -> JsonObject:
    content: JsonObject = {}
    if one.variables:
        properties: JsonObject = {name: {"type": "string"} for name in one.variables}
        required: list[Json] = list(one.variables)
        content["inputs"] = {"type": "object", "properties": properties, "required": required}
    content["messages"] = [
        {"role": piece.role, "content": as_template(piece.blocks, piece.names)} for piece in one.pieces
    ]
    if one.settings:
        content["settings"] = dict(one.settings)
    return content


def write_prompts(folder: Path, files: list[tuple[Extracted, str]]) -> None:
    """Writes each prompt to a new file `NAME.yaml`. Raises ConfigError; nothing is overwritten."""
    there = [one.name for one, _ in files if (folder / f"{one.name}.yaml").exists()]
    if there:
        raise ConfigError(str(folder / f"{there[0]}.yaml"), "is there already", "a folder without these prompts")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one, text in files:
            with (folder / f"{one.name}.yaml").open("x", encoding="utf-8", newline="") as stream:
                stream.write(text)
    except OSError as error:
        raise ConfigError(str(folder), f"cannot be written: {error.strerror}", "a folder that can be") from error


def tell(folder: Path, files: list[tuple[Extracted, str]], left: list[Left]) -> None:
    """What was written, and what was not."""
    for one, _ in files:
        holes = f"  {{{', '.join(one.variables)}}}" if one.variables else ""
        say(f"{folder / one.name}.yaml  from {one.finding.path}:{one.finding.line}{holes}")
    for one in left:
        say(f"not written: {one.finding.path}:{one.finding.line}: {one.why}")
    say(
        f"{len(files)} prompt files; next: an owner for each, types of inputs, releases that pin them, `headgate check`"
    )
