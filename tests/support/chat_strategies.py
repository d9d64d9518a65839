"""Hypothesis strategies for canonical requests and answers, and what "the same" means after a round trip.

`Says` names what a dialect can say: a round trip through it must then lose nothing. Conversations are
well formed: they start with a user turn, every tool call is answered in the next user turn, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from hypothesis import strategies as st

from headgate.core.chat import (
    Begin,
    ChatRequest,
    Delta,
    Finish,
    JsonFormat,
    Media,
    Message,
    Reasoning,
    ReasoningDelta,
    ReasoningRequest,
    RefusalDelta,
    Text,
    TextDelta,
    Tool,
    ToolArgs,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolStart,
    UsageDelta,
)
from headgate.core.types import Usage

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJUVPRgo="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="


@dataclass(frozen=True)
class Says:
    """What a dialect has a place for. The default is what all three vendors share."""

    media: tuple[Media, ...] = (Media(mime="image/png", data=PNG),)
    result_media: tuple[Media, ...] = ()
    late_system: bool = False  # system turns after the first user turn
    names: bool = False  # message names
    result_errors: bool = False
    signed_by: str | None = None  # the dialect whose reasoning signatures survive; None: no reasoning parts
    call_signatures: bool = False
    sampling: bool = False  # temperature, top_p
    top_k: bool = False
    many: bool = False  # n
    seed: bool = False
    penalties: bool = False
    logprobs: bool = False
    user: bool = False
    parallel_switch: bool = False
    strict_tools: bool = False
    several_forced: bool = False  # tool_choice any with a subset of more than one tool
    json_schema: bool = True
    json_object: bool = False
    efforts: tuple[str, ...] = ()
    stops: int = 4


EVERYTHING = Says(
    media=(
        Media(mime="image/png", data=PNG),
        Media(mime=None, url="https://example.com/a.png"),
        Media(mime="image/jpeg", data=PNG, detail="low"),
        Media(mime="application/pdf", data=PDF, kind="document", name="a.pdf"),
    ),
    late_system=True,
    names=True,
    signed_by="openai",
    call_signatures=True,
    sampling=True,
    many=True,
    seed=True,
    penalties=True,
    logprobs=True,
    user=True,
    parallel_switch=True,
    strict_tools=True,
    several_forced=True,
    json_object=True,
    efforts=("none", "minimal", "low", "medium", "high", "xhigh", "max"),
)

words = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=24).filter(
    lambda s: bool(s.strip())
)
names = st.from_regex(r"[a-z][a-z0-9_]{0,15}", fullmatch=True)
ids = st.from_regex(r"call_[A-Za-z0-9]{6,12}", fullmatch=True)
scalars = st.none() | st.booleans() | st.integers(-1000, 1000) | words
arguments = st.dictionaries(names, scalars | st.lists(scalars, max_size=2), max_size=3).map(
    lambda tree: msgspec.json.encode(tree).decode()
)
schemas = st.lists(names, min_size=1, max_size=3, unique=True).map(
    lambda keys: {
        "type": "object",
        "properties": {key: {"type": "string"} for key in keys},
        "required": sorted(keys),
        "additionalProperties": False,
    }
)


def _texts(max_size: int = 2) -> st.SearchStrategy[list[Text]]:
    return st.lists(words.map(Text), min_size=1, max_size=max_size)


@st.composite
def tools(draw: st.DrawFn, says: Says) -> list[Tool]:
    """Up to three tools with distinct names."""
    chosen = draw(st.lists(names, max_size=3, unique=True))
    return [
        Tool(
            name=name,
            description=draw(st.none() | words),
            schema=draw(schemas),
            strict=draw(st.none() | st.booleans()) if says.strict_tools else None,
        )
        for name in chosen
    ]


@st.composite
def _user_parts(draw: st.DrawFn, says: Says) -> list[object]:
    parts: list[object] = list(draw(_texts()))
    if says.media and draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), draw(st.sampled_from(says.media)))
    return parts


@st.composite
def _assistant(draw: st.DrawFn, says: Says, known: list[Tool]) -> Message:
    parts: list[object] = []
    if says.signed_by is not None and draw(st.booleans()):
        parts.append(Reasoning(text=draw(words), signature="sig-" + draw(names), origin=says.signed_by))
        if says.signed_by == "anthropic" and draw(st.booleans()):
            parts.append(Reasoning(redacted="cmVkYWN0ZWQ=", origin=says.signed_by))
    calling = bool(known) and draw(st.booleans())
    if not calling or draw(st.booleans()):
        parts.extend(draw(_texts(1)))
    if calling:
        for id_ in draw(st.lists(ids, min_size=1, max_size=3, unique=True)):
            signed = says.call_signatures and says.signed_by is not None and draw(st.booleans())
            parts.append(
                ToolCall(
                    id=id_,
                    name=draw(st.sampled_from(known)).name,
                    arguments=draw(arguments),
                    signature="c2ln" if signed else None,
                    origin=says.signed_by if signed else None,
                )
            )
    return Message(role="assistant", parts=parts)  # type: ignore[arg-type]


@st.composite
def conversations(draw: st.DrawFn, says: Says, known: list[Tool]) -> list[Message]:
    """Alternating turns, every tool call answered."""
    turns: list[Message] = []
    seen: set[str] = set()
    for _ in range(draw(st.integers(0, 3))):
        turns.append(Message(role="user", parts=draw(_user_parts(says))))  # type: ignore[arg-type]
        if says.late_system and draw(st.integers(0, 5)) == 0:
            turns.append(Message(role="system", parts=draw(_texts(1))))  # type: ignore[arg-type]
        turn = draw(_assistant(says, known))
        calls = [part for part in turn.parts if isinstance(part, ToolCall)]
        if seen & {call.id for call in calls}:
            continue
        turns.append(turn)
        seen |= {call.id for call in calls}
        if calls:
            results: list[object] = [
                ToolResult(
                    call_id=call.id,
                    name=call.name,
                    parts=[
                        *draw(_texts()),
                        *(draw(st.lists(st.sampled_from(says.result_media), max_size=1)) if says.result_media else []),
                    ],
                    is_error=says.result_errors and draw(st.booleans()),
                )
                for call in calls
            ]
            turns.append(Message(role="user", parts=results))  # type: ignore[arg-type]
            turns.append(draw(_assistant(says, [])))
    turns.append(Message(role="user", parts=draw(_user_parts(says))))  # type: ignore[arg-type]
    if says.names:
        for turn in turns:
            if turn.role == "user" and not any(isinstance(part, ToolResult) for part in turn.parts):
                turn.name = draw(st.none() | names)
    return turns


@st.composite
def _choice(draw: st.DrawFn, says: Says, known: list[Tool]) -> ToolChoice | None:
    if not known:
        return None
    mode = draw(st.sampled_from([None, "auto", "none", "any", "one", "some"]))
    if mode is None:
        return None
    if mode == "one":
        return ToolChoice("any", [known[0].name])
    if mode == "some":
        return ToolChoice("any", [tool.name for tool in known]) if says.several_forced and len(known) > 1 else None
    return ToolChoice(mode)


@st.composite
def chat_requests(draw: st.DrawFn, says: Says = Says()) -> ChatRequest:
    """A request that says nothing but what `says` allows."""

    def maybe(allowed: bool, strategy: st.SearchStrategy[object]) -> object:
        return draw(st.none() | strategy) if allowed else None

    known = draw(tools(says))
    logprobs = maybe(says.logprobs, st.integers(0, 20))
    json_format = None
    if says.json_schema and draw(st.booleans()):
        json_format = JsonFormat(schema=draw(schemas), name=draw(names), strict=True)
    elif says.json_object and draw(st.booleans()):
        json_format = JsonFormat()
    effort = draw(st.none() | st.sampled_from(says.efforts)) if says.efforts else None
    return ChatRequest(
        messages=draw(conversations(says, known)),
        system=draw(st.lists(words.map(Text), max_size=2)),
        tools=known,
        tool_choice=draw(_choice(says, known)),
        parallel_tools=maybe(says.parallel_switch and bool(known), st.booleans()),  # type: ignore[arg-type]
        max_tokens=draw(st.integers(1, 100_000)),
        temperature=maybe(says.sampling, st.integers(0, 10).map(lambda i: i / 10)),  # type: ignore[arg-type]
        top_p=maybe(says.sampling, st.integers(1, 9).map(lambda i: i / 10)),  # type: ignore[arg-type]
        top_k=maybe(says.top_k, st.integers(1, 100)),  # type: ignore[arg-type]
        stop=draw(st.lists(words, max_size=says.stops, unique=True)),
        n=maybe(says.many, st.integers(2, 4)),  # type: ignore[arg-type]
        seed=maybe(says.seed, st.integers(0, 2**31 - 1)),  # type: ignore[arg-type]
        presence_penalty=maybe(says.penalties, st.integers(-4, 4).map(lambda i: i / 2)),  # type: ignore[arg-type]
        frequency_penalty=maybe(says.penalties, st.integers(-4, 4).map(lambda i: i / 2)),  # type: ignore[arg-type]
        logprobs=logprobs,  # type: ignore[arg-type]
        json_format=json_format,
        reasoning=None if effort is None else ReasoningRequest(effort=effort),
        user=maybe(says.user, names),  # type: ignore[arg-type]
        stream=draw(st.booleans()),
    )


def same_turns(chat: ChatRequest) -> ChatRequest:
    """The request with adjacent turns of one role merged and tool results named after their calls.

    That is what all dialects agree on: compare requests through this.
    """
    called: dict[str, str] = {}
    merged: list[Message] = []
    for turn in chat.messages:
        parts = [part for part in turn.parts]
        for index, part in enumerate(parts):
            if isinstance(part, ToolCall):
                called[part.id] = part.name
            elif isinstance(part, ToolResult) and part.name is None:
                parts[index] = msgspec.structs.replace(part, name=called.get(part.call_id))
        if merged and merged[-1].role == turn.role and merged[-1].name == turn.name:
            merged[-1] = Message(role=turn.role, parts=[*merged[-1].parts, *parts], name=turn.name)
        else:
            merged.append(Message(role=turn.role, parts=parts, name=turn.name))
    return msgspec.structs.replace(chat, messages=merged)


# -- answers ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shows:
    """What a dialect can show in an answer."""

    choices: int = 1
    reasoning: bool = False  # signed thinking blocks before the text
    signed_tools: bool = False
    refusal_text: bool = False
    stop_sequence: bool = False
    fingerprint: bool = False
    cache_write: bool = True
    split_args: bool = True  # False: arguments arrive in one piece (Google)


@st.composite
def _choice_deltas(draw: st.DrawFn, shows: Shows, choice: int) -> list[Delta]:
    run: list[Delta] = []
    if shows.reasoning and draw(st.booleans()):
        run += [ReasoningDelta(text=text, choice=choice) for text in draw(st.lists(words, min_size=1, max_size=3))]
        run.append(ReasoningDelta(choice=choice, signature="sig-" + draw(names)))
    if shows.refusal_text and draw(st.integers(0, 4)) == 0:
        run += [RefusalDelta(text, choice) for text in draw(st.lists(words, min_size=1, max_size=2))]
        return [*run, Finish("stop", "stop", choice)]
    calls = draw(st.lists(ids, max_size=3, unique=True))
    if not calls or draw(st.booleans()):
        run += [TextDelta(text, choice) for text in draw(st.lists(words, min_size=1, max_size=4))]
    for index, id_ in enumerate(calls):
        signature = "c2ln" if shows.signed_tools and index == 0 and draw(st.booleans()) else None
        run.append(ToolStart(index, id_, draw(names), choice, signature))
        text = draw(arguments)
        cut = draw(st.integers(0, len(text))) if shows.split_args else 0
        run += [ToolArgs(index, piece, choice) for piece in (text[:cut], text[cut:]) if piece]
    reason = "tool_calls" if calls else draw(st.sampled_from(["stop", "length"]))
    return [*run, Finish(reason, None, choice)]


@st.composite
def answers(draw: st.DrawFn, shows: Shows = Shows()) -> list[Delta]:
    """Begin, per choice its deltas ending in Finish, then usage."""
    run: list[Delta] = [
        Begin(
            id="answer-" + draw(names),
            model=draw(names),
            fingerprint=draw(st.none() | names) if shows.fingerprint else None,
        )
    ]
    for choice in range(draw(st.integers(1, shows.choices))):
        run += draw(_choice_deltas(shows, choice))
    cached = draw(st.integers(0, 50))
    written = draw(st.integers(0, 50)) if shows.cache_write else None
    reasoning = draw(st.integers(0, 50))
    run.append(
        UsageDelta(
            Usage(
                input=cached + (written or 0) + draw(st.integers(1, 5000)),
                output=reasoning + draw(st.integers(1, 5000)),
                cached=cached,
                cache_write=written,
                reasoning=reasoning,
            )
        )
    )
    return run


@dataclass
class Shown:
    """An answer folded to what a client ends up with, independent of how it was cut into deltas."""

    begin: Begin | None = None
    text: dict[int, str] = field(default_factory=dict)
    refusal: dict[int, str] = field(default_factory=dict)
    reasoning: dict[tuple[int, int], tuple[str, str | None, str | None]] = field(default_factory=dict)
    calls: dict[tuple[int, int], tuple[str, str, str, str | None]] = field(default_factory=dict)
    finish: dict[int, str] = field(default_factory=dict)
    usage: Usage | None = None


def _fold_usage(before: Usage | None, told: Usage) -> Usage:
    if before is None:
        return told
    pairs = {name: getattr(told, name) for name in ("input", "output", "cached", "cache_write", "reasoning")}
    return msgspec.structs.replace(before, **{name: value for name, value in pairs.items() if value is not None})


def shown(deltas: Sequence[Delta]) -> Shown:
    """What the deltas add up to. Compare answers through this."""
    out = Shown()
    for delta in deltas:
        match delta:
            case Begin():
                out.begin = out.begin or delta
            case TextDelta(text, choice):
                out.text[choice] = out.text.get(choice, "") + text
            case RefusalDelta(text, choice):
                out.refusal[choice] = out.refusal.get(choice, "") + text
            case ReasoningDelta():
                text, signature, redacted = out.reasoning.get((delta.choice, delta.block), ("", None, None))
                out.reasoning[delta.choice, delta.block] = (
                    text + delta.text, delta.signature or signature, delta.redacted or redacted,
                )  # fmt: skip
            case ToolStart():
                out.calls[delta.choice, delta.index] = (delta.id, delta.name, "", delta.signature)
            case ToolArgs(index, text, choice):
                id_, name, args, signature = out.calls[choice, index]
                out.calls[choice, index] = (id_, name, args + text, signature)
            case Finish(reason, _, choice):
                out.finish[choice] = reason
            case UsageDelta(usage):
                out.usage = _fold_usage(out.usage, usage)
    return out
