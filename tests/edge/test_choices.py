"""A stream of several answers that a policy ends: what was finished stays as it was finished."""

from __future__ import annotations

import json
from typing import Any

from headgate.core.stages import Passed
from tests.edge.gates import Script, gateway, passed
from tests.edge.wires import PATHS
from tests.support.world import run


def chunk(number: int, finish: str | None) -> bytes:
    choice = {"index": number, "delta": {"content": "x"}, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "a", "model": "m", "choices": [choice]}).encode() + b"\n\n"


def test_a_blocked_stream_ends_only_what_is_open() -> None:
    body = {"model": "m", "n": 3, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    feeds: list[Any] = [passed("openai", chunk(0, None) + chunk(1, "length") + chunk(2, None))]

    async def talk() -> None:
        script = Script(feeds, Passed([], "openai", 1, blocked="rule"))
        async with gateway(script) as here:
            _, _, wire = await here.ask(PATHS["openai"], json.dumps(body).encode())
        events = [json.loads(line[6:]) for line in wire.split(b"\n\n") if line.startswith(b"data: {")]
        ends = [(c["index"], c["finish_reason"]) for e in events for c in e["choices"] if c["finish_reason"]]
        assert ends == [(1, "length"), (0, "content_filter"), (2, "content_filter")]
        assert wire.endswith(b"data: [DONE]\n\n")

    run(talk())
