"""What rooms ask of the world and of each other. `app` wires the real ones, tests and drills wire their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from headgate.core.types import ArtifactRef, Header, Json, Origin

if TYPE_CHECKING:
    from headgate.core.chat import Batch
    from headgate.core.discovery import PromptSample
    from headgate.core.errors import UpstreamError
    from headgate.core.events import Event
    from headgate.core.record import AttemptRecord, CallRecord, GapRecord
    from headgate.core.stages import Grounded, Passed, Prompted, Screened


class TimerHandle(Protocol):
    """A pending callback."""

    def cancel(self) -> None:
        """Forget the callback; harmless when it already ran."""
        ...


class Clock(Protocol):
    """Time. Wall time stamps records; monotonic time measures; both are integer nanoseconds."""

    def now_ns(self) -> int:
        """Wall clock, nanoseconds since the Unix epoch."""
        ...

    def monotonic_ns(self) -> int:
        """Monotonic clock, nanoseconds since an arbitrary point."""
        ...

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> TimerHandle:
        """Run `callback` on the event loop after `delay_s` seconds."""
        ...

    async def sleep(self, delay_s: float, /) -> None:
        """Wait `delay_s` seconds."""
        ...


class Entropy(Protocol):
    """Randomness."""

    def bytes(self, count: int, /) -> bytes:
        """`count` bytes fit for secrets."""
        ...

    def uniform(self) -> float:
        """A float in [0, 1), for jitter and sampling; not for secrets."""
        ...


# -- HTTP out -----------------------------------------------------------------------------------------------------


class Deadlines(msgspec.Struct, frozen=True, gc=False):
    """How long to wait, in seconds: for the connection, the first token, between two reads, for the whole call.

    `min_rate` is in characters of content a second: a stream that brings fewer is given up. 0: however few.
    """

    connect_s: float = 3.0
    first_token_s: float = 60.0
    idle_s: float = 60.0
    total_s: float = 600.0
    min_rate: float = 1.0


class OutboundRequest(msgspec.Struct, gc=False):
    """One HTTP request to a provider.

    `head` is everything from the request line to the last header, each line ended by CRLF, without content-length and
    the closing empty line: endpoints build it once per model, the transport appends the rest.
    """

    origin: Origin
    head: bytes
    body: bytes
    deadlines: Deadlines
    answer: Inbound | None = None  # set once it is sent: what may be called off before its head is there

    def __repr__(self) -> str:
        """Where to and how much: the head holds a secret and the body is content."""
        return f"OutboundRequest({self.origin.host}, {len(self.body)} bytes)"


class Inbound(Protocol):
    """A provider's HTTP answer whose head has arrived."""

    status: int
    headers: Sequence[Header]

    async def read(self) -> bytes | None:
        """All body bytes that arrived since the last read; None at the clean end.

        Raises UpstreamError: truncated, connection_reset, idle_timeout, total_timeout, malformed_response,
        response_too_large.
        """
        ...

    def release(self) -> None:
        """Done: the connection goes back to the pool if the body was read to its end, else it is closed."""
        ...

    def abort(self) -> None:
        """Close the connection at once. Safe to call twice and after release."""
        ...

    def call_off(self) -> None:
        """Close the connection at once; whoever waits for more gets UpstreamError called_off."""
        ...


class Transport(Protocol):
    """Sends requests to providers over pooled connections."""

    async def send(self, request: OutboundRequest) -> Inbound:
        """Resolves when the answer's head has arrived.

        Raises UpstreamError: connect_failed, dns_failed, tls_failed, connect_timeout, first_token_timeout,
        connection_reset, malformed_response, pool_exhausted, address_refused.
        """
        ...


# -- providers ----------------------------------------------------------------------------------------------------


class Endpoint(Protocol):
    """A provider account compiled into the snapshot: where it listens, which dialect it speaks, how it fails."""

    name: str
    dialect: str

    def request(
        self, model: str, stream: bool, body: bytes, extra: Sequence[Header], within: Deadlines
    ) -> OutboundRequest:
        """The HTTP request for `body`; `extra` are client headers that may pass (beta flags, API version)."""
        ...

    def failure(self, status: int, headers: Sequence[Header], body: bytes) -> UpstreamError:
        """What a non-2xx answer means."""
        ...


# -- behaviour compiled from artifacts ------------------------------------------------------------------------------


class PromptProgram(Protocol):
    """A prompt ready to render. `uses` are the partials in it, pinned with it."""

    ref: ArtifactRef
    uses: tuple[ArtifactRef, ...]

    def render(self, variables: Mapping[str, Json]) -> list[tuple[str, str]]:
        """(role, text) pairs in order. Raises InvalidRequest naming a missing, extra or ill-typed variable."""
        ...

    @property
    def settings(self) -> Mapping[str, Json]:
        """Model settings pinned with the prompt: temperature, max_tokens, ..."""
        ...


class Screen(Protocol):
    """The output screen of one call: the only maker of `Passed`."""

    async def feed(self, batch: Batch) -> Passed:
        """What may go out now. A batch with a new attempt number starts the screen afresh.

        A block is not an exception: `Passed.blocked` names the rule, and the reply ends in the dialect's own way.
        """
        ...

    async def finish(self) -> Passed:
        """The held tail, or the block once more."""
        ...


class Policy(Protocol):
    """A guardrail artifact ready to run."""

    ref: ArtifactRef | None

    async def screen_input(self, grounded: Grounded) -> Screened:
        """Raises PolicyBlocked."""
        ...

    def output(self, screened: Screened) -> Screen:
        """A fresh screen for one call."""
        ...


class Retriever(Protocol):
    """Finds what we know about a question. Filled by the retrieval room of a later release."""

    ref: ArtifactRef

    async def retrieve(self, prompted: Prompted) -> Grounded:
        """The prompt with its context and the passages used."""
        ...


class ProbeLog(Protocol):
    """Keeps what probes of targets in trouble came to; they belong to no call and no tenant."""

    def probed(self, at_ns: int, record: AttemptRecord) -> None:
        """A probe that began at wall time `at_ns` is over; the record's times count from there."""
        ...


class EventSink(Protocol):
    """Takes what an operator should hear of."""

    def emit(self, event: Event) -> None:
        """Never waits and never raises; what does not fit any more is counted."""
        ...


# -- the record -----------------------------------------------------------------------------------------------------


class Journal(Protocol):
    """The append-only local journal. Appending never waits; a full or failing disk counts the loss."""

    def opened(self, record: CallRecord) -> None:
        """The call is in flight: if we are killed now it will read as aborted. Raises Overloaded where full."""
        ...

    def sealed(self, record: CallRecord) -> None:
        """The finished record. On return it survives kill -9."""
        ...

    def gap(self, gap: GapRecord) -> None:
        """Records were lost; say so as soon as there is room."""
        ...

    def sampled(self, sample: PromptSample) -> bool:
        """Tell of a prompt that is not registered; whether there was room for it."""
        ...
