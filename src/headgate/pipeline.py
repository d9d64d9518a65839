"""The page: a request's way through Headgate, read top to bottom.

Each stage returns the only type the next one accepts (`core.stages`), so a skipped stage does not type-check, and only
the output screen makes what `Reply.write` takes. The page is a coroutine: a client that leaves cancels its task, and
every clean-up below runs before the task ends. Deadlines live inside routing; nothing here waits without one.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from headgate.core.chat import Batch
from headgate.core.errors import HeadgateError
from headgate.core.ports import Screen
from headgate.core.stages import Admitted, Call, Funded, Grounded, Passed, Planned, Prompted, Screened, Selected


class Witness(Protocol):
    """Keeps the record of one call."""

    def open(self, funded: Funded) -> None:
        """The call is in flight from here on: killed now, it reads as aborted."""
        ...

    def saw(self, passed: Passed) -> None:
        """Note first token, finish and model of what goes out."""
        ...

    def seal(self) -> None:
        """On return the finished record is in the journal."""
        ...


class Upstream(Protocol):
    """The answer as it arrives, with failover inside until it is committed."""

    async def read(self) -> Batch | None:
        """The frames of one upstream read; None at the complete end. Raises UpstreamError when nothing is left."""
        ...

    def commit(self) -> None:
        """The client has seen content: no other target may be asked."""
        ...


class Telemetry(Protocol):
    """Owns the record."""

    def witness(self, call: Call) -> AbstractAsyncContextManager[Witness]:
        """Seals the record on every way out, refusals, failures and hang-ups included."""
        ...

    def refused(self, call: Call, error: HeadgateError) -> None:
        """Puts a call on record that ended before anybody looked at it."""
        ...


class Admission(Protocol):
    """Owns keys, limits and budgets."""

    def identify(self, call: Call) -> Admitted:
        """Who asks, for what is no call to a model. Raises Unauthenticated, LimitExceeded."""
        ...

    def admit(self, call: Call) -> Admitted:
        """Raises Unauthenticated, LimitExceeded, Overloaded."""
        ...

    def reserve(self, planned: Planned) -> AbstractContextManager[Funded]:
        """Holds the worst case, settles what it really was on exit. Raises LimitExceeded, BudgetExceeded."""
        ...


class Releases(Protocol):
    """Owns which release answers."""

    def select(self, admitted: Admitted) -> Selected:
        """Raises InvalidRequest, ModelNotFound."""
        ...


class Prompts(Protocol):
    """Owns the exact text."""

    def render(self, selected: Selected) -> Prompted:
        """Raises InvalidRequest naming the variable at fault."""
        ...


class Retrieval(Protocol):
    """Owns what we know."""

    async def ground(self, prompted: Prompted) -> Grounded:
        """The prompt with its context."""
        ...


class Guardrails(Protocol):
    """Owns what may leave and what may come back."""

    async def screen_input(self, grounded: Grounded) -> Screened:
        """Raises PolicyBlocked."""
        ...

    def output(self, screened: Screened) -> Screen:
        """A fresh output screen."""
        ...


class Routing(Protocol):
    """Owns whom to ask."""

    def plan(self, screened: Screened) -> Planned:
        """Raises CannotCarry where no target can say what the request says."""
        ...

    def send(self, funded: Funded) -> AbstractAsyncContextManager[Upstream]:
        """Asks the candidates in order; on exit the connection is released or aborted."""
        ...


class Reply(Protocol):
    """The client's side of the call."""

    async def write(self, passed: Passed) -> None:
        """Send frames; status and first frame go out with the first content. Waits for a slow reader, bounded."""
        ...

    async def end(self, passed: Passed) -> None:
        """Send the held tail and the last byte."""
        ...


class Gate:
    """The rooms, wired by `app`."""

    __slots__ = ("admission", "guardrails", "prompts", "releases", "retrieval", "routing", "telemetry")

    telemetry: Telemetry
    admission: Admission
    releases: Releases
    prompts: Prompts
    retrieval: Retrieval
    guardrails: Guardrails
    routing: Routing


async def answer(gate: Gate, call: Call, reply: Reply) -> None:
    """Answer one call. Raises HeadgateError; the record is sealed by then and the edge renders the error."""
    async with gate.telemetry.witness(call) as witness:  # records refusals and hang-ups too
        admitted = gate.admission.admit(call)  # who are you, may you
        selected = gate.releases.select(admitted)  # which app, release, channel
        prompted = gate.prompts.render(selected)  # the exact text
        grounded = await gate.retrieval.ground(prompted)  # what we know; what fits
        screened = await gate.guardrails.screen_input(grounded)  # may this leave
        planned = gate.routing.plan(screened)  # whom to ask
        with gate.admission.reserve(planned) as funded:  # can you afford it
            witness.open(funded)  # in the journal as in flight
            async with gate.routing.send(funded) as upstream:  # failover inside
                screen = gate.guardrails.output(screened)  # may this come back
                while (batch := await upstream.read()) is not None:
                    passed = await screen.feed(batch)
                    witness.saw(passed)
                    if passed.commits:
                        upstream.commit()
                    await reply.write(passed)
                    if passed.blocked is not None:
                        break
                passed = await screen.finish()  # the held tail
                witness.saw(passed)
            witness.seal()  # the record is in the journal
        await reply.end(passed)  # only then the last byte
