"""Events to an address of the operator's: signed JSON, in order, tried again for a while, in nobody's way."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections import deque
from collections.abc import Sequence

import msgspec

from headgate import __version__
from headgate.core.errors import UpstreamError
from headgate.core.events import StoredEvent
from headgate.core.ports import Clock, Deadlines, OutboundRequest, Transport
from headgate.providers.settings import Address
from headgate.telemetry import SEVERITIES, line_of

QUEUE_MAX = 1000
PAUSES_S = (1.0, 5.0, 30.0, 120.0)  # before another try; then the event is given up
DEADLINES = Deadlines(3.0, 10.0, 10.0, 15.0)
ANSWER_BYTES_MAX = 64 * 1024

log = logging.getLogger(__name__)


class WebhookSettings(msgspec.Struct, frozen=True):
    """Where to, what to sign with (None: unsigned), and from which severity on."""

    address: Address
    secret: bytes | None
    min_severity: str = "warning"


class Webhook:
    """Delivers events one after the other. `offer` may be called from any thread, `run` is one task of the loop."""

    def __init__(self, settings: WebhookSettings, transport: Transport, clock: Clock) -> None:
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._least = SEVERITIES.index(settings.min_severity)
        self._queue: deque[StoredEvent] = deque()
        self.dropped = 0
        self.delivered = 0

    def offer(self, events: Sequence[StoredEvent]) -> None:
        """Queue what is grave enough; beyond QUEUE_MAX the oldest is dropped and counted."""
        for stored in events:
            severity = stored.event.severity
            if severity in SEVERITIES and SEVERITIES.index(severity) < self._least:
                continue
            if len(self._queue) >= QUEUE_MAX:
                self._queue.popleft()
                self.dropped += 1
            self._queue.append(stored)

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            while self._queue:
                await self._deliver(self._queue.popleft())
            await self._clock.sleep(0.5)

    async def _deliver(self, stored: StoredEvent) -> None:
        body = msgspec.json.encode(line_of(stored))
        for pause_s in (*PAUSES_S, None):
            failure = await self._post(body)
            if failure is None:
                self.delivered += 1
                return
            if pause_s is None:
                self.dropped += 1
                log.error("webhook: %s of %s was given up: %s", stored.event.kind, stored.event.subject, failure)
                return
            await self._clock.sleep(pause_s)

    async def _post(self, body: bytes) -> str | None:
        """One try; why it failed, None where it was taken."""
        address = self._settings.address
        try:
            inbound = await self._transport.send(OutboundRequest(address.origin, self._head(body), body, DEADLINES))
        except UpstreamError as error:
            return error.kind
        size = 0
        try:
            while size < ANSWER_BYTES_MAX and (data := await inbound.read()) is not None:
                size += len(data)
        except UpstreamError as error:
            inbound.abort()
            return None if 200 <= inbound.status < 300 else error.kind
        inbound.release()
        return None if 200 <= inbound.status < 300 else f"status {inbound.status}"

    def _head(self, body: bytes) -> bytes:
        address = self._settings.address
        lines = [
            f"POST {address.prefix or '/'} HTTP/1.1", f"host: {address.host}", f"user-agent: headgate/{__version__}",
            "content-type: application/json",
        ]  # fmt: skip
        if self._settings.secret is not None:
            at_s = self._clock.now_ns() // 1_000_000_000
            lines.append(f"x-headgate-signature: {signature(self._settings.secret, at_s, body)}")
        return "\r\n".join(lines).encode() + b"\r\n"


def signature(secret: bytes, at_s: int, body: bytes) -> str:
    """`t=1795587175,v1=...`: HMAC-SHA256 of `t`, a dot and the body, in hex. `at_s`: Unix seconds."""
    made = hmac.new(secret, b"%d.%b" % (at_s, body), hashlib.sha256)
    return f"t={at_s},v1={made.hexdigest()}"
