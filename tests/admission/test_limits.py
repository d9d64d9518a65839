"""Rates, concurrency, budgets: never more than promised, and nothing leaks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headgate.admission.limits import MINUTE_NS, NANO, Bucket, Meter, Taken, limited
from headgate.admission.periods import BUDGET_PERIODS, period_bounds
from headgate.core.errors import BudgetExceeded, LimitExceeded
from headgate.core.keys import Spend
from headgate.core.stages import KeyInfo

NOW = int(datetime(2026, 3, 15, 12, tzinfo=UTC).timestamp()) * NANO
DAY = 86_400 * NANO


def meter(**limits) -> Meter:
    return Meter(KeyInfo("key_1", "k", "acme", **limits))


# -- the bucket -----------------------------------------------------------------------------------------------------


def test_a_full_minute_at_once_then_evenly() -> None:
    bucket = Bucket(60)
    assert [bucket.take(1, 0) for _ in range(60)] == [0] * 60
    wait = bucket.take(1, 0)
    assert wait == NANO
    assert bucket.take(1, wait - 1) == 1
    assert bucket.take(1, wait) == 0


def test_what_cannot_ever_fit_waits_for_an_empty_bucket() -> None:
    bucket = Bucket(10)
    assert bucket.take(1000, 0) == 0
    assert bucket.wait(1000, 0) == MINUTE_NS


def test_a_debt_drains_like_the_rest() -> None:
    bucket = Bucket(60)
    bucket.take(10, 0)
    bucket.adjust(110)
    assert bucket.level(0) == 120
    assert bucket.wait(1, 0) == 61 * NANO
    assert bucket.wait(1, 61 * NANO) == 0


def test_giving_back_never_makes_room_that_was_not_there() -> None:
    bucket = Bucket(5)
    bucket.take(1, 0)
    bucket.adjust(-100)
    assert bucket.level(0) == 0
    assert [bool(bucket.take(1, 0)) for _ in range(6)] == [False] * 5 + [True]


class BucketMachine(RuleBasedStateMachine):
    """Over any stretch of time no more goes through than one full bucket and what drains meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = 7
        self.bucket = Bucket(self.rate)
        self.now = 0
        self.taken: list[tuple[int, int]] = []

    @rule(ns=st.integers(0, 2 * MINUTE_NS))
    def wait(self, ns: int) -> None:
        self.now += ns

    @rule(units=st.integers(1, 9))
    def take(self, units: int) -> None:
        wait = self.bucket.take(units, self.now)
        if wait:
            assert self.bucket.wait(units, self.now + wait - 1) > 0, "the wait told is the shortest"
            assert self.bucket.wait(units, self.now + wait) == 0, "and it is long enough"
            self.now += wait
        else:
            self.taken.append((self.now, min(units, self.rate)))

    @invariant()
    def no_stretch_holds_too_much(self) -> None:
        for index, (start, _) in enumerate(self.taken):
            total = sum(units for _, units in self.taken[index:])
            assert total * MINUTE_NS <= (self.now - start + MINUTE_NS) * self.rate


BucketMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBucket = BucketMachine.TestCase


# -- the meter ------------------------------------------------------------------------------------------------------


class MeterMachine(RuleBasedStateMachine):
    """What is spent and held never goes over the budget while calls cost no more than they were held for."""

    BUDGET = 10.0

    def __init__(self) -> None:
        super().__init__()
        self.meter = meter(budget_usd=self.BUDGET, budget_period="total", concurrency=4, tpm=1000)
        self.now = NOW
        self.held: list[tuple[Taken, float, int]] = []
        self.spent = 0.0

    @rule(usd=st.floats(0, 6), tokens=st.integers(0, 600))
    def reserve(self, usd: float, tokens: int) -> None:
        before = self.meter.held_usd, self.meter.in_flight
        try:
            taken = self.meter.take(usd, tokens, self.now, self.now)
        except (BudgetExceeded, LimitExceeded):
            assert (self.meter.held_usd, self.meter.in_flight) == before, "a refusal holds nothing"
            return
        self.held.append((taken, usd, tokens))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), share=st.floats(0, 1), told=st.booleans())
    def settle(self, data: st.DataObject, share: float, told: bool) -> None:
        taken, usd, tokens = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.meter.settle(taken, usd * share if told else None, int(tokens * share) if told else None)
        self.spent += usd * share if told else usd
        self.meter.settle(taken, usd * share if told else None, int(tokens * share) if told else None)

    @rule(seconds=st.integers(1, 90))
    def wait(self, seconds: int) -> None:
        self.now += seconds * NANO

    @invariant()
    def never_over(self) -> None:
        held = sum(usd for _, usd, _ in self.held)
        assert self.meter.spent_usd + self.meter.held_usd <= self.BUDGET + 1e-9
        assert self.meter.spent_usd == pytest.approx(self.spent, abs=1e-6)
        assert self.meter.held_usd == pytest.approx(held, abs=1e-6)
        assert self.meter.in_flight == len(self.held) <= 4


MeterMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestMeter = MeterMachine.TestCase


def test_requests_over_the_rate_are_told_when_to_come_back() -> None:
    limited_key = meter(rpm=2)
    limited_key.admit(0, NOW)
    limited_key.admit(0, NOW)
    with pytest.raises(LimitExceeded, match="2 requests per minute") as refusal:
        limited_key.admit(0, NOW)
    assert refusal.value.retry_after_s == pytest.approx(30)
    limited_key.admit(30 * NANO, NOW)


def test_a_spent_budget_is_refused_at_the_door_until_the_period_ends() -> None:
    key = meter(budget_usd=1.0, budget_period="day")
    key.settle(key.take(1.0, 0, 0, NOW), 1.0, 0)
    with pytest.raises(BudgetExceeded, match=r"\$1 per day.*is spent") as refusal:
        key.admit(0, NOW)
    assert refusal.value.retry_after_s == pytest.approx(12 * 3600)
    key.admit(0, NOW + DAY // 2)
    assert key.spent_usd == 0


def test_a_budget_in_total_never_comes_back() -> None:
    key = meter(budget_usd=1.0, budget_period="total")
    key.settle(key.take(1.0, 0, 0, NOW), 1.0, 0)
    with pytest.raises(BudgetExceeded, match="in total") as refusal:
        key.admit(0, NOW + 1000 * DAY)
    assert refusal.value.retry_after_s is None


def test_a_call_that_could_be_too_dear_says_what_is_left() -> None:
    key = meter(budget_usd=1.0)
    key.take(0.75, 0, 0, NOW)
    with pytest.raises(BudgetExceeded, match=r"could cost \$0\.300000, and \$0\.250000 is left"):
        key.take(0.3, 0, 0, NOW)
    key.take(0.25, 0, 0, NOW)


def test_an_unknown_price_holds_no_money_but_a_place() -> None:
    key = meter(budget_usd=1.0, concurrency=1)
    key.take(None, 0, 0, NOW)
    assert (key.held_usd, key.in_flight) == (0.0, 1)
    with pytest.raises(LimitExceeded, match="calls at once"):
        key.take(None, 0, 0, NOW)


def test_tokens_over_the_rate_hold_nothing() -> None:
    key = meter(tpm=100, budget_usd=5.0)
    key.take(1.0, 80, 0, NOW)
    with pytest.raises(LimitExceeded, match="100 tokens per minute"):
        key.take(1.0, 50, 0, NOW)
    assert (key.held_usd, key.in_flight) == (1.0, 1)


def test_tokens_that_were_not_used_are_given_back() -> None:
    key = meter(tpm=100)
    key.settle(key.take(None, 100, 0, NOW), None, 10)
    key.take(None, 90, 0, NOW)


def test_a_correction_replaces_the_first_charge() -> None:
    key = meter(budget_usd=5.0)
    taken = key.take(2.0, 0, 0, NOW)
    key.settle(taken, None, None)
    assert key.spent_usd == 2.0
    key.settle(taken, 0.5, None)
    assert (key.spent_usd, key.held_usd, key.in_flight) == (0.5, 0.0, 0)


def test_a_call_over_the_end_of_a_period_is_charged_to_the_one_it_began_in() -> None:
    key = meter(budget_usd=5.0, budget_period="day")
    taken = key.take(2.0, 0, 0, NOW)
    key.admit(0, NOW + DAY)
    key.settle(taken, 2.0, None)
    assert (key.spent_usd, key.held_usd) == (0.0, 0.0)


def test_published_spend_only_ever_raises_what_counts() -> None:
    key = meter(budget_usd=5.0, budget_period="day")
    start = period_bounds("day", NOW)[0]
    key.seed(Spend(start, 3.0), NOW)
    assert key.spent_usd == 3.0
    key.seed(Spend(start, 1.0), NOW)
    assert key.spent_usd == 3.0
    key.seed(Spend(start - DAY, 4.9), NOW)
    assert key.spent_usd == 3.0, "that is yesterday's"


def test_changed_limits_keep_what_was_used() -> None:
    key = meter(rpm=2, budget_usd=1.0)
    key.admit(0, NOW)
    key.admit(0, NOW)
    key.settle(key.take(0.9, 0, 0, NOW), 0.9, 0)
    key.limit(KeyInfo("key_1", "k", "acme", rpm=3, budget_usd=0.5))
    assert key.spent_usd == pytest.approx(0.9)
    with pytest.raises(BudgetExceeded):
        key.admit(0, NOW)
    key.limit(KeyInfo("key_1", "k", "acme"))
    for _ in range(100):
        key.admit(0, NOW)


def test_who_needs_a_meter() -> None:
    assert not limited(KeyInfo("k", "k", "t"))
    for limits in ({"rpm": 1}, {"tpm": 1}, {"concurrency": 1}, {"budget_usd": 1.0}):
        assert limited(KeyInfo("k", "k", "t", **limits))


# -- periods --------------------------------------------------------------------------------------------------------


@given(st.integers(0, 4_000_000_000), st.sampled_from(["day", "month"]))
def test_periods_tile_time(second: int, period: str) -> None:
    now = second * NANO
    starts, ends = period_bounds(period, now)
    assert starts <= now < ends
    assert period_bounds(period, ends)[0] == ends
    assert period_bounds(period, ends - 1) == (starts, ends)
    assert datetime.fromtimestamp(starts // NANO, UTC).hour == 0


def test_total_never_ends_and_other_words_are_refused() -> None:
    assert period_bounds("total", NOW)[0] == 0
    assert period_bounds("total", NOW)[1] > NOW * 3
    assert set(BUDGET_PERIODS) == {"day", "month", "total"}
    with pytest.raises(ValueError, match="week"):
        period_bounds("week", NOW)
