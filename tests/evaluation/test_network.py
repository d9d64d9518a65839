"""The network in memory, under the gateway's real HTTP client: each ending is told as on a socket."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headgate.core.errors import UpstreamError
from headgate.core.ports import Deadlines, OutboundRequest
from headgate.core.types import Origin
from headgate.evaluation import Line, NetworkLoop, VirtualClock, Weather, run_virtual
from headgate.wire.client import HttpTransport

PORT = 9000
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
DEADLINES = Deadlines(connect_s=3.0, first_token_s=20.0, idle_s=30.0, total_s=120.0)


class Scripted:
    """A peer that does one thing to each request."""

    def __init__(self, line: Line, does: Callable[[Line], None]) -> None:
        self.line = line
        self.does = does
        self.ended = 0

    def received(self, data: bytes) -> None:
        self.does(self.line)

    def resumed(self) -> None:
        return

    def left(self) -> None:
        self.ended += 1


def ask(does: Callable[[Line], None], weather: Weather = Weather.CLEAR, times: int = 1) -> tuple[list[str], float, int]:
    """What each of so many requests in a row gets, after how many seconds in all, and the connections made."""
    made: list[Scripted] = []

    async def main(loop: NetworkLoop) -> tuple[list[str], float]:
        def accept(line: Line) -> Scripted:
            made.append(Scripted(line, does))
            return made[-1]

        loop.network.serve(PORT, accept)
        loop.network.weather(PORT, weather)
        clock = VirtualClock(loop)
        transport = HttpTransport(clock)
        origin = Origin("http", "127.0.0.1", PORT, True)
        got: list[str] = []
        for _ in range(times):
            request = OutboundRequest(origin, b"POST /x HTTP/1.1\r\nhost: a\r\n", b"{}", DEADLINES)
            try:
                answer = await transport.send(request)
                body = b""
                while (data := await answer.read()) is not None:
                    body += data
                answer.release()
                got.append(body.decode())
            except UpstreamError as error:
                got.append(error.kind)
        took_s = clock.seconds()
        await transport.close()
        await clock.sleep(0)
        assert loop.network.open() == 0
        return got, took_s

    got, took_s = run_virtual(NetworkLoop(), main)
    assert all(peer.ended == 1 for peer in made)
    return got, took_s, len(made)


def send(*parts: bytes, then: Callable[[Line], None] = lambda line: None) -> Callable[[Line], None]:
    def does(line: Line) -> None:
        for part in parts:
            line.deliver(part)
        then(line)

    return does


def test_a_good_answer_and_its_connection_used_again() -> None:
    assert ask(send(GOOD[:20], GOOD[20:]), times=3) == (["hello"] * 3, 0.0, 1)


@pytest.mark.parametrize(
    ("does", "kind", "took_s"),
    [
        (send(), "first_token_timeout", 20.0),
        (send(GOOD[:-5]), "first_token_timeout", 20.0),
        (send(GOOD[:-2]), "idle_timeout", 30.0),
        (send(then=Line.reset), "connection_reset", 0.0),
        (send(then=Line.finish), "connection_reset", 0.0),
        (send(GOOD[:-2], then=Line.reset), "connection_reset", 0.0),
        (send(GOOD[:-2], then=Line.finish), "truncated", 0.0),
        (send(b"what?\r\n\r\n"), "malformed_response", 0.0),
    ],
    ids=["hang", "silent", "stall", "reset", "closed", "reset-late", "cut", "no-http"],
)
def test_each_ending_is_told(does: Callable[[Line], None], kind: str, took_s: float) -> None:
    assert ask(does)[:2] == ([kind], took_s)


def test_bad_weather_is_refused_or_times_out() -> None:
    assert ask(send(GOOD), Weather.REFUSED) == (["connect_failed"], 0.0, 0)
    assert ask(send(GOOD), Weather.BLACKHOLE) == (["connect_timeout"], 3.0, 0)


def test_a_blackhole_swallows_what_is_under_way_and_a_refusal_resets_it() -> None:
    def then(weather: Weather) -> Callable[[NetworkLoop], None]:
        return lambda loop: loop.network.weather(PORT, weather)

    assert cut_short(then(Weather.BLACKHOLE)) == ("idle_timeout", 31.0)
    assert cut_short(then(Weather.REFUSED)) == ("connection_reset", 1.0)


def cut_short(strikes: Callable[[NetworkLoop], None]) -> tuple[str, float]:
    """What becomes of an answer whose first half came before the weather struck, and when."""

    async def main(loop: NetworkLoop) -> tuple[str, float]:
        clock = VirtualClock(loop)
        loop.network.serve(PORT, lambda line: Scripted(line, lambda line: send_halves(line, clock)))
        transport = HttpTransport(clock)
        request = OutboundRequest(Origin("http", "127.0.0.1", PORT, True), b"POST /x HTTP/1.1\r\n", b"{}", DEADLINES)
        answer = await transport.send(request)
        assert await answer.read() == b"he"
        clock.call_later(1.0, lambda: strikes(loop))
        with pytest.raises(UpstreamError) as failed:
            while await answer.read() is not None:
                continue
        answer.abort()
        took_s = clock.seconds()
        await clock.sleep(5.0)
        return failed.value.kind, took_s

    return run_virtual(NetworkLoop(), main)


def send_halves(line: Line, clock: VirtualClock) -> None:
    line.deliver(GOOD[:-3])
    clock.call_later(1.0, lambda: line.deliver(b"l"))
    clock.call_later(2.0, lambda: line.deliver(b"lo"))
