"""Policies hold through the SDKs, in every dialect, streamed or not, and what they did is on record."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.e2e.clients import ERRORS, TALKS, Asks, headers_of, status_of
from tests.e2e.gateway import Gateway, Vendors
from tests.e2e.workspace import VENDORS

CARD = "4111 1111 1111 1111"
POLICY = {"openai": "content_filter", "anthropic": "refusal", "google": "SAFETY"}
each_way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
each_pair = pytest.mark.parametrize(("sdk", "provider"), list(itertools.product(VENDORS, VENDORS)))


def told(error: Any) -> str:
    """The body of the error answer as the SDK keeps it."""
    return str(getattr(error, "body", None) or getattr(error, "details", None))


def verdicts(record: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(one["rule"], one["direction"], one["action"]) for one in record["verdicts"]}


@each_way
@pytest.mark.parametrize("sdk", VENDORS)
def test_a_forbidden_input_is_refused_before_anybody_is_asked(
    gateway: Gateway, vendors: Vendors, sdk: str, stream: bool
) -> None:
    vendors.reset()
    with pytest.raises(ERRORS[sdk]) as caught:
        TALKS[sdk](gateway, f"guarded-{sdk}", Asks(f"charge {CARD} please")).ask(stream)
    assert vendors.state()["answered"] == 0
    assert status_of(caught.value) == 400
    assert "policy_blocked" in told(caught.value)
    assert CARD not in str(caught.value)
    headers = headers_of(caught.value)
    assert headers["x-should-retry"] == "false"
    record = gateway.record(headers["x-headgate-call-id"])
    assert (record["call"]["outcome"], record["call"]["error"]) == ("blocked", "policy_blocked")
    assert record["call"]["attempts"] == 0
    assert record["policy"] == "guardrail/strict@1.0.0"
    assert ("card", "input", "block") in verdicts(record)
    assert CARD not in str(record)


@each_pair
def test_a_forbidden_answer_ends_with_the_dialects_policy_finish(gateway: Gateway, sdk: str, provider: str) -> None:
    asks = Asks("[[say]] The plan that nobody may know of is called bluebird and flies south.")
    talk = TALKS[sdk](gateway, f"guarded-{provider}", asks)
    text, finishes = "", []
    for piece, finish in talk.pieces():
        text += piece
        finishes += [finish] if finish else []
    whole = talk.ask(False)
    assert finishes[0] == whole.finish == POLICY[sdk]
    assert "blue" not in text + whole.text
    assert asks.said.removeprefix("[[say]] ").startswith(text)
    for stream, record in (
        (False, gateway.record(whole.call_id)),
        (True, gateway.record(gateway.calls(f"&app=guarded-{provider}&outcome=blocked&limit=2")[1]["id"])),
    ):
        assert record["stream"] is stream
        assert record["call"]["outcome"] == "blocked"
        assert ("codename", "output", "block") in verdicts(record)
        assert record["call"]["attempts"] == 1
        assert "bluebird" not in (record["response_body"] or "")


@each_pair
def test_redaction_is_the_same_streamed_or_not(gateway: Gateway, sdk: str, provider: str) -> None:
    asks = Asks("[[say]] Write to ada@example.com about the copper kettle of acme, not the steel one.")
    answers = [TALKS[sdk](gateway, f"guarded-{provider}", asks).ask(stream) for stream in (False, True)]
    for got in answers:
        assert got.text == "Write to [email] about the [metal] kettle of acme, not the steel one."
        record = gateway.record(got.call_id)
        assert record["call"]["outcome"] == "ok"
        seen = verdicts(record)
        assert {("email", "input", "redact"), ("metal", "output", "redact")} <= seen
        assert {("rival", "input", "flag"), ("rival", "output", "flag")} <= seen
        assert not [one for one in seen if one[2] == "block"]
        assert "ada@example.com" not in record["request_body"]
        assert "copper" not in record["response_body"]


@each_way
@each_pair
def test_a_forbidden_word_does_not_leave_in_a_tools_arguments(
    gateway: Gateway, sdk: str, provider: str, stream: bool
) -> None:
    asks = Asks("[[call get_weather]] bluebird", tools=("get_weather",))
    got = TALKS[sdk](gateway, f"guarded-{provider}", asks).ask(stream)
    assert got.finish == POLICY[sdk]
    assert "bluebird" not in str(got.turn)
    record = gateway.record(got.call_id)
    assert record["call"]["outcome"] == "blocked"
    assert ("codename", "output", "block") in verdicts(record)
