"""What two sequences of words have in common, in order.

Equal ends first; then words that stand once on either side and in the same order (the idea of patience diff, by Bram
Cohen), which split the rest; what is small is aligned exactly by dynamic programming. Work is bounded: what is left
when the steps are used up counts as different.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

CELLS_MAX = 4_096  # of one exact table
STEPS_MAX = 200_000  # words looked at and cells filled, in all


def align(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of places with equal words, both increasing."""
    pairs: list[tuple[int, int]] = []
    todo = [(0, len(left), 0, len(right))]
    steps = STEPS_MAX
    while todo:
        a, b, c, d = todo.pop()
        while a < b and c < d and left[a] == right[c]:
            pairs.append((a, c))
            a, c = a + 1, c + 1
        while a < b and c < d and left[b - 1] == right[d - 1]:
            b, d = b - 1, d - 1
            pairs.append((b, d))
        cells = (b - a) * (d - c)
        if not cells or steps <= 0:
            continue
        if cells <= CELLS_MAX:
            steps -= cells
            pairs += _exactly(left, right, (a, b, c, d))
            continue
        steps -= b - a + d - c
        before = a, c
        for x, y in _anchors(left, right, (a, b, c, d)):
            pairs.append((x, y))
            todo.append((before[0], x, before[1], y))
            before = x + 1, y + 1
        if before != (a, c):
            todo.append((before[0], b, before[1], d))
    return sorted(pairs)


def _anchors(left: Sequence[str], right: Sequence[str], within: tuple[int, int, int, int]) -> list[tuple[int, int]]:
    """Places of words that stand once on either side, as many as are in the same order on both."""
    a, b, c, d = within
    once_left, once_right = Counter(left[a:b]), Counter(right[c:d])
    place = {right[y]: y for y in range(c, d) if once_right[right[y]] == 1}
    common = [(x, place[left[x]]) for x in range(a, b) if once_left[left[x]] == 1 and left[x] in place]
    tails: list[int] = []  # the longest increasing run of right places (Fredman 1975), with what came before each
    ends: list[int] = []
    before: list[int] = []
    for index, (_, y) in enumerate(common):
        at = bisect_left(tails, y)
        before.append(ends[at - 1] if at else -1)
        if at == len(tails):
            tails.append(y)
            ends.append(index)
        else:
            tails[at], ends[at] = y, index
    found: list[tuple[int, int]] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        found.append(common[index])
        index = before[index]
    return found[::-1]


def _exactly(left: Sequence[str], right: Sequence[str], within: tuple[int, int, int, int]) -> list[tuple[int, int]]:
    """The longest common subsequence of two short stretches."""
    a, b, c, d = within
    width = d - c
    longest = [[0] * (width + 1) for _ in range(b - a + 1)]
    for x in range(b - a - 1, -1, -1):
        row, below = longest[x], longest[x + 1]
        for y in range(width - 1, -1, -1):
            row[y] = below[y + 1] + 1 if left[a + x] == right[c + y] else max(below[y], row[y + 1])
    pairs: list[tuple[int, int]] = []
    x = y = 0
    while x < b - a and y < width:
        if left[a + x] == right[c + y]:
            pairs.append((a + x, c + y))
            x, y = x + 1, y + 1
        elif longest[x + 1][y] >= longest[x][y + 1]:
            x += 1
        else:
            y += 1
    return pairs
