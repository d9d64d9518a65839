"""Admission as the page uses it: who are you, may you, can you afford it, and what was it in the end."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from headgate.admission import Admission, KeyDesk, KeySource, NewKey, load_pepper
from headgate.admission.keys import mint_key
from headgate.admission.service import POLL_S, UNSETTLED_MAX
from headgate.core.errors import BudgetExceeded, Forbidden, LimitExceeded, Unauthenticated
from headgate.core.keys import EVERY_TENANT, Spend
from headgate.core.record import AttemptRecord
from headgate.core.snapshot import App
from headgate.core.stages import Admitted, Call, Planned
from headgate.core.types import Price
from tests.admission.test_desk import MemoryKeys
from tests.support.world import ManualClock, SeededEntropy
from tests.telemetry.builders import call, funded, target

CHEAP, DEAR = Price(1.0, 1.0), Price(1000.0, 1000.0)


class Gate:
    """A desk and one worker's admission on one folder."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        peppered = load_pepper(folder, SeededEntropy(1))
        self.desk = KeyDesk(MemoryKeys(), folder, peppered, self.clock, SeededEntropy(2))
        self.desk.publish()
        self.admission = Admission(KeySource(folder, peppered), self.clock)
        self.count = 0

    def key(self, **fields) -> str:
        made = self.desk.create(NewKey(**{"name": "k", "tenant": "acme", **fields}), "tests")
        self.admission.refresh()
        self.id = made.key.info.id
        return made.secret

    def call(self, secret: str | None) -> Call:
        self.count += 1
        made = call(self.clock, self.count)
        made.credential = secret
        return made

    def plan(self, admitted: Admitted, *targets, usd: float | None = 1.0, app: App | None = None) -> Planned:
        return _for(funded(admitted.call, *targets, app=app).planned, admitted, usd)

    def reserve(self, secret: str, *targets, usd: float | None = 1.0):
        admitted = self.admission.admit(self.call(secret))
        return admitted.call.record, self.admission.reserve(self.plan(admitted, *targets, usd=usd))


def _for(planned: Planned, admitted: Admitted, usd: float | None) -> Planned:
    """The plan, as made for this caller and this worst case."""
    replace = msgspec.structs.replace
    grounded = planned.screened.grounded
    selected = replace(grounded.prompted.selected, admitted=admitted)
    grounded = replace(grounded, prompted=replace(grounded.prompted, selected=selected))
    return replace(planned, screened=replace(planned.screened, grounded=grounded), estimate_usd=usd)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def test_the_record_knows_key_and_tenant_from_the_door_on(gate: Gate) -> None:
    made = gate.call(gate.key(rpm=1))
    admitted = gate.admission.admit(made)
    assert (made.record.key_id, made.record.tenant) == (gate.id, "acme")
    assert admitted.key.id == gate.id


def test_a_key_made_just_now_is_good_at_once(gate: Gate) -> None:
    gate.key()
    secret = gate.desk.create(NewKey(name="other"), "t").secret
    assert gate.admission.admit(gate.call(secret)).key.name == "other"


def test_an_unknown_key_makes_no_worker_read_the_keys_again(gate: Gate, monkeypatch) -> None:
    gate.key()
    reads = []
    monkeypatch.setattr("headgate.admission.files.read_keys", lambda folder: reads.append(folder))
    for credential in (None, "sk-proj-1", mint_key(SeededEntropy(99))):
        with pytest.raises(Unauthenticated):
            gate.admission.admit(gate.call(credential))
    assert reads == []


def test_a_refused_call_is_on_record_with_its_key(gate: Gate) -> None:
    secret = gate.key(rpm=1)
    gate.admission.admit(gate.call(secret))
    second = gate.call(secret)
    with pytest.raises(LimitExceeded):
        gate.admission.admit(second)
    assert second.record.key_id == gate.id


def test_a_key_for_some_models_may_use_no_others(gate: Gate) -> None:
    secret = gate.key(models=["support"])
    with pytest.raises(Forbidden, match="gpt-4o-mini") as refusal:
        gate.reserve(secret)
    assert refusal.value.param == "model"
    admitted = gate.admission.admit(gate.call(secret))
    app = App("support", (), {}, "production")
    with gate.admission.reserve(gate.plan(admitted, app=app)):
        pass


def test_a_reservation_settles_by_the_record(gate: Gate) -> None:
    record, reservation = gate.reserve(gate.key(budget_usd=5.0))
    meter = gate.admission.meter(gate.id)
    assert meter is not None
    with reservation:
        assert (meter.held_usd, meter.spent_usd) == (1.0, 0.0)
        record.cost_usd, record.input_tokens, record.output_tokens = 0.25, 10, 5
    assert (meter.held_usd, meter.spent_usd, meter.in_flight) == (0.0, 0.25, 0)


def test_calls_at_once_cannot_overspend_together(gate: Gate) -> None:
    secret = gate.key(budget_usd=2.5)
    first, second = gate.reserve(secret)[1], gate.reserve(secret)[1]
    with first, second, pytest.raises(BudgetExceeded):
        gate.reserve(secret)


def test_the_worst_case_is_that_of_the_dearest_target_that_may_be_asked(gate: Gate) -> None:
    secret = gate.key(budget_usd=0.1)
    dear = target("anthropic", "opus", DEAR)
    with pytest.raises(BudgetExceeded):
        gate.reserve(secret, target(price=CHEAP), dear, usd=0.0001)
    gate.reserve(secret, target(price=CHEAP), usd=0.0001)


def test_a_call_no_provider_was_asked_for_costs_nothing(gate: Gate) -> None:
    _, reservation = gate.reserve(gate.key(budget_usd=5.0))
    with pytest.raises(RuntimeError), reservation:
        raise RuntimeError
    meter = gate.admission.meter(gate.id)
    assert meter is not None
    assert (meter.spent_usd, meter.held_usd, meter.in_flight) == (0.0, 0.0, 0)


def test_a_hang_up_is_charged_its_worst_case_until_the_record_is_complete(gate: Gate) -> None:
    record, reservation = gate.reserve(gate.key(budget_usd=5.0))
    record.attempts.append(AttemptRecord("openai", "m", 0, "first"))
    with pytest.raises(RuntimeError), reservation:
        raise RuntimeError
    meter = gate.admission.meter(gate.id)
    assert meter is not None
    assert meter.spent_usd == 1.0
    record.cost_usd, record.input_tokens, record.output_tokens = 0.125, 10, 5
    gate.admission.correct(record)
    assert meter.spent_usd == 0.125
    gate.admission.correct(record)
    assert (meter.spent_usd, meter.in_flight) == (0.125, 0)


def test_what_waits_for_correction_is_bounded(gate: Gate, monkeypatch) -> None:
    assert UNSETTLED_MAX <= 100_000
    monkeypatch.setattr("headgate.admission.service.UNSETTLED_MAX", 2)
    secret = gate.key(budget_usd=50.0)
    records = []
    for _ in range(4):
        record, reservation = gate.reserve(secret)
        record.attempts.append(AttemptRecord("openai", "m", 0, "first"))
        with reservation:
            records.append(record)
    for record in records:
        record.cost_usd = 0.0
        gate.admission.correct(record)
    meter = gate.admission.meter(gate.id)
    assert meter is not None
    assert meter.spent_usd == 2.0, "the oldest two stay as charged"


def test_an_answer_of_unknown_price_is_counted_as_that(gate: Gate) -> None:
    record, reservation = gate.reserve(gate.key(budget_usd=5.0), usd=None)
    with reservation:
        record.input_tokens, record.output_tokens, record.committed = 10, 5, True
    meter = gate.admission.meter(gate.id)
    assert meter is not None
    assert (meter.spent_usd, meter.unpriced) == (0.0, 1)


def test_a_key_without_limits_needs_no_meter(gate: Gate) -> None:
    _, reservation = gate.reserve(gate.key())
    assert gate.admission.meter(gate.id) is None
    with reservation:
        pass


def test_a_revocation_reaches_the_worker_within_a_poll(gate: Gate) -> None:
    secret = gate.key()
    gate.admission.watch()
    gate.desk.revoke(gate.id, EVERY_TENANT)
    gate.admission.admit(gate.call(secret))
    gate.clock.advance(POLL_S)
    with pytest.raises(Unauthenticated, match="revoked"):
        gate.admission.admit(gate.call(secret))
    gate.admission.stop()


def test_limits_that_change_keep_calls_under_way(gate: Gate) -> None:
    record, reservation = gate.reserve(gate.key(budget_usd=5.0))
    with reservation:
        gate.desk.create(NewKey(name="another"), "t")
        gate.admission.refresh()
        record.cost_usd = 0.5
    meter = gate.admission.meter(gate.id)
    assert meter is not None
    assert (meter.spent_usd, meter.in_flight) == (0.5, 0)


def test_a_restarted_worker_begins_with_what_was_published(gate: Gate, tmp_path: Path) -> None:
    class Spending:
        def spent_since(self, since_ns: int):
            return {gate.id: Spend(since_ns, 0.75, 3, 0, 0)}

    secret = gate.key(budget_usd=1.0)
    gate.desk._spending = Spending()
    gate.desk.publish()
    fresh = Admission(KeySource(tmp_path, load_pepper(tmp_path, SeededEntropy(1))), gate.clock)
    meter = fresh.meter(gate.id)
    assert meter is not None
    assert meter.spent_usd == 0.75
    admitted = fresh.admit(gate.call(secret))
    with pytest.raises(BudgetExceeded):
        fresh.reserve(gate.plan(admitted, usd=0.5))


def test_keys_that_cannot_be_read_are_told_and_the_last_good_ones_hold(gate: Gate, tmp_path: Path) -> None:
    secret = gate.key()
    (tmp_path / "keys.hgk").write_bytes(b"damage")
    assert not gate.admission.refresh()
    assert gate.admission.trouble is not None
    gate.admission.admit(gate.call(secret))
