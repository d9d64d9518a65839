"""Answers that no provider gave: per app how many calls had one, and what that saved."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from headgate.core.calls import Rollup


class AnswersLine(msgspec.Struct, frozen=True):
    """One app over a range of time.

    `hits` got the answer of an earlier call at once, `misses` had none; `hit_rate` is hits by both, None without
    either. `stale` and `fixed` are calls of which every target had failed. `saved_usd`: what the answers that were
    given again had cost, as far as it is known.
    """

    app: str
    hits: int
    misses: int
    hit_rate: float | None
    stale: int
    fixed: int
    saved_usd: float


def answers_lines(rollups: Iterable[Rollup]) -> list[AnswersLine]:
    """A line for each app that may have such answers, by name."""
    apps: dict[str, Rollup] = {}
    for rollup in rollups:
        if rollup.stand_ins:
            apps.setdefault(rollup.key.app, Rollup(rollup.key)).add(rollup)
    return [_line(app, apps[app]) for app in sorted(apps)]


def _line(app: str, sums: Rollup) -> AnswersLine:
    how = sums.stand_ins
    hits, misses = how.get("hit", 0), how.get("miss", 0)
    rate = hits / (hits + misses) if hits or misses else None
    return AnswersLine(app, hits, misses, rate, how.get("stale", 0), how.get("fixed", 0), sums.saved_usd)
