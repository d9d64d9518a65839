"""Asks the candidates in order until one answers; before the commit a failure is unseen, after it it is told."""

from __future__ import annotations

import asyncio
import itertools
from types import TracebackType

from headgate.core.chat import Batch, Frame
from headgate.core.errors import CallerError, GatewayError, UpstreamError
from headgate.core.ports import Deadlines, Inbound, OutboundRequest
from headgate.core.record import SkipRecord
from headgate.core.snapshot import Hedging, Target
from headgate.core.stages import Candidate, Funded
from headgate.core.types import Usage, money
from headgate.dialects.base import CHARS_PER_TOKEN, Read
from headgate.routing.attempt import Attempt, error_body
from headgate.routing.continuation import Continuation
from headgate.routing.hedge import Runner, race
from headgate.routing.means import WHOLE_FACTOR, Means, shortened
from headgate.routing.outcome import Failure, most_telling
from headgate.routing.output import spliced, translated
from headgate.routing.pace import Verdict, work_of
from headgate.routing.passing import passing
from headgate.routing.probe import DEADLINES as PROBED


class Sending:
    """The answer to one call as it arrives (`pipeline.Upstream`)."""

    __slots__ = (
        "_asked", "_attempt", "_begun_ns", "_body", "_call", "_candidates", "_committed", "_done",
        "_failures", "_left", "_lost", "_means", "_misfit", "_only", "_outran", "_planned", "_read", "_rest",
        "_window", "exhausted",
    )  # fmt: skip

    def __init__(self, means: Means, funded: Funded) -> None:
        planned = funded.planned
        self._means = means
        self._planned = planned
        selected = planned.screened.grounded.prompted.selected
        self._call = selected.admitted.call
        self._asked = selected.asked
        self._body = planned.screened.body
        self._candidates = iter(planned.candidates)
        self._left = planned.route.attempts
        self._begun_ns = means.clock.monotonic_ns()
        self._attempt: Attempt | None = None
        self._failures: list[Failure] = []
        self._misfit: CallerError | None = None
        self._read: Read | CallerError | None = None
        self._window: int | None = None  # a larger context than this is needed, in tokens
        self._lost = self._call.record.dropped  # before any target was chosen: what the client's own dialect cannot say
        self._outran: Attempt | None = None  # the loser of a race for a whole answer
        self._only: str | None = None  # a model that nobody knows: others do not stand in for it
        self._committed = False
        self._done = False
        goes_on = planned.route.continue_with and self._asked.stream and self._asked.choices == 1
        self._rest = Continuation(means, planned) if goes_on else None
        self.exhausted = False  # everyone who may be asked was, and failed

    async def __aenter__(self) -> Sending:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        attempt = self._attempt
        if attempt is not None and not (attempt.over and attempt.record.outcome == "ok"):
            self._means.watch.remove(attempt)
            if attempt.complete:
                self._succeeded(attempt)
            attempt.close("cancelled" if kind is not None and issubclass(kind, asyncio.CancelledError) else "cut")
            attempt.drop()

    def commit(self) -> None:
        """The client has seen content: no other target may be asked."""
        if not self._committed:
            self._committed = True
            self._call.record.committed = True
            if self._attempt is not None:
                self._means.watch.remove(self._attempt)

    async def read(self) -> Batch | None:
        """The frames of one upstream read; None at the complete end.

        Raises UpstreamError: before the commit when nobody is left to ask, after it at once. CannotCarry and
        InvalidRequest where no candidate's format can say what the request says.
        """
        if self._done:
            return None
        ahead: list[Frame] | None = None
        if self._attempt is None and self._planned.route.hedge is not None:
            ahead = await self._race(self._planned.route.hedge)
        while True:
            attempt = self._attempt
            if attempt is None or attempt.record.outcome != "in_flight":
                attempt = await self._open()
            elif ahead is None and attempt.complete and attempt.over:
                self._done = True
                self._succeeded(attempt)
                return None
            try:
                frames, ahead = ahead or await attempt.read(self._committed), None
            except UpstreamError as error:
                failed = error
            else:
                rest = self._rest
                if rest is not None:
                    frames = rest.heard(attempt, frames, self._committed)
                    if frames is not None and not frames:
                        continue
                if frames is None:
                    self._done = True
                    self._succeeded(attempt)
                    return None
                begun = attempt if rest is None or rest.begun is None else rest.begun
                return Batch(frames, begun.number, begun.target.endpoint.dialect)
            self.failed(attempt, failed)

    def final(self, error: UpstreamError) -> None:
        """See `hedge.Tries`."""
        self._done = True
        raise error

    async def _race(self, hedge: Hedging) -> list[Frame] | None:
        """What the first of two tries to show content has said; None where none was run, or nobody won it."""
        means, planned = self._means, self._planned
        means.hedges.called(planned.route, hedge)
        first = planned.candidates[0]
        after_s = means.hedges.after_s(hedge, first.target, self._asked.stream)
        if after_s is None or first.held or len(planned.candidates) < 2:
            return None
        ended = await race(self, means.clock, after_s)
        if ended is None:
            return None
        won, frames = ended
        self._answering(won.attempt)
        self._call.record.dropped = won.dropped
        return frames or None

    def first(self) -> Runner:
        """See `hedge.Tries`."""
        candidate, request = self._next()
        return Runner(self._begin(candidate.target, candidate.why), request, self._call.record.dropped)

    def second(self) -> Runner | None:
        """See `hedge.Tries`. Only a target that is well, and a request whose tools are all the client's own."""
        means, record = self._means, self._call.record
        candidate = next(self._candidates, None)
        within = self._remaining()
        if candidate is None or within is None:
            return None
        self._candidates = itertools.chain((candidate,), self._candidates)  # it may be asked later all the same
        late = self._attempt
        if late is None or self._left < 1 or candidate.held or not means.health.healthy(candidate.target):
            return None
        before = record.dropped
        try:
            self._reading()
            request = self._request(candidate.target, within)
        except CallerError:
            return None
        if not means.hedges.take(self._planned.route):
            record.dropped = before
            return None
        next(self._candidates)
        self._left -= 1
        waited_s = (means.clock.monotonic_ns() - late.started_ns) / 1e9
        why = f"a hedge: {late.target} had shown nothing for {waited_s:.1f} s"
        return Runner(self._begin(candidate.target, why), request, record.dropped)

    def outrun(self, attempt: Attempt, left: bool) -> None:
        """See `hedge.Tries`. What a provider was asked is on its bill, whether its answer was waited for or not."""
        means, record = self._means, attempt.record
        means.watch.remove(attempt)
        attempt.close("cancelled" if left else "cut")
        attempt.drop()
        if left:
            return
        means.hedges.outrun(attempt.target, attempt.stream, (record.ended_us or 0) - record.started_us)
        if record.input_tokens is None and attempt.stream:
            self._estimated(attempt, record.chars // CHARS_PER_TOKEN)
        elif record.input_tokens is None:
            self._outran = attempt  # how much it would have said is taken from what the other one says

    def _estimated(self, attempt: Attempt, output_tokens: int) -> None:
        record = attempt.record
        record.input_tokens, record.output_tokens = self._planned.input_tokens, output_tokens
        record.cost_usd = money(attempt.target.price, Usage(record.input_tokens, output_tokens))

    async def _open(self) -> Attempt:
        """The next attempt whose answer's head is good. Raises when none is left."""
        while True:
            candidate, request = self._next()
            attempt = self._begin(candidate.target, candidate.why)
            try:
                await self.head(attempt, request)
            except UpstreamError as failed:
                error = failed
            else:
                return attempt
            self.failed(attempt, error)

    def _begin(self, target: Target, why: str) -> Attempt:
        """A try at a target is on record."""
        means, record = self._means, self._call.record
        if target.stands_for is not None:
            why = f"{why}, in the place of {target.stands_for}"
        attempt = Attempt(self._call.started_ns, target, len(record.attempts) + 1, why, means.clock)
        if means.health.troubled:
            means.health.began(target, attempt.started_ns)
            if not record.attempts:
                means.budget.called()
        record.attempts.append(attempt.record)
        self._answering(attempt)
        means.watch.add(attempt)
        return attempt

    def _answering(self, attempt: Attempt) -> None:
        record, target = self._call.record, attempt.target
        record.provider, record.target_model = target.provider, target.model
        record.target_dialect = target.endpoint.dialect
        self._attempt = attempt

    async def head(self, attempt: Attempt, request: OutboundRequest) -> None:
        """Sends the request of an attempt; returns once the head of a good answer is there. Raises UpstreamError."""
        attempt.asks(request, self._asked.stream)
        inbound = await self._means.transport.send(request)
        if 200 <= inbound.status < 300:
            self._answers(attempt, inbound)
            return
        attempt.heard(inbound)
        body = await error_body(inbound, self._means.clock)
        raise attempt.target.endpoint.failure(inbound.status, inbound.headers, body)

    def _answers(self, attempt: Attempt, inbound: Inbound) -> None:
        dialect, asked = attempt.target.endpoint.dialect, self._asked
        keep_usage = asked.wants_usage or dialect != self._call.dialect
        reader = self._means.dialects[dialect].reader(asked.stream, keep_usage, asked.choices)
        attempt.answers(inbound, reader)
        self._means.quotas.heard(attempt.target, attempt.headers)

    def _next(self) -> tuple[Candidate, OutboundRequest]:
        """The next candidate that fits, with its request. Raises what the call is told when there is none."""
        within = self._within() if self._left > 0 else None
        if within is not None and self._rest is not None and self._rest.begun is not None:
            found = self._rest.next(self._reading, within)
            if found is not None:
                self._left -= 1
                return found
        elif within is not None:
            for candidate in self._candidates:
                target = candidate.target
                if self._window is not None and (target.context is None or target.context <= self._window):
                    self._skip(target, "the request was too long for another target, and this one is not known larger")
                    continue
                if self._failures and (why := self._not_again(candidate)) is not None:
                    self._skip(target, why)
                    continue
                try:
                    request = self._request(target, self._patience(target, within))
                except CallerError as error:
                    self._misfit = self._misfit or error
                    self._skip(target, error.message)
                    continue
                self._left -= 1
                return candidate, request
        raise self._exhausted()

    def _not_again(self, candidate: Candidate) -> str | None:
        """Why the call may not go on to this candidate; None where it may."""
        if self._only is not None and candidate.target.model != self._only:
            return "the model asked for is unknown, also to its provider: another one is no stand-in for a wrong name"
        if self._planned.candidates[0].held:
            return "every target is in trouble: only the best of them is asked"
        if self._means.health.healthy(candidate.target) or self._means.budget.take():
            return None
        return "it may be in trouble too, and there were as many retries in the last minute as there may be"

    def _within(self) -> Deadlines | None:
        """The deadlines of the next attempt: the call's total holds for all attempts together. None when it is over."""
        if self._failures or (self._rest is not None and self._rest.begun is not None):
            return self._remaining()
        deadlines = self._planned.route.deadlines
        return deadlines if self._asked.stream else self._means.whole(deadlines)  # the first attempt: nothing is spent

    def _patience(self, target: Target, within: Deadlines) -> Deadlines:
        """Who answers nobody, and is asked because nobody else is left, is not waited for beyond what is usual."""
        if not self._means.health.silent(target):
            return within
        soft_s = self._means.paces.soft_ns(target, self._asked.stream) / 1e9
        return shortened(within, min(within.first_token_s, soft_s, PROBED.first_token_s), within.total_s)

    def _remaining(self) -> Deadlines | None:
        """The deadlines of an attempt that begins now. None when the call's time is over."""
        deadlines = self._planned.route.deadlines
        total_s = deadlines.total_s - (self._means.clock.monotonic_ns() - self._begun_ns) / 1e9
        if total_s <= 0:
            return None
        return shortened(deadlines, deadlines.first_token_s * (1 if self._asked.stream else WHOLE_FACTOR), total_s)

    def _request(self, target: Target, within: Deadlines) -> OutboundRequest:
        """Raises CannotCarry or InvalidRequest where the target's dialect cannot say what the request says."""
        call, asked, endpoint = self._call, self._asked, target.endpoint
        if endpoint.dialect == call.dialect:
            carried = spliced(self._means.dialects[call.dialect], self._body, asked, target)
            call.record.dropped = [*self._lost, *carried.dropped] if carried.dropped else self._lost
            extra = passing(call.dialect, call.headers)
            return endpoint.request(target.model, asked.stream, carried.body, extra, within)
        read = self._reading()
        carried = translated(self._means.dialects[endpoint.dialect], read.chat, asked, target)
        call.record.dropped = [*self._lost, *read.dropped, *carried.dropped]
        return endpoint.request(target.model, asked.stream, carried.body, (), within)

    def _reading(self) -> Read:
        """The request in canonical form, read once. Raises CannotCarry or InvalidRequest."""
        read = self._read
        if read is None:
            try:
                read = self._means.dialects[self._call.dialect].read_request(self._body, self._asked.stream)
            except CallerError as error:
                read = error
            self._read = read
        if isinstance(read, CallerError):
            raise read
        return read

    def _succeeded(self, attempt: Attempt) -> None:
        attempt.close("ok")
        if self._outran is not None and attempt.record.output_tokens is not None:
            self._estimated(self._outran, attempt.record.output_tokens)
        means, record, target = self._means, attempt.record, attempt.target
        means.watch.remove(attempt)
        first_us = None if record.first_token_us is None or not attempt.stream else record.first_token_us
        took_us = (record.ended_us or 0) - record.started_us
        if first_us is not None:
            first_us -= record.started_us
        now_ns = attempt.started_ns + took_us * 1000
        work = work_of(record.input_tokens, record.output_tokens)
        verdict = means.paces.answered(target, first_us, took_us, work, now_ns)
        if verdict is Verdict.SLOW:
            means.health.slow(target, attempt.started_ns)
        elif verdict is Verdict.DOUBTFUL:
            means.watch.doubt(attempt)
        else:
            means.health.succeeded(target, attempt.started_ns, attempt.stream)

    def failed(self, attempt: Attempt, error: UpstreamError) -> None:
        """Notes a failure. Raises it where no other target may be asked: the client has seen content, the model has
        begun to refuse, or the request itself is at fault."""
        self.noted(attempt, error)
        if self._committed and self._rest is not None and self._rest.broke(attempt, error):
            return
        if self._committed or attempt.refused or not error.retryable:
            self._done = True
            raise error
        if error.kind == "model_gone" and attempt.target.successor is not None:
            follows = Candidate(attempt.target.successor, f"{attempt.target.model} is gone: its vendor's successor")
            self._candidates = itertools.chain((follows,), self._candidates)
        if error.kind == "context_too_long":
            self._window = max(self._window or 0, attempt.target.context or 0)
        # a kept exception keeps the frames it passed through, and with them this answer, alive
        error.__traceback__ = error.__context__ = error.__cause__ = None
        self._failures.append(Failure(attempt.target, error))

    def noted(self, attempt: Attempt, error: UpstreamError) -> None:
        """A try has failed: it is on record, held against its target, and its connection let go of."""
        attempt.close("failed", error)
        attempt.drop()
        self._means.watch.remove(attempt)
        stream = attempt.stream
        if error.kind == "model_gone" and not attempt.target.known and self._planned.route.ref is None:
            self._only = attempt.target.model  # a mistyped name says nothing about a target
        else:
            self._means.health.failed(attempt.target, error, attempt.started_ns, stream, self._committed)
            if error.counts:
                self._means.paces.failed(attempt.target)
        if attempt.target.endpoint.dialect != self._call.dialect:
            error.body = None  # not in words the client's SDK understands

    def _exhausted(self) -> UpstreamError | CallerError | GatewayError:
        self._done = True
        if self._rest is not None and self._rest.error is not None:
            return self._rest.error  # what the client's answer broke off with
        if self._failures:
            self.exhausted = True
            waits = [self._means.health.wait_s(candidate.target) for candidate in self._planned.candidates]
            known = [wait for wait in waits if wait is not None]
            return most_telling(self._failures, min(known) if len(known) == len(waits) else None)
        return self._misfit or GatewayError("no target could be asked")

    def _skip(self, target: Target, why: str) -> None:
        self._call.record.skipped.append(SkipRecord(target.provider, target.model, why))
