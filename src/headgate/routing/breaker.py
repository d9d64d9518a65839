"""The state of one troubled target, or of a whole provider account: closed, held or coming back.

A closed breaker counts; it opens on STREAK failures in a row, where half of CALLS_MIN calls or more failed within a
minute, or a fifth of BROWN_CALLS_MIN or more within five. A slow answer counts as a failure. A call counts from its
start, so that answers which take long do not look like calls that went well. A failure that cost a user something (a
timeout, an answer that broke off in front of him), or a call that waits for unusually long, holds it at once, on
suspicion. Held, it is left alone until it is due; only an answer ends that: to a probe, or to a call that had nobody
else to ask; several in a row where it had answered some of its calls all along. After an outage calls come back in
steps. Times are monotonic nanoseconds.
"""

from __future__ import annotations

import math

import msgspec

WINDOW_S = 60
STREAK = 5
CALLS_MIN = 10
FAILING_SHARE = 0.5
BROWN_S = 300  # a brownout shows in more calls, over longer
BROWN_CALLS_MIN = 20
BROWN_SHARE = 0.2
WELL_SHARE = 0.1  # where as many calls went well while it opened, one good answer is no proof that it is back
PROOFS = 3  # so many in a row are
PROOF_S = 2.0  # from one to the next
OPEN_S = 10.0  # doubles with every opening in a row
OPEN_MAX_S = 120.0
FORGET_S = 600.0  # so long after the last opening it starts from the shortest time again
JITTER = 0.2  # so that workers do not come back together
COOL_MIN_S = 1.0  # also where a provider says it may be asked again at once: another target is asked meanwhile
COOL_MAX_S = 3600.0
RAMP_STEP_S = 20.0
RAMP = (0.10, 0.25, 0.50)  # the share of calls that goes there again, step by step; then all of them

# kind -> (seconds after the first failure, most seconds however many follow). None of these counts against health.
COOLING: dict[str, tuple[float, float]] = {
    "rate_limited": (2.0, 60.0),
    "quota_exhausted": (300.0, 3600.0),
    "auth_failed": (60.0, 900.0),
    "model_gone": (300.0, 3600.0),
    "tls_failed": (10.0, 300.0),
    "address_refused": (60.0, 900.0),
}
_COSTLY = frozenset({"connect_timeout", "first_token_timeout", "idle_timeout", "total_timeout"})
_BUCKET_NS = 10_000_000_000
_BUCKETS = BROWN_S * 1_000_000_000 // _BUCKET_NS


class Failed(msgspec.Struct, frozen=True, gc=False):
    """A failure. `cool_s`: how long the target asked to be left alone. `committed`: the client had seen content."""

    kind: str
    cool_s: float | None
    started_ns: int
    now_ns: int
    stream: bool = False
    committed: bool = False


class Window:
    """Calls and failures of the last five minutes, in buckets of ten seconds, each call in the bucket it began in."""

    __slots__ = ("_calls", "_failures", "_of")

    def __init__(self) -> None:
        self._of = [-1] * _BUCKETS
        self._calls = [0] * _BUCKETS
        self._failures = [0] * _BUCKETS

    def count(self, at_ns: int, calls: int, failures: int) -> None:
        """Adds to the bucket of `at_ns`; what began before the window is no longer counted."""
        of = at_ns // _BUCKET_NS
        at = of % _BUCKETS
        if of > self._of[at]:
            self._of[at], self._calls[at], self._failures[at] = of, 0, 0
        if of == self._of[at]:
            self._calls[at] += calls
            self._failures[at] += failures

    def totals(self, now_ns: int, seconds: int = WINDOW_S) -> tuple[int, int]:
        """(calls, failures) of the buckets within the last so many seconds."""
        first = now_ns // _BUCKET_NS - seconds * 1_000_000_000 // _BUCKET_NS + 1
        calls = failures = 0
        for at in range(_BUCKETS):
            if self._of[at] >= first:
                calls += self._calls[at]
                failures += self._failures[at]
        return calls, failures


class Breaker:
    """One breaker. `since_ns` is its last change of state: what began before that says nothing about the new one."""

    __slots__ = (
        "_cools", "_last_ns", "_level", "_proofs", "_ramps", "_suspected_ns", "_told_ns", "_window", "answered_ns",
        "failed_ns",
        "held", "kind", "opened_ns", "probing", "ramping", "since_ns", "streak", "stream", "until_ns", "watched_ns",
    )  # fmt: skip

    def __init__(self, now_ns: int) -> None:
        self.kind = ""
        self.held = False
        self.ramping = False
        self.probing = False  # a probe is under way
        self.stream = False  # a streamed answer has failed: only one that comes whole tells that it is well
        self.streak = 0
        self.failed_ns = 0
        self.answered_ns = 0
        self.opened_ns = 0  # the first opening since it was well
        self.since_ns = 0
        self.until_ns = 0
        self.watched_ns = now_ns  # calls that began earlier were not counted when they did
        self._told_ns = 0
        self._suspected_ns: int | None = None
        self._last_ns = now_ns
        self._level = 0
        self._cools = 0
        self._ramps = False
        self._proofs = 1  # good answers that are wanted before it is well
        self._window = Window()

    @property
    def opened(self) -> bool:
        """Held for its health, not because it asked for a rest or an account is out of order."""
        return self.held and self._ramps

    def began(self, at_ns: int) -> None:
        """A call goes there."""
        self._window.count(at_ns, 1, 0)

    def failed(self, failure: Failed, chance: float) -> None:
        """A call or probe failed; `chance` in [0, 1) is the jitter.

        Only what the provider says of itself matters of a call that began before the last change of state.
        """
        now, kind = failure.now_ns, failure.kind
        cooling = COOLING.get(kind)
        if failure.started_ns >= self.since_ns or cooling is not None or failure.cool_s is not None:
            self.kind, self.failed_ns = kind, now
        if cooling is None and failure.started_ns >= self.since_ns:
            self._count(failure, chance)
        if cooling is not None and (not self.held or now >= self.until_ns):
            self._cools += 1
        told = failure.cool_s is not None and math.isfinite(failure.cool_s)
        if failure.cool_s is not None and told:
            wait_s = min(max(failure.cool_s, COOL_MIN_S) * (1 + JITTER / 2 * chance), COOL_MAX_S)
            self._told_ns = max(self._told_ns, now + int(wait_s * 1e9))
            self._hold(self._told_ns, now)
        # a limit that is met again and again is not asked about every few seconds for hours, whatever it says
        if cooling is not None and (not told or (kind == "rate_limited" and self._cools > 1)):
            wait_s = min(cooling[0] * 2.0 ** min(self._cools - 1, 30), cooling[1])
            self._hold(now + int(_jittered(wait_s, chance) * 1e9), now)

    def suspect(self, now_ns: int, stream: bool, kind: str) -> None:
        """Somebody waits there for unusually long, or did: calls go elsewhere until a probe tells."""
        if not self.held:
            self.kind, self.failed_ns, self.stream = kind, now_ns, stream
            self._hold(now_ns, now_ns)

    def open(self, now_ns: int, chance: float) -> None:
        """Leave it alone, longer than the last time."""
        calls, failures = self._window.totals(now_ns, BROWN_S)
        self._proofs = PROOFS if calls - failures > calls * WELL_SHARE else 1
        if now_ns - self._last_ns > FORGET_S * 1e9:
            self._level = 0
        self._last_ns = now_ns
        wait_s = _jittered(min(OPEN_S * 2.0**self._level, OPEN_MAX_S), chance)
        if OPEN_S * 2.0**self._level < OPEN_MAX_S:
            self._level += 1
        if not self.opened:
            self.opened_ns = now_ns
        self._ramps = True
        self.until_ns = self._told_ns
        self._hold(now_ns + int(wait_s * 1e9), now_ns)

    def answered(self, started_ns: int, now_ns: int) -> None:
        """A call that began at `started_ns` got its whole answer. It ends a hold that it began after."""
        self.answered_ns = now_ns
        if started_ns < self.watched_ns:
            self._window.count(started_ns, 1, 0)
        if started_ns < self.since_ns:
            return
        self.streak = self._cools = 0
        if not self.held:
            return
        self._proofs -= 1
        if self._proofs > 0 and self._ramps:
            self.until_ns = max(self.until_ns, now_ns + int(PROOF_S * 1e9))
        else:
            self.recover(now_ns)

    def recover(self, now_ns: int) -> None:
        """It is well again: after an outage calls come back step by step, else at once."""
        self.held = self.stream = False
        self.ramping = self._ramps
        self.since_ns = self.watched_ns = now_ns
        self.until_ns = self._told_ns = 0
        self.streak = self._cools = 0
        self._window = Window()

    def due_now(self, now_ns: int) -> None:
        """The account answers again: it may be probed at once, unless it said itself when."""
        if self.opened:
            self.until_ns = min(self.until_ns, max(self._told_ns, now_ns))

    def share(self, now_ns: int) -> float:
        """The part of calls that may go there; 1 where it is not coming back from an outage."""
        if not self.ramping:
            return 1.0
        step = int((now_ns - self.since_ns) / (RAMP_STEP_S * 1e9))
        if step < len(RAMP):
            return RAMP[step]
        self.ramping = self._ramps = False
        return 1.0

    def told(self, now_ns: int) -> str:
        """What is held against it, in words."""
        if self.ramping:
            return f"it is coming back after {self.kind}: {self.share(now_ns):.0%} of calls go there"
        text = f"it failed {(now_ns - self.failed_ns) / 1e9:.1f} s ago ({self.kind})"
        if self.until_ns > now_ns:
            return f"{text} and is left alone for {(self.until_ns - now_ns) / 1e9:.1f} s more"
        return f"{text} and {'is being probed' if self.probing else 'has not answered a probe since'}"

    def _count(self, failure: Failed, chance: float) -> None:
        now = failure.now_ns
        self.share(now)  # a ramp may be over
        self.streak += 1
        self.stream = self.stream or failure.stream
        self._window.count(failure.started_ns, 1 if failure.started_ns < self.watched_ns else 0, 1)
        if self.held or self.ramping:
            if self.ramping or now >= self.until_ns:
                self.open(now, chance)
        elif failure.committed or failure.kind in _COSTLY:
            suspected, self._suspected_ns = self._suspected_ns, now
            if suspected is not None and now - suspected <= WINDOW_S * 1e9:
                self.open(now, chance)
            else:
                self._hold(now, now)
        elif self._failing(now):
            self.open(now, chance)

    def _failing(self, now_ns: int) -> bool:
        if self.streak >= STREAK:
            return True
        calls, failures = self._window.totals(now_ns)
        if calls >= CALLS_MIN and failures >= calls * FAILING_SHARE:
            return True
        calls, failures = self._window.totals(now_ns, BROWN_S)
        return calls >= BROWN_CALLS_MIN and failures >= calls * BROWN_SHARE

    def _hold(self, until_ns: int, now_ns: int) -> None:
        """The latest of all deadlines holds."""
        self.held, self.ramping = True, False
        self.since_ns = now_ns
        self.until_ns = max(self.until_ns, until_ns)


def _jittered(wait_s: float, chance: float) -> float:
    return wait_s * (1 - JITTER + 2 * JITTER * chance)
