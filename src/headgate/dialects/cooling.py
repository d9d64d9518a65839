"""How long a provider asked to be left alone, in the many forms vendors say it. No clock is read: dates are taken
relative to the answer's own `date` header.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from headgate.core.types import Header

COOL_MAX_S: Final = 3600.0
_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def named(headers: Sequence[Header]) -> dict[bytes, str]:
    """Headers by lower-case name, values stripped."""
    return {name.lower(): value.decode("latin-1").strip() for name, value in headers}


def bounded(seconds: float) -> float | None:
    """Within [0, COOL_MAX_S]; None for what is no waiting time (negative, NaN)."""
    if math.isnan(seconds) or seconds < 0:
        return None
    return min(seconds, COOL_MAX_S)


def number(text: str) -> float | None:
    """The text as a number, or None."""
    try:
        return float(text)
    except ValueError:
        return None


def duration_s(text: str) -> float | None:
    """`20ms`, `1.2s`, `6m0s`, `1h2m` in seconds; a trailing full stop is forgiven."""
    total, digits, unit = 0.0, "", ""
    for char in text.rstrip(".,") + "0":
        if char.isdigit() or char == ".":
            if unit:
                value, factor = number(digits), _UNITS_S.get(unit)
                if value is None or factor is None:
                    return None
                total, digits, unit = total + value * factor, "", ""
            digits += char
        else:
            unit += char
    return total if digits == "0" and total else None


def said_s(text: str, phrase: str = "try again in ") -> float | None:
    """The delay a message speaks of after `phrase`: "Please try again in 1.2s"."""
    _, found, rest = text.partition(phrase)
    seconds = duration_s(rest.split(" ", 1)[0]) if found else None
    return None if seconds is None else bounded(seconds)


def retry_after_s(headers: dict[bytes, str]) -> float | None:
    """Seconds by `retry-after-ms` or `retry-after` (seconds or an HTTP date); None where neither says any."""
    milliseconds = number(headers.get(b"retry-after-ms", ""))
    if milliseconds is not None:
        return bounded(milliseconds / 1000)
    after = headers.get(b"retry-after")
    if not after:
        return None
    seconds = number(after)
    return bounded(seconds) if seconds is not None else _between(_http_date(after), headers)


def until_s(moment: str, headers: dict[bytes, str]) -> float | None:
    """Seconds until an RFC 3339 moment, counted from the answer's own `date`; None where either does not read."""
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return _between(then, headers)


def _between(then: datetime | None, headers: dict[bytes, str]) -> float | None:
    now = _http_date(headers.get(b"date", ""))
    if then is None or now is None or (then.tzinfo is None) != (now.tzinfo is None):
        return None
    return bounded((then - now).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
