"""Times as the management API takes them."""

from __future__ import annotations

from datetime import datetime

from headgate.core.errors import InvalidRequest

NS_MAX = (1 << 63) - 1  # the year 2262


def moment_ns(moment: datetime, param: str) -> int:
    """Wall ns of a time with a zone, to the microsecond. Raises InvalidRequest that names the parameter."""
    if moment.tzinfo is None:
        raise InvalidRequest(f"`{param}` needs a time zone, such as 2026-11-25T12:00:00Z", param=param)
    ns = round(moment.timestamp() * 1e6) * 1000
    if not 0 <= ns <= NS_MAX:
        raise InvalidRequest(f"`{param}` lies between the years 1970 and 2262", param=param)
    return ns
