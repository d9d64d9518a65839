"""Which target is asked first after failures; nothing is ever left out because of them."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headgate.core.errors import UPSTREAM_KINDS, UpstreamError
from headgate.core.snapshot import Target
from headgate.routing import Health
from headgate.routing.health import COOL_MAX_S, FORGET_S, JITTER, PROBE_S, TROUBLES_MAX
from tests.routing.scripted import House
from tests.support.world import ManualClock, SeededEntropy


def failure(kind: str, cool_s: float | None = None, status: int | None = None) -> UpstreamError:
    return UpstreamError(kind, "scripted", cool_s=cool_s, attempt_status=status)


class Ordering(RuleBasedStateMachine):
    """Any history of failures, successes and time over five targets of three providers."""

    names = ("a", "a.x", "b", "b.x", "c")

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.route = self.house.route(*self.names)
        self.last_failed: Target | None = None

    def order(self) -> list[Target]:
        return [candidate.target for candidate in self.house.routing.plan(self.house.screened(self.route)).candidates]

    @rule(
        at=st.integers(0, 4),
        kind=st.sampled_from(sorted(UPSTREAM_KINDS)),
        cool_s=st.one_of(st.none(), st.floats(0, 1e9), st.just(float("nan"))),
    )
    def fails(self, at: int, kind: str, cool_s: float | None) -> None:
        target = self.route.targets[at]
        self.house.routing.health.failed(target, failure(kind, cool_s))
        wait = self.house.routing.health.wait_s(target)
        if kind in ("client_fault", "context_too_long", "pool_exhausted"):
            return
        assert wait is not None
        assert 0.79 <= wait <= COOL_MAX_S * 1.3
        others = [other for other in self.route.targets if self.house.routing.health.wait_s(other) is None]
        if others:
            assert self.order()[0] != target

    @rule(at=st.integers(0, 4))
    def succeeds(self, at: int) -> None:
        target = self.route.targets[at]
        self.house.routing.health.succeeded(target, self.house.clock.monotonic_ns())
        assert self.house.routing.health.wait_s(target) is None

    @rule(seconds=st.floats(0.0, 200.0))
    def time_passes(self, seconds: float) -> None:
        self.house.clock.advance(seconds)

    @rule()
    def everything_recovers(self) -> None:
        for target in self.route.targets:
            self.house.routing.health.succeeded(target, self.house.clock.monotonic_ns())
        assert not self.house.routing.health.troubled
        assert tuple(self.order()) == self.route.targets

    @invariant()
    def nobody_is_left_out_and_the_rested_go_first(self) -> None:
        health = self.house.routing.health
        waits = {str(target): health.wait_s(target) for target in self.route.targets}
        order = self.order()
        assert sorted(map(str, order)) == sorted(map(str, self.route.targets))
        rested = [not waits[str(target)] for target in order]
        assert rested == sorted(rested, reverse=True)


Ordering.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestOrdering = Ordering.TestCase


def test_failures_in_a_row_double_the_time_and_success_ends_it() -> None:
    house = House()
    health, target = house.routing.health, house.target("a")
    waits: list[float] = []
    for _ in range(10):
        health.failed(target, failure("server_error"))
        wait = health.wait_s(target)
        assert wait is not None
        waits.append(wait)
        house.clock.advance(wait)
    for at, wait in enumerate(waits):
        expected = min(2.0**at, 60.0)
        assert expected * (1 - JITTER) <= wait <= expected * (1 + JITTER)
    health.succeeded(target, house.clock.monotonic_ns())
    health.failed(target, failure("server_error"))
    wait = health.wait_s(target)
    assert wait is not None
    assert wait <= 1 + JITTER


def test_many_calls_failing_together_count_once() -> None:
    house = House()
    health, target = house.routing.health, house.target("a")
    for _ in range(100):
        health.failed(target, failure("server_error"))
    wait = health.wait_s(target)
    assert wait is not None
    assert wait <= 1 + JITTER


def test_an_answer_that_began_before_the_failure_proves_nothing() -> None:
    house = House()
    health, target = house.routing.health, house.target("a")
    began = house.clock.monotonic_ns()
    house.clock.advance(0.1)
    health.failed(target, failure("overloaded"))
    health.succeeded(target, began)
    assert health.wait_s(target) is not None


def test_a_target_is_never_asked_sooner_than_it_said() -> None:
    house = House()
    health, target = house.routing.health, house.target("a")
    health.failed(target, failure("rate_limited", 20.0))
    health.failed(target, failure("server_error"))
    wait = health.wait_s(target)
    assert wait is not None
    assert 20 <= wait <= 22


def test_what_concerns_the_account_concerns_all_its_models() -> None:
    for error in (failure("connect_failed"), failure("quota_exhausted"), failure("auth_failed", status=401)):
        house = House()
        house.routing.health.failed(house.target("a"), error)
        assert house.routing.health.wait_s(house.target("a.x")) is not None
        house.routing.health.succeeded(house.target("a.x"), house.clock.monotonic_ns())
        assert not house.routing.health.troubled
    for error in (failure("overloaded"), failure("auth_failed", status=403)):
        house = House()
        house.routing.health.failed(house.target("a"), error)
        assert house.routing.health.wait_s(house.target("a.x")) is None


def test_one_call_tries_again_and_the_others_wait_for_its_verdict() -> None:
    house = House()
    route = house.route("a", "b")

    def first() -> str:
        return house.routing.plan(house.screened(route)).candidates[0].target.provider

    house.routing.health.failed(route.targets[0], failure("first_token_timeout"))
    assert first() == "b"
    house.clock.advance(2.0)
    assert first() == "a"
    assert [first() for _ in range(5)] == ["b"] * 5
    house.clock.advance(PROBE_S)
    assert first() == "a"
    house.routing.health.succeeded(route.targets[0], house.clock.monotonic_ns())
    assert [first() for _ in range(5)] == ["a"] * 5


def test_a_long_quiet_target_starts_from_the_shortest_time() -> None:
    house = House()
    health, target = house.routing.health, house.target("a")
    for _ in range(8):
        health.failed(target, failure("server_error"))
        house.clock.advance(health.wait_s(target) or 0)
    house.clock.advance(FORGET_S + 1)
    assert health.wait_s(target) is None
    assert not health.troubled
    health.failed(target, failure("server_error"))
    wait = health.wait_s(target)
    assert wait is not None
    assert wait <= 1 + JITTER


def test_memory_is_bounded() -> None:
    house = House()
    health = Health(ManualClock(), SeededEntropy())
    for number in range(TROUBLES_MAX + 10):
        health.failed(Target("a", f"m{number}", house.endpoints["a"]), failure("server_error"))
    assert len(health._troubles) == TROUBLES_MAX
    assert health.wait_s(Target("a", "m0", house.endpoints["a"])) is None
    assert health.wait_s(Target("a", f"m{TROUBLES_MAX + 9}", house.endpoints["a"])) is not None


def test_a_trial_that_failed_is_over() -> None:
    house = House()
    health, target = house.routing.health, house.target("a")
    health.failed(target, failure("server_error"))
    house.clock.advance(2.0)
    health.claim(target)
    assert health.wait_s(target) == PROBE_S
    health.failed(target, failure("server_error"))
    wait = health.wait_s(target)
    assert wait is not None
    assert wait <= 2 * (1 + JITTER)
