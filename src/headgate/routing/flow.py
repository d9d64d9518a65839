"""How fast the content of a stream comes: one that drips, event by event, is no better than one that stalls."""

from __future__ import annotations

SPAN_NS = 30_000_000_000
READS_MIN = 5


class Flow:
    """Judges spans of at least 30 s and five reads with content. What passes around a keep-alive is not counted: the
    provider says that its model is at work on something it does not show."""

    __slots__ = ("_chars", "_last_ns", "_least", "_reads", "_spent_ns")

    def __init__(self, least: float) -> None:
        """`least`: characters of content a second."""
        self._least = least
        self._last_ns: int | None = None
        self._spent_ns = self._chars = self._reads = 0

    def came(self, chars: int, now_ns: int) -> bool:
        """A read, with so many characters of content. Whether a span has ended in which they came too slowly."""
        if not chars:
            self._last_ns = None
            return False
        last, self._last_ns = self._last_ns, now_ns
        if last is None:
            return False
        self._spent_ns += now_ns - last
        self._chars += chars
        self._reads += 1
        if self._spent_ns < SPAN_NS or self._reads < READS_MIN:
            return False
        slow = self._chars * 1e9 < self._least * self._spent_ns
        self._spent_ns = self._chars = self._reads = 0
        return slow
