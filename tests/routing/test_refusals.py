"""A refusal, the model's own or its vendor's content filter's, is the answer: nobody else is asked, and nobody goes on.

Every way in which a vendor says it, streamed and whole, to a client of the same dialect and of another.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import msgspec
import pytest

from headgate.core.errors import UpstreamError
from headgate.core.snapshot import Hedging, Route
from tests.dialects.anthropic_events import END, block, done, more, start, stop
from tests.routing.scripted import Reply, Told
from tests.routing.spoken import VENDORS, SpokenHouse
from tests.support.world import run

NEXT = {"openai": "anthropic", "anthropic": "google", "google": "openai"}
FILTERED = "Output blocked by content filtering policy"
RESET = UpstreamError("connection_reset", "scripted")


def data(tree: Any) -> bytes:
    return b"data: " + json.dumps(tree).encode() + b"\n\n"


def chunk(delta: Any = None, finish: str | None = None) -> bytes:
    return data({"id": "a", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def completion(message: Any, finish: str) -> bytes:
    return json.dumps({"id": "a", "model": "m", "choices": [{"message": message, "finish_reason": finish}]}).encode()


def message(*texts: str) -> bytes:
    blocks = [{"type": "text", "text": text} for text in texts]
    return json.dumps(
        {"type": "message", "id": "a", "model": "m", "content": blocks, "stop_reason": "refusal"}
    ).encode()


def candidate(text: str | None, finish: str | None, **top: Any) -> Any:
    told: dict[str, Any] = {} if text is None else {"content": {"parts": [{"text": text}]}}
    return {"candidates": [told if finish is None else {**told, "finishReason": finish}], "responseId": "a", **top}


SAID = {
    "openai": chunk({"content": "One, "}),
    "anthropic": start() + block(0, type="text", text="") + more(0, "text_delta", text="One, "),
    "google": data(candidate("One, ", None)),
}
DONE = b"data: [DONE]\n\n"
BLOCKED = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "responseId": "a"}

# what the model itself refuses, or a filter ends: a whole answer of its vendor
ANSWERS: dict[str, tuple[str, bool, bytes]] = {
    "the model refuses": ("openai", True, chunk({"refusal": "I cannot"}) + chunk({}, "stop") + DONE),
    "the model refuses after content": (
        "openai", True, SAID["openai"] + chunk({"refusal": "I cannot"}) + chunk({}, "stop") + DONE,
    ),
    "a filter ends it at once": ("openai", True, chunk({}, "content_filter") + DONE),
    "a filter ends it after content": ("openai", True, SAID["openai"] + chunk({}, "content_filter") + DONE),
    "a compatible server's filter": ("openai", True, SAID["openai"] + chunk({}, "content_policy_violation") + DONE),
    "whole: the model refuses": ("openai", False, completion({"content": None, "refusal": "I cannot"}, "stop")),
    "whole: a filter ends it": ("openai", False, completion({"content": "One, "}, "content_filter")),
    "whole: a filter leaves nothing": ("openai", False, completion({"content": None}, "content_filter")),
    "claude refuses": ("anthropic", True, start() + done("refusal") + END),
    "claude refuses after content": ("anthropic", True, SAID["anthropic"] + stop(0) + done("refusal") + END),
    "claude refuses, and its end is missing": ("anthropic", True, SAID["anthropic"] + stop(0) + done("refusal")),
    "whole: claude refuses": ("anthropic", False, message()),
    "whole: claude refuses after content": ("anthropic", False, message("One, ")),
    "gemini's filter ends it at once": ("google", True, data(candidate(None, "SAFETY"))),
    "gemini's filter ends it after content": ("google", True, SAID["google"] + data(candidate(None, "SPII"))),
    "gemini blocks the prompt": ("google", True, data(BLOCKED)),
    "whole: gemini's filter ends it": ("google", False, json.dumps(candidate("One, ", "RECITATION")).encode()),
    "whole: gemini's filter leaves nothing": ("google", False, json.dumps(candidate(None, "BLOCKLIST")).encode()),
    "whole: gemini blocks the prompt": ("google", False, json.dumps(BLOCKED).encode()),
}  # fmt: skip


def claude_error(text: str) -> Any:
    return {"type": "error", "error": {"type": "invalid_request_error", "message": text}}


# what a filter refuses with an error: the status of the head (200: inside the answer), and the error
ERRORS: dict[str, tuple[str, int, Any]] = {
    "openai blocks the prompt": ("openai", 400, {"error": {"code": "content_filter", "message": "filtered"}}),
    "azure says so in words": ("openai", 400, {"error": {"message": "Azure OpenAI's content management policy"}}),
    "openai flags the prompt": ("openai", 400, {"error": {"code": "invalid_prompt", "message": "was flagged"}}),
    "a router flags the prompt": (
        "openai", 403, {"error": {"code": 403, "message": "no", "metadata": {"reasons": ["x"], "flagged_input": "y"}}},
    ),
    "a router names its filter": ("openai", 403, {"error": {"code": "content_policy_violation", "message": "no"}}),
    "inside the answer": ("openai", 200, {"error": {"code": "content_filter", "message": "filtered"}}),
    "a router, inside the answer": (
        "openai", 200, {"error": {"code": 403, "message": "no", "metadata": {"flagged_input": "y"}}},
    ),
    "claude's output is filtered": ("anthropic", 400, claude_error(FILTERED)),
    "claude's output is filtered, inside": ("anthropic", 200, claude_error(FILTERED)),
    "gemini blocks with a status": (
        "google", 400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "content management policy"}},
    ),
    "gemini, inside the answer": ("google", 200, {"error": {"code": "prohibited_content", "message": "blocked"}}),
}  # fmt: skip


def with_fallbacks(house: SpokenHouse, vendor: str) -> Route:
    """A target of every vendor behind the first one, and all of them may go on with its answer."""
    house.script(vendor, Reply(b""))
    others = [house.target(name) for name in VENDORS if name != vendor]
    for other in others:
        house.script(other.provider, Reply(b"must not be asked", status=500))
    return msgspec.structs.replace(house.route(vendor, *others), continue_with=tuple(others))


def play(vendor: str, reply: Reply, stream: bool, client: str) -> tuple[SpokenHouse, Told]:
    house = SpokenHouse()

    async def go() -> Told:
        route = with_fallbacks(house, vendor)
        house.script(vendor, reply)
        return await house.ask(route, stream=stream, client=client)

    return house, run(go())


@pytest.mark.parametrize("client", VENDORS)
@pytest.mark.parametrize("case", ANSWERS)
def test_a_refusal_is_the_answer(case: str, client: str) -> None:
    vendor, stream, wire = ANSWERS[case]
    house, told = play(vendor, Reply(wire), stream, client)
    assert told.error is None
    assert len(house.transport.requests) == 1
    assert told.outcomes == [(vendor, "ok", None)]
    assert told.record.seams == []
    assert house.routing.health.healthy(house.target(vendor))


@pytest.mark.parametrize("client", VENDORS)
@pytest.mark.parametrize("case", ERRORS)
def test_an_error_of_a_filter_is_told_to_the_client(case: str, client: str) -> None:
    vendor, status, error = ERRORS[case]
    body = json.dumps(error).encode()
    streamed = data(error) if vendor != "anthropic" else b"event: error\n" + data(error)
    cells = [(Reply(streamed if stream and status == 200 else body, status=status), stream) for stream in (True, False)]
    if status == 200:
        cells.append((Reply(SAID[vendor], streamed), True))  # after content
    for reply, stream in cells:
        house, told = play(vendor, reply, stream, client)
        seen = told.upstream
        assert (seen.kind, seen.filtered) == ("client_fault", True)
        assert seen.status == (400 if status == 200 else status)
        assert len(house.transport.requests) == 1
        assert told.record.seams == []
        assert house.routing.health.healthy(house.target(vendor))
        assert (seen.body is None) == (status == 200 or client != vendor)


BROKEN: dict[str, Reply] = {
    "cut": Reply(SAID["openai"], chunk({"refusal": "I can"})),
    "reset": Reply(SAID["openai"], chunk({"refusal": "I can"}), RESET),
    "an error inside": Reply(SAID["openai"], chunk({"refusal": "I can"}), data({"error": {"code": 503}})),
    "at once, cut": Reply(chunk({"refusal": "I can"})),
    "at once, reset": Reply(chunk({"refusal": "I can"}), RESET),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_refusal_that_breaks_off_is_not_gone_on_with(case: str) -> None:
    reply = BROKEN[case]
    house, told = play("openai", Reply(*reply.steps), True, "openai")
    assert told.upstream.retryable  # it is the refusal that keeps others from being asked
    assert len(house.transport.requests) == 1
    assert told.record.seams == []


def test_a_refusal_that_is_not_committed_yet_is_final_too() -> None:
    """A screen may hold the first words back: the refusal has been read, though no client has seen it."""
    house = SpokenHouse()

    async def go() -> Told:
        route = with_fallbacks(house, "openai")
        house.script("openai", Reply(chunk({"refusal": "I can"}), RESET))
        return await house.ask(route, commit=False)

    assert run(go()).upstream.kind == "connection_reset"
    assert len(house.transport.requests) == 1


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_one_who_goes_on_may_refuse_and_that_is_the_end(vendor: str) -> None:
    house = SpokenHouse()
    second, third = NEXT[vendor], NEXT[NEXT[vendor]]
    refusals = {
        "openai": chunk({"content": "two, "}) + chunk({}, "content_filter") + DONE,
        "anthropic": SAID["anthropic"] + stop(0) + done("refusal") + END,
        "google": SAID["google"] + data(candidate(None, "SAFETY")),
    }

    async def go() -> Told:
        goes_on = (house.target(second), house.target(third))
        house.script(vendor, Reply(SAID[vendor], RESET))
        house.script(second, Reply(refusals[second]))
        house.script(third, Reply(b"must not be asked", status=500))
        return await house.ask(msgspec.structs.replace(house.route(vendor), continue_with=goes_on), client=vendor)

    told = run(go())
    assert told.error is None
    assert [(provider, outcome) for provider, outcome, _ in told.outcomes] == [(vendor, "failed"), (second, "ok")]
    assert len(told.record.seams) == 1


@pytest.mark.parametrize("held", [True, False], ids=["the other still runs", "alone"])
def test_a_hedge_does_not_answer_in_the_place_of_a_filter(held: bool) -> None:
    house = SpokenHouse()

    async def go() -> Told:
        late = asyncio.Event()
        error = Reply(late, json.dumps({"error": {"code": "content_filter"}}).encode(), status=400)
        house.script("openai", error)
        house.script("anthropic", Reply(None) if held else Reply(RESET))
        route = house.route("openai", "anthropic")
        route = msgspec.structs.replace(route, hedge=Hedging(after_s=1.0, share=1.0))
        asked = asyncio.ensure_future(house.ask(route))
        for _ in range(20):
            await asyncio.sleep(0)
        house.clock.advance(2.0)
        for _ in range(20):
            await asyncio.sleep(0)
        late.set()
        return await asyncio.wait_for(asked, 5)

    told = run(go())
    assert told.upstream.filtered
    assert [attempt.outcome for attempt in told.record.attempts].count("ok") == 0
    assert len(house.transport.requests) == 2


def test_every_vendor_has_every_way() -> None:
    ways = {(vendor, stream) for vendor, stream, _ in ANSWERS.values()}
    assert ways == set(itertools.product(VENDORS, (True, False)))
    assert {(vendor, status == 200) for vendor, status, _ in ERRORS.values()} == set(
        itertools.product(VENDORS, (True, False))
    )
