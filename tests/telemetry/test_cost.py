"""What a call is billed: attempts that failed halfway included, and text that came but never went out."""

from __future__ import annotations

import pytest

from headgate.core.record import AttemptRecord
from headgate.core.types import Price, Usage
from headgate.telemetry.cost import settle
from tests.support.world import ManualClock
from tests.telemetry.builders import call, funded, target

PRICE = Price(100.0, 1000.0)  # 40 tokens of input: $0.004; a token of answer: $0.001


def tried(provider: str, chars: int, error: str | None = None) -> AttemptRecord:
    return AttemptRecord(provider, "m", 0, "first", outcome="failed" if error else "ok", error=error, chars=chars)


def settled(*attempts: AttemptRecord, told: Usage | None = None, chars: int = 0, **fields):
    made = call(ManualClock())
    record = made.record
    record.attempts = list(attempts)
    record.provider, record.target_model = attempts[-1].provider, attempts[-1].model
    for name, value in fields.items():
        setattr(record, name, value)
    settle(record, funded(made, target("a", "m", PRICE), target("b", "m", PRICE)), told, chars)
    return record


def test_an_attempt_that_failed_over_after_it_had_answered_is_billed_by_its_text() -> None:
    record = settled(
        tried("a", 400, "truncated"), tried("b", 40), told=Usage(40, 10), chars=40, outcome="ok", finish="stop"
    )
    assert (record.input_tokens, record.output_tokens) == (40, 10), "of the answer"
    assert record.attempts[0].cost_usd == pytest.approx(0.104)
    assert record.cost_usd == pytest.approx(0.104 + 0.014)
    assert record.tokens_estimated


def test_an_attempt_that_said_nothing_is_not() -> None:
    record = settled(
        tried("a", 0, "overloaded"), tried("b", 40), told=Usage(40, 10), chars=40, outcome="ok", finish="stop"
    )
    assert record.attempts[0].cost_usd is None
    assert record.cost_usd == pytest.approx(0.014)
    assert not record.tokens_estimated


def test_text_that_came_and_never_went_out_is_billed_where_the_client_left() -> None:
    record = settled(tried("a", 400), chars=40, outcome="cancelled", committed=True)
    assert (record.output_tokens, record.tokens_estimated) == (100, True)
    assert record.cost_usd == pytest.approx(0.104)


def test_the_last_of_failures_is_billed_by_its_text_too() -> None:
    record = settled(tried("a", 0, "overloaded"), tried("b", 8, "truncated"), outcome="failed")
    assert record.cost_usd == pytest.approx(0.006)


def test_failures_alone_cost_nothing_known() -> None:
    record = settled(tried("a", 0, "overloaded"), tried("b", 0, "server_error"), outcome="failed")
    assert (record.cost_usd, record.input_tokens) == (None, None)
