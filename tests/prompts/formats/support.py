"""Files of other tools, read and rendered."""

from __future__ import annotations

from collections.abc import Mapping

from headgate.cli.workspace_files import parse_yaml
from headgate.core.artifact import Artifact, digest
from headgate.core.types import ArtifactRef, Json, JsonObject
from headgate.prompts import Partials, TemplateProgram, compile_prompt
from headgate.prompts.translate.draft import Draft, Exported, Format, Given, Written, artifact_of
from headgate.registry import write_yaml

PINNED = {"legal": "legal@1.0.0"}


def given(text: str, file: str = "support.prompt", pinned: Mapping[str, str] = PINNED, *partials: str) -> Given:
    return Given(file, text, lambda yaml: parse_yaml(yaml, file), pinned.get, frozenset(partials))


def read(module: Format, text: str, file: str = "support.prompt") -> Draft:
    (draft,) = module.read(given(text, file))
    return draft


def program(draft: Draft, **partials: Draft) -> TemplateProgram:
    made = {f"{name}@1.0.0": artifact_of(one, f"{name}.prompt") for name, one in partials.items()}
    return compile_prompt(artifact_of(draft, "support.prompt"), Partials(made.get).look)


def prompt(content: JsonObject, name: str = "support", kind: str = "prompt") -> Artifact:
    return Artifact(ArtifactRef(kind, name, "1.0.0", digest(content)), content, file=f"{name}.yaml", lines={"": 1})


def written(module: Format, content: JsonObject, partials: Mapping[str, Artifact] | None = None) -> Written:
    return module.write(Exported(prompt(content), dict(partials or {}).get, one_document))


def one_document(value: Json) -> str:
    return write_yaml([value])
