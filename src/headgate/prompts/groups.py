"""Groups in memory: which of them a text belongs to, found without looking at all of them."""

from __future__ import annotations

from collections import Counter

from headgate.core.discovery import StoredGroup
from headgate.prompts.skeleton import Skeleton, words_of

GROUPS_MAX = 1_000
TRIED_MAX = 8  # groups that share most of their longest words with a text
ANCHORS = 12  # longest words of a group

_Key = tuple[str, str]


class Groups:
    """Skeletons by (tenant, id). Not safe to use from two threads at once."""

    def __init__(self, stored: list[StoredGroup]) -> None:
        self._skeletons: dict[_Key, Skeleton] = {}
        self._by_anchor: dict[_Key, set[str]] = {}
        self._anchors: dict[_Key, set[str]] = {}
        for one in stored:
            self._set((one.tenant, one.id), Skeleton(tuple(one.words), tuple(one.gaps)))

    def place(self, tenant: str, fingerprint: str, text: str, cut: bool) -> tuple[str | None, StoredGroup | None]:
        """The group of a new text and, where the group is new or changed by it, what it is now.

        (None, None) where it fits no group and there is no room for another.
        """
        for id in self._likely(tenant, text):
            before = self._skeletons[tenant, id]
            made = before.joined(text, cut)
            if made is not None:
                if made == before:
                    return id, None
                self._set((tenant, id), made)
                return id, StoredGroup(tenant, id, list(made.words), list(made.gaps))
        if len(self._skeletons) >= GROUPS_MAX:
            return None, None
        alone = Skeleton.of(text, cut)
        self._set((tenant, fingerprint), alone)
        return fingerprint, StoredGroup(tenant, fingerprint, list(alone.words), list(alone.gaps))

    def _likely(self, tenant: str, text: str) -> list[str]:
        """Groups in the order of how many of their anchors are in the text."""
        shared: Counter[str] = Counter()
        for word in {word.strip() for word in words_of(text)}:
            shared.update(self._by_anchor.get((tenant, word), ()))
        return [id for id, _ in sorted(shared.items(), key=lambda item: (-item[1], item[0]))[:TRIED_MAX]]

    def _set(self, key: _Key, skeleton: Skeleton) -> None:
        tenant, id = key
        anchors = set(sorted({word.strip() for word in skeleton.words}, key=lambda word: (-len(word), word))[:ANCHORS])
        before = self._anchors.get(key, set())
        for word in before - anchors:
            self._by_anchor[tenant, word].discard(id)
        for word in anchors - before:
            self._by_anchor.setdefault((tenant, word), set()).add(id)
        self._anchors[key] = anchors
        self._skeletons[key] = skeleton
