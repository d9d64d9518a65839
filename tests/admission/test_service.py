"""Admission as the page uses it: who are you, may you, can you afford it, and what was it in the end."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from headgate.admission import Admission, KeySource, NewKey, load_pepper
from headgate.admission.keys import mint_key
from headgate.admission.service import CORRECTED_S, MARGIN_S, POLL_S, SWEEP_POLLS
from headgate.core.errors import BudgetExceeded, Forbidden, LimitExceeded, Overloaded, Unauthenticated
from headgate.core.keys import EVERY_TENANT, Spend
from headgate.core.ports import Deadlines
from headgate.core.record import AttemptRecord
from headgate.core.types import Price
from tests.admission.world import DOLLAR, Gate
from tests.support.world import SeededEntropy
from tests.telemetry.builders import target

NANO = 1_000_000_000


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


# -- who ------------------------------------------------------------------------------------------------------------


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
    with gate.reserve(secret, app="support")[1]:
        pass


# -- every scope ----------------------------------------------------------------------------------------------------

SCOPES = {
    "key": "this API key",
    "team/acme/checkout": "team `checkout`",
    "tenant/acme": "tenant `acme`",
    "app/support": "app `support`",
}


def scoped(gate: Gate, address: str, **limits) -> str:
    """A key of the team, with limits on one scope that its calls come under."""
    if address == "key":
        return gate.key(team="checkout", **limits)
    gate.limit(address, **limits)
    return gate.key(team="checkout")


@pytest.mark.parametrize(("address", "label"), SCOPES.items())
@pytest.mark.parametrize(
    ("limits", "said", "after_s"),
    [
        ({"rpm": 1}, "over 1 requests per minute of", 60),
        ({"tpm": 200}, "over 200 tokens per minute of", 24),  # 140 tokens each, 80 must drain
        ({"concurrency": 1}, "over 1 calls at once of", 1),
        ({"budget_usd": 1.5, "budget_period": "day"}, r"could cost \$1\.000000, and \$0\.500000 is left of", 1),
    ],
    ids=["rpm", "tpm", "concurrency", "budget"],
)
def test_every_scope_has_every_limit_and_says_which(
    gate: Gate, address: str, label: str, limits: dict, said: str, after_s: float
) -> None:
    secret = scoped(gate, address, **limits)
    gate.reserve(secret, app="support")
    with pytest.raises((LimitExceeded, BudgetExceeded), match=said) as refusal:
        gate.reserve(secret, app="support")
    assert label in refusal.value.message
    assert refusal.value.status == 429
    assert refusal.value.retry_after_s == pytest.approx(after_s)


def test_others_calls_count_where_they_share_a_scope(gate: Gate) -> None:
    gate.limit("tenant/acme", budget_usd=1.5, budget_period="total")
    gate.limit("app/support", concurrency=1)
    first, second, foreign = gate.key(team="a"), gate.key(team="b"), gate.key(tenant="globex")
    gate.reserve(first, app="support")
    with pytest.raises(BudgetExceeded, match="tenant `acme`"):
        gate.reserve(second)
    with pytest.raises(LimitExceeded, match="app `support`"):
        gate.reserve(foreign, app="support")
    gate.reserve(foreign)


def test_a_call_is_charged_to_all_its_scopes_or_to_none(gate: Gate) -> None:
    for address in ("app/support", "team/acme/checkout", "tenant/acme"):
        gate.limit(address, budget_usd=10.0, concurrency=5, tpm=10_000)
    gate.limit("app/support", budget_usd=0.5)
    secret = gate.key(team="checkout", budget_usd=10.0, concurrency=5, tpm=10_000)
    with pytest.raises(BudgetExceeded, match="app `support`"):
        gate.reserve(secret, app="support")
    assert [tuple(line.standing) for line in gate.limits.lines(EVERY_TENANT)] == [(0, 0, 0, 0, 0)] * 4
    gate.limit("app/support", budget_usd=5.0)
    gate.spend(secret, 0.25, app="support")
    assert [tuple(line.standing) for line in gate.limits.lines(EVERY_TENANT)] == [(NANO // 4, 0, 0, 0, 15)] * 4


def test_an_apps_request_rate_is_counted_once_the_app_is_known(gate: Gate) -> None:
    gate.limit("app/support", rpm=2)
    secret = gate.key()
    gate.reserve(secret, app="support")
    gate.reserve(secret, app="other")
    gate.reserve(secret, app="support")
    with pytest.raises(LimitExceeded, match="2 requests per minute of app `support`"):
        gate.reserve(secret, app="support")


def test_a_call_without_limits_touches_no_ledger(gate: Gate, monkeypatch) -> None:
    secret = gate.key()
    gate.limit("tenant/globex", budget_usd=1.0)
    monkeypatch.setattr(gate.ledger._lock.__class__, "take", lambda self: 1 / 0)
    record, reservation = gate.reserve(secret)
    with reservation:
        record.outcome = "ok"
    gate.admission.correct(record)
    assert gate.admission.held == 0


# -- money ----------------------------------------------------------------------------------------------------------


def test_a_reservation_settles_by_the_record(gate: Gate) -> None:
    record, reservation = gate.reserve(gate.key(budget_usd=5.0, concurrency=3))
    with reservation:
        assert tuple(gate.stands())[:3] == (0, NANO, 1)
        record.cost_usd, record.outcome = 0.25, "ok"
    assert tuple(gate.stands())[:3] == (NANO // 4, 0, 0)


def test_calls_at_once_cannot_overspend_together(gate: Gate) -> None:
    secret = gate.key(budget_usd=2.5)
    gate.reserve(secret)
    gate.reserve(secret)
    with pytest.raises(BudgetExceeded):
        gate.reserve(secret)


def test_every_attempt_may_cost_the_dearest_first(gate: Gate) -> None:
    secret = gate.key(budget_usd=100.0)
    prices = [Price(0.0, 10_000.0 * dollars) for dollars in (1, 2, 3, 4)]
    gate.reserve(secret, *[target("openai", f"m{at}", price) for at, price in enumerate(prices)])
    assert gate.stands().held_nano == 9 * NANO, "three attempts, the dearest three"


def test_the_worst_case_of_the_input_is_a_token_a_byte_within_the_window(gate: Gate) -> None:
    secret = gate.key(budget_usd=100.0)
    price = Price(1_000_000.0, 0.0, cache_write=1_250_000.0)
    gate.reserve(secret, target(price=price))
    assert gate.stands().held_nano == 50 * NANO, "40 tokens are more than the 17 bytes of the body; written to a cache"


def test_an_answer_may_be_as_long_as_its_target_allows(gate: Gate) -> None:
    secret = gate.key(budget_usd=100.0)
    gate.reserve(secret, target(price=DOLLAR), msgspec.structs.replace(target("b", "m", DOLLAR), max_output=500))
    assert gate.stands().held_nano == 6 * NANO


def test_a_budget_takes_no_call_that_it_cannot_count(gate: Gate) -> None:
    secret = gate.key(budget_usd=5.0)
    with pytest.raises(Forbidden, match="price of `openai/gpt-4o-mini` is not known"):
        gate.reserve(secret, target())
    record, reservation = gate.reserve(secret, target(price=DOLLAR), target("b", "unknown"))
    with reservation as granted:
        assert [str(one.target) for one in granted.planned.candidates] == ["openai/gpt-4o-mini"]
    assert [(one.provider, one.model) for one in record.skipped] == [("b", "unknown")]
    assert gate.stands().held_nano == NANO


def test_a_budget_that_allows_it_takes_calls_of_unknown_price_for_nothing(gate: Gate) -> None:
    record, reservation = gate.reserve(gate.key(budget_usd=5.0, unpriced="allow"), target())
    with reservation:
        record.input_tokens, record.output_tokens, record.outcome = 10, 5, "ok"
    assert tuple(gate.stands())[:2] == (0, 0)


def test_a_cost_that_stays_unknown_is_charged_as_the_worst_case(gate: Gate) -> None:
    record, reservation = gate.reserve(gate.key(budget_usd=5.0))
    with reservation:
        record.input_tokens, record.output_tokens, record.outcome = 10, 5, "ok"  # cached, at a price nobody knows
    assert tuple(gate.stands())[:2] == (NANO, 0)


def test_a_call_no_provider_was_at_work_on_costs_nothing(gate: Gate) -> None:
    record, reservation = gate.reserve(gate.key(budget_usd=5.0, concurrency=1))
    with pytest.raises(RuntimeError), reservation:
        raise RuntimeError
    assert gate.stands().held_nano == NANO, "until the record is complete"
    record.outcome = "failed"
    gate.admission.correct(record)
    assert tuple(gate.stands())[:3] == (0, 0, 0)
    gate.admission.correct(record)
    assert gate.admission.held == 0


def test_a_hang_up_in_a_stream_is_charged_what_was_used(gate: Gate) -> None:
    record, reservation = gate.reserve(gate.key(budget_usd=5.0), stream=True)
    with pytest.raises(ConnectionError), reservation:
        raise ConnectionError
    record.outcome, record.tokens_estimated = "cancelled", True
    record.cost_usd, record.input_tokens, record.output_tokens = 0.125, 10, 5
    gate.admission.correct(record)
    assert gate.stands().spent_nano == NANO // 8


def test_a_hang_up_before_a_whole_answer_is_charged_the_worst_case_of_its_attempt(gate: Gate) -> None:
    record, reservation = gate.reserve(gate.key(budget_usd=5.0), target(price=DOLLAR), target("b", "m", DOLLAR))
    with pytest.raises(ConnectionError), reservation:
        raise ConnectionError
    record.outcome, record.tokens_estimated = "cancelled", True
    record.provider, record.target_model = "b", "m"
    record.attempts = [
        AttemptRecord("openai", "gpt-4o-mini", 0, "first", cost_usd=0.25),
        AttemptRecord("b", "m", 0, "fallback", cost_usd=0.125),
    ]
    record.cost_usd, record.input_tokens, record.output_tokens = 0.375, 10, 0
    gate.admission.correct(record)
    assert gate.stands().spent_nano == NANO + NANO // 4, "the first as told, the last at its worst"


def test_a_hold_ends_by_itself_when_its_call_should_have(gate: Gate) -> None:
    secret = gate.key(budget_usd=5.0, concurrency=1)
    record, reservation = gate.reserve(secret)
    gate.admission.watch()
    total_s = Deadlines().total_s
    gate.clock.advance(total_s + MARGIN_S - 1)
    assert tuple(gate.stands())[:3] == (0, NANO, 1)
    gate.clock.advance(1 + SWEEP_POLLS * POLL_S)
    assert tuple(gate.stands())[:3] == (NANO, 0, 0)
    with reservation:
        record.cost_usd, record.input_tokens, record.outcome = 0.5, 1, "ok"
        gate.admission.correct(record)
    gate.admission.correct(record)
    assert tuple(gate.stands())[:3] == (NANO // 2, 0, 0), "it did end after all: charged by its record, ended once"
    assert gate.admission.held == 0
    gate.admission.stop()


def test_a_call_that_never_ends_is_forgotten_in_the_end(gate: Gate) -> None:
    gate.reserve(gate.key(budget_usd=5.0))
    gate.admission.watch()
    gate.clock.advance(Deadlines().total_s + MARGIN_S + SWEEP_POLLS * POLL_S)
    assert gate.admission.held == 1
    gate.clock.advance(CORRECTED_S + SWEEP_POLLS * POLL_S)
    assert gate.admission.held == 0
    assert tuple(gate.stands())[:2] == (NANO, 0)
    gate.admission.stop()


def test_calls_that_hold_something_are_bounded(gate: Gate, monkeypatch) -> None:
    monkeypatch.setattr("headgate.admission.service.HELD_MAX", 2)
    secret = gate.key(concurrency=9)
    gate.reserve(secret)
    gate.reserve(secret)
    with pytest.raises(Overloaded):
        gate.reserve(secret)


# -- events ---------------------------------------------------------------------------------------------------------


def test_a_budget_tells_once_at_80_percent_and_once_when_it_is_spent(gate: Gate) -> None:
    secret = gate.key(budget_usd=5.0, budget_period="day")
    for _ in range(3):
        gate.spend(secret, 1.0)
    assert gate.heard.events == []
    gate.spend(secret, 1.0)
    gate.spend(secret, 0.125)
    (event,) = gate.heard.events
    assert (event.kind, event.subject, event.severity) == ("budget_warning", f"key/{gate.id}", "warning")
    assert (event.figures["spent_usd"], event.figures["budget_usd"]) == (4.0, 5.0)
    for _ in range(3):
        with pytest.raises(BudgetExceeded):
            gate.reserve(secret)
    assert [event.kind for event in gate.heard.events] == ["budget_warning", "budget_spent"], "it refuses calls"
    gate.clock.advance(86_400)
    for _ in range(5):
        gate.spend(secret, 1.0)
    assert [event.kind for event in gate.heard.events[2:]] == ["budget_warning", "budget_spent"], "a new day"


def test_a_budget_that_was_raised_tells_again(gate: Gate) -> None:
    gate.limit("tenant/acme", budget_usd=1.0)
    secret = gate.key()
    gate.spend(secret, 1.0)
    gate.limit("tenant/acme", budget_usd=4.0)
    gate.spend(secret, 1.0)
    gate.spend(secret, 1.0)
    assert len(gate.heard.events) == 1
    gate.spend(secret, 1.0)
    assert [(e.kind, e.figures["budget_usd"]) for e in gate.heard.events] == [
        ("budget_spent", 1.0),
        ("budget_spent", 4.0),
    ]


# -- changes --------------------------------------------------------------------------------------------------------


def test_a_revocation_reaches_the_worker_within_a_poll(gate: Gate) -> None:
    secret = gate.key()
    gate.admission.watch()
    gate.desk.revoke(gate.id, EVERY_TENANT)
    gate.admission.admit(gate.call(secret))
    gate.clock.advance(POLL_S)
    with pytest.raises(Unauthenticated, match="revoked"):
        gate.admission.admit(gate.call(secret))
    gate.admission.stop()


def test_limits_that_change_keep_what_was_used_and_calls_under_way(gate: Gate) -> None:
    gate.limit("tenant/acme", budget_usd=5.0, concurrency=2)
    secret = gate.key()
    record, reservation = gate.reserve(secret)
    gate.limit("tenant/acme", budget_usd=1.5, concurrency=None)
    with pytest.raises(BudgetExceeded):
        gate.reserve(secret)
    with reservation:
        record.cost_usd, record.outcome = 0.5, "ok"
    assert tuple(gate.stands("tenant/acme"))[:3] == (NANO // 2, 0, 0)
    gate.limit("tenant/acme", budget_usd=None)
    assert gate.limits.lines(EVERY_TENANT) == []
    gate.reserve(secret)


def test_a_worker_without_a_past_begins_with_what_was_published(gate: Gate, tmp_path: Path) -> None:
    gate.limit("tenant/acme", budget_usd=4.0)
    gate.limit("team/acme/checkout", budget_usd=2.0)
    gate.limit("app/support", budget_usd=2.0)
    secret = gate.key(budget_usd=1.5, team="checkout")
    other = gate.key(team="other")
    by_name = {key.info.team: key.info.id for key in gate.store.stored.values()}
    gate.spending.spent = {by_name["checkout"]: Spend(0, 0.75), by_name["other"]: Spend(0, 2.5)}
    gate.spending.apps = {"support": 1.25, "": 7.0}
    gate.clock.advance(601)
    gate.desk.publish()
    fresh = Admission(KeySource(tmp_path, load_pepper(tmp_path, SeededEntropy(1))), gate.clock)
    gate.admission = fresh
    for shown, app, said in ((other, None, "tenant"), (secret, "support", "this API key")):
        with pytest.raises(BudgetExceeded, match=said):
            gate.reserve(shown, app=app)
    gate.limit("tenant/acme", budget_usd=40.0)
    with pytest.raises(BudgetExceeded, match="app `support`"):
        gate.reserve(other, app="support")
    gate.reserve(other)


def test_published_spend_only_ever_raises_what_counts(gate: Gate) -> None:
    secret = gate.key(budget_usd=5.0, budget_period="day")
    gate.spend(secret, 1.0)
    for usd, counts in ((0.5, 1), (3.0, 3), (2.0, 3)):
        gate.spending.spent = {gate.id: Spend(0, usd)}
        gate.desk.publish()
        gate.admission.refresh()
        assert gate.ledger.standing(gate.admission._scopes.all()[0], gate.clock.now_ns()).spent_nano == counts * NANO


def test_keys_that_cannot_be_read_are_told_and_the_last_good_ones_hold(gate: Gate, tmp_path: Path) -> None:
    secret = gate.key()
    (tmp_path / "keys.hgk").write_bytes(b"damage")
    assert not gate.admission.refresh()
    assert gate.admission.trouble is not None
    gate.admission.admit(gate.call(secret))


def test_who_may_go_on_with_a_broken_answer_may_cost_as_well(gate: Gate) -> None:
    secret = gate.key(budget_usd=100.0)
    admitted = gate.admission.admit(gate.call(secret))
    plan = gate.plan(admitted, stream=True)
    goes_on = (target("b", "m", Price(10_000.0, 10_000.0)), target("c", "unknown"))
    route = msgspec.structs.replace(plan.route, continue_with=goes_on)
    with gate.admission.reserve(msgspec.structs.replace(plan, route=route)) as granted:
        assert [one.provider for one in granted.planned.route.continue_with] == ["b"]
    assert gate.stands().held_nano == round((1.0 + 2.4) * NANO), "40 of input, 100 of an answer so far, 100 of the rest"
