"""An outage drill over real sockets: clients call a running gateway while the vendors behind it fail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from headgate.app.drills.caller import Manner, Reply, call
from headgate.app.drills.client import failure, told
from headgate.app.drills.traffic import Kind, Traffic, request, words
from headgate.core.ports import Clock, Entropy
from headgate.core.record import AttemptRecord, CallRecord
from headgate.dialects import DIALECTS
from headgate.evaluation import Outage, Sample, Try
from headgate.wire.request import Head, Request

PATIENCE_S = 150.0  # longer than any deadline of the drill's routes
RECORD_S = 20.0  # until a finished call can be read back
TOGETHER_MAX = 2000  # calls under way at once
_ASK_AGAIN_S = 0.2
_CLIENT = Manner(patience_s=PATIENCE_S)


class Place(msgspec.Struct, frozen=True):
    """A running gateway: (host, port) for calls and for management, its admin key, keys for calls, and the simulated
    vendors by provider."""

    calls: tuple[str, int]
    management: tuple[str, int]
    admin: str
    keys: Sequence[str]
    vendors: Mapping[str, tuple[str, int]]


class Hands(Protocol):
    """What reaches a vendor's process from outside. Both may block: they are called on a thread."""

    def strike(self, provider: str, weather: str) -> None:
        """Makes the vendor unreachable in that way."""
        ...

    def mend(self, provider: str, weather: str) -> None:
        """Makes it reachable again."""
        ...


class _Ended(msgspec.Struct):
    """A call that is over, before its record is read."""

    kind: Kind
    number: int
    at_ns: int
    latency_ns: int
    reply: Reply


class LiveDrill:
    """One drill. `run` makes all calls and reads their records."""

    def __init__(self, outage: Outage, place: Place, hands: Hands, clock: Clock) -> None:
        self._outage = outage
        self._place = place
        self._hands = hands
        self._clock = clock
        self._begun_ns = 0
        self._ended: list[_Ended] = []

    async def run(self, every: Sequence[Kind], chance: Entropy) -> list[Sample]:
        """All calls, as their clients saw them. Raises OSError where the vendors cannot be told to fail."""
        outage, clock = self._outage, self._clock
        traffic = Traffic(every, outage.rate, chance)
        self._begun_ns = clock.monotonic_ns()
        breaking = asyncio.ensure_future(self._break())
        until_s = outage.lead_s + outage.outage_s + outage.tail_s
        at_s, number = traffic.gap(), 0
        calling: set[asyncio.Task[None]] = set()
        while at_s < until_s:
            await clock.sleep(max(at_s - (clock.monotonic_ns() - self._begun_ns) / 1e9, 0.0))
            number += 1
            if len(calling) >= TOGETHER_MAX:
                await asyncio.wait(calling, return_when=asyncio.FIRST_COMPLETED)
            task = asyncio.ensure_future(self._call(traffic.kind(number), number))
            calling.add(task)
            task.add_done_callback(calling.discard)
            at_s += traffic.gap()
        await asyncio.gather(*calling)
        await breaking
        return [await self._sample(one) for one in self._ended]

    async def _call(self, kind: Kind, number: int) -> None:
        key = self._place.keys[number % len(self._place.keys)]
        began_ns = self._clock.monotonic_ns()
        reply = await call(self._clock, self._place.calls, request(kind, number, key), _CLIENT)
        latency_ns = self._clock.monotonic_ns() - began_ns
        self._ended.append(_Ended(kind, number, began_ns - self._begun_ns, latency_ns, reply))

    async def _break(self) -> None:
        """The outage, from its beginning to its end."""
        outage, mode = self._outage, self._outage.mode
        await self._clock.sleep(outage.lead_s)
        for provider in outage.providers:
            if mode.fault is not None:
                await self._rule(provider, mode.fault)
            if mode.weather is not None:
                await asyncio.to_thread(self._hands.strike, provider, mode.weather)
        await self._clock.sleep(outage.outage_s)
        for provider in outage.providers:
            if mode.weather is not None:
                await asyncio.to_thread(self._hands.mend, provider, mode.weather)

    async def _rule(self, provider: str, fault: str) -> None:
        """The vendor's simulator is told to fail for the time of the outage."""
        rule = {
            "vendor": provider,
            "fault": fault,
            "share": self._outage.struck,
            "seconds": self._outage.outage_s,
        }
        reply = await self._ask(self._place.vendors[provider], "POST", "/__control", msgspec.json.encode(rule))
        if reply.status != 200:
            raise OSError(f"the simulator of {provider} does not take the fault {fault}")

    async def _sample(self, one: _Ended) -> Sample:
        kind = one.kind
        record = await self._record(one.reply.call_id)
        seen = told(failure(one.reply, DIALECTS[kind.dialect], kind.stream, words(one.number)), record)
        tries = () if record is None else tuple(Try(at.provider, at.error or at.outcome) for at in record.attempts)
        return Sample(kind.name, kind.first, one.at_ns, one.latency_ns, seen, tries)

    async def _record(self, call_id: str) -> CallRecord | None:
        """A finished call as the management API tells it; None where it does not within RECORD_S."""
        until_ns = self._clock.monotonic_ns() + int(RECORD_S * 1e9)
        while call_id:
            reply = await self._ask(self._place.management, "GET", f"/api/calls/{call_id}")
            if reply.status == 200:
                found = msgspec.json.decode(reply.body, type=_Told)
                if found.call.outcome != "in_flight":
                    return found.record(call_id)
            if self._clock.monotonic_ns() > until_ns:
                return None
            await self._clock.sleep(_ASK_AGAIN_S)
        return None

    async def _ask(self, address: tuple[str, int], method: str, path: str, body: bytes = b"") -> Reply:
        headers = [(b"authorization", f"Bearer {self._place.admin}".encode()), (b"content-type", b"application/json")]
        return await call(self._clock, address, Request(Head(method, path, "", headers), body, ""))


class _Attempt(msgspec.Struct):
    provider: str
    model: str
    outcome: str
    error: str | None = None


class _Call(msgspec.Struct):
    outcome: str
    error: str | None = None


class _Told(msgspec.Struct):
    """What a drill needs of `GET /api/calls/ID`."""

    call: _Call
    attempts: list[_Attempt]

    def record(self, call_id: str) -> CallRecord:
        """As a record."""
        attempts = [
            AttemptRecord(at.provider, at.model, 0, "", outcome=at.outcome, error=at.error) for at in self.attempts
        ]
        return CallRecord(call_id, 0, "", outcome=self.call.outcome, error=self.call.error, attempts=attempts)
