"""What a served application sees of HTTP: a request, and an exchange to answer it with. Protocol and ASGI make both."""

from __future__ import annotations

from typing import Protocol

import msgspec

from headgate.wire.request import Refusal, Request


class Rendered(msgspec.Struct, frozen=True):
    """A whole answer's headers and body. `headers` are complete lines, each ended by CRLF, without framing."""

    headers: bytes
    body: bytes


class Exchange(Protocol):
    """One answer: either `send` once, or `begin`, any number of `write`, then `finish`.

    Nothing here waits but `drain`. The head goes out together with the first bytes of the body, in one write.
    """

    started: bool
    finished: bool
    paused: bool

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer at once, framed by Content-Length."""
        ...

    def begin(self, status: int, headers: bytes) -> None:
        """Start a streamed answer; the head waits for the first body bytes."""
        ...

    def write(self, data: bytes) -> None:
        """More of the body. Call `drain` after it while `paused` is set."""
        ...

    def finish(self, data: bytes = b"") -> None:
        """The last of the body and the end mark, in one write."""
        ...

    def abort(self) -> None:
        """Cut the connection, so that what was sent cannot be taken for complete."""
        ...

    async def drain(self) -> None:
        """Wait until a slow reader has caught up; the task is cancelled where it does not in time."""
        ...


class Handler(Protocol):
    """What is served."""

    async def serve(self, request: Request, exchange: Exchange) -> None:
        """Answer one request. Cancelled when the client leaves."""
        ...

    def refuse(self, refusal: Refusal) -> Rendered:
        """The body of an answer that the server itself gives, in the manner of `refusal.target`."""
        ...
