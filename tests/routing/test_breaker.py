"""One breaker: when it opens, for how long, and how calls come back."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headgate.routing.breaker import (
    BROWN_CALLS_MIN,
    BROWN_S,
    BROWN_SHARE,
    CALLS_MIN,
    COOL_MAX_S,
    FORGET_S,
    JITTER,
    OPEN_MAX_S,
    OPEN_S,
    PROOF_S,
    PROOFS,
    RAMP,
    RAMP_STEP_S,
    STREAK,
    WELL_SHARE,
    WINDOW_S,
    Breaker,
    Failed,
)

S = 1_000_000_000
MIDDLE = 0.5  # of the jitter: none


class OneTarget(RuleBasedStateMachine):
    """Calls that end as they begin, against a model that keeps every call in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000 * S
        self.breaker = Breaker(self.now)
        self.calls: list[tuple[int, bool]] = []  # since the last recovery: (begin, failed)
        self.until = 0
        self.state = "closed"
        self.back = 0
        self.openings = 0
        self.opened = self.now
        self.proofs = 1

    def recent(self, seconds: float) -> list[bool]:
        return [failed for at, failed in self.calls if at // (10 * S) > self.now // (10 * S) - seconds // 10]

    def expect_open(self) -> None:
        known = self.recent(BROWN_S)
        self.proofs = PROOFS if known.count(False) > len(known) * WELL_SHARE else 1
        if self.now - self.opened > FORGET_S * S:
            self.openings = 0
        self.until = self.now + round(min(OPEN_S * 2**self.openings, OPEN_MAX_S) * S)
        self.openings = min(self.openings + 1, 4)
        self.opened = self.now
        self.state = "held"

    def ramp_over(self) -> bool:
        return self.now - self.back >= len(RAMP) * RAMP_STEP_S * S

    @rule(seconds=st.one_of(st.floats(0.0, 30.0), st.floats(30.0, 900.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += round(seconds * S)

    @rule()
    def a_call_fails(self) -> None:
        self.breaker.began(self.now)
        self.breaker.failed(Failed("server_error", None, self.now, self.now), MIDDLE)
        self.calls.append((self.now, True))
        if self.state == "ramping" and self.ramp_over():
            self.state = "closed"
        if self.state == "held":
            if self.now >= self.until:
                self.expect_open()
            return
        in_a_row = [failed for _, failed in self.calls[-STREAK:]]
        recent, known = self.recent(WINDOW_S), self.recent(BROWN_S)
        half = len(recent) >= CALLS_MIN and sum(recent) * 2 >= len(recent)
        brown = len(known) >= BROWN_CALLS_MIN and sum(known) >= len(known) * BROWN_SHARE
        if self.state == "ramping" or (len(in_a_row) == STREAK and all(in_a_row)) or half or brown:
            self.expect_open()

    @rule()
    def a_call_is_answered(self) -> None:
        self.breaker.began(self.now)
        self.breaker.answered(self.now, self.now)
        if self.state == "held":
            self.proofs -= 1
            if not self.proofs:
                self.state, self.back, self.calls = "ramping", self.now, []
                return
            self.until = max(self.until, self.now + round(PROOF_S * S))
        self.calls.append((self.now, False))

    @invariant()
    def as_the_model_says(self) -> None:
        assert self.breaker.held == (self.state == "held")
        if self.state == "held":
            assert self.breaker.until_ns == self.until
        else:
            ramping = self.state == "ramping" and not self.ramp_over()
            assert (self.breaker.share(self.now) < 1) == ramping


OneTarget.TestCase.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
TestOneTarget = OneTarget.TestCase


def failed(
    breaker: Breaker, now: int, kind: str = "server_error", *, told: float | None = None, since: int | None = None
) -> None:
    breaker.failed(Failed(kind, told, now if since is None else since, now), MIDDLE)


def test_it_opens_longer_each_time_and_never_beyond_the_most() -> None:
    for chance in (0.0, 0.999):
        breaker, now = Breaker(0), 0
        breaker.open(now, chance)
        waits: list[float] = []
        for _ in range(7):
            waits.append((breaker.until_ns - now) / S)
            now = breaker.until_ns
            breaker.failed(Failed("server_error", None, now, now), chance)
        for wait, expected in zip(waits, [10, 20, 40, 80, 120, 120, 120], strict=True):
            assert wait == pytest.approx(expected * (1 - JITTER if chance == 0 else 1 + JITTER), rel=0.01)


def test_failures_of_calls_that_began_before_it_opened_change_nothing() -> None:
    breaker = Breaker(0)
    breaker.open(100 * S, MIDDLE)
    until = breaker.until_ns
    failed(breaker, 130 * S, "first_token_timeout", since=90 * S)
    assert breaker.until_ns == until
    breaker.recover(140 * S)
    failed(breaker, 150 * S, "first_token_timeout", since=139 * S)
    assert breaker.ramping
    assert not breaker.held


def test_one_failure_that_cost_a_user_something_is_enough_for_suspicion() -> None:
    for failure in (
        Failed("first_token_timeout", None, 0, 60 * S),
        Failed("idle_timeout", None, 0, 60 * S),
        Failed("truncated", None, 0, 60 * S, committed=True),
    ):
        breaker = Breaker(0)
        breaker.failed(failure, MIDDLE)
        assert breaker.held
        assert breaker.until_ns == 60 * S
        breaker.answered(61 * S, 62 * S)
        assert not breaker.held
        assert breaker.share(62 * S) == 1
        failed(breaker, 70 * S, failure.kind) if not failure.committed else breaker.failed(
            Failed("truncated", None, 70 * S, 70 * S, committed=True), MIDDLE
        )
        assert breaker.until_ns == 80 * S  # the second within a minute opens it


def test_an_answer_that_began_before_the_hold_proves_nothing() -> None:
    breaker = Breaker(0)
    breaker.open(10 * S, MIDDLE)
    breaker.answered(9 * S, 11 * S)
    assert breaker.held
    breaker.answered(10 * S, 12 * S)
    assert not breaker.held


def test_calls_come_back_in_steps() -> None:
    breaker = Breaker(0)
    breaker.open(0, MIDDLE)
    breaker.recover(10 * S)
    shares = [breaker.share((10 + after) * S) for after in (0, 19, 20, 39, 40, 59)]
    assert shares == [0.10, 0.10, 0.25, 0.25, 0.50, 0.50]
    assert "10% of calls" in breaker.told(11 * S)
    failed(breaker, 50 * S)
    assert breaker.until_ns == 70 * S
    breaker.recover(80 * S)
    assert breaker.share(140 * S) == 1
    failed(breaker, 141 * S)
    assert not breaker.held


def test_slow_failures_are_held_against_the_calls_of_their_time() -> None:
    """A hundred calls under way and one that failed is no failing target; an answer need not have come for it."""
    breaker = Breaker(0)
    for at in range(100):
        breaker.began(at * S // 10)
    for _ in range(3):
        failed(breaker, 12 * S, since=1 * S)
    breaker.answered(2 * S, 13 * S)
    for _ in range(4):
        failed(breaker, 14 * S, since=3 * S)
    assert not breaker.held


def test_calls_that_began_before_anything_failed_are_counted_when_they_end() -> None:
    breaker = Breaker(60 * S)
    for _ in range(CALLS_MIN // 2):
        failed(breaker, 61 * S, since=55 * S)
        breaker.answered(56 * S, 61 * S)
    assert not breaker.held
    failed(breaker, 61 * S, since=55 * S)
    assert breaker.held


def test_the_latest_deadline_wins() -> None:
    breaker = Breaker(0)
    failed(breaker, 1 * S, "rate_limited", told=30)
    failed(breaker, 2 * S, "overloaded", told=5)
    assert breaker.until_ns >= 31 * S
    for _ in range(STREAK):
        failed(breaker, 3 * S, "server_error")
    assert breaker.until_ns >= 31 * S
    failed(breaker, 4 * S, "rate_limited", told=1e12)
    assert breaker.until_ns <= (4 + COOL_MAX_S) * S
    other = Breaker(0)
    failed(other, 0, "overloaded", told=float("nan"))
    assert not other.held


def test_a_limit_cools_but_says_nothing_of_health() -> None:
    breaker, now = Breaker(0), 0
    for expected in (2, 4, 8, 16, 32, 60, 60):
        failed(breaker, now, "rate_limited")
        assert breaker.until_ns - now == expected * S
        now = breaker.until_ns
    assert not breaker.opened
    assert breaker.streak == 0
    breaker.answered(now, now)
    assert breaker.share(now) == 1
    failed(breaker, now + S, "rate_limited")
    assert breaker.until_ns - now == 3 * S


def test_a_limit_met_again_and_again_is_asked_about_less_often_than_it_says() -> None:
    breaker, now = Breaker(0), 0
    for expected in (7, 7, 8, 16, 32, 60, 60):
        failed(breaker, now, "rate_limited", told=7)
        assert expected * S <= breaker.until_ns - now <= expected * 1.1 * S
        now = breaker.until_ns
