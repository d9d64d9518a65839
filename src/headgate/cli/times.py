"""Times as people type and read them: `1h`, `2d`, `2026-11-25`, local time out."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str) -> datetime:
    """`90m` (ago), or an ISO 8601 date or time, in UTC where it names no zone. For argparse: raises its type error."""
    try:
        if text[-1:] in _UNITS and text[:-1].isdigit():
            return datetime.now(UTC) - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
        found = datetime.fromisoformat(text)
    except (OverflowError, ValueError):
        raise argparse.ArgumentTypeError(f"`{text}` is no time: 90m, 24h, 7d, or 2026-11-25T12:00:00Z") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def said(value: datetime | None) -> str | None:
    """For the management API."""
    return None if value is None else value.isoformat()


def shown(ns: int) -> str:
    """Nanoseconds since the epoch in local time, to the second."""
    return datetime.fromtimestamp(ns / 1e9, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ms(us: int | None) -> float | None:
    """Microseconds as milliseconds."""
    return None if us is None else us / 1000
