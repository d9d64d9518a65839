"""`headgate import`: prompts of other tools as files of a workspace, and LiteLLM's configuration as one of ours."""

from __future__ import annotations

import argparse
from pathlib import Path

from headgate.cli.commands import Commands
from headgate.cli.import_litellm import register as register_litellm
from headgate.cli.tables import print_json, say
from headgate.cli.workspace_files import Batch, placed, read_files
from headgate.core.errors import ConfigError
from headgate.core.types import JsonObject
from headgate.prompts.translate.draft import Format
from headgate.prompts.translate.loading import find, names
from headgate.registry import write_yaml
from headgate.registry.versions import is_name, parse_version


def register(commands: Commands) -> None:
    """Adds the command, with a verb for each format that can be read."""
    parser = commands.add_parser("import", help="bring prompts from other tools, or LiteLLM's configuration")
    verbs = parser.add_subparsers(title="what", metavar="FORMAT", required=True)
    for name in names():
        found = find(name)
        if found is not None and found.READS:
            _add(verbs.add_parser(name, help=found.ABOUT), name)
    register_litellm(verbs)


def _add(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files, or folders of them")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="write there, a file for each name; else print")
    parser.add_argument("--name", help="the prompt's name, where there is one prompt")
    parser.add_argument("--version", help="its version; else the format's own, else 1.0.0")
    parser.add_argument("--owner", default="", help="who answers for it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, format=name)


def run(options: argparse.Namespace) -> int:
    """0 where everything was read. Nothing is written unless all of it is sound."""
    _check(options)
    batch = read_files(_format(options.format), options.paths, options.version, options.into)
    documents = _documents(batch, options)
    if options.into is not None:
        written = placed(options.into, documents)
        if not options.json:
            for path, what in written:
                say(f"{what:<9} {path}")
    if options.json:
        print_json({"documents": documents, "remarks": batch.remarks})
        return 0
    if options.into is None:
        print(write_yaml(documents), end="")
    for remark in batch.remarks:
        say(remark, error=True)
    if options.into is not None:
        if not options.owner:
            say("No owner yet: add `owner:` to the files (`headgate apply` wants one), or give --owner.", error=True)
        say("Next: pin the versions in a release of an app, then headgate check.")
    return 0


def _check(options: argparse.Namespace) -> None:
    if options.version is not None and parse_version(options.version) is None:
        raise ConfigError("--version", f"`{options.version}` is no version", "MAJOR.MINOR.PATCH, such as 1.0.0")
    if options.name is not None and not is_name(options.name):
        right = "lower-case letters, digits, `-`, `_`, `.`, such as `support`"
        raise ConfigError("--name", f"`{options.name}` is no name", right)


def _format(name: str) -> Format:
    found = find(name)
    assert found is not None
    return found


def _documents(batch: Batch, options: argparse.Namespace) -> list[JsonObject]:
    """The drafts as documents of a workspace."""
    prompts = [draft for draft in batch.drafts if draft.kind == "prompt"]
    if options.name is not None and len(prompts) != 1:
        raise ConfigError("--name", f"{len(prompts)} prompts were read", "one file at a time")
    documents: list[JsonObject] = []
    for draft in batch.drafts:
        name = options.name if options.name is not None and draft.kind == "prompt" else draft.name
        about: JsonObject = {"kind": draft.kind, "name": name, "version": draft.version}
        further = {"owner": options.owner, "message": draft.message}
        documents.append({**about, **{key: text for key, text in further.items() if text}, **draft.content})
    return documents
