"""What a server refused before there was a call: counted by kind, and told in the log once in a while."""

from __future__ import annotations

import logging

import msgspec

from headgate.core.ports import Clock
from headgate.wire.request import Refusal

_log = logging.getLogger(__name__)
LOG_EVERY_NS = 10_000_000_000
_KINDS = {408: "timeout", 413: "too_large", 431: "too_large", 503: "overloaded"}


class Refused(msgspec.Struct, frozen=True):
    """How many requests, by what was wrong: head or body larger than allowed, or not there in time; connections or
    bytes on their way over the bounds of the process; everything that is no HTTP as it is spoken here."""

    too_large: int = 0
    timeout: int = 0
    overloaded: int = 0
    malformed: int = 0


class Refusals:
    """Counts them for one server. A flood of them is one line of the log in ten seconds."""

    __slots__ = ("_clock", "_counts", "_told", "_told_ns")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts = dict.fromkeys(Refused.__struct_fields__, 0)
        self._told = 0
        self._told_ns: int | None = None

    def counts(self) -> Refused:
        """How many there were so far."""
        return Refused(**self._counts)

    def note(self, refusal: Refusal) -> None:
        """One more. A failure of ours is none: that call is on record, and in the log by itself."""
        if refusal.status == 500:
            return
        self._counts[_KINDS.get(refusal.status, "malformed")] += 1
        now_ns = self._clock.monotonic_ns()
        if self._told_ns is not None and now_ns - self._told_ns < LOG_EVERY_NS:
            return
        self._told_ns = now_ns
        total = sum(self._counts.values())
        _log.warning("refused before any call: %d, the last %d %s", total - self._told, refusal.status, refusal.reason)
        self._told = total
