"""`headgate prompt run`: render a prompt and ask with it, beside another version of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from headgate.cli import prompt_export
from headgate.cli.amounts import positive
from headgate.cli.client import Client, add_options
from headgate.cli.columns import beside, block
from headgate.cli.commands import Commands
from headgate.cli.tables import UNKNOWN, number, print_json, say, usd, word
from headgate.core.errors import ConfigError
from headgate.core.types import JsonObject, as_object
from headgate.registry import offer, read_documents, read_yaml

FILE_ENDINGS = (".yaml", ".yml")
TRIAL_S = 280.0  # two calls of 120 s, and what goes before


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("prompt", help="try a prompt, or write it for another tool")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    running = verbs.add_parser("run", help="render a prompt and ask with it, beside another version")
    running.description = (
        "Goes the whole way of a call: policy, routing, cost, record. Exits 0 where every side answered, 1 where one "
        "did not, 2 where it could not be tried."
    )
    running.add_argument(
        "prompt", metavar="PROMPT", help="support, support@1.4, or a FILE.yaml that is not applied yet"
    )
    running.add_argument("--var", action="append", default=[], metavar="NAME=VALUE", help="a variable; repeat")
    running.add_argument("--vars", type=Path, metavar="FILE", help="variables in a YAML or JSON file")
    running.add_argument("--user", metavar="TEXT", help="what the user says after the prompt's own messages")
    running.add_argument(
        "--against",
        metavar="VERSION",
        help="another version, or what a channel such as production serves, side by side",
    )
    running.add_argument("--app", help="whose live release lends route and guardrail; needed where several use it")
    running.add_argument("--model", metavar="PROVIDER/MODEL", help="ask this model in place of the app's route")
    running.add_argument("--route", metavar="NAME@VERSION", help="a route in place of the app's")
    running.add_argument("--guardrail", metavar="NAME@VERSION", help="a guardrail in place of the app's")
    running.add_argument("--render-only", action="store_true", help="show the exact messages, ask nobody")
    running.add_argument("--max-usd", type=positive, default=0.25, help="what all of it may cost at worst (0.25)")
    running.add_argument("--unpriced", action="store_true", help="allow models whose price is not known")
    running.add_argument("--json", action="store_true", help="print JSON")
    add_options(running)
    running.set_defaults(run=run)
    prompt_export.add(verbs)


def run(options: argparse.Namespace) -> int:
    """0 every side answered, 1 one did not."""
    body: dict[str, object] = {
        **_which(options.prompt), "against": options.against, "variables": _variables(options.vars),
        "texts": dict(_pair(one) for one in options.var), "user": options.user, "app": options.app,
        "model": options.model, "route": options.route, "guardrail": options.guardrail,
        "render_only": options.render_only, "max_usd": options.max_usd, "unpriced": options.unpriced,
    }  # fmt: skip
    told = Client.of(options).post("/api/trials", {k: v for k, v in body.items() if v is not None}, TRIAL_S)
    if options.json:
        print_json(told)
    else:
        _show(told, options.render_only)
    return 0 if all(_went_well(side, options.render_only) for side in told["sides"]) else 1


def _went_well(side: dict[str, Any], render_only: bool) -> bool:
    if side["wrong"] is not None:
        return False
    return render_only or (side["answer"] is not None and side["answer"]["outcome"] == "ok")


def _show(told: dict[str, Any], render_only: bool) -> None:
    sides = told["sides"]
    rows = [("", [_title(side) for side in sides]), *_messages(sides)]
    if not render_only:
        rows += _answers([side["answer"] for side in sides])
    left_out = [f"left out: {', '.join(side['left_out'])}" if side["left_out"] else "" for side in sides]
    if any(left_out):
        rows.append(("note", left_out))
    print(beside(rows) if len(sides) > 1 else block([(name, cells[0]) for name, cells in rows]))
    if any(side["answer"] is not None for side in sides):
        whose = f" (of app {told['app']})" if told["app"] else ""
        guardrail = told["guardrail"] or "the gateway's own policy"
        say("")
        say(f"asked over {told['route']} under {guardrail}{whose}; {usd(told['spent_usd'])} of {usd(told['max_usd'])}")


def _title(side: dict[str, Any]) -> str:
    return side["version"].removeprefix("prompt/") + ("" if side["kept"] else ", from the file")


def _messages(sides: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """A row for each message; a side with fewer leaves its cell empty, one that could not be rendered says why."""
    most = max(len(side["messages"]) for side in sides)
    rows: list[tuple[str, list[str]]] = []
    for at in range(most):
        roles = [side["messages"][at]["role"] for side in sides if at < len(side["messages"])]
        cells = [side["messages"][at]["text"] if at < len(side["messages"]) else "" for side in sides]
        if len(set(roles)) > 1:
            cells = [
                f"[{side['messages'][at]['role']}] {cell}" if at < len(side["messages"]) else cell
                for side, cell in zip(sides, cells, strict=True)
            ]
        rows.append((roles[0], cells))
    if any(side["wrong"] for side in sides):
        rows.append(("not rendered", [side["wrong"] or "" for side in sides]))
    return rows


def _answers(answers: list[dict[str, Any] | None]) -> list[tuple[str, list[str]]]:
    def each(value: Callable[[dict[str, Any]], str]) -> list[str]:
        return ["" if one is None else value(one) for one in answers]

    if all(one is None for one in answers):
        return []
    return [
        ("answer", each(_said)),
        ("model", each(lambda one: f"{one['provider']}/{one['model']}" if one["provider"] else "-")),
        ("tokens", each(_tokens)),
        ("cost", each(lambda one: usd(one["cost_usd"]))),
        ("time", each(_time)),
        ("verdicts", each(_verdicts)),
        ("call", each(lambda one: one["call"])),
    ]


def _said(answer: dict[str, Any]) -> str:
    """The answer, or why there is none."""
    if answer["outcome"] == "ok":
        return ("[declined] " if answer["declined"] else "") + (answer["text"] or "[empty]")
    why = f"[{answer['outcome']}: {word(answer['error'])}] {answer['message'] or ''}"
    return f"{answer['text']}\n{why}" if answer["text"] else why


def _tokens(answer: dict[str, Any]) -> str:
    asked, answered = answer["input_tokens"], answer["output_tokens"]
    return UNKNOWN if asked is None and answered is None else f"{number(asked)} in, {number(answered)} out"


def _time(answer: dict[str, Any]) -> str:
    tries = f", {answer['attempts']} attempts" if answer["attempts"] > 1 else ""
    return UNKNOWN if answer["seconds"] is None else f"{answer['seconds']:.2f} s{tries}"


def _verdicts(answer: dict[str, Any]) -> str:
    found = [f"{one['rule']}: {one['action']} ({one['direction']})" for one in answer["verdicts"]]
    return ", ".join(dict.fromkeys(found)) or "none"


def _which(prompt: str) -> dict[str, object]:
    """The prompt in the registry that is meant, or the documents of a file."""
    file = Path(prompt)
    if not prompt.endswith(FILE_ENDINGS):
        return {"prompt": prompt}
    workspace = read_documents(_text(file, "a prompt file"), prompt)
    if workspace.faults:
        raise workspace.faults[0]
    kinds = ("prompt", "partial")
    documents = [offer(one, prompt) for one in workspace.documents() if one.ref.kind in kinds]
    return {"documents": msgspec.to_builtins(documents)}


def _variables(file: Path | None) -> JsonObject:
    if file is None:
        return {}
    tree = next(read_yaml(_text(file, "variables by name"), str(file)), None)
    fields = None if tree is None else as_object(tree.value)
    if fields is None:
        raise ConfigError(str(file), "not a mapping of variables", "product: the Aurora kettle")
    return fields


def _text(file: Path, what: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(str(file), "there is no such file", what) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), f"cannot be read: {type(error).__name__}", "a UTF-8 text file") from error


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise ConfigError(f"--var {text}", "is no variable", "--var product=kettle")
    return name, value
