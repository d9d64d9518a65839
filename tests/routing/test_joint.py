"""Two parts of an answer as one stream: for every pair of dialects, cut anywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.chat import (
    Begin,
    ChatRequest,
    Delta,
    Finish,
    Frame,
    JsonFormat,
    Message,
    ReasoningDelta,
    RefusalDelta,
    Text,
    TextDelta,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from headgate.core.types import Usage
from headgate.dialects import DIALECTS
from headgate.routing.joint import TOKENS_LEFT_MIN, Joint, Told, prefilled
from tests.dialects.wires import meta, write_stream

NAMES = tuple(DIALECTS)
WORDS = "The kettle holds two litres, boils them in three minutes and then switches itself off."


def read(name: str, data: bytes) -> list[Frame]:
    reader = DIALECTS[name].reader(True, True)
    frames = reader.feed(data)
    return frames if frames and frames[-1].last else [*frames, *reader.end()]


def said(frames: list[Frame]) -> str:
    return "".join(delta.text for frame in frames for delta in frame.deltas if type(delta) is TextDelta)


def of(frames: list[Frame], kind: type) -> list[Delta]:
    return [delta for frame in frames for delta in frame.deltas if type(delta) is kind]


def stream(name: str, pieces: list[str], finish: str = "stop", model: str = "model-1") -> list[Frame]:
    run: list[Delta] = [Begin("answer-1", model), *(TextDelta(piece) for piece in pieces)]
    return read(name, write_stream(name, [*run, Finish(finish), UsageDelta(Usage(30, 12))]))


def told_of(frames: list[Frame]) -> Told:
    told = Told()
    told.note(frames)
    return told


@settings(max_examples=60, deadline=None)
@given(
    first=st.sampled_from(NAMES),
    second=st.sampled_from(NAMES),
    cut=st.integers(1, len(WORDS) - 1),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    finish=st.sampled_from(["stop", "length"]),
)
def test_the_parts_read_as_one_answer_that_never_broke(
    first: str, second: str, cut: int, sizes: list[int], finish: str
) -> None:
    beginning = [frame for frame in stream(first, [WORDS[:cut]]) if not of([frame], Finish) and not frame.last]
    beginning = [frame for frame in beginning if not of([frame], UsageDelta) or of([frame], TextDelta)]
    told = told_of(beginning)
    assert told.text == WORDS[:cut]
    joint = Joint(DIALECTS[first], meta(first), True, told)
    joint.goes_on(told)
    rest, pieces, at = WORDS[cut:], list[str](), 0
    if WORDS[cut - 1] == " ":
        rest = " " + rest  # a model that is not given the white space at the end says it itself
    while at < len(rest):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(rest[at : at + size])
        at += size
    carried: list[Frame] = []
    frames = stream(second, pieces, finish, model="model-2")
    for number, frame in enumerate(frames):
        carried += joint.carry([frame], number == len(frames) - 1)
    whole = read(first, b"".join(frame.wire for frame in [*beginning, *carried]))
    assert said(whole) == WORDS
    assert [delta.reason for delta in of(whole, Finish)] == [finish]  # type: ignore[union-attr]
    begun = {delta.model for delta in of(whole, Begin) if delta.model}  # type: ignore[union-attr]
    assert "model-2" not in begun
    assert all(frame.alike == 0 for frame in carried)
    usage = of(carried, UsageDelta)[-1].usage  # type: ignore[union-attr]
    assert usage.output == 12 + told.tokens


def test_a_second_break_is_gone_on_with_from_where_both_parts_came_to() -> None:
    told = told_of(stream("openai", ["One, two,"])[:-2])
    joint = Joint(DIALECTS["openai"], meta("openai"), True, told)
    joint.goes_on(told)
    more = [Frame(b"", [TextDelta(" three,")], content=True)]
    told.note(more)
    carried = joint.carry(more, False)
    joint.goes_on(told)
    assert told.text == "One, two, three,"
    carried += joint.carry([Frame(b"", [TextDelta(" four."), Finish("stop")], content=True)], True)
    assert said(carried) == " three, four."


@pytest.mark.parametrize(
    "delta",
    [ReasoningDelta("hm"), RefusalDelta("no"), ToolStart(0, "t", "find"), ToolArgs(0, "{")],
    ids=lambda delta: type(delta).__name__,
)
def test_only_plain_text_is_gone_on_with(delta: Delta) -> None:
    told = told_of([Frame(b"", [TextDelta("One, "), delta])])  # type: ignore[list-item]
    assert not told.plain
    assert prefilled(ChatRequest([Message("user", [Text("count")])]), told) is None


def test_what_no_delta_says_ends_it() -> None:
    assert not told_of([Frame(b"", [TextDelta("One, ")], unsaid="images")]).plain


START = b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"c","content":[]}}\n\n'


def block(index: int, kind: str, *texts: str, stop: bool = False) -> bytes:
    """A content block of Anthropic's, and its text."""
    events: list[dict[str, Any]] = [
        {"type": "content_block_start", "index": index, "content_block": {"type": kind, "id": "t", "name": "n"}}
    ]
    for text in texts:
        events.append({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}})
    if stop:
        events.append({"type": "content_block_stop", "index": index})
    return b"".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events)


@pytest.mark.parametrize(
    ("rest", "plain"),
    [
        (b"", True),
        (b'event: ping\ndata: {"type":"ping"}\n\n', True),
        (b"", False),
        (block(1, "thinking"), False),
        (block(1, "redacted_thinking"), False),
        (block(1, "tool_use"), False),
        (block(1, "text", "B"), False),
    ],
)
def test_only_the_first_text_while_it_is_open_is_gone_on_with(rest: bytes, plain: bool) -> None:
    told = Told()
    told.note(DIALECTS["anthropic"].reader(True, True).feed(START + block(0, "text", "A", stop=not plain) + rest))
    assert told.plain is plain
    assert told.text.startswith("A")


def openai_said(choice: int, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": choice, "delta": delta, "finish_reason": None}]}


def google_said(candidate: int, **part: Any) -> dict[str, Any]:
    return {"candidates": [{"index": candidate, "content": {"role": "model", "parts": [part]}}]}


TOOL = {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": ""}}


@pytest.mark.parametrize(
    ("name", "said_next", "plain"),
    [
        ("openai", openai_said(0, content="B"), True),
        ("openai", openai_said(0, tool_calls=[TOOL]), False),
        ("openai", openai_said(0, refusal="no"), False),
        ("openai", openai_said(1, content="B"), False),
        ("google", google_said(0, text="B"), True),
        ("google", google_said(0, functionCall={"name": "f", "args": {}}), False),
        ("google", google_said(0, text="hm", thought=True), False),
        ("google", google_said(1, text="B"), False),
    ],
)
def test_one_text_of_one_answer_is_gone_on_with_in_formats_without_blocks(
    name: str, said_next: dict[str, Any], plain: bool
) -> None:
    first = openai_said(0, content="A") if name == "openai" else google_said(0, text="A")
    data = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in (first, said_next))
    assert told_of(DIALECTS[name].reader(True, True).feed(data)).plain is plain


def test_the_second_targets_blocks_are_counted_anew() -> None:
    told = told_of([Frame(b"", [TextDelta("One, ")])])
    told.turn()
    told.note(DIALECTS["anthropic"].reader(True, True).feed(START + block(0, "text", "two")))
    told.turn()
    told.note([Frame(b"", [TextDelta(", three")])])
    assert (told.plain, told.text) == (True, "One, two, three")


def test_the_request_of_the_rest() -> None:
    told = told_of([Frame(b"", [TextDelta("One, two, ")])])
    chat = ChatRequest([Message("user", [Text("count")])], max_tokens=100)
    made = prefilled(chat, told)
    assert made is not None
    assert made.messages[-1] == Message("assistant", [Text("One, two,")])
    assert made.max_tokens == 100 - told.tokens
    assert len(chat.messages) == 1
    assert prefilled(ChatRequest(chat.messages, json_format=JsonFormat()), told) is None
    assert prefilled(ChatRequest(chat.messages, n=2), told) is None
    assert prefilled(ChatRequest(chat.messages, max_tokens=TOKENS_LEFT_MIN), told) is None
    assert prefilled(chat, told_of([Frame(b"", [TextDelta(" \n")])])) is None
    own = ChatRequest([*chat.messages, Message("assistant", [Text("Well: ")])])
    joined = prefilled(own, told)
    assert joined is not None
    assert [part.text for part in joined.messages[-1].parts if isinstance(part, Text)] == ["Well: ", "One, two,"]
