"""Versions as whole numbers: Langfuse counts 1, 2, 3.

`N.0.0` is N, as prompts that came from Langfuse are kept here; any other version is 1 and three digits for each part.
So a number means the same version in every registry, whatever else was put in and when.
"""

from __future__ import annotations

from headgate.core.errors import InvalidRequest

PART_MAX = 999
_MARK = 1_000_000_000


def number_of(version: str) -> int:
    """`3.0.0` is 3, `1.4.2` is 1001004002. Raises InvalidRequest for parts beyond PART_MAX."""
    major, minor, patch = (int(part) for part in version.split("."))
    if max(major, minor, patch) > PART_MAX:
        raise InvalidRequest(f"version {version} has no number: its parts go up to {PART_MAX} there; name a label")
    if major and not minor and not patch:
        return major
    return _MARK + major * 1_000_000 + minor * 1_000 + patch


def version_of(number: int) -> str | None:
    """The version that a number means; None where it means none."""
    if 0 < number <= PART_MAX:
        return f"{number}.0.0"
    rest = number - _MARK
    if not 0 <= rest < 1_000_000_000:
        return None
    version = f"{rest // 1_000_000}.{rest // 1_000 % 1_000}.{rest % 1_000}"
    return version if number_of(version) == number else None
