"""Whole answers and streams of each real dialect through the screen: what the client reads holds nothing forbidden."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from headgate.core.chat import (
    Batch,
    Begin,
    Delta,
    Finish,
    Frame,
    ReasoningDelta,
    TextDelta,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from headgate.core.stages import Passed, Screened
from headgate.core.types import Usage
from headgate.dialects import DIALECTS
from headgate.guardrails import RulePolicy
from tests.dialects import wires
from tests.guardrails.build import CARD, cut, grounded, policy, record
from tests.support.world import run

SECRET = "bob@example.com"
REDACT = policy({"check": "email", "action": "redact"}, {"check": "card", "action": "redact"})
BLOCK = policy({"check": "email", "action": "block"})
ARGUMENTS = json.dumps({"to": [f"x {SECRET} y"], "n": 7, "note": 'say "hi"\n'}, ensure_ascii=False)


def answer_of(dialect: str, place: str, pieces: Sequence[str]) -> list[Delta]:
    """An answer with thinking, text and a tool call; one of them comes in the pieces given."""

    def said(name: str, otherwise: str) -> Sequence[str]:
        return pieces if name == place else [otherwise]

    arguments = ["".join(said("arguments", '{"a":1}'))] if dialect == "google" else said("arguments", '{"a":1}')
    return [
        Begin("id-1", "model-1"),
        *[ReasoningDelta(text) for text in said("reasoning", "hm. ")],
        *[TextDelta(text) for text in said("text", "Well, ")],
        ToolStart(0, "call-1", "send"),
        *[ToolArgs(0, text) for text in arguments],
        Finish("tool_calls"),
        UsageDelta(Usage(3, 5)),
    ]


def through(under: RulePolicy, dialect: str, reads: Sequence[Sequence[Frame]]) -> tuple[bytes, list[Passed], list[Any]]:
    """What the client gets, what the screen passed, and the verdicts."""
    at = grounded(b"{}", dialect)
    screen = under.output(Screened(at, b"{}"))
    passed: list[Passed] = []

    async def drive() -> None:
        for frames in reads:
            passed.append(await screen.feed(Batch(list(frames), 1, dialect)))
        passed.append(await screen.finish())

    run(drive())
    frames = [frame for part in passed for frame in part.frames]
    wire = b"".join(DIALECTS[dialect].patch(frame) if frame.changed else frame.wire for frame in frames)
    return wire, passed, record(at).verdicts


def read(dialect: str, wire: bytes, size: int) -> list[list[Frame]]:
    """The stream read `size` bytes at a time."""
    reader = DIALECTS[dialect].reader(True, True)
    return [*[reader.feed(wire[at : at + size]) for at in range(0, len(wire), size)], reader.end()]


def texts(deltas: Sequence[Delta], place: str) -> str:
    kind = {"text": TextDelta, "reasoning": ReasoningDelta, "arguments": ToolArgs}[place]
    return "".join([delta.text for delta in deltas if isinstance(delta, kind)])


PLACES = {"text": f"Ask {SECRET} now, ", "reasoning": f"Ask {SECRET} now, ", "arguments": ARGUMENTS}


@pytest.mark.parametrize("dialect", wires.NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_a_secret_split_at_every_character_never_reaches_the_client(dialect: str, place: str) -> None:
    text = PLACES[place]
    start = text.index(SECRET)
    clean = wires.deltas(
        dialect, wires.write_stream(dialect, answer_of(dialect, place, [text.replace(SECRET, "[email]")])), True
    )
    splits: list[Sequence[int]] = [[at] for at in range(start, start + len(SECRET) + 1)]
    for places in [*splits, range(len(text))]:
        wire = wires.write_stream(dialect, answer_of(dialect, place, cut(text, places)))
        got, passed, verdicts = through(REDACT, dialect, read(dialect, wire, 4096))
        seen = wires.deltas(dialect, got, True)
        assert SECRET.encode() not in got
        for other in PLACES:
            assert texts(seen, other) == texts(clean, other) or json.loads(texts(seen, other)) == json.loads(
                texts(clean, other)
            )
        assert [v.rule for v in verdicts] == ["email"]
        assert passed[-1].blocked is None
        assert [delta.reason for delta in seen if isinstance(delta, Finish)] == ["tool_calls"]


@pytest.mark.parametrize("dialect", wires.NAMES)
@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_clean_stream_goes_out_byte_for_byte(dialect: str, size: int) -> None:
    wire = wires.write_stream(
        dialect, answer_of(dialect, "text", ["Dear b", "ob, ask at 4", "111 1111, or 12", "@home. Bye ", "é😀 bob"])
    )
    got, passed, verdicts = through(REDACT, dialect, read(dialect, wire, size))
    assert got == wire
    assert verdicts == []
    assert sum(part.commits for part in passed) >= 1


@pytest.mark.parametrize("dialect", wires.NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_a_whole_answer_has_the_verdict_of_its_stream(dialect: str, place: str) -> None:
    said = answer_of(dialect, place, [PLACES[place]])
    body = wires.write_whole(dialect, said)
    got, _, verdicts = through(REDACT, dialect, [wires.frames(dialect, body, False)])
    assert SECRET.encode() not in got
    seen = texts(wires.deltas(dialect, got, False), place)
    if place == "arguments":
        assert json.loads(seen) == json.loads(ARGUMENTS.replace(SECRET, "[email]"))
    else:
        assert seen == PLACES[place].replace(SECRET, "[email]")
    assert [(v.rule, v.action) for v in verdicts] == [("email", "redact")]


@pytest.mark.parametrize("dialect", wires.NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_a_blocked_answer_stops_before_the_secret(dialect: str, place: str) -> None:
    text = PLACES[place]
    wire = wires.write_stream(dialect, answer_of(dialect, place, list(text)))
    got, passed, verdicts = through(BLOCK, dialect, read(dialect, wire, 50))
    assert passed[-1].blocked == "email"
    assert SECRET.encode() not in got
    assert SECRET[: len(SECRET) // 2].encode() not in got
    assert verdicts[-1].action == "block"
    body = wires.write_whole(dialect, answer_of(dialect, place, [text]))
    got, passed, _ = through(BLOCK, dialect, [wires.frames(dialect, body, False)])
    assert got == b""
    assert passed[0].blocked == "email"


@pytest.mark.parametrize("dialect", wires.NAMES)
def test_an_escaped_secret_in_arguments_is_found(dialect: str) -> None:
    hidden = ARGUMENTS.replace("@", "\\u0040").replace('"n": 7', f'"n": {CARD.replace(" ", "")}')
    for pieces in ([hidden], list(hidden)):
        wire = wires.write_stream(dialect, answer_of(dialect, "arguments", pieces))
        got, _, verdicts = through(REDACT, dialect, read(dialect, wire, 4096))
        seen = json.loads(texts(wires.deltas(dialect, got, True), "arguments"))
        assert seen == {"to": ["x [email] y"], "n": "[card]", "note": 'say "hi"\n'}
        assert [v.rule for v in verdicts] == ["email", "card"]
