"""The client's end of a call: what it received, and whether that is the whole, right answer in its own dialect."""

from __future__ import annotations

from typing import Protocol

from headgate.core.chat import Finish, TextDelta
from headgate.core.errors import UpstreamError
from headgate.core.ports import Clock
from headgate.core.record import CallRecord
from headgate.dialects.base import Dialect

_CALL_ID = b"x-headgate-call-id: "


class ClientExchange:
    """Implements `wire.exchange.Exchange`; the client reads as fast as it is written to."""

    __slots__ = ("_clock", "_headers", "_parts", "ended_ns", "finished", "paused", "started", "status")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._headers = b""
        self._parts: list[bytes] = []
        self.status: int | None = None
        self.ended_ns: int | None = None
        self.started = False
        self.finished = False
        self.paused = False

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer at once."""
        self.begin(status, headers)
        self.finish(body)

    def begin(self, status: int, headers: bytes) -> None:
        """A streamed answer starts."""
        self.started = True
        self.status = status
        self._headers = headers

    def write(self, data: bytes) -> None:
        """More of the body."""
        self._parts.append(data)

    def finish(self, data: bytes = b"") -> None:
        """The last of the body."""
        self._parts.append(data)
        self.finished = True
        self.ended_ns = self._clock.monotonic_ns()

    def abort(self) -> None:
        """The connection is cut."""
        self.ended_ns = self._clock.monotonic_ns()

    async def drain(self) -> None:
        """There is always room."""

    @property
    def body(self) -> bytes:
        """All bytes of the body."""
        return b"".join(self._parts)

    @property
    def call_id(self) -> str:
        """The call's id as the answer's headers tell it; empty where they do not."""
        _, found, rest = self._headers.partition(_CALL_ID)
        return rest.partition(b"\r\n")[0].decode() if found else ""


class Received(Protocol):
    """An answer as it came: `finished` where its body ended as HTTP says it must."""

    @property
    def status(self) -> int | None:
        """None: no answer at all."""
        ...

    @property
    def finished(self) -> bool:
        """See the class."""
        ...

    @property
    def body(self) -> bytes:
        """All bytes of the body."""
        ...


def failure(exchange: Received, dialect: Dialect, stream: bool, wanted: str) -> str | None:
    """What the client got in place of the whole, right answer; None where it got that."""
    if exchange.status is None:
        return "no answer"
    if exchange.status != 200:
        return f"HTTP {exchange.status}"
    if not exchange.finished:
        return "connection cut"
    reader = dialect.reader(stream, True)
    try:
        frames = [*reader.feed(exchange.body), *reader.end()]
    except UpstreamError as error:
        return f"stream ended by an error ({error.kind})" if stream else f"unreadable answer ({error.kind})"
    deltas = [delta for frame in frames for delta in frame.deltas]
    reasons = [delta.reason for delta in deltas if isinstance(delta, Finish)]
    said = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
    return None if said == wanted and reasons == ["stop"] else "wrong answer"


def told(seen: str | None, record: CallRecord | None) -> str | None:
    """The failure with what the gateway itself has on record: a failure that it takes for a success is the worst."""
    if record is None:
        return f"{seen or 'a good answer'}, and no record"
    if seen is None:
        return None if record.outcome == "ok" else f"a good answer, on record as {record.outcome}"
    return f"{seen}: {record.error}" if record.outcome != "ok" else f"{seen}, on record as ok"
