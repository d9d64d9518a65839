"""From every dialect to every other: what both can say arrives, what is lost is named or refused."""

from __future__ import annotations

import copy
import json
from itertools import permutations, product

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from headgate.core.chat import (
    Begin,
    ChatRequest,
    Delta,
    Finish,
    Media,
    Message,
    ReasoningDelta,
    ReasoningRequest,
    Text,
    TextDelta,
    ToolArgs,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolStart,
    UsageDelta,
)
from headgate.core.errors import CannotCarry
from headgate.core.types import Usage
from headgate.dialects import DIALECTS
from headgate.dialects.google_types import BYPASS
from tests.dialects.wires import MODELS, NAMES, deltas, differing, echo, plain_body, write_stream, write_whole
from tests.support.chat_strategies import EVERYTHING, Says, Shows, answers, chat_requests, same_turns, shown

PAIRS = list(permutations(NAMES, 2))
pairs = pytest.mark.parametrize(("client", "target"), PAIRS)
# many pairs: few examples each, and a failure is shown as it was found
some = settings(max_examples=25, derandomize=True, phases=(Phase.explicit, Phase.generate), deadline=None)
streams = pytest.mark.parametrize("stream", [True, False])

# words in `dropped` that own up to a difference in a field of the canonical request
OWNS = {
    "messages": ("message", "reasoning", "tool_call", "tool_result", "media", "system"),
    "system": ("system", "messages.system"),
    "tools": ("tools", "tool."),
    "tool_choice": ("tool_choice",),
    "parallel_tools": ("parallel",),
    "json_format": ("json_format", "response_format"),
    "reasoning": ("reasoning",),
}


def as_read(client: str, chat: ChatRequest) -> ChatRequest:
    """The request as the gateway reads it from that dialect's client. Raises CannotCarry."""
    body = DIALECTS[client].write_request(chat, MODELS[client], None).body
    return DIALECTS[client].read_request(body, chat.stream).chat


# -- requests -----------------------------------------------------------------------------------------------------


@pairs
@some
@given(chat=chat_requests(Says()))
def test_what_all_can_say_arrives(client: str, target: str, chat: ChatRequest) -> None:
    carried = DIALECTS[target].write_request(as_read(client, chat), MODELS[target], None)
    back = DIALECTS[target].read_request(carried.body, chat.stream)
    assert essence(back.chat) == essence(chat)
    assert back.dropped == []


def essence(chat: ChatRequest) -> ChatRequest:
    """The request without what makes no difference: names that others invent, defaults said aloud."""
    chat = copy.deepcopy(same_turns(chat))
    if chat.json_format is not None:
        chat.json_format.name = chat.json_format.strict = None
    for tool in chat.tools:
        tool.strict = None
    if chat.parallel_tools:
        chat.parallel_tools = None  # as all do unless told otherwise
    if chat.reasoning is not None and (chat.reasoning.budget or chat.reasoning.effort not in (None, "none")):
        chat.reasoning = ReasoningRequest("some")  # a word for one model is a number of tokens for another
    choice = chat.tool_choice
    if choice is not None and {tool.name for tool in chat.tools} == set(choice.names) and len(choice.names) > 1:
        choice.names = []  # one of all of them is any of them
    if choice == ToolChoice("auto"):
        chat.tool_choice = None
    chat.presence_penalty, chat.frequency_penalty = chat.presence_penalty or None, chat.frequency_penalty or None
    for turn in chat.messages:
        for part in turn.parts:
            if isinstance(part, ToolCall) and part.signature == BYPASS:
                part.signature = part.origin = None  # Google's word for "not signed by us"
            if isinstance(part, Media) and part.url is not None:
                part.mime = None  # whoever fetches it sees for himself
            if isinstance(part, Media) and part.name == "document.pdf":
                part.name = None  # OpenAI takes no file without a name
    return chat


@pairs
@some
@given(chat=chat_requests(EVERYTHING))
def test_what_does_not_arrive_is_named_or_refused(client: str, target: str, chat: ChatRequest) -> None:
    try:
        told = as_read(client, chat)
        carried = DIALECTS[target].write_request(told, MODELS[target], None)
    except CannotCarry as error:
        assert error.message  # noqa: PT017 - a refusal is one of the two right outcomes
        return
    back = DIALECTS[target].read_request(carried.body, chat.stream).chat
    for field in differing(essence(back), essence(told)):
        words = OWNS.get(field, (field,))
        assert any(name.startswith(words) for name in carried.dropped), (field, carried.dropped)


@pairs
def test_fields_unknown_elsewhere_are_named(client: str, target: str) -> None:
    read = DIALECTS[client].read_request(plain_body(client, unheard_of={"a": 1}), True)
    assert any("unheard" in name for name in read.dropped)
    assert DIALECTS[target].write_request(read.chat, MODELS[target], None).dropped == []


@pytest.mark.parametrize(
    ("client", "fields", "names"),
    [
        ("openai", {"messages": [{"role": "user", "content": "hi", "x": 1, "y": None}]}, ["messages.x"]),
        ("openai", {"messages": [{"role": "system", "content": "a", "name": "n"}, {"role": "user", "content": "b"}]},
         ["messages.name"]),
        ("openai", {"tools": [{"type": "function", "function": {"name": "f", "x": 1}, "y": 2}]},
         ["tools.y", "tools.function.x"]),
        ("google", {"contents": [{"parts": [{"text": "hi", "x": 1}]}]}, ["contents.parts.x"]),
    ],
)  # fmt: skip
def test_fields_unknown_elsewhere_are_named_wherever_they_are(
    client: str, fields: dict[str, object], names: list[str]
) -> None:
    assert DIALECTS[client].read_request(plain_body(client, **fields), True).dropped == names


@pytest.mark.parametrize(
    ("client", "fields", "param"),
    [
        ("anthropic", {"container": "c"}, "container"),
        ("anthropic", {"mcp_servers": [{"type": "url", "url": "https://x", "name": "x"}]}, "mcp_servers"),
        ("google", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "WILD"}}},
         "generationConfig.thinkingConfig.thinkingLevel"),
        ("google", {"cachedContent": "cachedContents/x"}, "cachedContent"),
    ],
)  # fmt: skip
def test_what_would_be_another_answer_elsewhere_is_refused(client: str, fields: dict[str, object], param: str) -> None:
    with pytest.raises(CannotCarry) as caught:
        DIALECTS[client].read_request(plain_body(client, **fields), True)
    assert caught.value.param == param


@pytest.mark.parametrize("target", NAMES)
def test_a_demand_for_a_tool_without_tools_is_refused(target: str) -> None:
    chat = ChatRequest(messages=[Message("user", [Text("hi")])], tool_choice=ToolChoice("any"))
    with pytest.raises(CannotCarry) as caught:
        DIALECTS[target].write_request(chat, MODELS[target], None)
    assert caught.value.param == "tool_choice"


def test_a_conversation_of_many_small_pieces_is_read_in_linear_time() -> None:
    many = 20_000  # quadratic reading would take minutes here
    calls = [{"functionCall": {"name": "f", "args": {}, "id": f"c{i}"}} for i in range(many)]
    results = [{"functionResponse": {"name": "f", "id": f"c{i}", "response": {}}} for i in reversed(range(many))]
    words = [{"text": "0123456789"}] * (10 * many)
    body = plain_body("google", contents=[
        {"role": "model", "parts": words}, {"role": "model", "parts": calls}, {"role": "user", "parts": results},
    ])  # fmt: skip
    [said, answered] = DIALECTS["google"].read_request(body, False).chat.messages
    assert said.parts[0] == Text("0123456789" * (10 * many))
    assert [part.call_id for part in answered.parts if isinstance(part, ToolResult)][:2] == ["c19999", "c19998"]


# -- answers ------------------------------------------------------------------------------------------------------


@pairs
@streams
@some
@given(run=answers(Shows(cache_write=False)))
def test_an_answer_arrives_as_it_was_given(client: str, target: str, stream: bool, run: list[Delta]) -> None:
    write = write_stream if stream else write_whole
    read = deltas(target, write(target, run), stream)
    expected = shown(read)
    got = shown(deltas(client, write(client, read, origin=target), stream))
    assert got.begin is not None
    assert expected.begin is not None
    assert (got.begin.id, got.begin.model) == (expected.begin.id, expected.begin.model)
    assert (got.text, got.finish) == (expected.text, expected.finish) == (shown(run).text, shown(run).finish)
    assert [json.loads(one[2]) for one in got.calls.values()] == [json.loads(one[2]) for one in expected.calls.values()]
    assert [one[1] for one in got.calls.values()] == [one[1] for one in shown(run).calls.values()]
    assert got.usage is not None
    assert expected.usage is not None
    for name in ("input", "output", "cached", "reasoning"):
        assert getattr(got.usage, name) in (getattr(expected.usage, name), None) or name == "reasoning"


# -- signatures through a tool loop -------------------------------------------------------------------------------

SIGNED: list[Delta] = [
    Begin("a1", "m1"),
    ReasoningDelta("thinking hard"),
    ReasoningDelta(signature="c2lnbmF0dXJl"),
    ToolStart(0, "call_1", "look", signature="Y2FsbHNpZw=="),
    ToolArgs(0, '{"q":1}'),
    Finish("tool_calls"),
    UsageDelta(Usage(9, 7, 0, 0, 3)),
]


def tool_loop(client: str, answer: bytes) -> bytes:
    """The next request of a client that ran the tool: its own history, the answer as it got it, the result."""
    result = ChatRequest(messages=[], max_tokens=50)
    call = ToolCall("call_1", "look", '{"q":1}')
    result.messages = [
        Message("user", [Text("hi")]),
        Message("assistant", [call]),
        Message("user", [ToolResult("call_1", [Text("seen")], "look")]),
    ]
    tree = json.loads(DIALECTS[client].write_request(result, MODELS[client], None).body)
    field, turn = echo(client, answer)
    tree[field][1] = turn
    return json.dumps(tree).encode()


@pytest.mark.parametrize(
    ("client", "origin", "target"),
    [(c, o, t) for c, o, t in product(NAMES, NAMES, NAMES) if c != o and o != "openai" and c != t],
)
def test_signatures_come_home_and_go_nowhere_else(client: str, origin: str, target: str) -> None:
    run = [delta for delta in SIGNED if origin == "google" or getattr(delta, "signature", None) != "Y2FsbHNpZw=="]
    if origin == "anthropic":  # signs thinking, not calls
        run.insert(3, ToolStart(0, "call_1", "look"))
    answer = write_whole(client, run, origin=origin)
    read = DIALECTS[client].read_request(tool_loop(client, answer), False)
    carried = DIALECTS[target].write_request(read.chat, MODELS[target], None)
    home = (b"c2lnbmF0dXJl" if origin == "anthropic" else b"Y2FsbHNpZw==") in carried.body
    assert home == (origin == target)
    if origin != target:
        assert any("signature" in name or "reasoning" in name for name in carried.dropped), carried.dropped
        assert b"c2lnbmF0dXJl" not in carried.body


@pytest.mark.parametrize(("client", "origin"), [(c, o) for c, o in PAIRS if o != "openai"])
def test_what_a_client_keeps_for_us_is_not_sent_to_its_own_vendor(client: str, origin: str) -> None:
    body = tool_loop(client, write_whole(client, SIGNED, origin=origin))
    google = client == "google"
    asked = DIALECTS[client].ask(body, MODELS[client] if google else None, False)
    out = DIALECTS[client].splice_request(body, asked, MODELS[client]).body
    assert b"headgate" not in out
    assert b"aGVhZGdhdGUu" not in out  # the same word in base64, as the others carry it
    json.loads(out)


# -- odds and ends ------------------------------------------------------------------------------------------------


@pairs
@some
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_any_text_arrives(client: str, target: str, text: str) -> None:
    run: list[Delta] = [Begin("a", "m"), TextDelta(text), Finish("stop"), UsageDelta(Usage(1, 1))]
    for stream, write in ((True, write_stream), (False, write_whole)):
        read = deltas(target, write(target, run), stream)
        assert shown(deltas(client, write(client, read), stream)).text == {0: text}


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize(
    ("media", "ability"),
    [
        (Media("image/png", "AAAA"), "images"),
        (Media("application/pdf", "AAAA", kind="document"), "documents"),
    ],
)
def test_media_go_only_where_they_are_understood(target: str, media: Media, ability: str) -> None:
    chat = ChatRequest(messages=[Message("user", [Text("see"), media])], max_tokens=5)
    for abilities in (None, frozenset({ability})):
        carried = DIALECTS[target].write_request(chat, MODELS[target], abilities)
        assert b"AAAA" in carried.body
    with pytest.raises(CannotCarry):
        DIALECTS[target].write_request(chat, MODELS[target], frozenset({"tools"}))
