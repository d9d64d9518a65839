"""What a check is: a pattern, a bound on what it may match, and a second opinion on each match."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import msgspec

from headgate.core.errors import ConfigError
from headgate.core.types import JsonObject

Verify: TypeAlias = "Callable[[str, int, int], int | None]"
Fault: TypeAlias = "Callable[[str, str, str], ConfigError]"


class Check(msgspec.Struct, frozen=True):
    """One kind of text that a rule looks for.

    `pattern` is RE2 without anchors; a match of it is a candidate of at most `longest` characters, counted from where
    it begins: what would need more is not a match, and what could be had with less is cut there. `replace` is what a
    redaction puts in place unless the rule says otherwise. `verify(text, start, end)` says where the true match ends
    (at most `end`), or None for a false alarm; it may look at `text[start - 1]` and `text[end]` and nowhere else
    outside the candidate. `probe`, where given, is a cheaper pattern that is found wherever `pattern` is.
    """

    pattern: str
    longest: int
    replace: str
    verify: Verify | None = None
    probe: str | None = None


class CheckModule(Protocol):
    """What a file in `checks/`, or the object behind an entry point of group `headgate.checks`, offers."""

    SETTINGS: tuple[str, ...]

    def make(self, settings: JsonObject, fault: Fault) -> Check:
        """The check for a rule with these settings (only names listed in SETTINGS).

        Raises what `fault(setting, wrong, right)` returns where one is missing or bad.
        """
        ...
