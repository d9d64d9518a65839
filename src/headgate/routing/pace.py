"""How fast targets usually are, learned from their good answers: what tells a slow answer from a long one.

Of each target three things are learned: the time to the first content of streams, the time of whole answers, and the
time per token of output of both, which does not grow with an answer's length. Kept as counts in buckets of half an
octave that fade, so that a quantile costs a walk over some thirty numbers and a note costs an addition.
"""

from __future__ import annotations

from headgate.core.snapshot import Target

TARGETS_MAX = 4096
LEARNED_MIN = 20  # good answers; with fewer nothing is known
FADE_AT = 1024  # so many notes halve all counts
TOKENS_FLOOR = 64  # what an answer takes beside its tokens, in tokens: short ones are not slow ones
SUCCESS_SPAN = 50  # answers: how far back the share of good ones looks
SLOW_MIN_US = 1_000_000  # what takes less is not slow, whatever is usual
SLOW_FACTOR = 3.0  # slower than this many times the 99th percentile is slow
SOFT_FACTOR = 2.0  # waiting for longer than this many times the 99.9th percentile is worth a question
SOFT_MIN_S = 2.0
SOFT_UNKNOWN_S = 10.0  # of streams whose target is not known yet
SOFT_WHOLE_UNKNOWN_S = 30.0
_BUCKETS = 2 * 64


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

    __slots__ = ("answered_ns", "each", "first", "success", "whole")

    def __init__(self) -> None:
        self.first = Pace()
        self.whole = Pace()
        self.each = Pace()
        self.answered_ns = 0
        self.success = 1.0


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

    def answered(self, target: Target, first_us: int | None, took_us: int, tokens: int | None, now_ns: int) -> bool:
        """A good answer: `first_us` to its first content where it was streamed. Whether it was slow: then it teaches
        nothing, lest what is slow becomes usual."""
        pace = self.of(target)
        pace.answered_ns = now_ns
        pace.success += (1.0 - pace.success) / SUCCESS_SPAN
        if tokens is not None:
            each_us = took_us // (tokens + TOKENS_FLOOR)
            if took_us > SLOW_MIN_US and _over(pace.each, each_us):
                return True
            pace.each.note(each_us)
        if first_us is None:
            pace.whole.note(took_us)
        else:
            pace.first.note(first_us)
        return False

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

    def dawdles(self, target: Target, first_us: int | None, took_us: int, tokens: int | None) -> bool:
        """Whether such an answer is slow for this target; False where too little is known. It teaches nothing."""
        if took_us <= SLOW_MIN_US:
            return False
        pace = self.of(target)
        if first_us is not None and pace.first.total >= LEARNED_MIN:
            return _over(pace.first, first_us)
        return _over(pace.each, took_us // ((tokens or 0) + TOKENS_FLOOR))

    def soft_ns(self, target: Target, stream: bool) -> int:
        """How long a call may wait for this target's first content before somebody asks whether it is still there."""
        pace = self.of(target)
        usual = (pace.first if stream else pace.whole).quantile(0.999)
        if usual is None:
            return int((SOFT_UNKNOWN_S if stream else SOFT_WHOLE_UNKNOWN_S) * 1e9)
        return max(int(usual * 1000 * SOFT_FACTOR), int(SOFT_MIN_S * 1e9))


def _over(pace: Pace, us: int) -> bool:
    usual = pace.quantile(0.99)
    return usual is not None and us > usual * SLOW_FACTOR
