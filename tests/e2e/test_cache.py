"""The same answer again and the fixed answer, through a real gateway, in every dialect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import TALKS, Asks
from tests.e2e.gateway import Gateway, Vendors, cli, until
from tests.e2e.workspace import MODELS, VENDORS, app, providers, route

WORDS = "We cannot answer right now."
SAID = "The kettle holds two litres."


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    made = Vendors(tmp_path_factory.mktemp("vendors"))
    yield made
    made.process.stop()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, vendors: Vendors) -> Iterator[Gateway]:
    documents: list[dict[str, Any]] = []
    for vendor in VENDORS:
        documents += [
            route(f"to-{vendor}", f"{vendor}/{MODELS[vendor]}"),
            {**app(f"cached-{vendor}", f"to-{vendor}"), "cache": {"ttl_s": 3600}},
            {**app(f"fixed-{vendor}", f"to-{vendor}"), "when_down": {"answer": WORDS}},
            {**app(f"stale-{vendor}", f"to-{vendor}"), "when_down": {"stale_s": 3600}},
        ]
    made = Gateway(tmp_path_factory.mktemp("gateway"), {"providers": providers(vendors.url)}, documents).start()
    yield made
    made.stop()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("target", VENDORS)
@pytest.mark.parametrize("sdk", VENDORS)
def test_the_second_call_is_answered_without_a_provider(
    gateway: Gateway, vendors: Vendors, sdk: str, target: str, stream: bool
) -> None:
    asks = Asks(f"[[say]] {SAID} {sdk} {target} {stream}")
    first = TALKS[sdk](gateway, f"cached-{target}", asks).ask(stream)
    before = vendors.state()["answered"]
    second = TALKS[sdk](gateway, f"cached-{target}", asks).ask(stream)
    assert vendors.state()["answered"] == before
    assert (second.text, second.finish) == (first.text, first.finish)
    assert (first.headers["x-headgate-cache"], second.headers["x-headgate-cache"]) == ("miss", "hit")
    record = gateway.record(second.call_id)
    assert (record["call"]["outcome"], record["call"]["cost_usd"], record["call"]["attempts"]) == ("ok", 0, 0)
    assert any(first.call_id in line for line in record["explanation"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("sdk", VENDORS)
def test_the_fixed_answer_reads_like_any_other(gateway: Gateway, vendors: Vendors, sdk: str, stream: bool) -> None:
    with vendors.failing("f1-503"):
        got = TALKS[sdk](gateway, f"fixed-{sdk}", Asks(f"[[say]] {SAID}")).ask(stream)
    assert got.text == WORDS
    assert got.headers["x-headgate-answer"] == "fixed"
    record = gateway.record(got.call_id)
    assert record["call"]["outcome"] == "ok"
    assert any("fixed answer" in line for line in record["explanation"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("sdk", VENDORS)
def test_an_old_answer_while_everyone_is_down(gateway: Gateway, vendors: Vendors, sdk: str, stream: bool) -> None:
    asks = Asks(f"[[say]] {SAID} stale {stream}")
    first = TALKS[sdk](gateway, f"stale-{sdk}", asks).ask(stream)
    with vendors.failing("f1-503"):
        got = TALKS[sdk](gateway, f"stale-{sdk}", asks).ask(stream)
    assert got.text == first.text
    assert got.headers["x-headgate-cache"] == "stale"


@pytest.mark.parametrize("app", ["fixed", "stale"])
def test_what_stands_in_spends_no_budget(gateway: Gateway, vendors: Vendors, app: str) -> None:
    tenant = f"{app} only"
    gateway.api("POST", "/api/limits", {"scope": f"tenant/{tenant}", "budget_usd": 5})
    key = gateway.make_key(tenant=tenant)
    asks = Asks(f"[[say]] {SAID} for nothing")
    TALKS["openai"](gateway, f"{app}-openai", asks, key).ask(False)

    def spent() -> float | None:
        lines = {line["scope"]: line["spent_usd"] for line in gateway.api("GET", "/api/limits")["limits"]}
        return lines[f"tenant/{tenant}"]

    before = until(spent, 5.0, "the first call is charged")
    with vendors.failing("f1-503"):
        got = TALKS["openai"](gateway, f"{app}-openai", asks, key).ask(False)
    call = gateway.record(got.call_id)["call"]
    assert (call["outcome"], call["cost_usd"]) == ("ok", 0)
    assert spent() == before


def test_tenants_share_nothing(gateway: Gateway, vendors: Vendors) -> None:
    asks = Asks(f"[[say]] {SAID} for tenants")
    for tenant in ("acme", "zenith"):
        key = gateway.make_key(tenant=tenant)
        got = TALKS["openai"](gateway, "cached-openai", asks, key).ask(False)
        assert got.headers["x-headgate-cache"] == "miss"


def test_the_hit_rate_is_told(gateway: Gateway) -> None:
    asks = Asks(f"[[say]] {SAID} counted")
    for _ in range(3):
        TALKS["openai"](gateway, "cached-openai", asks).ask(False)

    def told() -> dict[str, Any] | None:
        lines = {line["app"]: line for line in gateway.api("GET", "/api/cache")["apps"]}
        line = lines.get("cached-openai")
        return line if line is not None and line["hits"] >= 2 else None

    line = until(told, 15.0, "two hits are counted")
    assert line["hit_rate"] == line["hits"] / (line["hits"] + line["misses"])
    assert line["saved_usd"] > 0
    printed = gateway.cli("cache")
    assert printed.returncode == 0
    assert "cached-openai" in printed.stdout
    metrics = gateway.api_answer("GET", "/metrics").body.decode()
    assert 'headgate_stand_ins_total{app="cached-openai",how="hit"}' in metrics


def test_wrong_settings_are_told_with_their_line(tmp_path: Path, vendors: Vendors) -> None:
    documents: list[dict[str, Any]] = [
        route("r", f"openai/{MODELS['openai']}"),
        {**app("a", "r"), "cache": {"ttl_s": -1}},
        {**app("b", "r"), "when_down": {}},
        {**app("c", "r"), "when_down": {"answer": " "}},
    ]
    made = Gateway(tmp_path, {"providers": providers(vendors.url)}, documents)
    with pytest.raises(AssertionError, match="ended with 2"):
        made.start()
    said = made.process.said() + cli("check", "--config", "headgate.yaml", cwd=tmp_path).stdout
    assert "all.yaml:" in said
    assert "cache.ttl_s" in said
