"""Which targets are in trouble, and what may be sent to them. Per worker, in memory.

Only troubled targets are held: a healthy one costs nothing. Each has a `Breaker`, and so has its provider account:
what tells of the account is held against all its models, and so is the second of them to open while none answers.
Nothing here removes a target from a list.
"""

from __future__ import annotations

from collections.abc import Callable

from headgate.core.errors import UpstreamError
from headgate.core.events import INFO, WARNING, Event
from headgate.core.ports import Clock, Entropy, EventSink
from headgate.core.snapshot import Target
from headgate.routing.breaker import COOLING, FORGET_S, Breaker, Failed

BREAKERS_MAX = 4096
FORGET_HELD_S = 3600.0  # nobody has wanted it for so long after it was due: the next call finds out
_SWEEP_S = 60.0

# neither speaks of the target: the request is at fault, or a bound of ours was reached
_NOT_HELD = frozenset({"client_fault", "context_too_long", "pool_exhausted", "called_off"})
# these tell of the account or its host, so of every model behind it
_OF_PROVIDER = frozenset({
    "connect_failed", "dns_failed", "tls_failed", "connect_timeout", "address_refused", "quota_exhausted",
})  # fmt: skip
# what opens for one of these answers nobody: calls that wait there wait in vain
_SILENT = frozenset({"connect_timeout", "first_token_timeout", "idle_timeout", "total_timeout"})
PROVIDER = ""  # stands for the model in the key of an account's breaker


class Standing:
    """What is held against a target now. `due_ns`: when it may be probed; None where calls may go there, but only
    `share` of them."""

    __slots__ = ("due_ns", "share", "worst")

    def __init__(self, due_ns: int | None, share: float, worst: Breaker) -> None:
        self.due_ns = due_ns
        self.share = share
        self.worst = worst


class Health:
    """The breakers, at most BREAKERS_MAX of them."""

    __slots__ = ("_breakers", "_claims", "_clock", "_entropy", "_events", "_sweep_ns", "silenced")

    def __init__(self, clock: Clock, entropy: Entropy, events: EventSink | None = None) -> None:
        self._clock = clock
        self._entropy = entropy
        self._events = events
        self.silenced: Callable[[str, str | None], None] = _nobody  # told of a (provider, model) that answers nobody
        self._breakers: dict[tuple[str, str], Breaker] = {}
        self._claims: dict[tuple[str, str], list[Breaker]] = {}
        self._sweep_ns = 0

    @property
    def troubled(self) -> bool:
        """Whether any target is watched at all."""
        return bool(self._breakers)

    def began(self, target: Target, started_ns: int) -> None:
        """A call goes to the target."""
        if started_ns >= self._sweep_ns:
            self._sweep(started_ns)
        for breaker in self._of(target):
            breaker.began(started_ns)

    def failed(
        self,
        target: Target,
        error: UpstreamError,
        started_ns: int | None = None,
        stream: bool = False,
        committed: bool = False,
    ) -> None:
        """A call that began at `started_ns` (None: now) failed; `committed` where its client had seen content."""
        kind = error.kind
        if kind in _NOT_HELD:
            return
        now = self._clock.monotonic_ns()
        begun = now if started_ns is None else started_ns
        everywhere = kind in _OF_PROVIDER or (kind == "auth_failed" and error.attempt_status == 401)
        key = (target.provider, PROVIDER if everywhere else target.model)
        self._failed(key, Failed(kind, error.cool_s, begun, now, stream, committed))

    def slow(self, target: Target, started_ns: int) -> None:
        """A call that began at `started_ns` was answered, and far more slowly than is usual there."""
        now = self._clock.monotonic_ns()
        self._failed((target.provider, target.model), Failed("too_slow", None, started_ns, now, stream=True))

    def suspect(self, target: Target, stream: bool, kind: str = "unanswered") -> None:
        """A call has waited for it for unusually long, and it has answered nobody since; or was answered `too_slow`."""
        now = self._clock.monotonic_ns()
        key = (target.provider, target.model)
        (self._breakers.get(key) or self._add(key, now)).suspect(now, stream, kind)

    def succeeded(self, target: Target, started_ns: int, stream: bool = False) -> None:
        """A call that began at `started_ns` got its whole answer. A whole answer proves nothing for streams."""
        if not self._breakers:
            return
        now = self._clock.monotonic_ns()
        account = self._breakers.get((target.provider, PROVIDER))
        was_held = account is not None and account.held
        for breaker in self._of(target):
            if stream or not breaker.stream:
                was_open = breaker.opened
                breaker.answered(started_ns, now)
                if was_open and not breaker.held:
                    whom = target.provider if breaker is account else str(target)
                    self._tell("breaker_closed", whom, "it answers again; calls come back step by step", INFO, {})
        if was_held and account is not None and not account.held:
            self._release(target.provider, now)

    def standing(self, target: Target, now_ns: int) -> Standing | None:
        """What is held against a target, by itself or its provider; None where calls may go there."""
        due: int | None = None
        share = 1.0
        worst: Breaker | None = None
        for breaker in self._of(target):
            if breaker.held:
                if due is None or breaker.until_ns > due:
                    due, worst = breaker.until_ns, breaker
            elif breaker.ramping and (allowed := breaker.share(now_ns)) < share:
                share = allowed
                worst = worst or breaker
        return None if worst is None else Standing(due, share, worst)

    def healthy(self, target: Target) -> bool:
        """Whether nothing is held against it and its last call did not fail."""
        return all(not (breaker.held or breaker.ramping or breaker.streak) for breaker in self._of(target))

    def silent(self, target: Target) -> bool:
        """Whether it is held for answering nobody: who asks it all the same should not wait for long."""
        return any(breaker.held and breaker.kind in _SILENT for breaker in self._of(target))

    def wait_s(self, target: Target) -> float | None:
        """Seconds until the target may be asked again, as far as is known; None where it may be asked now."""
        now = self._clock.monotonic_ns()
        standing = self.standing(target, now)
        if standing is None or standing.due_ns is None:
            return None
        return max((standing.due_ns - now) / 1e9, 0.0)

    def admits(self, standing: Standing) -> bool:
        """Whether chance lets this call go to a target that is coming back."""
        return self._entropy.uniform() < standing.share

    # -- probes

    def claim(self, target: Target) -> bool:
        """One probe at a time: False where the target is not due, or another probe asks it or its account."""
        key = (target.provider, target.model)
        now = self._clock.monotonic_ns()
        held = [breaker for breaker in self._of(target) if breaker.held]
        if key in self._claims or not held or any(breaker.probing or breaker.until_ns > now for breaker in held):
            return False
        self._claims[key] = held
        for breaker in held:
            breaker.probing = True
        return True

    def opened(self, target: Target) -> bool:
        """Whether it is left alone for its health; False where that is only suspected."""
        return any(breaker.opened for breaker in self._of(target))

    def streamed(self, target: Target) -> bool:
        """Whether it was a streamed answer that failed last, so that only a streamed one tells."""
        return any(breaker.held and breaker.stream for breaker in self._of(target))

    def probed(self, target: Target, error: UpstreamError | None, started_ns: int) -> None:
        """A probe's verdict. An answer that blames the request is an answer."""
        now = self._clock.monotonic_ns()
        if error is not None and error.kind == "pool_exhausted":
            return
        if error is None or error.kind in _NOT_HELD:
            self.succeeded(target, started_ns, stream=True)
            return
        due = [breaker for breaker in self._of(target) if breaker.held and breaker.until_ns <= now]
        self.failed(target, error, started_ns)
        account = self._breakers.get((target.provider, PROVIDER))
        for breaker in due:
            if not breaker.held or breaker.until_ns > now:
                continue
            if error.kind not in COOLING:
                breaker.open(now, self._entropy.uniform())
            elif breaker is account:
                breaker.recover(now)  # a model that is gone or over its limit: the account itself answers

    def unclaim(self, target: Target) -> None:
        """A probe is over."""
        for breaker in self._claims.pop((target.provider, target.model)):
            breaker.probing = False

    # -- for operators

    def held(self) -> list[tuple[str, str]]:
        """(target or account, what is held against it in words) of everyone in trouble."""
        now = self._clock.monotonic_ns()
        return [
            (provider if model == PROVIDER else f"{provider}/{model}", breaker.told(now))
            for (provider, model), breaker in self._breakers.items()
            if breaker.held or breaker.ramping
        ]

    # -- inside

    def _failed(self, key: tuple[str, str], failure: Failed) -> None:
        breaker = self._breakers.get(key) or self._add(key, failure.now_ns)
        was_open = breaker.opened
        breaker.failed(failure, self._entropy.uniform())
        if breaker.opened and not was_open:
            self._opened(key, breaker, failure.now_ns)

    def _opened(self, key: tuple[str, str], breaker: Breaker, now_ns: int) -> None:
        provider, model = key
        whom = provider if model == PROVIDER else f"{provider}/{model}"
        left_s = round((breaker.until_ns - now_ns) / 1e9, 1)
        text = f"{breaker.kind}: calls go elsewhere for {left_s:g} s, then until a probe is answered"
        self._tell("breaker_opened", whom, text, WARNING, {"error": breaker.kind, "seconds": left_s})
        if model != PROVIDER:
            self._roll_up(key, now_ns)
        if breaker.kind in _SILENT:
            self.silenced(provider, None if model == PROVIDER else model)

    def _tell(
        self, kind: str, whom: str, text: str, severity: str, figures: dict[str, str | int | float | bool | None]
    ) -> None:
        if self._events is not None:
            self._events.emit(Event(kind, self._clock.now_ns(), whom, text, severity, figures))

    def _of(self, target: Target) -> list[Breaker]:
        own = self._breakers.get((target.provider, target.model))
        provider = self._breakers.get((target.provider, PROVIDER))
        return [breaker for breaker in (own, provider) if breaker is not None]

    def _roll_up(self, key: tuple[str, str], now_ns: int) -> None:
        """A target opened. Where another of its account is open, and nothing answered since, the account is down."""
        name, model = key
        account = self._breakers.get((name, PROVIDER)) or self._add((name, PROVIDER), now_ns)
        others = [
            breaker
            for (provider, other), breaker in self._breakers.items()
            if provider == name and other not in (model, PROVIDER) and breaker.opened
        ]
        if not account.held and any(breaker.opened_ns >= account.answered_ns for breaker in others):
            account.kind, account.failed_ns = self._breakers[key].kind, now_ns
            account.stream = self._breakers[key].stream
            account.open(now_ns, self._entropy.uniform())
            self._opened((name, PROVIDER), account, now_ns)

    def _release(self, name: str, now_ns: int) -> None:
        for (provider, _), breaker in self._breakers.items():
            if provider == name:
                breaker.due_now(now_ns)

    def _add(self, key: tuple[str, str], now_ns: int) -> Breaker:
        if len(self._breakers) >= BREAKERS_MAX:
            del self._breakers[next(iter(self._breakers))]
        breaker = self._breakers[key] = Breaker(now_ns)
        return breaker

    def _sweep(self, now_ns: int) -> None:
        """Forgets what has been quiet for long."""
        self._sweep_ns = now_ns + int(_SWEEP_S * 1e9)
        for key, breaker in list(self._breakers.items()):
            quiet_ns = now_ns - max(breaker.failed_ns, breaker.until_ns, breaker.since_ns, breaker.watched_ns)
            if not breaker.probing and quiet_ns > (FORGET_HELD_S if breaker.held else FORGET_S) * 1e9:
                del self._breakers[key]


def _nobody(_provider: str, _model: str | None) -> None:
    """Nobody waits for a target."""
