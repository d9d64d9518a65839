"""The rest of an answer that broke off in front of its client: whether, by whom and from where it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from headgate.core.chat import Frame
from headgate.core.errors import CallerError, UpstreamError
from headgate.core.ports import Deadlines, OutboundRequest
from headgate.core.record import SeamRecord, SkipRecord
from headgate.core.snapshot import Target
from headgate.core.stages import Candidate, Planned
from headgate.core.types import Usage, money
from headgate.dialects.base import CHARS_PER_TOKEN, AnswerMeta, Read
from headgate.routing.attempt import Attempt
from headgate.routing.joint import Joint, Told, prefilled
from headgate.routing.means import Means


class Continuation:
    """Kept for each streamed call whose route names who may go on. It remembers what was said, in case it breaks off.

    `begun` is the attempt whose answer the client has the beginning of, once that broke; `error` what broke it, which
    the client is told where nobody goes on.
    """

    __slots__ = ("_joint", "_left", "_means", "_of", "_planned", "_told", "begun", "error")

    def __init__(self, means: Means, planned: Planned) -> None:
        self._means = means
        self._planned = planned
        self._told = Told()
        self._of = 0  # the attempt that told it
        self._joint: Joint | None = None
        self._left: Iterator[Target] = iter(planned.route.continue_with)
        self.begun: Attempt | None = None
        self.error: UpstreamError | None = None

    def heard(self, attempt: Attempt, frames: list[Frame] | None, committed: bool) -> list[Frame] | None:
        """What came, as the client's stream takes it; empty where it takes nothing of it, None at the end."""
        if attempt.number != self._of:
            self._of = attempt.number
            if not committed:
                self._told = Told()  # nobody has seen what an earlier try said
            self._told.turn()
        if frames is not None:
            self._told.note(frames)
        joint = self._joint
        if joint is None:
            return frames
        self._means.watch.remove(attempt)  # it speaks
        carried = joint.carry(frames or [], attempt.complete)
        return carried if carried or frames is not None else None

    def broke(self, attempt: Attempt, error: UpstreamError) -> bool:
        """An answer that its client has seen broke off: whether somebody else may be asked to go on with it."""
        told = self._told
        if attempt.refused or not error.retryable or not told.plain or not told.text.strip():
            return False
        if self._joint is None:
            self.begun, self.error = attempt, error
            self._joint = self._join(attempt)
        record, planned = attempt.record, self._planned
        if record.output_tokens is None and record.chars:  # what it said before it broke off is on its bill
            record.input_tokens, record.output_tokens = planned.input_tokens, -(-record.chars // CHARS_PER_TOKEN)
            record.cost_usd = money(attempt.target.price, Usage(record.input_tokens, record.output_tokens))
        return True

    def next(self, request: Callable[[], Read], within: Deadlines) -> tuple[Candidate, OutboundRequest] | None:
        """Who goes on now, and with which request; None where nobody is left. `request` reads the client's."""
        told, begun, joint, error = self._told, self.begun, self._joint, self.error
        assert begun is not None
        assert joint is not None
        assert error is not None
        record = self._planned.screened.grounded.prompted.selected.admitted.call.record
        for target in self._left:
            try:
                why_not, sent = self._ask(target, request, within)
            except CallerError as misfit:
                why_not, sent = misfit.message, None
            if sent is None:
                record.skipped.append(SkipRecord(target.provider, target.model, why_not))
                continue
            tries = len(record.attempts)
            record.seams.append(SeamRecord(told.chars, tries, tries + 1, error.kind))
            joint.goes_on(told)
            return Candidate(target, f"goes on after {told.chars} characters of {begun.target}"), sent
        return None

    def _ask(
        self, target: Target, request: Callable[[], Read], within: Deadlines
    ) -> tuple[str, OutboundRequest | None]:
        """The request to a target, or why it is not asked. Raises CallerError where its format cannot say it."""
        begun = self.begun
        if begun is not None and target == begun.target:
            return "it is the one whose answer broke off", None
        if not self._means.health.healthy(target):
            return "it may be in trouble too, and a client waits for the rest of its answer", None
        chat = prefilled(request().chat, self._told)
        if chat is None:
            return "an answer of this kind cannot be gone on with", None
        dialect = self._means.dialects[target.endpoint.dialect]
        body = dialect.write_request(chat, target.model, target.abilities).body
        return "", target.endpoint.request(target.model, True, body, (), within)

    def _join(self, begun: Attempt) -> Joint:
        selected = self._planned.screened.grounded.prompted.selected
        call, asked, target = selected.admitted.call, selected.asked, begun.target
        dialect = self._means.dialects[target.endpoint.dialect]
        meta = AnswerMeta(
            call.id,
            target.model,
            call.received_ns // 1_000_000_000,
            origin=dialect.name,
            input_tokens=-(-asked.input_chars // CHARS_PER_TOKEN),
        )
        return Joint(dialect, meta, asked.wants_usage or dialect.name != call.dialect, self._told)
