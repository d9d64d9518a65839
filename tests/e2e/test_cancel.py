"""A storm of clients that leave: no cross-talk, upstream connections closed, nothing left behind in the worker."""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.gateway import Gateway, Vendors, until
from tests.support.world import run

CLIENTS = 24
ROUNDS = 3
WORDS = 30
CLOSED_S = 4.0  # within 2 s where the machine has time
GROWTH_BYTES_MAX = 12 << 20


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident(pid: int) -> int:
    """Bytes of memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def said(tag: str) -> str:
    return " ".join([tag] * WORDS)


async def one(sdk: openai.AsyncOpenAI, tag: str, model: str, leave_after: int | None) -> int:
    """One stream whose every word is its tag; the client leaves after so many pieces. How many it saw."""
    messages: Any = [{"role": "user", "content": f"[[say]] {said(tag)}"}]
    stream = await sdk.chat.completions.create(model=model, messages=messages, stream=True)
    text, pieces = "", 0
    try:
        async for chunk in stream:
            piece = (chunk.choices[0].delta.content or "") if chunk.choices else ""
            text += piece
            pieces += bool(piece)
            assert set(text.split()) <= {tag, tag[: len(text.split()[-1])]} if text.split() else True
            if leave_after is not None and pieces >= leave_after:
                return pieces
    finally:
        await stream.close()
    assert text.split() == [tag] * WORDS
    return pieces


async def storm(gateway: Gateway, models: list[str], first: int) -> None:
    async with openai.AsyncOpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0) as sdk:
        work = [
            one(sdk, f"tag{first + number}", models[number % len(models)], None if number % 6 == 5 else 1 + number % 7)
            for number in range(CLIENTS)
        ]
        await asyncio.gather(*work)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_storm_of_cancelled_streams(gateway: Gateway, slow_vendors: Vendors, provider: str) -> None:
    models = [f"slow-{provider}"]
    worker = gateway.worker()
    slow_vendors.reset()

    def quiet() -> bool:
        return slow_vendors.state()["open"] <= 1 + kept

    kept = CLIENTS  # finished streams may keep their connections for the next call
    run(storm(gateway, models, 0), 60)
    until(quiet, CLOSED_S, "upstream connections are closed")
    gc.collect()
    fds, memory = descriptors(worker), resident(worker)
    before = slow_vendors.state()["left"]
    for number in range(1, ROUNDS):
        run(storm(gateway, models, number * CLIENTS), 60)
    until(lambda: slow_vendors.state()["left"] >= before + (ROUNDS - 1) * (CLIENTS * 5 // 6), CLOSED_S, "all were left")
    until(lambda: descriptors(worker) <= fds + 8, CLOSED_S, f"about {fds} descriptors again")
    assert resident(worker) - memory < GROWTH_BYTES_MAX
    assert gateway.worker() == worker
    total = ROUNDS * CLIENTS
    ended = until(lambda: _ended(gateway, models[0], total), 15, "every call of the storm is on record")
    assert ended == {"cancelled": total - ROUNDS * (CLIENTS // 6), "ok": ROUNDS * (CLIENTS // 6)}


def _ended(gateway: Gateway, app: str, total: int) -> dict[str, int] | None:
    counts: dict[str, int] = {}
    for call in gateway.calls(f"&app={app}"):
        counts[call["outcome"]] = counts.get(call["outcome"], 0) + 1
    return counts if sum(counts.values()) == total and "in_flight" not in counts else None


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_who_leaves_before_an_answer_begins_is_on_record(gateway: Gateway, vendors: Vendors, stream: bool) -> None:
    app = f"left-{'stream' if stream else 'whole'}"
    body: Any = {"model": app, "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    host, port = gateway.url.removeprefix("http://").split(":")
    with vendors.failing("f14-hang", "openai", model=f"gpt-6-luna-{6000 + stream}"):
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        until(lambda: vendors.state()["answered"] == 1, 10, "the provider is asked")
        left = vendors.state()["left"]
        connection.close()
        until(lambda: vendors.state()["left"] == left + 1, CLOSED_S, "the provider is left alone")
    record = gateway.only_call(f"&app={app}")
    assert record["call"]["outcome"] == "cancelled"
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["cancelled"]
