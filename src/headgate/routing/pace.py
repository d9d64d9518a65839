"""How fast targets usually are, learned from their good answers: what tells a slow answer from a long one.

Of each target three things are learned: the time to the first content of streams, the time of whole answers, and the
time per piece of work of both, which grows neither with an answer's length nor with its question's. Kept as counts in
buckets of half an octave that fade, so that a quantile costs a walk over some thirty numbers and a note an addition.

A slow answer teaches nothing, lest what is slow becomes usual. Of a target that gave few answers so far the slow ones
are put aside: a probe tells whether it was the target, and they are forgotten, or the calls, and they are learned.
"""

from __future__ import annotations

from enum import Enum

from headgate.core.snapshot import Target

TARGETS_MAX = 4096
LEARNED_MIN = 20  # good answers; with fewer little is known
FEW_MIN = 2  # with fewer nothing is
FADE_AT = 1024  # so many notes halve all counts
TOKENS_FLOOR = 64  # what an answer takes beside its tokens, in tokens: short ones are not slow ones
INPUT_PER_OUTPUT = 32  # tokens of input take as long as one of output: they are read side by side, written one by one
SUCCESS_SPAN = 50  # answers: how far back the share of good ones looks
SLOW_MIN_US = 1_000_000  # what takes less is not slow, whatever is usual
SLOW_FACTOR = 3.0  # slower than this many times the 99th percentile is slow
FEW_FACTOR = 5.0  # than the slowest, where little is known
SETTLED_S = 86_400.0  # what has been slow for so long, and nothing else, is usual now
ASIDE_MAX = 16
SOFT_FACTOR = 2.0  # waiting for longer than this many times the 99.9th percentile is worth a question
SOFT_MIN_S = 2.0
SOFT_UNKNOWN_S = 10.0  # of streams whose target is not known yet
SOFT_WHOLE_UNKNOWN_S = 30.0
_BUCKETS = 2 * 64


class Verdict(Enum):
    """How an answer compares with those before: DOUBTFUL is a slow one where too little is known, of the target or of
    the answer, to be sure."""

    USUAL = 0
    DOUBTFUL = 1
    SLOW = 2


class Pace:
    """Durations in microseconds, counted by half octaves."""

    __slots__ = ("_counts", "_limits", "total")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._limits: dict[float, int] = {}
        self.total = 0

    def note(self, us: int) -> None:
        """One more."""
        self._counts[_bucket(us)] += 1
        self.total += 1
        if self.total >= FADE_AT:
            self._counts = [count >> 1 for count in self._counts]
            self.total = sum(self._counts)
        if not self.total & 15:
            self._limits.clear()

    def quantile(self, share: float) -> int | None:
        """The upper end of the bucket that holds the quantile, in microseconds, as of some notes ago; None where too
        little is known."""
        if self.total < LEARNED_MIN:
            return None
        found = self._limits.get(share)
        if found is None:
            found = self._limits[share] = self._walk(share)
        return found

    def bound(self, share: float, factor: float, few_factor: float) -> int | None:
        """`factor` times the quantile, in microseconds; `few_factor` times the slowest where little is known, None
        where nothing is. For shares of 0.95 and more."""
        usual = self.quantile(share)
        if usual is not None:
            return int(usual * factor)
        return int(self._walk(share) * few_factor) if self.total >= FEW_MIN else None

    def _walk(self, share: float) -> int:
        left = self.total - int(self.total * share)  # so many lie at or above it
        for at in range(_BUCKETS - 1, -1, -1):
            left -= self._counts[at]
            if left <= 0:
                return _upper(at)
        return 0


def _bucket(us: int) -> int:
    """Two buckets to the octave."""
    bits = us.bit_length()
    return 2 * bits + (us >> bits - 2 & 1) if bits > 1 else bits


def _upper(bucket: int) -> int:
    bits, half = divmod(bucket, 2)
    return (3 + half) << bits - 2 if bits > 1 else 1


class TargetPace:
    """What is learned of one target. `answered_ns`: when it last gave a good answer (monotonic). `success`: the share
    of its answers that were good, the last SUCCESS_SPAN or so counting most."""

    __slots__ = ("answered_ns", "aside", "each", "first", "slow_ns", "success", "whole")

    def __init__(self) -> None:
        self.answered_ns = 0
        self.success = 1.0
        self.forget()

    def forget(self) -> None:
        """How fast it is, is to be learned anew."""
        self.first = Pace()
        self.whole = Pace()
        self.each = Pace()
        self.aside: list[tuple[int | None, int, int | None]] = []  # slow answers, as `note` takes them
        self.slow_ns: int | None = None  # since when all its answers were slow

    def note(self, first_us: int | None, took_us: int, each_us: int | None) -> None:
        """An answer to learn from."""
        if each_us is not None:
            self.each.note(each_us)
        if first_us is None:
            self.whole.note(took_us)
        else:
            self.first.note(first_us)

    def usual(self) -> None:
        """It answers as it usually does: those put aside were slow for reasons of their own."""
        self.slow_ns = None
        for answer in self.aside:
            self.note(*answer)
        self.aside.clear()

    def slow(self, now_ns: int) -> bool:
        """It answers slowly; False where it has done so for so long that this is usual now."""
        if self.slow_ns is None:
            self.slow_ns = now_ns
        if now_ns - self.slow_ns < SETTLED_S * 1e9:
            return True
        self.forget()
        return False


class Paces:
    """The paces of a worker's targets, at most TARGETS_MAX."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], TargetPace] = {}

    def of(self, target: Target) -> TargetPace:
        """What is learned of a target so far."""
        key = (target.provider, target.model)
        found = self._of.get(key)
        if found is None:
            if len(self._of) >= TARGETS_MAX:
                del self._of[next(iter(self._of))]
            found = self._of[key] = TargetPace()
        return found

    def answered(self, target: Target, first_us: int | None, took_us: int, work: int | None, now_ns: int) -> Verdict:
        """A good answer: `first_us` to its first content where it was streamed, `work` in it (see `work_of`). A slow
        one teaches nothing; a doubtful one nothing until `probed` tells, or a usual one comes."""
        pace = self.of(target)
        pace.answered_ns = now_ns
        pace.success += (1.0 - pace.success) / SUCCESS_SPAN
        each_us = None if work is None else took_us // work
        if took_us > SLOW_MIN_US and _slow_answer(pace, first_us, each_us) and pace.slow(now_ns):
            if each_us is not None and pace.each.total >= LEARNED_MIN:
                return Verdict.SLOW
            if len(pace.aside) < ASIDE_MAX:
                pace.aside.append((first_us, took_us, each_us))
            return Verdict.DOUBTFUL
        if each_us is not None or first_us is not None:
            pace.usual()
        pace.note(first_us, took_us, each_us)
        return Verdict.USUAL

    def failed(self, target: Target) -> None:
        """An answer that did not come, or was no good."""
        pace = self.of(target)
        pace.success -= pace.success / SUCCESS_SPAN

    def success(self, target: Target) -> float:
        """The share of good answers, 0 to 1; 1 where nothing is known."""
        return self.of(target).success

    def median_us(self, target: Target, stream: bool) -> int | None:
        """The usual time to the first content of a stream, or of a whole answer; None where too little is known."""
        pace = self.of(target)
        return (pace.first if stream else pace.whole).quantile(0.5)

    def probed(self, target: Target, first_us: int | None, took_us: int, tokens: int | None, now_ns: int) -> bool:
        """Whether a probe's good answer is slow for this target; False where too little is known. It teaches nothing
        of its own."""
        pace = self.of(target)
        each_us = took_us // ((tokens or 0) + TOKENS_FLOOR)
        if took_us > SLOW_MIN_US and _slow_probe(pace, first_us, each_us) and pace.slow(now_ns):
            pace.aside.clear()
            return True
        pace.usual()
        return False

    def soft_ns(self, target: Target, stream: bool) -> int:
        """How long a call may wait for this target's first content before somebody asks whether it is still there."""
        pace = self.of(target)
        bound_us = (pace.first if stream else pace.whole).bound(0.999, SOFT_FACTOR, FEW_FACTOR)
        if bound_us is None:
            return int((SOFT_UNKNOWN_S if stream else SOFT_WHOLE_UNKNOWN_S) * 1e9)
        return max(bound_us * 1000, int(SOFT_MIN_S * 1e9))


def work_of(input_tokens: int | None, output_tokens: int | None) -> int | None:
    """How much there was to do for an answer, in tokens of output, thoughts among them; None where that is unknown."""
    if output_tokens is None:
        return None
    return output_tokens + (input_tokens or 0) // INPUT_PER_OUTPUT + TOKENS_FLOOR


def _slow_answer(pace: TargetPace, first_us: int | None, each_us: int | None) -> bool:
    """By its work; where that is unknown by its first content, which may have been thought about for long."""
    if each_us is not None:
        return _over(pace.each, each_us, FEW_FACTOR)
    return first_us is not None and _over(pace.first, first_us, FEW_FACTOR)


def _slow_probe(pace: TargetPace, first_us: int | None, each_us: int) -> bool:
    """By its first content where as much is known of that."""
    for least in (LEARNED_MIN, FEW_MIN):
        if first_us is not None and pace.first.total >= least:
            return _over(pace.first, first_us, SLOW_FACTOR)
        if pace.each.total >= least:
            return _over(pace.each, each_us, SLOW_FACTOR)
    return False


def _over(pace: Pace, us: int, few_factor: float) -> bool:
    bound_us = pace.bound(0.99, SLOW_FACTOR, few_factor)
    return bound_us is not None and us > bound_us
