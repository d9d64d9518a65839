"""`headgate route`: fits a classifier for learned routes on labelled calls, and says how good one is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from headgate.cli.commands import Commands
from headgate.cli.route_report import told
from headgate.cli.tables import print_json, say
from headgate.core.artifact import Artifact, digest
from headgate.core.errors import ConfigError
from headgate.core.types import ArtifactRef, JsonObject, as_object, as_text
from headgate.registry.yaml_tree import read_yaml
from headgate.routing.learned.classifier import ModelSource, TrainedSource, compile_model
from headgate.routing.learned.document import write_document, written
from headgate.routing.learned.evaluate import Evaluation, evaluate
from headgate.routing.learned.labelled import DataSet, read_labelled
from headgate.routing.learned.train import TrainSettings, train

DATA_HELP = "JSONL of labelled calls: {text | messages, label | quality, cost}"
_ABOUT = ("kind", "name", "version", "owner", "author", "message")


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("route", help="train and judge classifiers for learned routes")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    usual = TrainSettings()
    fit = verbs.add_parser("train", help="fit a classifier and write it as an artifact of kind `model`")
    fit.add_argument("data", type=Path, nargs="+", metavar="DATA", help=DATA_HELP)
    fit.add_argument("--out", type=Path, required=True, help="the file to write, such as workspace/router.yaml")
    fit.add_argument("--name", default="router", help="the artifact's name (router)")
    fit.add_argument("--version", default="1.0.0", help="its version (1.0.0); a version never changes")
    fit.add_argument("--owner", default="", help="who answers for it")
    fit.add_argument("--eval", type=Path, nargs="+", default=[], metavar="DATA", help="labelled calls of other sources")
    fit.add_argument("--seed", type=int, default=usual.seed, help="same data and seed, same file (1)")
    fit.add_argument("--epochs", type=int, default=usual.epochs, help=f"walks over the data ({usual.epochs})")
    fit.add_argument("--words", type=int, default=usual.words, help=f"size of the vocabulary ({usual.words})")
    fit.add_argument("--l2", type=float, default=usual.l2, help=f"how much weights are held down ({usual.l2:g})")
    fit.set_defaults(run=run_train)
    judge = verbs.add_parser("evaluate", help="how good a classifier is on calls it has not seen; exit 1: no better")
    judge.add_argument("model", type=Path, metavar="ARTIFACT", help="the file that `train` wrote")
    judge.add_argument("data", type=Path, nargs="+", metavar="DATA", help=DATA_HELP)
    judge.add_argument(
        "--send", help="which tier each class goes to, where classes are no tiers: words=cheap,math=strong"
    )
    judge.set_defaults(run=run_evaluate)
    for verb in (fit, judge):
        verb.add_argument(
            "--tolerance", type=float, help="a tier suffices with a quality at most so much below the best"
        )
        verb.add_argument("--tiers", help="the tiers, cheapest first, where the data does not say what they cost")
        verb.add_argument("--json", action="store_true", help="print JSON")


def run_train(options: argparse.Namespace) -> int:
    """0 where the file was written."""
    data = read_labelled(options.data, options.tolerance or 0.0, _tiers(options))
    settings = TrainSettings(seed=options.seed, epochs=options.epochs, words=options.words, l2=options.l2)
    content = train(data, settings)
    judged: Evaluation | None = None
    if options.eval:
        unseen = read_labelled(options.eval, data.tolerance, data.tiers)
        judged = _judge(_artifact(options.name, options.version, content, ""), unseen)
        content["metrics"] = msgspec.to_builtins(judged)
        content["metrics"]["data"] = [{"sha256": seen, "rows": rows} for seen, rows in unseen.sources]
    _unchanged(options, content)
    text = written(options.name, options.version, options.owner, content)
    try:
        write_document(options.out, text)
    except OSError as error:
        raise ConfigError(
            str(options.out), f"cannot be written: {error.strerror}", "a file in a folder that is there"
        ) from error
    if options.json:
        print_json({"file": str(options.out), "digest": digest(content), "metrics": msgspec.to_builtins(judged)})
        return 0
    say(f"model/{options.name}@{options.version} written to {options.out}: {len(data.rows):,} labelled calls")
    for line in (
        told(judged) if judged is not None else ("judge it on calls of another source: headgate route evaluate",)
    ):
        say(line)
    return 0


def run_evaluate(options: argparse.Namespace) -> int:
    """0 where the classifier beats both baselines, 1 where it does not."""
    artifact = _read(options.model)
    trained = _trained(artifact)
    tolerance = trained.tolerance if options.tolerance is None else options.tolerance
    data = read_labelled(options.data, tolerance, _tiers(options))
    judged = _judge(artifact, data, _sends(options.send, data))
    if options.json:
        print_json({**msgspec.to_builtins(judged), "beats_both": judged.beats_both})
    else:
        for line in told(judged):
            say(line)
    return 0 if judged.beats_both else 1


def _unchanged(options: argparse.Namespace, content: JsonObject) -> None:
    """Raises ConfigError where the file holds this very version with another content: a version never changes."""
    if not options.out.exists():
        return
    try:
        there = _read(options.out).ref
    except ConfigError as error:
        raise ConfigError(str(options.out), "is there, and is no classifier", "another file") from error
    if (there.name, there.version) == (options.name, options.version) and there.digest != digest(content):
        wrong = f"model/{there.name}@{there.version} is there, trained otherwise, and a version never changes"
        raise ConfigError(str(options.out), wrong, "another --version")


def _judge(artifact: Artifact, data: DataSet, sends: Mapping[str, str] | None = None) -> Evaluation:
    classifier = compile_model(artifact)
    unknown = set(data.classes) - set(classifier.classes)
    if unknown or (sends is not None and set(sends) != set(classifier.classes)):
        wrong = f"the model's classes are {', '.join(classifier.classes)}"
        raise ConfigError(artifact.file or "data", wrong, f"not {', '.join(sorted(unknown or sends or ()))}")
    return evaluate(classifier, data, _trained(artifact).length_rule, sends)


def _sends(text: str | None, data: DataSet) -> dict[str, str] | None:
    if text is None:
        return None
    sends: dict[str, str] = {}
    for pair in text.split(","):
        name, _, tier = pair.strip().partition("=")
        if tier not in data.tiers:
            known = ", ".join(data.tiers) or "none: no row has a `quality`"
            raise ConfigError("--send", f"there is no tier `{tier}` in the data", f"class=tier; tiers: {known}")
        sends[name] = tier
    return sends


def _trained(artifact: Artifact) -> TrainedSource:
    source = msgspec.convert(artifact.content, ModelSource)
    if source.trained is None:
        raise artifact.fault("", "it does not say what it was trained on", "a file that `headgate route train` wrote")
    return source.trained


def _read(path: Path) -> Artifact:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), "cannot be read as text", "a file that `headgate route train` wrote") from error
    for tree in read_yaml(text, str(path)):
        fields = as_object(tree.value) or {}
        if fields.get("kind") == "model":
            content = {key: value for key, value in fields.items() if key not in _ABOUT}
            name, version = as_text(fields.get("name")), as_text(fields.get("version"))
            made = _artifact(name or "", version or "", content, str(path))
            return msgspec.structs.replace(made, lines=tree.lines)
    raise ConfigError(str(path), "there is no document of kind `model`", "a file that `headgate route train` wrote")


def _artifact(name: str, version: str, content: JsonObject, file: str) -> Artifact:
    return Artifact(ArtifactRef("model", name, version, digest(content)), content, file=file)


def _tiers(options: argparse.Namespace) -> Sequence[str]:
    return [name.strip() for name in options.tiers.split(",")] if options.tiers else ()
