"""What reading one file yields: places, texts still to be judged, and where names are defined and used."""

from __future__ import annotations

import msgspec

from headgate.scanner.finding import Draft, Skipped
from headgate.scanner.text import Text


class Candidate(msgspec.Struct, frozen=True):
    """A text that may be a prompt. `keys` are the names it goes by, `slot` its own, `callee` whose argument it is."""

    draft: Draft
    slot: str = ""
    callee: str = ""
    function: str = ""
    klass: str = ""
    keys: tuple[str, ...] = ()
    silent: bool = False
    top: bool = False


class Gathered(msgspec.Struct):
    """One file's yield. Texts and sets only, no syntax trees: a large project fits in memory.

    `uses` are keys of names that reach a sink, 3 where a model's own call takes them, 2 where a function does that
    seems to ask a model; `shown` are keys of names that people are asked with. `flows` maps a key to the keys of which
    its value is made.
    """

    path: str
    module: str = ""
    drafts: list[Draft] = []
    candidates: list[Candidate] = []
    constants: dict[str, Text] = {}
    uses: dict[str, int] = {}
    shown: set[str] = set()
    flows: dict[str, set[str]] = {}
    skipped: Skipped | None = None
    lines: int = 0

    def use(self, key: str, level: int) -> None:
        """Takes note of a use; the stronger one counts."""
        self.uses[key] = max(level, self.uses.get(key, 0))


def lines_in(source: str) -> int:
    """How many lines a source has; only `\\n` ends one, as parsers count."""
    return source.count("\n") + (not source.endswith("\n") and bool(source))
