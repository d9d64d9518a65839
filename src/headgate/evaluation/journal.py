"""A journal that keeps finished records in memory until they are taken: for drills."""

from __future__ import annotations

from headgate.core.discovery import PromptSample
from headgate.core.record import CallRecord, GapRecord


class MemoryJournal:
    """Implements `core.ports.Journal`. `twice` and `lost` count what must never happen. Bounded by its taker."""

    __slots__ = ("_sealed", "in_flight", "lost", "twice")

    def __init__(self) -> None:
        self._sealed: dict[str, CallRecord] = {}
        self.in_flight: set[str] = set()
        self.twice = 0
        self.lost = 0

    def opened(self, record: CallRecord) -> None:
        """A call is in flight."""
        self.in_flight.add(record.id)

    def sealed(self, record: CallRecord) -> None:
        """A finished record."""
        self.in_flight.discard(record.id)
        self.twice += record.id in self._sealed
        self._sealed[record.id] = record

    def gap(self, gap: GapRecord) -> None:
        """Records that could not be kept."""
        self.lost += gap.lost

    def sampled(self, sample: PromptSample) -> bool:
        """A drill has nobody who would register prompts."""
        return True

    def take(self, call_id: str) -> CallRecord | None:
        """The finished record of a call, once; None where there is none."""
        return self._sealed.pop(call_id, None)
