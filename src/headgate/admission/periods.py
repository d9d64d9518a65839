"""Budget periods: UTC calendar days and months, or the life of the key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

BUDGET_PERIODS = ("day", "month", "total")

_SECOND = 1_000_000_000
_NEVER = 1 << 63


def period_bounds(period: str, now_ns: int) -> tuple[int, int]:
    """Start and end (exclusive) of the period that holds wall time `now_ns`; `total` starts at 0 and never
    ends.

    Raises ValueError for a word that is not in BUDGET_PERIODS.
    """
    if period == "total":
        return 0, _NEVER
    day = datetime.fromtimestamp(now_ns // _SECOND, UTC).replace(hour=0, minute=0, second=0)
    if period == "day":
        return _ns(day), _ns(day + timedelta(days=1))
    if period == "month":
        first = day.replace(day=1)
        return _ns(first), _ns((first + timedelta(days=31)).replace(day=1))
    raise ValueError(f"no such budget period: {period}")


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * _SECOND
