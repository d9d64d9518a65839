"""Groups in memory: which of them a text belongs to, found without looking at all of them."""

from __future__ import annotations

from collections import Counter

import msgspec

from headgate.core.discovery import StoredGroup
from headgate.prompts.skeleton import Skeleton

GROUPS_MAX = 1_000
ANCHORS = 12  # longest words of a group
LIKELY_MAX = 8  # groups that share most of their anchors with a text
TRIED_MAX = 3  # of those, held against it word by word
SHARED = 0.5  # of a group's words that a text has, whatever their order
EDGE_CHARS = 40  # at the beginning or the end, that are the same

_Key = tuple[str, str]


class _Group(msgspec.Struct):
    skeleton: Skeleton
    words: frozenset[str]
    anchors: frozenset[str]
    begin: str
    end: str

    @classmethod
    def of(cls, skeleton: Skeleton) -> _Group:
        blocks = skeleton.blocks
        words = frozenset(word for block in blocks for word in block.split())
        anchors = frozenset(sorted(words, key=lambda word: (-len(word), word))[:ANCHORS])
        return cls(skeleton, words, anchors, blocks[0][:EDGE_CHARS], blocks[-1][-EDGE_CHARS:])

    def likely(self, text: str, words: set[str]) -> bool:
        """Whether a closer look may be worth its time."""
        if len(self.words & words) >= SHARED * len(self.words):
            return True
        begins = len(self.begin) == EDGE_CHARS and text.startswith(self.begin)
        return begins or (len(self.end) == EDGE_CHARS and text.endswith(self.end))


class Placed(msgspec.Struct, frozen=True):
    """Where a text belongs. `group` is what its group is now, where it is new or changed; `merged` names a group of the
    same template that is part of this one from now on."""

    id: str
    group: StoredGroup | None = None
    merged: str | None = None


class Groups:
    """Skeletons by (tenant, id). Not safe to use from two threads at once."""

    def __init__(self, stored: list[StoredGroup]) -> None:
        self._groups: dict[_Key, _Group] = {}
        self._by_anchor: dict[_Key, set[str]] = {}
        self._by_skeleton: dict[tuple[str, Skeleton], str] = {}
        for one in stored:
            self._set((one.tenant, one.id), Skeleton(tuple(one.words), tuple(one.gaps)))

    def place(self, tenant: str, fingerprint: str, text: str, cut: bool) -> Placed | None:
        """The group of a new text; None where it fits none and there is no room for another."""
        for id in self._likely(tenant, text):
            before = self._groups[tenant, id].skeleton
            made = before.joined(text, cut)
            if made is not None:
                return Placed(id) if made == before else self._changed(tenant, id, made)
        if len(self._groups) >= GROUPS_MAX:
            return None
        return self._changed(tenant, fingerprint, Skeleton.of(text, cut))

    def _changed(self, tenant: str, id: str, made: Skeleton) -> Placed:
        """Texts that came in another order may have made two groups that are the same by now: one goes on."""
        other = self._by_skeleton.get((tenant, made))
        if other is not None and other != id:
            self._forget((tenant, other))
        self._set((tenant, id), made)
        return Placed(id, StoredGroup(tenant, id, list(made.words), list(made.gaps)), other if other != id else None)

    def _likely(self, tenant: str, text: str) -> list[str]:
        """Groups worth a closer look, those with most of their anchors in the text first."""
        words = set(text.split())
        shared: Counter[str] = Counter()
        for word in words:
            shared.update(self._by_anchor.get((tenant, word), ()))
        first = sorted(shared.items(), key=lambda item: (-item[1], item[0]))[:LIKELY_MAX]
        return [id for id, _ in first if self._groups[tenant, id].likely(text, words)][:TRIED_MAX]

    def _set(self, key: _Key, skeleton: Skeleton) -> None:
        self._forget(key)
        tenant, id = key
        made = self._groups[key] = _Group.of(skeleton)
        self._by_skeleton[tenant, skeleton] = id
        for word in made.anchors:
            self._by_anchor.setdefault((tenant, word), set()).add(id)

    def _forget(self, key: _Key) -> None:
        before = self._groups.pop(key, None)
        if before is None:
            return
        tenant, id = key
        self._by_skeleton.pop((tenant, before.skeleton), None)
        for word in before.anchors:
            left = self._by_anchor[tenant, word]
            left.discard(id)
            if not left:
                del self._by_anchor[tenant, word]
