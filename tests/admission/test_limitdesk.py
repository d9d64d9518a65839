"""The limit desk: what may be set by whom, and how limited scopes stand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from headgate.admission import limit_handlers
from headgate.admission.limit_handlers import LimitRequest
from headgate.admission.limitdesk import parsed
from headgate.core.errors import Forbidden, InvalidRequest
from headgate.core.handlers import Ask
from headgate.core.keys import EVERY_TENANT
from tests.admission.world import Gate
from tests.support.actors import actor


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("tenant/acme", ("tenant", "acme", "acme")),
        ("tenant/a/b", ("tenant", "a/b", "a/b")),
        ("team/acme/shop", ("team", "acme", "shop")),
        ("team/a/b/shop", ("team", "a/b", "shop")),
        ("app/support", ("app", "", "support")),
    ],
)
def test_addresses(address: str, parts: tuple[str, str, str]) -> None:
    assert parsed(address) == parts


@pytest.mark.parametrize(
    "address", ["", "acme", "tenant/", "team/shop", "team//shop", "team/acme/", "key/key_1", "app/a\n"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parsed(address)
    assert refusal.value.param == "scope"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"rpm": 0}, "rpm"),
        ({"tpm": 10**10}, "tpm"),
        ({"concurrency": -1}, "concurrency"),
        ({"budget_usd": 0.0}, "budget_usd"),
        ({"budget_period": "week"}, "budget_period"),
        ({"unpriced": "maybe"}, "unpriced"),
    ],
)
def test_what_no_limit_can_be_is_refused_by_field(gate: Gate, change: dict, param: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        gate.limit("tenant/acme", **change)
    assert refusal.value.param == param
    assert gate.store.scopes == {}


def test_limited_scopes_are_bounded(gate: Gate, monkeypatch) -> None:
    monkeypatch.setattr("headgate.admission.limitdesk.SCOPES_MAX", 1)
    gate.limit("tenant/acme", rpm=1)
    with pytest.raises(InvalidRequest, match="1 scopes already"):
        gate.limit("tenant/globex", rpm=1)
    gate.limit("tenant/acme", rpm=2)


def test_a_tenant_limits_its_own_teams_only_and_sees_its_own_limits_only(gate: Gate) -> None:
    gate.limits.set("team/acme/shop", {"rpm": 5}, "acme", "them")
    for address in ("tenant/acme", "team/globex/shop", "app/support"):
        with pytest.raises(Forbidden):
            gate.limits.set(address, {"rpm": 5}, "acme", "them")
    gate.limit("tenant/acme", rpm=5)
    gate.limit("app/support", rpm=5)
    gate.key(tenant="globex", rpm=1)
    gate.key(rpm=1)
    assert [line.address for line in gate.limits.lines("acme")] == [
        "team/acme/shop",
        "tenant/acme",
        f"key/{gate.id}",
    ]
    assert len(gate.limits.lines(EVERY_TENANT)) == 5


def test_what_is_used_held_and_left_is_told_with_its_end(gate: Gate) -> None:
    list_limits, set_limits = (handler.handle for handler in limit_handlers(gate.limits))
    root = actor("operator", id="root")
    body = msgspec.json.decode(b'{"scope": "tenant/acme", "budget_usd": 5, "budget_period": "day"}', type=LimitRequest)
    set_limits(Ask(root, body=body))
    secret = gate.key(rpm=100, tpm=1000, concurrency=3)
    gate.spend(secret, 0.5)
    gate.reserve(secret)
    tenant, key = msgspec.to_builtins(list_limits(Ask(root)))["limits"]
    midnight = datetime.fromtimestamp(gate.clock.now_ns() // 10**9, UTC).replace(hour=0, minute=0, second=0).timestamp()
    assert (tenant["scope"], tenant["spent_usd"], tenant["held_usd"], tenant["left_usd"]) == (
        "tenant/acme", 0.5, 1.0, 3.5,
    )  # fmt: skip
    assert datetime.fromisoformat(tenant["resets"]).timestamp() == midnight + 86_400
    assert (tenant["rpm"], tenant["requests"]) == (None, None)
    assert (key["scope"], key["name"], key["requests"], key["tokens"], key["in_flight"]) == (
        f"key/{gate.id}", "k", 2, 155, 1,
    )  # fmt: skip
    assert (key["budget_usd"], key["spent_usd"], key["resets"]) == (None, None, None)


def test_fields_left_out_stay_and_null_takes_away(gate: Gate) -> None:
    set_limits = limit_handlers(gate.limits)[1].handle
    root = actor("operator", id="root")
    for text in (b'{"scope":"app/x","rpm":5,"tpm":7}', b'{"scope":"app/x","rpm":null,"concurrency":2}'):
        made = msgspec.to_builtins(set_limits(Ask(root, body=msgspec.json.decode(text, type=LimitRequest))))
    assert (made["rpm"], made["tpm"], made["concurrency"], made["set_by"]) == (None, 7, 2, "root")
    set_limits(Ask(root, body=LimitRequest("app/x", tpm=None, concurrency=None)))
    assert gate.limits.lines(EVERY_TENANT) == []
