"""Names and semantic versions: `support@1.4.2` (or `support-v1.4.2`); `support@1.4` and `support@1` mean the newest
of that line."""

from __future__ import annotations

from collections.abc import Iterable

NAME_CHARS_MAX = 100
_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


def is_name(name: str) -> bool:
    """Lower-case letters, digits, `-`, `_`, `.`; begins with a letter or digit; at most NAME_CHARS_MAX characters."""
    return 0 < len(name) <= NAME_CHARS_MAX and name[0].isalnum() and _NAME_CHARS.issuperset(name)


def parse_version(text: str) -> tuple[int, int, int] | None:
    """`1.4.2` as numbers; None for anything else (leading zeros and signs are something else)."""
    parts = _numbers(text)
    return (parts[0], parts[1], parts[2]) if parts is not None and len(parts) == 3 else None


def newest(wanted: str, versions: Iterable[str]) -> str | None:
    """The newest version that a full or partial one (`1.4`) means; None where there is none."""
    line = _numbers(wanted)
    if line is None:
        return None
    best: tuple[int, int, int] | None = None
    for text in versions:
        version = parse_version(text)
        if version is not None and list(version[: len(line)]) == line and (best is None or version > best):
            best = version
    return None if best is None else ".".join(map(str, best))


def split_name(wanted: str) -> tuple[str, str | None]:
    """A name and the version asked for, full or partial: `support@1.4`, `support-v2.3.1`; None where none is said."""
    name, mark, version = wanted.partition("@")
    if mark:
        return name, version
    stem, mark, version = wanted.rpartition("-v")
    return (stem, version) if mark and stem and parse_version(version) is not None else (wanted, None)


def _numbers(text: str) -> list[int] | None:
    parts = text.split(".")
    if len(parts) > 3 or not all(p.isascii() and p.isdigit() and (p == "0" or p[0] != "0") for p in parts):
        return None
    return [int(part) for part in parts]
