"""The rate limits that providers tell with their answers: what they are per target, and word of one that changes."""

from __future__ import annotations

from collections.abc import Mapping

from headgate.core.events import INFO, WARNING, Event, Figure
from headgate.core.ports import Clock, EventSink
from headgate.core.snapshot import Target

TARGETS_MAX = 4096
# by dialect: the headers that tell a minute's requests and tokens
_LIMITS: dict[str, tuple[tuple[bytes, str], ...]] = {
    "openai": ((b"x-ratelimit-limit-requests", "requests"), (b"x-ratelimit-limit-tokens", "tokens")),
    "anthropic": (
        (b"anthropic-ratelimit-requests-limit", "requests"),
        (b"anthropic-ratelimit-input-tokens-limit", "input_tokens"),
        (b"anthropic-ratelimit-output-tokens-limit", "output_tokens"),
        (b"anthropic-ratelimit-tokens-limit", "tokens"),
    ),
}
_REQUESTS = {dialect: headers[0][0] for dialect, headers in _LIMITS.items()}


class Quotas:
    """What each target's limits were when they were last told. A call whose limits are as before costs two look-ups."""

    __slots__ = ("_clock", "_events", "_known")

    def __init__(self, clock: Clock, events: EventSink | None) -> None:
        self._clock = clock
        self._events = events
        self._known: dict[tuple[str, str], dict[bytes, bytes | None]] = {}

    def heard(self, target: Target, headers: Mapping[bytes, bytes]) -> None:
        """The headers of a good answer, names in lower case."""
        wanted = _LIMITS.get(target.endpoint.dialect)
        if wanted is None or _REQUESTS[target.endpoint.dialect] not in headers:
            return
        key = (target.provider, target.model)
        known = self._known.get(key)
        now = {name: headers.get(name) for name, _ in wanted}
        if now == known:
            return
        if known is None and len(self._known) >= TARGETS_MAX:
            del self._known[next(iter(self._known))]
        self._known[key] = now
        if self._events is not None:
            self._events.emit(self._event(target, wanted, known, now))

    def _event(
        self,
        target: Target,
        wanted: tuple[tuple[bytes, str], ...],
        known: dict[bytes, bytes | None] | None,
        now: dict[bytes, bytes | None],
    ) -> Event:
        figures: dict[str, Figure] = {word: _number(now[name]) for name, word in wanted if now[name] is not None}
        told = ", ".join(f"{count:,} {word.replace('_', ' ')}" for word, count in figures.items() if count is not None)
        kind, severity = ("rate_limit_learned", INFO) if known is None else ("rate_limit_changed", WARNING)
        return Event(kind, self._clock.now_ns(), str(target), f"{told} a minute", severity, figures)


def _number(text: bytes | None) -> int | None:
    return int(text) if text is not None and text.isdigit() and len(text) < 16 else None
