"""Too many calls: who is turned away, and who is not."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headgate.admission.shedding import (
    CRITICAL,
    CRITICALITIES,
    DEFAULT,
    LATE_S,
    LATE_TICKS,
    SHEDDABLE,
    TICK_S,
    Shedder,
    lowered,
)
from headgate.core.errors import Overloaded
from tests.support.world import ManualClock

MOST = 20


class Crowd(RuleBasedStateMachine):
    """Any coming and going of tenants and classes, against a list of who is in."""

    def __init__(self) -> None:
        super().__init__()
        self.shedder = Shedder(ManualClock(), MOST)
        self.inside: list[str] = []

    @rule(tenant=st.sampled_from("abcd"), criticality=st.sampled_from(CRITICALITIES))
    def comes(self, tenant: str, criticality: str) -> None:
        shed = self.shedder.shed
        with contextlib.suppress(Overloaded):
            self.shedder.enter(tenant, criticality)
            self.inside.append(tenant)
        if self.shedder.shed > shed:
            assert len(self.inside) >= MOST / 2  # nobody is turned away while there is room

    @rule(at=st.integers(0, MOST))
    def leaves(self, at: int) -> None:
        if self.inside:
            self.shedder.leave(self.inside.pop(at % len(self.inside)))

    @invariant()
    def counts_are_right(self) -> None:
        assert self.shedder.in_flight == len(self.inside) <= MOST
        assert self.shedder._by_tenant == {one: self.inside.count(one) for one in set(self.inside)}


Crowd.TestCase.settings = settings(max_examples=60, stateful_step_count=80, deadline=None)
TestCrowd = Crowd.TestCase


def fill(shedder: Shedder, tenant: str, criticality: str) -> int:
    count = 0
    while True:
        try:
            shedder.enter(tenant, criticality)
        except Overloaded:
            return count
        count += 1


def test_what_matters_less_goes_first() -> None:
    shedder = Shedder(ManualClock(), 100)
    assert fill(shedder, "a", SHEDDABLE) == 70
    assert fill(shedder, "a", DEFAULT) == 20
    assert fill(shedder, "a", CRITICAL) == 10


def test_near_the_limit_nobody_holds_more_than_a_share_and_until_then_everybody_may() -> None:
    shedder = Shedder(ManualClock(), 100)
    for _ in range(60):
        shedder.enter("greedy", CRITICAL)
    shedder.enter("small", CRITICAL)
    with pytest.raises(Overloaded, match="share"):
        shedder.enter("greedy", CRITICAL)
    assert fill(shedder, "small", CRITICAL) == 39


def test_a_hiccup_turns_nobody_away_and_lateness_that_stays_does() -> None:
    shedder = Shedder(ManualClock(), 1000)
    for _ in range(LATE_TICKS - 1):
        shedder.looked(LATE_S * 2)
    assert shedder.pressure == 0
    shedder.looked(0.0)
    for _ in range(LATE_TICKS + 3):
        shedder.looked(LATE_S * 2)
    assert 0 < shedder.pressure < 0.3
    with pytest.raises(Overloaded, match="processor"):
        shedder.enter("a", SHEDDABLE)
    shedder.enter("a", CRITICAL)
    for _ in range(200):
        shedder.looked(0.0)
    assert shedder.pressure == 0
    shedder.enter("a", SHEDDABLE)


def test_the_loop_is_looked_at_through_the_clock() -> None:
    clock = ManualClock()
    shedder = Shedder(clock, 1000)
    shedder.watch()
    clock.advance(TICK_S * 50)
    assert shedder.pressure == 0
    shedder.stop()
    clock.advance(10.0)


def test_under_threefold_load_critical_calls_get_what_there_is() -> None:
    """A processor that does 100 calls a tick; 300 come: 90 critical, 120 default, 90 sheddable. What is let in beyond
    100 makes the loop late by as much."""
    shedder = Shedder(ManualClock(), 100_000)
    backlog = 0.0
    let_in = dict.fromkeys(CRITICALITIES, 0)
    offered = ((CRITICAL, 90), (DEFAULT, 120), (SHEDDABLE, 90))
    for tick in range(600):
        for criticality, number in offered:
            for _ in range(number):
                try:
                    shedder.enter("t", criticality)
                except Overloaded:
                    continue
                shedder.leave("t")
                backlog += 1
                if tick >= 200:
                    let_in[criticality] += 1
        backlog = max(backlog - 100, 0.0)
        shedder.looked(backlog / 100 * TICK_S)
    assert let_in[CRITICAL] >= 0.9 * 90 * 400
    assert sum(let_in.values()) >= 0.9 * 100 * 400  # the processor has work
    assert let_in[SHEDDABLE] < let_in[DEFAULT]


@pytest.mark.parametrize(
    ("own", "asked", "got"),
    [
        (DEFAULT, None, DEFAULT),
        (DEFAULT, b"sheddable", SHEDDABLE),
        (DEFAULT, b"critical", DEFAULT),
        (CRITICAL, b" Default ", DEFAULT),
        (SHEDDABLE, b"default", SHEDDABLE),
        (DEFAULT, b"\xff\xfe", DEFAULT),
    ],
)
def test_a_caller_may_lower_and_never_raise(own: str, asked: bytes | None, got: str) -> None:
    assert lowered(own, asked) == got
