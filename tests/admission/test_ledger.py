"""The ledger of one process: rates, periods, what is held, rows, all against a model in plain Python."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headgate.admission.account import NANO, Account
from headgate.admission.bucket import LEVEL_MAX, MINUTE_US, add, drained, level, wait_us
from headgate.admission.holds import Hold
from headgate.admission.ledger import SharedLedger
from headgate.admission.periods import BUDGET_PERIODS, period_bounds
from headgate.core.errors import BudgetExceeded, HeadgateError, LimitExceeded, Overloaded
from headgate.core.keys import Limits, Spend
from tests.support.world import ManualClock

DAY = 86_400
NOON = int(datetime(2026, 3, 15, 12, tzinfo=UTC).timestamp()) * NANO


def account(name: str = "acme", **limits) -> Account:
    return Account(f"tenant/{name}", f"tenant `{name}`", Limits(**limits))


class Book:
    """A ledger of its own and its clock; refusals are raised."""

    def __init__(self, rows: int = 16) -> None:
        self.clock = ManualClock(NOON)
        self.ledger = SharedLedger.alone(self.clock, rows)

    def hold(self, *accounts: Account, usd: float = 0.0, tokens: int = 0) -> Hold:
        made = self.ledger.hold(accounts, round(usd * NANO), tokens, self.clock.now_ns())
        if isinstance(made, HeadgateError):
            raise made
        return made

    def count(self, *accounts: Account) -> float | None:
        """Seconds to wait; None where the request was counted."""
        refusal = self.ledger.count(accounts, self.clock.now_ns())
        return None if refusal is None else refusal.retry_after_s

    def spend(self, one: Account, usd: float) -> None:
        self.ledger.settle(self.hold(one, usd=usd), round(usd * NANO), 0)

    def spent(self, one: Account) -> float:
        return self.ledger.standing(one, self.clock.now_ns()).spent_nano / NANO


@pytest.fixture
def book() -> Book:
    return Book()


# -- the bucket -----------------------------------------------------------------------------------------------------


def bucket() -> memoryview:
    return memoryview(bytearray(16)).cast("q")


class BucketMachine(RuleBasedStateMachine):
    """Over any stretch of time no more goes through than one full bucket and what drains meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = 7
        self.cells = bucket()
        self.now = 1
        self.taken: list[tuple[int, int]] = []

    def wait_for(self, units: int, now: int) -> int:
        return wait_us(drained(self.cells, 0, self.rate, now), units, self.rate)

    @rule(us=st.integers(0, 2 * MINUTE_US))
    def rest(self, us: int) -> None:
        self.now += us

    @rule(units=st.integers(1, 9))
    def take(self, units: int) -> None:
        wait = self.wait_for(units, self.now)
        if wait:
            assert self.wait_for(units, self.now + wait - 1) > 0, "the wait told is the shortest"
            self.now += wait
            assert self.wait_for(units, self.now) == 0, "and it is long enough"
        add(self.cells, 0, min(units, self.rate))
        self.taken.append((self.now, min(units, self.rate)))

    @invariant()
    def no_stretch_holds_too_much(self) -> None:
        for index, (start, _) in enumerate(self.taken):
            total = sum(units for _, units in self.taken[index:])
            assert total * MINUTE_US <= (self.now - start + MINUTE_US) * self.rate


BucketMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBucket = BucketMachine.TestCase


def test_a_machine_that_started_anew_drains_nothing_it_does_not_know_of() -> None:
    cells = bucket()
    add(cells, 0, 10)
    cells[1] = 5 * MINUTE_US
    assert drained(cells, 0, 10, 1000) == 10 * MINUTE_US
    assert drained(cells, 0, 10, 1000 + MINUTE_US // 2) == 5 * MINUTE_US


def test_a_bucket_neither_overflows_nor_holds_less_than_nothing() -> None:
    cells = bucket()
    for _ in range(10):
        add(cells, 0, 10**12)
        add(cells, 0, 10**11)
    assert cells[0] == LEVEL_MAX
    assert level(cells, 0, 1, 0) > 0
    add(cells, 0, -(10**12))
    add(cells, 0, -(10**12))
    assert cells[0] == 0


def test_requests_over_the_rate_are_told_when_to_come_back(book: Book) -> None:
    one = account(rpm=2)
    assert (book.count(one), book.count(one), book.count(one)) == (None, None, pytest.approx(30))
    book.clock.advance(30)
    assert book.count(one) is None


def test_tokens_that_were_not_used_are_given_back_and_a_debt_is_kept(book: Book) -> None:
    one = account(tpm=100)
    book.ledger.settle(book.hold(one, tokens=1000), None, 10)
    last = book.hold(one, tokens=90)
    with pytest.raises(LimitExceeded, match="100 tokens per minute"):
        book.hold(one, tokens=1)
    book.ledger.settle(last, None, 190)
    with pytest.raises(LimitExceeded) as refusal:
        book.hold(one, tokens=1)
    assert refusal.value.retry_after_s == pytest.approx(60.6)


# -- the whole against a model ----------------------------------------------------------------------------------------


class LedgerMachine(RuleBasedStateMachine):
    """Three accounts that calls come under in every mix: nothing is spent twice, nothing leaks, nothing goes over."""

    BUDGETS = (10 * NANO, 7 * NANO, 4 * NANO)

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(rows=4)
        self.accounts = [
            account(str(at), budget_usd=budget / NANO, budget_period="day", concurrency=4)
            for at, budget in enumerate(self.BUDGETS)
        ]
        self.held: list[tuple[Hold, list[int], int, int]] = []
        self.spent: dict[tuple[int, int], int] = {}

    @property
    def day(self) -> int:
        return self.book.clock.now_ns() // (DAY * NANO)

    @rule(which=st.sets(st.integers(0, 2), min_size=1), nano=st.integers(0, 3 * NANO))
    def reserve(self, which: set[int], nano: int) -> None:
        room = all(
            self.at_once(at) < 4
            and self.spent.get((at, self.day), 0) < self.BUDGETS[at]
            and self.spent.get((at, self.day), 0) + self.money(at) + nano <= self.BUDGETS[at]
            for at in which
        )
        accounts = [self.accounts[at] for at in sorted(which)]
        made = self.book.ledger.hold(accounts, nano, 0, self.book.clock.now_ns())
        assert isinstance(made, Hold) == room
        if isinstance(made, Hold):
            self.held.append((made, sorted(which), nano, self.day))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), share=st.integers(0, 100), told=st.booleans(), twice=st.booleans())
    def settle(self, data: st.DataObject, share: int, told: bool, twice: bool) -> None:
        hold, which, nano, day = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        cost = nano * share // 100 if told else nano
        if twice:
            self.book.ledger.settle(hold, None, None)
        self.book.ledger.settle(hold, cost if told else None, None)
        for at in which:
            self.spent[at, day] = self.spent.get((at, day), 0) + cost

    @rule(hours=st.integers(1, 30))
    def wait(self, hours: int) -> None:
        if not self.held or all(day == self.day for _, _, _, day in self.held):
            self.book.clock.advance(hours * 3600)

    @rule(days=st.sampled_from([-1, 1]))
    def jump_and_come_back(self, days: int) -> None:
        self.book.clock.wall_ns += days * DAY * NANO
        before = {at: self.book.spent(one) for at, one in enumerate(self.accounts)}
        self.book.clock.wall_ns -= days * DAY * NANO
        assert before.keys() == {0, 1, 2}

    def at_once(self, at: int) -> int:
        return len([1 for _, which, _, _ in self.held if at in which])

    def money(self, at: int) -> int:
        return sum(nano for _, which, nano, _ in self.held if at in which)

    @invariant()
    def agrees(self) -> None:
        for at, one in enumerate(self.accounts):
            standing = self.book.ledger.standing(one, self.book.clock.now_ns())
            assert tuple(standing)[:3] == (self.spent.get((at, self.day), 0), self.money(at), self.at_once(at))
            assert standing.spent_nano <= self.BUDGETS[at]


LedgerMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestLedger = LedgerMachine.TestCase


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
    assert period_bounds("total", NOON)[0] == 0
    assert period_bounds("total", NOON)[1] > NOON * 3
    assert set(BUDGET_PERIODS) == {"day", "month", "total"}
    with pytest.raises(ValueError, match="week"):
        period_bounds("week", NOON)


def test_a_spent_budget_is_refused_without_the_lock_until_its_period_ends(book: Book) -> None:
    one = account(budget_usd=1.0, budget_period="day")
    assert book.ledger.gone([one], NOON) is None
    book.spend(one, 1.0)
    refusal = book.ledger.gone([one], NOON)
    assert isinstance(refusal, BudgetExceeded)
    assert refusal.message == "the budget of tenant `acme` ($1 per day) is spent"
    assert refusal.retry_after_s == 12 * 3600
    assert book.ledger.gone([one], NOON + DAY * NANO // 2) is None


def test_a_budget_in_total_never_comes_back(book: Book) -> None:
    one = account(budget_usd=1.0, budget_period="total")
    book.spend(one, 1.0)
    book.clock.advance(1000 * DAY)
    with pytest.raises(BudgetExceeded, match="in total") as refusal:
        book.hold(one)
    assert refusal.value.retry_after_s is None


def test_a_call_over_the_end_of_a_period_is_charged_to_the_one_it_began_in(book: Book) -> None:
    one = account(budget_usd=5.0, budget_period="day")
    under_way = book.hold(one, usd=2.0)
    book.clock.advance(DAY)
    book.spend(one, 1.0)
    with pytest.raises(BudgetExceeded) as refusal:
        book.hold(one, usd=2.5)
    assert refusal.value.retry_after_s == 1, "what is held still counts, and may soon be given back"
    book.ledger.settle(under_way, 2 * NANO, None)
    assert book.spent(one) == 1.0
    book.clock.advance(-DAY)
    assert book.spent(one) == 2.0


@pytest.mark.parametrize("period", ["day", "month"])
@pytest.mark.parametrize("jump_s", [-400 * DAY, 400 * DAY])
def test_a_clock_that_jumps_and_comes_back_loses_nothing(book: Book, period: str, jump_s: int) -> None:
    one = account(budget_usd=5.0, budget_period=period)
    book.spend(one, 3.0)
    book.clock.wall_ns += jump_s * NANO
    assert book.spent(one) == 0
    book.spend(one, 1.0)
    book.clock.wall_ns -= jump_s * NANO
    with pytest.raises(BudgetExceeded, match=r"\$2\.000000 is left"):
        book.hold(one, usd=2.5)
    book.clock.wall_ns += jump_s * NANO
    book.spend(one, 1.0)
    assert book.spent(one) == 2.0
    book.clock.wall_ns -= jump_s * NANO
    assert book.spent(one) == 3.0


def test_two_processes_that_disagree_about_the_hour_do_not_wipe_each_others_day(book: Book) -> None:
    late, early = account(budget_usd=5.0, budget_period="day"), account(budget_usd=5.0, budget_period="day")
    midnight = NOON + DAY // 2 * NANO
    for _ in range(3):
        for one, at_ns in ((early, midnight), (late, midnight - 1)):
            made = book.ledger.hold([one], NANO, 0, at_ns)
            assert isinstance(made, Hold)
            book.ledger.settle(made, NANO, None)
    assert book.ledger.standing(early, midnight).spent_nano == 3 * NANO
    assert book.ledger.standing(late, midnight - 1).spent_nano == 3 * NANO


# -- rows -----------------------------------------------------------------------------------------------------------


def test_a_full_ledger_gives_up_rows_that_rest_and_hold_nothing(book: Book) -> None:
    every = [account(str(at), budget_usd=5.0, budget_period="total") for at in range(16)]
    busy = book.hold(every[0], usd=1.0)
    for one in every[1:]:
        book.spend(one, 1.0)
    with pytest.raises(Overloaded, match="more keys, teams"):
        book.hold(account("more", budget_usd=1.0))
    book.clock.advance(3600)
    more = account("more", budget_usd=5.0)
    more.seed = Spend(period_bounds("month", NOON)[0], 2.0)
    book.spend(more, 1.0)
    assert book.spent(more) == 3.0, "it begins with what the records say"
    book.ledger.settle(busy, NANO // 2, None)
    assert book.spent(every[0]) == 0.5
    given_up = next(one for one in every if book.spent(one) == 0)
    given_up.seed = Spend(0, 1.0)
    book.spend(given_up, 0.5)
    assert book.spent(given_up) == 1.5
    assert [book.spent(one) for one in every].count(1.0) >= 13


def test_a_call_whose_row_was_given_up_settles_without_harm(book: Book) -> None:
    one = account(tpm=1000)
    hold = book.hold(one, tokens=10)
    book.clock.advance(3600)
    for at in range(17):
        book.spend(account(str(at), budget_usd=9.0), 0.1)
        book.clock.advance(180)
    book.ledger.settle(hold, None, 500)
    book.ledger.settle(hold, None, 20)
    assert book.ledger.standing(one, book.clock.now_ns()).tokens in (0, 20)


def test_rows_are_not_given_up_under_the_very_call_that_needs_them(book: Book) -> None:
    every = [account(str(at), budget_usd=5.0, concurrency=1) for at in range(16)]
    for one in every:
        book.spend(one, 0.5)
    book.clock.advance(3600)
    chain = [every[0], account("new", budget_usd=5.0, concurrency=1), every[1]]
    hold = book.hold(*chain, usd=1.0)
    assert [tuple(book.ledger.standing(one, book.clock.now_ns()))[1:3] for one in chain] == [(NANO, 1)] * 3
    book.ledger.settle(hold, NANO, None)
    assert [book.spent(one) for one in chain] == [1.5, 1.0, 1.5]


def test_a_key_with_limits_added_later_is_not_charged_for_calls_before(book: Book) -> None:
    one = account(concurrency=2)
    hold = book.hold(one, usd=1.0)
    one.limit(Limits(budget_usd=5.0))
    book.ledger.settle(hold, NANO, None)
    assert tuple(book.ledger.standing(one, book.clock.now_ns()))[:3] == (0, 0, 0)
