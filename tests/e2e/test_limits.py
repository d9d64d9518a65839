"""Limits of teams, tenants and apps through a whole gateway of several workers, and the commands that set them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.gateway import Answer, Gateway, Vendors, until
from tests.e2e.test_keys import PATHS, ask, made
from tests.e2e.test_workers import DOCUMENTS
from tests.e2e.workspace import providers

WORKERS = 2


@pytest.fixture(scope="module")
def own(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {"providers": providers(vendors.url), "workers": WORKERS}
    gateway = Gateway(tmp_path_factory.mktemp("limits"), config, DOCUMENTS).start()
    yield gateway
    gateway.process.kill()


def limit(gateway: Gateway, scope: str, **limits: object) -> None:
    gateway.api("POST", "/api/limits", {"scope": scope, **limits})


def line(gateway: Gateway, scope: str) -> dict[str, Any]:
    return next(one for one in gateway.api("GET", "/api/limits")["limits"] if one["scope"] == scope)


def test_a_limit_is_one_for_all_workers(own: Gateway) -> None:
    secret, _ = made(own, tenant="acme", rpm=12)
    until(lambda: ask(own, secret).status == 200, 5, "the key is known")
    with ThreadPoolExecutor(8) as pool:
        statuses = [answer.status for answer in pool.map(lambda _: ask(own, secret), range(40))]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) <= 12 + 4, "a bucket of 12, and one more every 5 seconds"


@pytest.mark.parametrize("dialect", PATHS)
def test_a_refusal_says_scope_and_limit_in_every_dialect(own: Gateway, dialect: str) -> None:
    secret, _ = made(own, tenant=f"by {dialect}", team="shop")
    limit(own, f"team/by {dialect}/shop", rpm=1)
    answers: list[Answer] = []

    def refused() -> bool:
        answers.append(ask(own, secret, dialect=dialect))
        return answers[-1].status == 429

    assert until(refused, 5, "the limit is in force on every worker")
    assert "over 1 requests per minute of team `shop`" in answers[-1].body.decode()
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60


def test_what_calls_cost_is_seen_at_once_and_survives_the_death_of_workers(own: Gateway) -> None:
    secret, _ = made(own, tenant="globex")
    limit(own, "tenant/globex", budget_usd=5)
    until(lambda: ask(own, secret).status == 200 and line(own, "tenant/globex")["spent_usd"] > 0, 5, "it is charged")
    before = line(own, "tenant/globex")["spent_usd"]
    cost = own.record(ask(own, secret).headers["x-headgate-call-id"])["call"]["cost_usd"]
    stands = line(own, "tenant/globex")
    assert stands["spent_usd"] == pytest.approx(before + cost, abs=1e-8)
    assert (stands["held_usd"], stands["resets"] is not None) == (0, True)
    assert stands["left_usd"] == pytest.approx(5 - stands["spent_usd"])
    (first, *_) = own.api("GET", "/api/workers")["workers"]
    os.kill(first["pid"], signal.SIGKILL)
    assert line(own, "tenant/globex")["spent_usd"] == stands["spent_usd"]
    until(lambda: ask(own, secret).status == 200, 5, "others go on")
    assert line(own, "tenant/globex")["spent_usd"] == pytest.approx(stands["spent_usd"] + cost, abs=1e-8)


def test_a_wrong_name_is_answered_by_nobody_else_under_a_budget(own: Gateway) -> None:
    secret, _ = made(own, tenant="careful", budget_usd=5.0)
    for name in ("gpt-99-x", "claude-hiaku-4-5"):
        until(lambda name=name: ask(own, secret, name).status != 401, 5, "the key is known")
        answer = ask(own, secret, name)
        assert answer.status == 403, answer.body
        assert name in answer.json()["error"]["message"]


def test_limits_on_the_command_line(own: Gateway) -> None:
    done = own.cli("limits", "set", "tenant/initech", "--budget", "20/day", "--rpm", "600", "--concurrency", "5")
    assert (done.returncode, done.stdout) == (0, "tenant/initech: 600 requests/min, 5 calls at once, $20.00/day\n")
    done = own.cli("limits", "set", "tenant/initech", "--rpm", "none", "--unpriced", "allow", "--json")
    told = json.loads(done.stdout)
    assert (told["rpm"], told["concurrency"], told["budget_period"], told["unpriced"]) == (None, 5, "day", "allow")
    table = own.cli("limits").stdout
    (shown,) = [row for row in table.splitlines() if row.startswith("tenant/initech")]
    assert "0 of 5" in shown
    assert "$20.00/day" in shown
    assert own.cli("limits", "list").stdout.splitlines()[0].split()[0] == "SCOPE"
    for arguments in (("tenant/x", "--budget", "5/week"), ("tenant/x", "--rpm", "many"), ("tenant/x",), ("acme",)):
        assert own.cli("limits", "set", *arguments).returncode == 2
    done = own.cli("keys", "create", "of a team", "--tenant", "initech", "--team", "shop")
    assert done.returncode == 0
    assert "initech/shop" in own.cli("keys", "list").stdout
