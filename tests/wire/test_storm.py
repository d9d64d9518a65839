"""A storm of cancellations through a gateway of both halves: nobody gets a byte that is somebody else's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random

import pytest

from headgate.core.errors import UpstreamError
from headgate.core.types import Origin
from headgate.wire.client import HttpTransport
from headgate.wire.clock import SystemClock
from headgate.wire.exchange import Exchange
from headgate.wire.request import Request
from tests.support.world import run
from tests.wire.peers import TEXT, post, served, until
from tests.wire.provider import outbound

pytestmark = pytest.mark.usefixtures("both_loops")

CALLS = 600


def sockets() -> int:
    """Open sockets of this process."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count


def test_cancel_storm() -> None:
    async def storm() -> None:
        dice = random.Random(7)
        clock = SystemClock()
        before = sockets()

        async def upstream(request: Request, exchange: Exchange) -> None:
            tag = request.body
            exchange.begin(200, TEXT)
            for _ in range(dice.randrange(6)):
                exchange.write(tag)
                if dice.random() < 0.5:
                    await asyncio.sleep(dice.random() / 500)
            exchange.finish(tag)

        async with served(upstream, clock=clock) as far:
            transport = HttpTransport(clock)
            origin = Origin("http", "127.0.0.1", far.port, True)

            async def gateway(request: Request, exchange: Exchange) -> None:
                answer = await transport.send(outbound(origin, request.body))
                try:
                    exchange.begin(answer.status, TEXT)
                    while (data := await answer.read()) is not None:
                        exchange.write(data)
                        if exchange.paused:
                            await exchange.drain()
                    exchange.finish()
                finally:
                    answer.release()

            async with served(gateway, clock=clock) as near:
                complete = await asyncio.gather(*[call(near.port, number, dice) for number in range(CALLS)])
                assert 50 < sum(complete) < CALLS - 50
                await until(lambda: near.server.connections == 0)
                await transport.close()
                await until(lambda: transport.open_connections() == 0)
                await until(lambda: far.server.connections == 0)
        await asyncio.sleep(0.02)
        assert sockets() <= before
        assert len(asyncio.all_tasks()) == 1 + 1  # this one and its runner

    async def call(port: int, number: int, dice: random.Random) -> bool:
        await asyncio.sleep(dice.random() / 2)
        tag = b"<%d>" % number
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for _ in range(3):
                writer.write(post(tag))
                hang_up = dice.random() < 0.4
                left = dice.randrange(300) if hang_up else -1
                got = b""
                while not got.endswith(b"0\r\n\r\n"):
                    if hang_up and len(got) >= left:
                        return False
                    piece = await reader.read(dice.choice((7, 64, 4096)))
                    assert piece, "the gateway closed a sound connection"
                    got += piece
                body = got.partition(b"\r\n\r\n")[2]
                chunks = body.split(b"\r\n")[1::2]
                assert set(b"".join(chunks).replace(tag, b"")) == set()
                assert tag in body
            return True
        finally:
            if dice.random() < 0.5:
                writer.transport.abort()
            writer.close()

    try:
        run(storm())
    except UpstreamError as error:  # names what broke: the storm must not reach the pool
        raise AssertionError(error.kind) from error
