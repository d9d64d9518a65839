"""`headgate score CALL --name thumbs --value up`, `headgate score --csv FILE`: what people say of calls."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from headgate.cli.client import Client, add_options
from headgate.cli.commands import Commands
from headgate.cli.score_csv import BadRow, Row, read_rows
from headgate.cli.tables import print_json, say
from headgate.cli.times import moment, said

SOURCES = ("user", "evaluator", "label")
BATCH = 200
BATCH_CHARS = 400_000  # of JSON, well below what the management API takes at once
TOLD_MAX = 50
_WORDS = {"up": True, "true": True, "yes": True, "down": False, "false": False, "no": False}
_FATES = {
    "new": "recorded",
    "replaced": "recorded; it takes the place of the earlier one, which is kept as history",
    "late": "kept as history: a later one is there",
    "known": "known already; nothing changed",
}


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("score", help="attach feedback to a call, or a CSV file of it to many")
    parser.description = (
        "Attach feedback to a call. A value is up or down (yes, no, true, false), a number, or else a label."
    )
    parser.add_argument("call", nargs="?", help="call_..., from `headgate calls` or the header x-headgate-call-id")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="columns call_id,name,value,source,comment,at")
    parser.add_argument("--name", help="what is judged, such as thumbs or quality")
    parser.add_argument("--value", help="up, down, 0.8, or a label")
    parser.add_argument("--correction", metavar="TEXT", help="the better answer, beside a value or alone")
    parser.add_argument("--comment", metavar="TEXT")
    parser.add_argument("--source", choices=SOURCES, default="user", help="who judges: user by default")
    parser.add_argument("--by", metavar="WHO", help="the author: a user's id, a judge's version")
    parser.add_argument("--at", type=moment, metavar="TIME", help="when it was given; now by default")
    parser.add_argument("--id", help="sent twice with the same id, it counts once")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Score one call, or a file of them."""
    if options.csv is not None:
        if options.call is not None:
            return _wrong("a call and --csv: one of the two")
        return _score_file(options)
    if options.call is None:
        return _wrong("say which call, or --csv FILE")
    if options.name is None or (options.value is None and options.correction is None):
        return _wrong("say --name, and --value or --correction")
    body = {
        "call": options.call, "name": options.name, "value": _value(options.value), "source": options.source,
        "author": options.by, "comment": options.comment, "correction": options.correction, "id": options.id,
        "at": said(options.at),
    }  # fmt: skip
    answer = Client.of(options).post("/api/scores", {name: v for name, v in body.items() if v is not None})
    if options.json:
        print_json(answer)
        return 0
    shown = options.value if options.value is not None else "correction"
    say(f"{options.name} {shown}: {_FATES[answer['fate']]}")
    if answer["waits"]:
        say("  the call is not known yet; the score is joined to it when it is")
    return 0


def _score_file(options: argparse.Namespace) -> int:
    client = Client.of(options)
    bad: list[BadRow] = []
    fates: dict[str, int] = {}
    waits = 0
    batch: list[tuple[int, dict[str, object]]] = []
    chars = 0

    def send() -> None:
        nonlocal waits, chars
        rows, chars = list(batch), 0
        batch.clear()
        answers: list[dict[str, Any]] = client.post("/api/scores/batch", {"scores": [row for _, row in rows]})["scores"]
        for (line, _), answer in zip(rows, answers, strict=True):
            if answer["fate"] is None:
                bad.append(BadRow(line, answer["message"]))
            else:
                fates[answer["fate"]] = fates.get(answer["fate"], 0) + 1
                waits += answer["waits"]

    for row in read_rows(options.csv):
        if isinstance(row, BadRow):
            bad.append(row)
            continue
        body = _body(row)
        size = sum(len(str(value)) * 2 + 20 for value in body.values())
        if len(batch) == BATCH or (batch and chars + size > BATCH_CHARS):
            send()
        batch.append((row.line, body))
        chars += size
    if batch:
        send()
    return _told(options, fates, waits, sorted(bad))


def _told(options: argparse.Namespace, fates: dict[str, int], waits: int, bad: list[BadRow]) -> int:
    status = 1 if bad else 0
    if options.json:
        print_json({
            "fates": fates, "waiting": waits, "refused": [{"line": row.line, "why": row.why} for row in bad],
        })  # fmt: skip
        return status
    for row in bad[:TOLD_MAX]:
        say(f"{options.csv}:{row.line}: {row.why}", error=True)
    if len(bad) > TOLD_MAX:
        say(f"  and {len(bad) - TOLD_MAX} more; --json lists all", error=True)
    kept = fates.get("new", 0) + fates.get("replaced", 0) + fates.get("late", 0)
    parts = [f"{kept} kept"]
    for fate, words in (("replaced", "in place of an earlier one"), ("late", "as history, a later one is there")):
        if fates.get(fate):
            parts.append(f"{fates[fate]} of them {words}")
    if waits:
        parts.append(f"{waits} wait for calls that are not known yet")
    if fates.get("known"):
        parts.append(f"{fates['known']} known already")
    parts.append(f"{len(bad)} refused")
    say(", ".join(parts))
    return status


def _body(row: Row) -> dict[str, object]:
    body = {
        "call": row.call_id, "name": row.name, "value": _value(row.value), "source": row.source, "author": row.by,
        "comment": row.comment, "correction": row.correction, "id": row.id, "at": said(row.at),
    }  # fmt: skip
    return {name: value for name, value in body.items() if value is not None}


def _value(text: str | None) -> bool | float | str | None:
    if text is None:
        return None
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return float(text)
    except ValueError:
        return text


def _wrong(what: str) -> int:
    say(f"headgate: {what}", error=True)
    say("  would be right: headgate score call_... --name thumbs --value up", error=True)
    return 2
