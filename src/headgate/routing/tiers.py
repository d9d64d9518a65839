"""The shipped tier table: which models of other vendors stand in for one."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping, Sequence

import msgspec


class Tier(msgspec.Struct, frozen=True):
    """Models of about one size and price. By provider type: the current model, and the words that tell members."""

    name: str
    peers: Mapping[str, str]
    words: Mapping[str, frozenset[str]]


class TierTable(msgspec.Struct, frozen=True):
    """Tiers, the most specific first; `order` of provider types; `alone`: words of models nothing stands in for."""

    as_of: str
    order: Sequence[str]
    alone: frozenset[str]
    tiers: Sequence[Tier]

    @classmethod
    def load(cls) -> TierTable:
        """The table that ships with this version."""
        text = (importlib.resources.files("headgate") / "data" / "tiers.json").read_bytes()
        return msgspec.json.decode(text, type=cls)

    def tier(self, provider_type: str, model: str) -> Tier | None:
        """The tier of a model by the words of its name; None for models of a special purpose and unknown vendors."""
        words = _words(model)
        if words & self.alone:
            return None
        for tier in self.tiers:
            if words & tier.words.get(provider_type, frozenset()):
                return tier
        return None

    def peers(self, provider_type: str, model: str) -> list[tuple[str, str]]:
        """(provider type, model) to ask when `model` cannot be had: other vendors in order, its own vendor last."""
        tier = self.tier(provider_type, model)
        if tier is None:
            return []
        kinds = [kind for kind in self.order if kind in tier.peers]
        kinds.sort(key=lambda kind: kind == provider_type)
        return [(kind, tier.peers[kind]) for kind in kinds if (kind, tier.peers[kind]) != (provider_type, model)]


def _words(model: str) -> frozenset[str]:
    text = model.lower()
    for mark in "._:@/+":
        text = text.replace(mark, "-")
    return frozenset(text.split("-"))
