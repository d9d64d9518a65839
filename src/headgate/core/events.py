"""What an operator should hear of: a breaker opened, a model retires, a price changed. Told once, when it happens.

An event is about a subject and carries figures, never content or secrets.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

INFO, WARNING, CRITICAL = "info", "warning", "critical"

# every kind there is: docs/events.md says when each is told
KINDS = (
    "breaker_closed", "breaker_opened", "budget_spent", "budget_warning", "model_changed", "model_retires",
    "price_changed", "rate_limit_changed", "rate_limit_learned",
)  # fmt: skip

Figure = str | int | float | bool | None


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`kind` is one of KINDS, `subject` what it is about (`openai/gpt-5`, `key/k_1`).

    `at_ns` is wall time. `text` says it in one sentence; `figures` carry the same for programs.
    """

    kind: str
    at_ns: int
    subject: str
    text: str
    severity: str = INFO
    figures: Mapping[str, Figure] = {}


class StoredEvent(msgspec.Struct, frozen=True):
    """An event that is kept. `id` says which, at every telling of it."""

    id: str
    event: Event


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events. None: any. `severity`: this one and graver."""

    since_ns: int | None = None
    until_ns: int | None = None
    kind: str | None = None
    subject: str | None = None
    severity: str = INFO
    limit: int = 50
