"""Which targets are asked first after failures; nothing is ever left out because of them."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headgate.core.errors import UPSTREAM_KINDS, UpstreamError
from headgate.core.snapshot import Target
from headgate.core.stages import Candidate
from headgate.routing import Health
from headgate.routing.breaker import COOL_MAX_S, FORGET_S, PROOFS, STREAK
from headgate.routing.health import BREAKERS_MAX, FORGET_HELD_S
from headgate.routing.pace import Paces
from headgate.routing.plan import Planner
from headgate.routing.strategy import World as StrategyWorld
from tests.routing.scripted import House
from tests.support.world import ManualClock, SeededEntropy

UNHELD = ("called_off", "client_fault", "context_too_long", "pool_exhausted")
AT_ONCE = ("first_token_timeout", "idle_timeout", "quota_exhausted", "rate_limited", "connect_timeout")


def failure(kind: str, cool_s: float | None = None, status: int | None = None) -> UpstreamError:
    return UpstreamError(kind, "scripted", cool_s=cool_s, attempt_status=status)


class Probes:
    """Stands for `Prober`: keeps what is being probed, until a test says how it ended."""

    def __init__(self, health: Health, clock: ManualClock) -> None:
        self.health = health
        self.clock = clock
        self.running: list[tuple[Target, int]] = []

    def start(self, target: Target) -> None:
        if self.health.claim(target):
            assert target not in [other for other, _ in self.running], "two probes of one target"
            self.running.append((target, self.clock.monotonic_ns()))

    def end(self, at: int, error: UpstreamError | None) -> tuple[Target, int]:
        target, started = self.running.pop(at)
        self.health.unclaim(target)
        self.health.probed(target, error, started)
        return target, started


class World:
    """A planner over breakers, with probes that end when told."""

    def __init__(self, *names: str) -> None:
        self.house = House()
        self.clock = self.house.clock
        self.health = Health(self.clock, SeededEntropy())
        self.probes = Probes(self.health, self.clock)
        senses = StrategyWorld(self.clock, SeededEntropy(), Paces(), self.house.dialects)
        self.planner = Planner(self.health, self.probes, senses)  # type: ignore[arg-type]
        self.route = self.house.route(*names)

    def plan(self) -> tuple[Candidate, ...]:
        return self.planner.plan(self.house.screened(self.route)).candidates

    def first(self) -> str:
        return str(self.plan()[0].target)

    def opens(self, target: Target, kind: str = "server_error") -> None:
        for _ in range(STREAK):
            self.health.failed(target, failure(kind))


class Ordering(RuleBasedStateMachine):
    """Any history of failures, answers, probes and time over five targets of three providers."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World("a", "a.x", "b", "b.x", "c")
        self.health = self.world.health

    def target(self, at: int) -> Target:
        return self.world.route.targets[at]

    @rule(
        at=st.integers(0, 4),
        kind=st.sampled_from(sorted(UPSTREAM_KINDS)),
        cool_s=st.one_of(st.none(), st.none(), st.floats(0, 1e9), st.just(float("nan"))),
        age_s=st.sampled_from([0.0, 1.0, 70.0]),
        stream=st.booleans(),
    )
    def fails(self, at: int, kind: str, cool_s: float | None, age_s: float, stream: bool) -> None:
        target = self.target(at)
        before = self.health.wait_s(target)
        started = self.world.clock.monotonic_ns() - int(age_s * 1e9)
        self.health.failed(target, failure(kind, cool_s), started, stream)
        after = self.health.wait_s(target)
        if kind in UNHELD:
            assert after == before
            return
        assert after is None or after <= COOL_MAX_S * 1.3
        if before is not None:
            assert after is not None
            assert after >= before
        if age_s == 0 and kind in AT_ONCE:
            assert after is not None
            free = [other for other in self.world.route.targets if self.health.wait_s(other) is None]
            if free:
                assert self.world.plan()[0].target != target

    @rule(at=st.integers(0, 4), stream=st.booleans())
    def succeeds(self, at: int, stream: bool) -> None:
        target = self.target(at)
        for _ in range(PROOFS):
            self.health.succeeded(target, self.world.clock.monotonic_ns(), stream)
        assert not stream or self.health.wait_s(target) is None

    @rule(seconds=st.one_of(st.floats(0.0, 30.0), st.floats(0.0, 900.0)))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule(at=st.integers(0, 20), kind=st.sampled_from(["", "", *sorted(UPSTREAM_KINDS)]))
    def a_probe_ends(self, at: int, kind: str) -> None:
        running = self.world.probes.running
        if not running:
            return
        target, _ = running[at % len(running)]
        before = self.health.wait_s(target)
        self.world.probes.end(at % len(running), failure(kind) if kind else None)
        after = self.health.wait_s(target)
        if kind and kind not in UNHELD and before is not None:
            assert after is not None
            assert after >= (
                1.5 if before == 0 else min(before, 1.5)
            )  # it may have been held anew since the probe began

    @rule()
    def everything_recovers(self) -> None:
        for target in self.world.route.targets:
            for _ in range(PROOFS):
                self.health.succeeded(target, self.world.clock.monotonic_ns(), stream=True)
        self.world.clock.advance(61.0)
        assert tuple(candidate.target for candidate in self.world.plan()) == self.world.route.targets

    @invariant()
    def nobody_is_left_out_and_those_in_trouble_go_last(self) -> None:
        order = self.world.plan()
        assert sorted(str(one.target) for one in order) == sorted(map(str, self.world.route.targets))
        held = [self.health.wait_s(one.target) is not None for one in order]
        assert held == sorted(held)
        assert held == [one.held for one in order]
        if all(held):
            waits = [self.health.wait_s(one.target) or 0.0 for one in order]
            assert waits[0] == min(waits)

    @invariant()
    def one_probe_at_a_time(self) -> None:
        probed = [target for target, _ in self.world.probes.running]
        assert len(probed) == len(set(map(str, probed)))


Ordering.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestOrdering = Ordering.TestCase


def test_one_cheap_failure_is_no_trouble_and_five_in_a_row_are() -> None:
    world = World("a", "b")
    target = world.route.targets[0]
    for _ in range(STREAK - 1):
        world.health.failed(target, failure("server_error"))
        assert world.first() == "a/m"
    assert not world.health.healthy(target)
    world.health.failed(target, failure("server_error"))
    assert world.first() == "b/m"


def test_a_target_that_is_due_is_probed_and_no_user_is_sent_there() -> None:
    world = World("a", "b")
    target = world.route.targets[0]
    world.health.failed(target, failure("first_token_timeout"))
    assert [world.first() for _ in range(5)] == ["b/m"] * 5
    assert [probed for probed, _ in world.probes.running] == [target]
    world.clock.advance(10.0)
    world.probes.end(0, failure("first_token_timeout"))
    assert world.first() == "b/m"
    assert world.probes.running == []  # it is open now, and not due
    world.clock.advance(13.0)
    assert world.first() == "b/m"
    world.probes.end(0, None)
    firsts = [world.first() for _ in range(400)]
    assert 20 <= firsts.count("a/m") <= 65  # a tenth of the calls
    world.clock.advance(60.0)
    assert [world.first() for _ in range(5)] == ["a/m"] * 5


def test_where_nobody_else_is_left_a_call_tries_it() -> None:
    world = World("a", "b")
    for target in world.route.targets:
        world.opens(target)
    world.clock.advance(200.0)
    order = world.plan()
    assert order[0].held
    assert [target for target, _ in world.probes.running] == [order[1].target]
    world.health.succeeded(order[0].target, world.clock.monotonic_ns())
    assert world.health.wait_s(order[0].target) is None
    assert world.plan()[0].target == order[0].target


def test_what_concerns_the_account_concerns_all_its_models() -> None:
    for error in (failure("connect_timeout"), failure("quota_exhausted"), failure("auth_failed", status=401)):
        world = World("a", "a.x", "b")
        world.health.failed(world.route.targets[0], error)
        assert world.first() == "b/m"
        world.health.succeeded(world.route.targets[1], world.clock.monotonic_ns())
        assert world.first() == "a/m"
    world = World("a", "a.x", "b")
    world.health.failed(world.route.targets[0], failure("rate_limited"))
    assert world.first() == "a/x"


def test_two_models_open_and_no_answer_since_is_the_account() -> None:
    world = World("a", "a.x", "a.y", "b")
    first, second, third, _ = world.route.targets
    world.opens(first)
    assert world.first() == "a/x"
    world.opens(second)
    assert world.first() == "b/m"
    world.clock.advance(25.0)
    world.plan()
    assert len(world.probes.running) == 1  # one for the account, not one for each model
    world.probes.end(0, None)
    assert world.health.wait_s(third) is None


def test_an_account_that_answers_for_another_model_is_not_down() -> None:
    world = World("a", "a.x", "a.y", "b")
    first, second, third, _ = world.route.targets
    world.opens(first)
    world.clock.advance(1.0)
    world.health.succeeded(third, world.clock.monotonic_ns())
    world.clock.advance(1.0)
    world.opens(second)
    assert world.first() == "a/y"


def test_an_account_whose_model_is_over_its_limit_answers() -> None:
    world = World("a", "a.x", "b")
    for target in world.route.targets[:2]:
        world.opens(target)
    world.clock.advance(25.0)
    world.plan()
    target, _ = world.probes.end(0, failure("rate_limited", 30))
    assert (world.health.wait_s(target) or 0) >= 30
    world.plan()
    assert [str(other) for other, _ in world.probes.running] == ["a/m" if str(target) == "a/x" else "a/x"]


def test_a_whole_answer_does_not_end_the_trouble_of_streams() -> None:
    world = World("a", "b")
    target = world.route.targets[0]
    started = world.clock.monotonic_ns()
    world.health.failed(target, failure("truncated"), started, stream=True, committed=True)
    world.clock.advance(1.0)
    world.health.succeeded(target, world.clock.monotonic_ns(), stream=False)
    assert world.first() == "b/m"
    assert world.health.streamed(target)
    world.health.succeeded(target, world.clock.monotonic_ns(), stream=True)
    assert world.first() == "a/m"


def test_what_went_quiet_is_forgotten() -> None:
    world = World("a", "b")
    target, other = world.route.targets
    world.health.failed(target, failure("server_error"))
    world.opens(other)
    world.clock.advance(FORGET_S + 1)
    world.health.began(target, world.clock.monotonic_ns())
    assert world.health.healthy(target)
    assert world.health.wait_s(other) == 0
    world.clock.advance(FORGET_HELD_S + 60)
    world.health.began(target, world.clock.monotonic_ns())
    assert not world.health.troubled


def test_memory_is_bounded() -> None:
    house = House()
    health = Health(ManualClock(), SeededEntropy())
    for number in range(BREAKERS_MAX + 10):
        health.failed(Target("a", f"m{number}", house.endpoints["a"]), failure("rate_limited"))
    assert len(health._breakers) == BREAKERS_MAX
    assert health.wait_s(Target("a", "m0", house.endpoints["a"])) is None
    assert health.wait_s(Target("a", f"m{BREAKERS_MAX + 9}", house.endpoints["a"])) is not None
