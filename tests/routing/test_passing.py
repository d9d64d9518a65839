"""Which client headers reach a provider."""

from __future__ import annotations

from headgate.routing.passing import VALUE_BYTES_MAX, passing

CLIENT = [
    (b"authorization", b"Bearer s"),
    (b"x-api-key", b"s"),
    (b"cookie", b"s"),
    (b"x-forwarded-for", b"10.0.0.1"),
    (b"openai-organization", b"org"),
    (b"openai-beta", b"assistants=v2"),
    (b"anthropic-version", b"2026-10-21"),
    (b"anthropic-beta", b"context-1m"),
]


def test_only_switches_of_the_same_dialect_pass() -> None:
    assert list(passing("openai", CLIENT)) == [(b"openai-beta", b"assistants=v2")]
    assert list(passing("anthropic", CLIENT)) == [
        (b"anthropic-beta", b"context-1m"),
        (b"anthropic-version", b"2026-10-21"),
    ]
    assert list(passing("google", CLIENT)) == []


def test_values_that_could_break_a_head_stay_behind() -> None:
    for value in (b"a\r\nx: y", b"a\nb", b"a\x00b", b"\xff", b"x" * (VALUE_BYTES_MAX + 1)):
        assert list(passing("anthropic", [(b"anthropic-beta", value)])) == []
