"""What the server refuses by itself is counted by kind, told once in a while, and thrown away within bounds."""

from __future__ import annotations

import asyncio
import logging

import pytest

from headgate.wire.limits import ServerLimits
from headgate.wire.refusals import Refusals, Refused
from headgate.wire.request import Refusal
from tests.support.world import ManualClock, run
from tests.wire.peers import post, served, until

pytestmark = pytest.mark.usefixtures("both_loops")
SMALL = ServerLimits(body_bytes=10, header_bytes=200, header_s=1, body_s=1, linger_bytes=1000)
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n"
SAID = {
    "a body over the limit": (post(b"x" * 11), Refused(too_large=1)),
    "chunks over the limit": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nb\r\n", Refused(too_large=1)),
    "a head over the limit": (HEAD + b"a: " + b"x" * 300, Refused(too_large=1)),
    "no HTTP": (b"hello\r\n\r\n", Refused(malformed=1)),
    "a head that does not end": (HEAD, Refused(timeout=1)),
    "a body that does not come": (HEAD + b"Content-Length: 9\r\n\r\n", Refused(timeout=1)),
}


@pytest.mark.parametrize("name", SAID)
def test_each_kind_is_counted_once(name: str) -> None:
    said, expected = SAID[name]

    async def talk() -> Refused:
        clock = ManualClock()
        async with served(limits=SMALL, clock=clock) as here:
            client = await here.connect()
            await client.say(said)
            await asyncio.sleep(0.01)
            clock.advance(1.5)
            await client.answer()
            return here.server.refused

    assert run(talk()) == expected


def test_answers_and_failures_of_ours_are_no_refusals() -> None:
    async def talk() -> Refused:
        async with served(limits=SMALL) as here:
            client = await here.connect()
            await client.say(post(b"x"))
            assert (await client.answer())[0] == 200
            return here.server.refused

    assert run(talk()) == Refused()
    refusals = Refusals(ManualClock())
    refusals.note(Refusal(500, "internal_error", "an internal error occurred"))
    assert refusals.counts() == Refused()


def test_a_flood_is_one_line_in_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    refusals = Refusals(clock)
    with caplog.at_level(logging.WARNING):
        for _ in range(25):
            for _ in range(100):
                refusals.note(Refusal(413, "request_too_large", "the body is larger than 10 bytes"))
            clock.advance(1.0)
    assert [line.getMessage() for line in caplog.records] == [
        "refused before any call: 1, the last 413 request_too_large",
        "refused before any call: 1000, the last 413 request_too_large",
        "refused before any call: 1000, the last 413 request_too_large",
    ]
    assert refusals.counts().too_large == 2500


def test_what_comes_after_a_refusal_is_thrown_away_up_to_a_bound_and_counts_for_nobody() -> None:
    async def talk() -> None:
        async with served(limits=SMALL) as here:
            client = await here.connect()
            await client.say(post(b"x" * 11))
            assert (await client.answer())[0] == 413
            client.writer.write(b"x" * 100_000)
            await until(lambda: here.server.connections == 0)
            context = here.server._context  # type: ignore[reportPrivateUsage]
            assert context is not None
            assert context.receiving == 0

    run(talk())
