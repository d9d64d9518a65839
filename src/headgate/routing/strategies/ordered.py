"""`ordered`: targets are asked as they are listed. What a route does that names no strategy; costs nothing."""

from __future__ import annotations

from headgate.routing.strategy import Built, Given

OPTIONS: tuple[str, ...] = ()


def build(given: Given) -> Built:
    """No strategy at all: the planner's usual order."""
    return Built(None, given.targets)
