"""Rate limits that providers tell: learned once, and told when they change."""

from __future__ import annotations

from headgate.core.events import Event
from headgate.core.snapshot import Target
from headgate.routing.quota import TARGETS_MAX, Quotas
from tests.routing.scripted import LineEndpoint
from tests.support.world import ManualClock

OPENAI = Target("work", "luna", LineEndpoint("work", "openai"))
CLAUDE = Target("claude", "haiku", LineEndpoint("claude", "anthropic"))
HEADERS = {b"x-ratelimit-limit-requests": b"10000", b"x-ratelimit-limit-tokens": b"30000000", b"date": b"x"}


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


def test_a_limit_is_told_when_it_is_learned_and_when_it_changes() -> None:
    heard = Heard()
    quotas = Quotas(ManualClock(), heard)
    for _ in range(3):
        quotas.heard(OPENAI, HEADERS)
    quotas.heard(OPENAI, {**HEADERS, b"x-ratelimit-limit-requests": b"500"})
    quotas.heard(OPENAI, {b"date": b"x"})  # an answer that tells none
    learned, changed = heard.events
    assert (learned.kind, learned.severity, learned.subject) == ("rate_limit_learned", "info", "work/luna")
    assert learned.figures == {"requests": 10_000, "tokens": 30_000_000}
    assert (changed.kind, changed.severity) == ("rate_limit_changed", "warning")
    assert changed.figures == {"requests": 500, "tokens": 30_000_000}
    assert "500 requests" in changed.text


def test_vendors_tell_it_in_their_own_headers() -> None:
    heard = Heard()
    quotas = Quotas(ManualClock(), heard)
    told = {b"anthropic-ratelimit-requests-limit": b"50", b"anthropic-ratelimit-input-tokens-limit": b"oops"}
    quotas.heard(CLAUDE, told)
    quotas.heard(CLAUDE, HEADERS)
    assert [event.figures for event in heard.events] == [{"requests": 50, "input_tokens": None}]


def test_targets_are_bounded() -> None:
    quotas = Quotas(ManualClock(), None)
    for number in range(TARGETS_MAX + 3):
        quotas.heard(Target("work", str(number), OPENAI.endpoint), HEADERS)
    assert len(quotas._known) == TARGETS_MAX
