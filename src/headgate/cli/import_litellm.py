"""`headgate import litellm`: a configuration of LiteLLM's proxy as headgate.yaml, routes and apps."""

from __future__ import annotations

import argparse
from pathlib import Path

from headgate.app.config import FILE
from headgate.cli.commands import Commands
from headgate.cli.litellm_config import Made, convert
from headgate.cli.tables import print_json, say
from headgate.cli.workspace_files import parse_yaml, read_text
from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError
from headgate.core.types import ArtifactRef, as_object
from headgate.registry import write_yaml
from headgate.routing.learned.document import write_document

OWNER = "your-team"


def register(verbs: Commands) -> None:
    """Adds the verb."""
    parser = verbs.add_parser("litellm", help="LiteLLM's config.yaml: models, fallbacks, aliases, keys by reference")
    parser.add_argument("config", type=Path, metavar="CONFIG", help="its config.yaml")
    parser.add_argument("--into", type=Path, default=Path(), metavar="FOLDER", help="where to; the current folder")
    parser.add_argument("--owner", default=OWNER, help=f"who answers for the apps ({OWNER})")
    parser.add_argument("--dry-run", action="store_true", help="write nothing, tell what would be")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 where it was written. Nothing that exists is overwritten, and what has no counterpart is told."""
    made = convert(_read(options.config), options.owner)
    texts = _texts(options.into, made)
    for path in texts:
        if path.exists():
            raise ConfigError(
                str(path), "is there already", f"an empty folder: --into FOLDER, for {FILE} and workspace"
            )
    if not options.dry_run:
        _write(texts)
    if options.json:
        print_json({"files": [str(path) for path in texts], "carried": made.carried, "left_out": made.left_out})
        return 0
    say("Carried")
    for row in made.carried:
        say(f"  {row}")
    if made.left_out:
        say("Without a counterpart")
        for row in made.left_out:
            say(f"  {row}")
    say("Would be written" if options.dry_run else "Written")
    for path in texts:
        say(f"  {path}")
    if not options.dry_run:
        say("Next: set the keys' variables, headgate check, then headgate up. See docs/coming-from.md.")
    return 0


def _read(path: Path) -> Artifact:
    value, lines = parse_yaml(read_text(path), str(path))
    content = as_object(value)
    if content is None:
        raise ConfigError(f"{path}:1", "the file is not a mapping", "a config.yaml of LiteLLM's proxy: model_list: ...")
    return Artifact(ArtifactRef("config", path.name, "", ""), content, file=str(path), lines=lines)


def _texts(into: Path, made: Made) -> dict[Path, str]:
    texts = {into / FILE: write_yaml([made.config])}
    for document in made.documents:
        texts[into / "workspace" / f"{document['name']}.{document['kind']}.yaml"] = write_yaml([document])
    return texts


def _write(texts: dict[Path, str]) -> None:
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_document(path, text)
        except OSError as error:
            raise ConfigError(str(path), f"cannot be written: {error.strerror}", "a folder of your own") from error
