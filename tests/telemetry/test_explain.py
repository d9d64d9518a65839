"""A call in words: everything that matters is said, and what is unknown is said to be."""

from __future__ import annotations

import pytest

from headgate.core.record import AttemptRecord, CallRecord, SeamRecord, SkipRecord, VerdictRecord
from headgate.telemetry import explain
from tests.telemetry.builders import NOON, record, refused


def text(item: CallRecord) -> str:
    return "\n".join(explain(item))


def test_an_answer_of_two_models_names_both() -> None:
    item = record(
        1, finish="stop", model_answered="gpt-6-luna", provider="anthropic", target_model="claude",
        seams=[SeamRecord(11, 1, 2, "truncated")],
    )  # fmt: skip
    assert "It was begun by gpt-6-luna and gone on with by claude, which finished with `stop`." in text(item)


def test_a_failover_is_told_from_question_to_cost() -> None:
    item = record(
        1, finish="stop", model_answered="claude-3-5", route="route/default@1.0.0",
        policy="guardrail/pii@2.0.0", prompt_digest="abcdef0123456789", dropped=["logprobs"], peer="10.0.0.1",
        provider="anthropic", target_model="claude", cached_tokens=10, reasoning_tokens=5, stream=True,
        skipped=[SkipRecord("google", "gemini", "cannot carry an image by URL")],
        attempts=[
            AttemptRecord(
                "openai", "gpt-4o-mini", 1200, "first in the route", 9000, None, 500, "failed", "server_error",
                "the provider answered HTTP 500", request_id="req_7",
            ),
            AttemptRecord("anthropic", "claude", 9100, "next in the route", 400_000, 90_000, 200, "ok"),
        ],
        verdicts=[VerdictRecord("card", "output", "redact", "text", 3, 19, "guardrail/pii@2.0.0", 2)],
    )  # fmt: skip
    said = text(item)
    for part in (
        "Key key_1 of tenant acme asked for `support` at 2025-11-24T12:00:00.000Z", "streamed", "10.0.0.1",
        "Release support#17 answered for channel production of app support",
        "The prompt was prompt/support@1.4.2 (digest abcdef012345)",
        "The policy was guardrail/pii@2.0.0", "The route was route/default@1.0.0",
        "google/gemini was not asked: cannot carry an image by URL",
        "Attempt 1 asked openai/gpt-4o-mini (first in the route) at 1.2 ms: failed, server_error with HTTP 500",
        "req_7", "Attempt 2 asked anthropic/claude (next in the route) at 9.1 ms: it answered with HTTP 200",
        "first token at 90.0 ms", "Rule card of guardrail/pii@2.0.0 matched the output of attempt 2", "redact",
        "`logprobs`", "answered by claude-3-5, which finished with `stop`",
        "300 in, 80 out", "10 of the input from the provider's cache", "5 of the output for reasoning",
        "Cost: $0.250000", "Time taken: 400.0 ms, first content after 90.0 ms",
    ):  # fmt: skip
        assert part in said, part


def test_a_refusal_says_why_and_that_nobody_was_asked() -> None:
    said = text(refused(1, message="over 5 requests per minute of this API key"))
    assert "refused before any answer went out: rate_limited (over 5 requests per minute" in said
    assert "HTTP 429" in said
    assert "No provider was asked, so it used no tokens and cost nothing." in said
    assert "unknown" not in said.partition("No provider")[2]


def test_a_caller_without_a_key_is_called_that() -> None:
    assert "A caller without a good key" in text(CallRecord("call_1", NOON, "openai", outcome="refused"))


def test_a_hang_up_says_how_far_it_came() -> None:
    cut = record(1, outcome="cancelled", error="client_closed", committed=True, tokens_estimated=True)
    assert "The client left before the answer was complete; the client got HTTP 200, part of the answer" in text(cut)
    assert "(estimated: the provider did not tell)" in text(cut)
    early = record(1, outcome="cancelled", committed=False, status=None)
    assert "nothing of an answer had gone out" in text(early)


def test_an_unknown_price_names_the_target() -> None:
    assert "no price is known for openai/gpt-4o-mini" in text(record(1, cost_usd=None))


def test_an_unregistered_prompt_shows_its_fingerprint() -> None:
    said = text(record(1, app=None, release=None, prompt=None, fingerprint="f" * 64, route=None))
    assert "not registered; its fingerprint is ffffffffffffffff, which `headgate adopt` takes." in said
    assert "the requested provider first, then its tier" in said


@pytest.mark.parametrize("outcome", ["in_flight", "ok", "refused", "blocked", "failed", "cancelled", "aborted", "new"])
def test_every_outcome_has_its_words_even_where_nothing_else_is_known(outcome: str) -> None:
    lines = explain(CallRecord("call_1", NOON, "google", outcome=outcome))
    assert all(line.endswith(".") for line in lines)
    assert not any("None" in line for line in lines)
