"""A fault drill: each shape of the catalogue strikes a provider, a client calls over a real socket, and what it saw is
held against what must happen."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import msgspec

from headgate.app.drills.caller import PLAINLY, Manner, Reply, call, hear
from headgate.app.drills.cases import Case, app_of, scene
from headgate.app.drills.shapes import BROKEN, DOWN, EITHER, EMPTY, HANDED, LEFT, REFUSAL, WHOLE
from headgate.app.drills.stand import Stand, Trust
from headgate.app.drills.traffic import Kind, request, words
from headgate.core.ports import Clock, Entropy
from headgate.core.record import CallRecord
from headgate.dialects import DIALECTS
from headgate.simulator.fault_answers import DECLINED
from headgate.wire.request import Head, Request

PUBLIC = Trust()
TOGETHER = 16  # cases under way at once
BATCH = 30  # cases of one gateway
GAP_S = 0.04  # between the calls of a shape that takes many
USAGE_MAX = 10_000  # no answer of a drill has as many tokens
_TOOL = "weather"
_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_MANNERS = {
    "f38-leaves": Manner(leaves_after=1),
    "f38-slow-reader": Manner(bytes_per_read=64, pause_s=0.01),
}


class Attempt(msgspec.Struct, frozen=True):
    """A target that was asked, and what became of it: `ok`, or the error's kind."""

    target: str
    outcome: str


class Finding(msgspec.Struct, frozen=True):
    """What one case came to. `wrong` is empty where all is as tabled."""

    shape: str
    struck: str
    dialect: str
    stream: bool
    expected: str
    seen: str
    attempts: tuple[Attempt, ...]
    against: str
    wrong: tuple[str, ...]


async def run_faults(chosen: Sequence[Case], clock: Clock, entropy: Entropy, trust: Trust = PUBLIC) -> list[Finding]:
    """Runs all cases, a few at a time; findings in their order. Raises ConfigError, OSError."""
    found: list[Finding] = []
    for at in range(0, len(chosen), BATCH):
        found += await _batch(chosen[at : at + BATCH], clock, entropy, trust)
    return found


async def _batch(chosen: Sequence[Case], clock: Clock, entropy: Entropy, trust: Trust) -> list[Finding]:
    stand = Stand(clock, entropy, trust)
    places = asyncio.Semaphore(TOGETHER)

    async def one(number: int, case: Case) -> Finding:
        async with places:
            return await _run(stand, number, case, clock)

    await stand.open([scene(number, case) for number, case in enumerate(chosen)])
    try:
        return list(await asyncio.gather(*[one(number, case) for number, case in enumerate(chosen)]))
    finally:
        await stand.close()


async def _run(stand: Stand, number: int, case: Case, clock: Clock) -> Finding:
    shape, app = case.shape, app_of(number)
    kind = Kind(case.dialect, app, case.stream, case.vendor)
    seen: list[str] = []
    records: list[CallRecord | None] = []
    for at in range(shape.calls):
        asked = request(kind, number, stand.key)
        asked = _with_tool(asked, case.dialect) if shape.tools else asked
        reply = await call(clock, stand.address, asked, _MANNERS.get(shape.name, PLAINLY))
        records.append(await stand.record(app, at + 1))
        seen.append(LEFT if shape.name == "f38-leaves" else _seen(reply, case, number))
        if at + 1 < shape.calls:
            await clock.sleep(GAP_S)
    return _found(case, seen, records, stand.against(app))


def _found(case: Case, seen: Sequence[str], records: Sequence[CallRecord | None], against: str) -> Finding:
    """Holds what happened against what must."""
    shape, expected = case.shape, case.expected
    wrong = [f"client saw: {one}" for one in dict.fromkeys(seen) if one != expected.seen]
    wrong += ["a call without a record"] if None in records else []
    known = [record for record in records if record is not None]
    last = known[-1].attempts if known else []
    tries = len(last)
    if expected.tries and tries != expected.tries:
        wrong.append(f"{tries} tries")
    if expected.against not in (against, EITHER):
        wrong.append(f"held against the target: {against}")
    wanted = {WHOLE: "ok", REFUSAL: "ok", EMPTY: "ok", LEFT: "cancelled"}.get(expected.seen, "failed")
    wrong += [f"on record as {one}" for one in {record.outcome for record in known} if one != wanted]
    if shape.family == "F30" and known and not _plausible(known[-1]):
        wrong.append("usage on record is not flagged as an estimate")
    attempts = tuple(Attempt(one.provider.partition("-")[0], one.error or one.outcome) for one in last)
    kinds = Counter(seen)
    told = seen[0] if len(kinds) == 1 else ", ".join(f"{count} x {one}" for one, count in kinds.items())
    return Finding(
        shape.name, case.vendor, case.dialect, case.stream, expected.told, told, attempts, against, tuple(wrong)
    )


def _seen(reply: Reply, case: Case, number: int) -> str:
    """What the client makes of its answer."""
    if reply.status is None:
        return "no answer"
    if reply.status == 503 and "retry-after" in reply.headers:
        return DOWN
    if reply.status != 200:
        return (
            HANDED if reply.headers.get("x-should-retry") == "false" and reply.status < 429 else f"HTTP {reply.status}"
        )
    heard = hear(reply, DIALECTS[case.dialect], case.stream)
    if heard.error is not None:
        return BROKEN if not heard.finish else f"{BROKEN}, and a finish before it"
    if heard.refused or heard.text == DECLINED or set(heard.finish) & {"refusal", "content_filter"}:
        return REFUSAL
    if case.shape.tools:
        return WHOLE if _callable(heard.arguments) else "a tool call that cannot be made, passed as complete"
    if not heard.text:
        return EMPTY
    return WHOLE if heard.text == words(number) and heard.finish == ("stop",) else "wrong answer"


def _callable(arguments: Sequence[str]) -> bool:
    """Whether there are tool calls, and the arguments of each are JSON."""
    try:
        return bool(arguments) and all(isinstance(msgspec.json.decode(one), dict) for one in arguments)
    except msgspec.DecodeError:
        return False


def _plausible(record: CallRecord) -> bool:
    """Whether tokens that the provider told wrongly are unknown or an estimate."""
    return record.output_tokens is None or (record.tokens_estimated and 0 < record.output_tokens < USAGE_MAX)


def _with_tool(asked: Request, dialect: str) -> Request:
    """The same request with a tool offered, and a text that has the model call it."""
    body = msgspec.json.decode(asked.body.replace(b"[[say]]", b"[[parallel]]"))
    if dialect == "openai":
        body["tools"] = [{"type": "function", "function": {"name": _TOOL, "parameters": _SCHEMA}}]
    elif dialect == "anthropic":
        body["tools"] = [{"name": _TOOL, "input_schema": _SCHEMA}]
    else:
        body["tools"] = [{"functionDeclarations": [{"name": _TOOL, "parameters": _SCHEMA}]}]
    head = Head(asked.method, asked.path, asked.query, asked.headers)
    return Request(head, msgspec.json.encode(body), asked.peer)
