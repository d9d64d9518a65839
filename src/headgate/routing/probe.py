"""Asks a target in trouble whether it is back, with the least that can be asked, so that no user has to.

A probe goes through the same endpoint and transport as a call. It belongs to no tenant: no key, no budget; what it
cost and what came of it is told to `ProbeLog`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from headgate.core.chat import ChatRequest, Message, Text
from headgate.core.errors import CallerError, UpstreamError
from headgate.core.ports import Clock, Deadlines, OutboundRequest, ProbeLog, Transport
from headgate.core.snapshot import Target
from headgate.core.types import Header
from headgate.dialects.base import Dialect
from headgate.routing.attempt import Attempt, error_body
from headgate.routing.health import Health
from headgate.routing.pace import Paces

PROBES_MAX = 4  # at once
DEADLINES = Deadlines(3.0, 10.0, 10.0, 15.0)
MARK: Header = (b"x-headgate-probe", b"1")
MAX_TOKENS = 1
_WHY = "a probe: is it back?"


class Prober:
    """Sends probes in the background, at most PROBES_MAX at once and one per target."""

    __slots__ = ("_clock", "_dialects", "_health", "_log", "_paces", "_running", "_transport")

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        dialects: Mapping[str, Dialect],
        health: Health,
        paces: Paces,
        log: ProbeLog | None,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._dialects = dialects
        self._health = health
        self._paces = paces
        self._log = log
        self._running: set[asyncio.Task[None]] = set()

    def start(self, target: Target) -> None:
        """Probes a target that is due, unless it is being probed or enough probes are under way. Does not wait."""
        if len(self._running) >= PROBES_MAX or not self._health.claim(target):
            return
        task = asyncio.get_running_loop().create_task(self._probe(target), name=f"probe {target}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _probe(self, target: Target) -> None:
        health = self._health
        try:
            started_ns, error = await self._once(target)
            if error is not None and error.kind == "too_slow" and not health.opened(target):
                started_ns, error = await self._once(target)  # one slow answer may be chance
        finally:
            health.unclaim(target)
        health.probed(target, error, started_ns)

    async def _once(self, target: Target) -> tuple[int, UpstreamError | None]:
        """(when it was asked, what was wrong with its answer)."""
        clock = self._clock
        stream = self._health.streamed(target)
        attempt = Attempt(clock.monotonic_ns(), target, 1, _WHY, clock)
        at_ns = clock.now_ns()
        error: UpstreamError | None = None
        try:
            await self._ask(attempt, self._request(target, stream), stream)
        except UpstreamError as failed:
            error = failed
            attempt.close("failed", failed)
        except CallerError:
            attempt.close("skipped")  # its dialect cannot say even this: a few calls will find out
        else:
            error = self._judged(attempt)
            attempt.close("ok" if error is None else "failed", error)
        finally:
            attempt.close("cut")
            attempt.drop()
        if self._log is not None:
            self._log.probed(at_ns, attempt.record)
        return attempt.started_ns, error

    def _judged(self, attempt: Attempt) -> UpstreamError | None:
        """An answer that is as slow as those that got the target into trouble is no answer."""
        record = attempt.record
        first_us = None
        if attempt.stream and record.first_token_us is not None:
            first_us = record.first_token_us - record.started_us
        now_ns = self._clock.monotonic_ns()
        took_us = (now_ns - attempt.started_ns) // 1000
        if not self._paces.probed(attempt.target, first_us, took_us, record.output_tokens, now_ns):
            return None
        return UpstreamError("too_slow", "it answers, and as slowly as before")

    def _request(self, target: Target, stream: bool) -> OutboundRequest:
        """Raises CannotCarry or InvalidRequest where it cannot be written for this target."""
        asked = ChatRequest([Message("user", [Text("ping")])], max_tokens=MAX_TOKENS, stream=stream)
        dialect = self._dialects[target.endpoint.dialect]
        body = dialect.write_request(asked, target.model, target.abilities).body
        return target.endpoint.request(target.model, stream, body, (MARK,), DEADLINES)

    async def _ask(self, attempt: Attempt, request: OutboundRequest, stream: bool) -> None:
        """Reads the whole answer. Raises UpstreamError where there is none."""
        endpoint = attempt.target.endpoint
        attempt.asks(request, stream)
        inbound = await self._transport.send(request)
        if not 200 <= inbound.status < 300:
            attempt.heard(inbound)
            raise endpoint.failure(inbound.status, inbound.headers, await error_body(inbound, self._clock))
        reader = self._dialects[endpoint.dialect].reader(stream, True)
        attempt.answers(inbound, reader)
        while await attempt.read(False) is not None:
            pass
