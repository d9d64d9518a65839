"""A rule by length alone: what a classifier has to beat to be worth its keep."""

from __future__ import annotations

from collections import Counter

import msgspec

from headgate.routing.learned.labelled import DataSet, Labelled


class LengthRule(msgspec.Struct, frozen=True):
    """`shorter` for texts of at most `chars` characters, `longer` for others."""

    chars: int
    shorter: str
    longer: str

    def guess(self, row: Labelled) -> str:
        """The class by length alone."""
        return self.shorter if len(row.facts.text) <= self.chars else self.longer


def length_rule(data: DataSet) -> LengthRule:
    """The threshold that is right most often. One walk by length: at each the commonest class on either side."""
    longer = Counter(row.label for row in data.rows)
    majority = commonest(longer)
    best = (longer[majority], LengthRule(0, majority, majority))
    shorter: Counter[str] = Counter()
    by_length = sorted((len(row.facts.text), row.label) for row in data.rows)
    for at, (chars, label) in enumerate(by_length):
        shorter[label] += 1
        longer[label] -= 1
        if at + 1 < len(by_length) and by_length[at + 1][0] == chars:
            continue
        below, above = commonest(shorter), commonest(longer)
        right = shorter[below] + longer[above]
        if right > best[0]:
            best = (right, LengthRule(chars, below, above))
    return best[1]


def commonest(counts: Counter[str]) -> str:
    """The class with the most rows; of equals the first by name."""
    return min(counts, key=lambda name: (-counts[name], name))
