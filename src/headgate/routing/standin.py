"""What may answer in the providers' place: an answer given before, or the app's own words where everyone failed."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from headgate.core.chat import Batch, Begin, Delta, Finish, Frame, RefusalDelta, TextDelta, ToolStart, UsageDelta
from headgate.core.errors import UpstreamError
from headgate.core.ports import Clock
from headgate.core.record import answering
from headgate.core.snapshot import StandIns
from headgate.core.stages import Funded
from headgate.core.types import Usage
from headgate.dialects.base import Dialect
from headgate.routing.answers import ANSWER_BYTES_MAX, Answers, Kept, digest_of
from headgate.routing.passing import passing
from headgate.routing.send import Sending

OWN = "headgate"  # the dialect of words that no provider said
_GOOD_ENDS = frozenset({"stop", "length"})


class StandIn:
    """Implements `pipeline.Upstream` around a `Sending`, for apps with `stand_ins`.

    Kept are whole answers of plain content: none that refuses, calls a tool or was broken off, and none whose client
    says `no-store`. What stands in is on the record, with the call it came from.
    """

    __slots__ = (
        "_allowed", "_answers", "_attempt", "_call", "_clock", "_dialect", "_dialects", "_digest", "_fit", "_looked",
        "_no_cache", "_over", "_planned", "_sending", "_size", "_wires",
    )  # fmt: skip

    def __init__(
        self,
        sending: Sending,
        answers: Answers,
        funded: Funded,
        allowed: StandIns,
        clock: Clock,
        dialects: Mapping[str, Dialect],
    ) -> None:
        self._sending = sending
        self._answers = answers
        self._planned = funded.planned
        self._call = funded.planned.screened.grounded.prompted.selected.admitted.call
        self._allowed = allowed
        self._clock = clock
        self._dialects = dialects
        told = (self._call.header(b"cache-control") or b"").lower()
        self._no_cache = b"no-cache" in told or b"no-store" in told
        self._digest = b""
        self._looked = self._over = False
        self._fit = b"no-store" not in told  # whether what comes may be kept
        self._attempt = 0
        self._dialect = ""
        self._wires: list[bytes] = []
        self._size = 0

    async def __aenter__(self) -> StandIn:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._sending.__aexit__(kind, error, trace)

    def commit(self) -> None:
        """The client has seen content."""
        self._sending.commit()

    async def read(self) -> Batch | None:
        """The frames of one read; None at the complete end. Raises what `Sending.read` raises, where nothing stands
        in."""
        if self._over:
            return None
        if not self._looked:
            self._looked = True
            self._digest = self._request()
            if (kept := self._fresh()) is not None:
                return self._again(kept, "hit")
        try:
            batch = await self._sending.read()
        except UpstreamError as error:
            batch = self._instead(error)
            if batch is None:
                raise
            return batch
        if batch is None:
            self._keep()
        elif self._fit:
            self._collect(batch)
        return batch

    def _request(self) -> bytes:
        """What makes this request the same as another."""
        call, planned = self._call, self._planned
        selected = planned.screened.grounded.prompted.selected
        extra = [part for header in passing(call.dialect, call.headers) for part in header]
        return digest_of(
            selected.admitted.key.tenant,
            (
                str(selected.release).encode(), str(planned.route.ref).encode(), call.dialect.encode(),
                selected.asked.model.encode(), b"stream" if selected.asked.stream else b"", planned.screened.body,
                *extra,
            ),
        )  # fmt: skip

    def _fresh(self) -> Kept | None:
        cache_s = self._allowed.cache_s
        if cache_s is None or self._no_cache:
            return None
        kept = self._answers.find(self._digest, self._clock.monotonic_ns() - int(cache_s * 1e9))
        if kept is None:
            self._call.record.stand_in = "miss"
        return kept

    def _instead(self, error: UpstreamError) -> Batch | None:
        """What stands in for everyone; None where nothing may, or where the request itself is at fault."""
        if not self._sending.exhausted or error.kind == "context_too_long":
            return None
        allowed = self._allowed
        self._call.record.message = error.message
        if allowed.stale_s is not None and not self._no_cache:
            kept = self._answers.find(self._digest, self._clock.monotonic_ns() - int(allowed.stale_s * 1e9))
            if kept is not None:
                return self._again(kept, "stale")
        if allowed.answer is None:
            return None
        self._over = True
        record = self._call.record
        record.stand_in = "fixed"
        record.provider = record.target_model = None
        record.target_dialect = OWN
        deltas: list[Delta] = [
            Begin(), TextDelta(allowed.answer), Finish("stop"), UsageDelta(Usage(0, 0)),
        ]  # fmt: skip
        return Batch([Frame(b"", deltas, last=True, content=True)], len(record.attempts) + 1, OWN)

    def _again(self, kept: Kept, how: str) -> Batch:
        """The kept answer, read anew: the screen may change its frames."""
        self._over = True
        record = self._call.record
        record.stand_in, record.answer_of, record.saved_usd = how, kept.call_id, kept.cost_usd
        record.provider = record.target_model = None
        record.target_dialect = kept.dialect
        asked = self._planned.screened.grounded.prompted.selected.asked
        keep_usage = asked.wants_usage or kept.dialect != self._call.dialect
        reader = self._dialects[kept.dialect].reader(asked.stream, keep_usage, asked.choices)
        frames = reader.feed(kept.data)
        if not frames or not frames[-1].last:
            frames += reader.end()
        return Batch(frames, len(record.attempts) + 1, kept.dialect)

    def _collect(self, batch: Batch) -> None:
        """Keeps the bytes of the answer under way; what makes it unfit to be given again ends that."""
        if batch.attempt != self._attempt:
            self._attempt, self._dialect = batch.attempt, batch.dialect
            self._wires, self._size = [], 0
        for frame in batch.frames:
            self._wires.append(frame.wire)
            self._size += len(frame.wire)
            if any(_unfit(delta) for delta in frame.deltas):
                self._drop()
        if self._size > ANSWER_BYTES_MAX:
            self._drop()

    def _drop(self) -> None:
        self._fit = False
        self._wires = []

    def _keep(self) -> None:
        if not self._fit or not self._wires:
            return
        record = self._call.record
        if record.seams:  # no one provider's answer
            return
        last = answering(record.attempts)
        cost_usd = None if last is None else last.cost_usd
        kept = Kept(b"".join(self._wires), self._dialect, self._clock.monotonic_ns(), record.id, cost_usd)
        self._answers.keep(self._digest, kept)


def _unfit(delta: Delta) -> bool:
    """Whether an answer that says this is not to be given again."""
    if type(delta) is Finish:
        return delta.reason not in _GOOD_ENDS
    return type(delta) is ToolStart or type(delta) is RefusalDelta
