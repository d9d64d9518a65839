"""Unregistered prompts, grouped as workers tell of them: one group a template, whatever its variables held.

Runs in the control process. A text is placed once; how often each fingerprint was used is counted with the calls.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from headgate.core.discovery import GroupedText, PromptSample, StoredGroup
from headgate.core.errors import StoreUnavailable
from headgate.core.keys import EVERY_TENANT
from headgate.core.ports import Clock
from headgate.prompts.groups import Groups
from headgate.prompts.ports import PromptTexts, Uses

TEXTS_PER_GROUP = 50  # whose text is kept; of further ones the fingerprint is
DAY_NS = 86_400 * 10**9
TOUCHED_NS = DAY_NS // 8  # how far back use is looked at to tell what is still in use: tended to every hour

log = logging.getLogger(__name__)


class Discovery:
    """Places texts in groups. `days` tells how long a text is kept that nobody uses any more. Used by one thread."""

    def __init__(self, store: PromptTexts, uses: Uses, clock: Clock, days: Callable[[], int]) -> None:
        self._store = store
        self._uses = uses
        self._clock = clock
        self._days = days
        self._groups: Groups | None = None
        self._kept: dict[tuple[str, str], int] = {}
        self._room = 0

    def take(self, samples: Sequence[PromptSample]) -> None:
        """Keep what is new of what workers told.

        Never raises for a failing store: the records of calls are drained on the same way and must not wait for texts.
        What could not be kept is lost, and its calls count as not grouped.
        """
        try:
            self._take(samples)
        except StoreUnavailable as error:
            self._groups = None  # what is in memory may be ahead of the store
            log.warning("%d texts of unregistered prompts could not be kept: %s", len(samples), error.message)

    def _take(self, samples: Sequence[PromptSample]) -> None:
        groups = self._loaded()
        texts: dict[tuple[str, str], GroupedText] = {}
        changed: dict[tuple[str, str], StoredGroup] = {}
        merged: list[tuple[str, str, str]] = []
        for sample in samples:
            who = sample.tenant, sample.fingerprint
            if who in texts or self._store.known(*who):
                continue
            placed = groups.place(*who, sample.text, sample.cut)
            if placed is None:
                continue
            if placed.group is not None:
                changed[sample.tenant, placed.id] = placed.group
            if placed.merged is not None:
                merged.append((sample.tenant, placed.merged, placed.id))
                changed.pop((sample.tenant, placed.merged), None)
            kept = self._keeps(sample, placed.id)
            texts[who] = GroupedText(*who, placed.id, sample.text if kept else None, sample.chars, sample.at_ns)
        if texts:
            self._store.put(list(texts.values()), list(changed.values()), merged)

    def tend(self) -> None:
        """Note what is still in use, drop what is not. Raises StoreUnavailable."""
        now_ns = self._clock.now_ns()
        self._store.touch(self._uses.prompt_use(EVERY_TENANT, now_ns - TOUCHED_NS, now_ns))
        self._store.retain(now_ns - self._days() * DAY_NS)
        self._groups = None

    def _loaded(self) -> Groups:
        if self._groups is None:
            self._groups = Groups(self._store.groups())
            self._kept.clear()
            self._room = self._store.room()
        return self._groups

    def _keeps(self, sample: PromptSample, group: str) -> bool:
        key = sample.tenant, group
        kept = self._kept.get(key)
        if kept is None:
            kept = sum(text.text is not None for text in self._store.texts(*key))
        if kept >= TEXTS_PER_GROUP or self._room < len(sample.text):
            self._kept[key] = kept
            return False
        self._kept[key] = kept + 1
        self._room -= len(sample.text)
        return True
